"""Frames of one film for whoever asks: decoded one after the other, or looked up by seeking.

Threads that read ahead ask for the frames of a film nearly in order: one decoder goes through it
once, under a lock, and keeps the few that it passes before they are asked for. What is asked for
elsewhere is decoded from the key frame before it. Both ways give the same pixels.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import ref

import numpy as np

from blcf.images.bounds import Refused
from blcf.images.frame_names import format_time
from blcf.images.shot_thread import ShotThread
from blcf.images.shots import ShotFinder
from blcf.images.timeline import Timeline
from blcf.images.video import FilmFrame, OpenFilm, Pixels, unreadable, upright_frame

__all__ = ["FilmReader", "Seen", "read_frame"]

_KEPT = 8  # frames that were passed before they were asked for, beside those whose shot is open
_DECODED_THROUGH = 64  # frames: for less, the decoder goes on rather than to a later key frame
_OPEN = 2  # films at the same time: where one ends and the next begins, threads read both
_LAST = 1  # s behind the begin of its last frame, a film is over

_DAMAGED = "it cannot be decoded, the film is damaged there"


@dataclass(frozen=True, eq=False)
class Seen:
    """What was on the screen at some time.

    Attributes
    ----------
    pixels : uint8 (height, width, 3)
    time : when that frame came, s, exact
    shot : the number of its shot; -1 where it is not known
    """

    pixels: Pixels
    time: Fraction
    shot: int


class FilmReader:
    """The frames of a film, by their times; from any thread.

    Parameters
    ----------
    path : of the film
    timeline : when its frames come; without one a frame that is missing is not noticed
    wanted : time stamps of the frames that will be asked for
    shots : finds the shots in the frames as they go by; one that has seen the whole film already;
        or None
    """

    def __init__(
        self,
        path: Path,
        timeline: Timeline | None = None,
        wanted: Collection[int] = frozenset(),
        shots: ShotFinder | None = None,
    ):
        self.path = path
        self._timeline, self._wanted = timeline, frozenset(wanted)
        self._shots = None if shots is None else ShotThread(shots)
        self._lock = Lock()
        self._film: OpenFilm | None = None
        self._frames: Iterator[FilmFrame] = iter(())
        # On the screen, behind it, and whether the first was given to one who asked.
        self._shown: FilmFrame | None = None
        self._ahead: FilmFrame | None = None
        self._is_given = False
        self._kept: OrderedDict[int, FilmFrame] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        """As what it was made of: where a pickled one arrives, decoding begins anew."""
        shots = None if self._shots is None else self._shots.finder
        return FilmReader, (self.path, self._timeline, self._wanted, shots)

    def frame(self, time: Fraction) -> Seen:
        """What is on the screen at a time, s.

        Raises
        ------
        UnreadableImage
            It cannot be decoded, or the film is over by then.
        """
        _OPENED.take(self)
        with self._lock:
            film = self._opened()
            aspect, start, time_base = film.aspect, film.start, film.time_base
            frame = self._find(film, start + math.floor(time / time_base))
            if self._ahead is None:
                self._close()
            shot = -1 if self._shots is None else self._shots.shot(frame.pts)
        try:
            return Seen(upright_frame(frame, aspect), (frame.pts - start) * time_base, shot)
        except Refused as error:
            raise unreadable(self.path, str(error)) from error

    def close(self) -> None:
        """Give the decoder back; a later `frame` takes a new one."""
        with self._lock:
            self._close()
            self._shown = self._ahead = None
            self._kept.clear()

    def _close(self) -> None:
        if self._shots is not None:
            self._shots.rest()
        if self._film is not None:
            self._film.close()
            self._film, self._frames = None, iter(())

    def _opened(self) -> OpenFilm:
        if self._film is None:
            self._film = OpenFilm(self.path)
            self._shown = self._ahead = None
        return self._film

    def _find(self, film: OpenFilm, target: int) -> FilmFrame:
        """The last frame whose time stamp is `target` at most."""
        expected = self._expected(target)
        if self._shots is not None and expected is not None:
            self._find_shot(film, self._shots, expected)
        if expected is not None and expected in self._kept:
            return self._kept.pop(expected)
        if self._is_elsewhere(target):
            self._begin(film, target)
        while self._ahead is not None and self._ahead.pts <= target:
            self._step()
        shown = self._shown
        if shown is None or shown.content.is_corrupt:
            raise unreadable(self.path, _DAMAGED)
        if expected is None:
            over = (target - shown.pts) * film.time_base
            if self._ahead is None and over > _LAST:
                end = format_time((shown.pts - film.start) * film.time_base)
                raise unreadable(self.path, f"the film is over by then: its last frame is at {end}")
        elif shown.pts != expected and not self._is_field(shown, expected):
            raise unreadable(self.path, _DAMAGED)
        self._is_given = True
        return shown

    def _find_shot(self, film: OpenFilm, shots: ShotThread, expected: int) -> None:
        """Let frames go by until the shot of one is known: a few more than itself."""
        if shots.knows(expected):
            return
        if self._shown is None and self._ahead is None:
            self._begin(film, film.start if shots.last is None else shots.last)
        while self._ahead is not None and not shots.knows(expected):
            self._step()
        if self._ahead is None:
            shots.finish()

    def _begin(self, film: OpenFilm, target: int) -> None:
        """Stand before a frame, which is ahead, or is among the next."""
        self._shown, self._is_given = None, False
        self._frames = film.frames(None if target <= film.start else target)
        self._ahead = self._next()

    def _next(self) -> FilmFrame | None:
        frame = next(self._frames, None)
        shots = self._shots
        if frame is not None and shots is not None and (shots.last or -math.inf) < frame.pts:
            if not shots.is_over:
                shots.feed(frame)
        return frame

    def _step(self) -> None:
        before = self._shown
        if before is not None and not self._is_given and before.pts in self._wanted:
            self._kept[before.pts] = before
            if len(self._kept) > _KEPT + (self._shots.delay if self._shots else 0):
                self._kept.popitem(last=False)
        self._shown, self._is_given = self._ahead, False
        self._ahead = self._next()

    def _expected(self, target: int) -> int | None:
        """The time stamp that the frame must have."""
        if self._timeline is None or not len(self._timeline):
            return None
        row = int(np.searchsorted(self._timeline.pts, target, side="right")) - 1
        return int(self._timeline.pts[max(row, 0)])

    def _is_elsewhere(self, target: int) -> bool:
        """Whether a frame is sought rather than decoded up to."""
        shown = self._shown
        if shown is None or shown.pts > target:
            return True
        if self._timeline is None:
            return False
        row = int(np.searchsorted(self._timeline.keys, target, side="right")) - 1
        if row < 0 or self._timeline.keys[row] <= shown.pts:
            return False
        here, key = np.searchsorted(self._timeline.pts, [shown.pts, self._timeline.keys[row]])
        return int(key - here) > _DECODED_THROUGH

    def _is_field(self, shown: FilmFrame, expected: int) -> bool:
        """Whether a packet was the second field of a frame, which comes with the first."""
        assert self._timeline is not None
        gaps = np.diff(self._timeline.pts)
        return bool(shown.content.interlaced_frame and expected - shown.pts <= np.median(gaps))


class _Opened:
    """The readers that were used last: of the others, decoders are given back."""

    def __init__(self) -> None:
        self._readers: OrderedDict[int, ref[FilmReader]] = OrderedDict()
        self._lock = Lock()

    def take(self, reader: FilmReader) -> None:
        """Note that a reader is used now. It holds no lock meanwhile."""
        with self._lock:
            self._readers[id(reader)] = ref(reader)
            self._readers.move_to_end(id(reader))
            n_over = max(0, len(self._readers) - _OPEN)
            let_go = [self._readers.popitem(last=False)[1]() for _ in range(n_over)]
        for one in let_go:
            if one is not None:
                one.close()


_OPENED = _Opened()


def read_frame(film: str | os.PathLike[str], time: Fraction) -> Pixels:
    """What is on the screen of a film at a time, s: uint8 (height, width, 3).

    It is looked up from the key frame before, and nothing is kept open.

    Raises
    ------
    UnreadableImage
        The film cannot be opened or decoded there, or is over by then; PyAV is not installed.
    """
    reader = FilmReader(Path(film))
    try:
        return reader.frame(time).pixels
    finally:
        reader.close()
