"""Films as sources of pictures: which of their frames are taken, and each as an `Original`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import numpy as np

from blcf.bounds import check_bounds
from blcf.checks import check_choice
from blcf.errors import UniformFrame
from blcf.images.film_reader import FilmReader, Seen
from blcf.images.frame_names import film_of, frame_name, frame_place
from blcf.images.names import display_name
from blcf.images.originals import (
    FileOriginal,
    Loaded,
    PictureFacts,
    Pixels,
    Size,
    file_digest,
    file_state,
    resized_together,
)
from blcf.images.reading import Large
from blcf.images.resizing import resize_image
from blcf.images.shots import ShotFinder, can_find_shots
from blcf.images.timeline import Timeline
from blcf.images.video import OpenFilm, unreadable

__all__ = [
    "CHOICES",
    "Choice",
    "Choices",
    "Film",
    "FrameChoice",
    "FrameOriginal",
    "is_uniform",
    "list_film",
    "original_at",
]

logger = logging.getLogger(__name__)

T = TypeVar("T")

CHOICES = ("every", "shots")

# All but one pixel of a hundred within so many of 256 levels of luma: black, white, one colour, the
# end of a fade. A title, or a ball in the sky, is no such frame.
_ALIKE_LEVELS, _OTHERS = 16, 0.005


class Choice(Protocol):
    """What says which frames of one film are taken."""

    def shots(self, film: OpenFilm, timeline: Timeline) -> ShotFinder | None:
        """What finds the shots of a film."""

    def rows(self, timeline: Timeline, shots: ShotFinder | None) -> list[int]:
        """The frames that are taken, rows of the timeline."""


class Choices(Protocol):
    """What says it of every film."""

    def of(self, path: Path) -> Choice:
        """What says it of the film of a path."""


@dataclass(frozen=True)
class FrameChoice:
    """Which frames of a film are taken.

    Attributes
    ----------
    every : s, from one to the next: of each multiple of it the first frame that comes at or after
        it, on the film's own clock; int, float or str (taken as the decimals that they show), or
        Fraction
    frames : "every", by that alone; "shots": of each shot the middle, and from there on each
        `every` seconds to both sides. For that a film is decoded once more, beforehand
    shot_threshold : how much a cut differs from the frames around it, see
        `blcf.images.shots.ShotFinder`; of each frame the shot is known where PySceneDetect is
        installed
    """

    every: Any = 1
    frames: str = "every"
    shot_threshold: float = 3.0

    def __post_init__(self) -> None:
        check_choice("frames", self.frames, CHOICES)
        check_bounds("shot_threshold", self.shot_threshold)
        self.seconds  # noqa: B018 (checks it)

    @property
    def seconds(self) -> Fraction:
        """`every`, exact."""
        value = self.every
        if isinstance(value, (str, Fraction)):
            try:
                value = float(value)
            except (ValueError, OverflowError):
                value = None
        check_bounds("every", value)  # of 1e999999999 the Fraction would have a billion digits
        return Fraction(self.every if isinstance(self.every, Fraction) else str(self.every))

    def of(self, path: Path) -> FrameChoice:
        """Itself, of every film."""
        return self

    def shots(self, film: OpenFilm, timeline: Timeline) -> ShotFinder | None:
        """What finds the shots of a film; it has, where the choice of frames depends on them."""
        if self.frames != "shots":
            can = can_find_shots()
            return ShotFinder(film.rate, self.shot_threshold) if can else None
        logger.info("finding the shots of %s", display_name(film.path))
        shots = ShotFinder(film.rate, self.shot_threshold)
        for frame in film.frames():
            shots.feed(frame)
        shots.finish()
        return shots

    def rows(self, timeline: Timeline, shots: ShotFinder | None) -> list[int]:
        """The frames that are taken, rows of the timeline."""
        if self.frames == "every" or shots is None:
            return timeline.every(self.seconds)
        return timeline.around_middles(shots.cuts, self.seconds)


class Film:
    """A film whose frames are listed: a part of an `ImageList`.

    Attributes
    ----------
    path : of the file
    rows : the frames that are taken, rows of the timeline
    timeline : when frames come
    reader : decodes frames
    choice : by which they were taken, where that is a `FrameChoice`
    """

    def __init__(
        self,
        path: Path,
        timeline: Timeline | None = None,
        rows: list[int] | None = None,
        shots: ShotFinder | None = None,
        choice: FrameChoice | None = None,
    ):
        self.choice = choice
        self.path, self.timeline, self.rows = path, timeline, rows or []
        self.state = file_state(path)
        self._wanted = [] if timeline is None else timeline.pts[self.rows].tolist()
        self.reader = FilmReader(path, timeline, self._wanted, shots)
        self._hashing = Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: one for name, one in vars(self).items() if name != "_hashing"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _hashing=Lock())

    def without_shots(self) -> Film:
        """The same, the shots of whose frames are not known, so that few can be sought."""
        film = copy(self)
        film.reader = FilmReader(self.path, self.timeline, self._wanted)
        return film

    def names(self, name: str) -> list[str]:
        """The names of the frames that are taken, of a film of some name."""
        found, timeline = [], self.timeline
        assert timeline is not None
        for row in self.rows:
            until = timeline.time(row + 1) if row + 1 < len(timeline) else None
            found.append(frame_name(name, timeline.time(row), until))
        return found

    def facts(self, name: str, seen: Seen) -> PictureFacts:
        """Those of a frame."""
        with self._hashing:
            digest = self._digest
        if self.state is None or file_state(self.path) != self.state:
            raise unreadable(self.path, "the film has changed while it was read")
        mtime_ns, n_bytes = self.state
        return PictureFacts(mtime_ns, n_bytes, digest, film_of(name), float(seen.time), seen.shot)

    @cached_property
    def _digest(self) -> int:
        try:
            return file_digest(self.path)
        except OSError as error:
            raise unreadable(self.path, f"it cannot be read ({error.strerror})") from error


@dataclass(frozen=True, slots=True)
class FrameOriginal:
    """A frame of a film.

    Attributes
    ----------
    name : that it has in a collection
    path : of the film, and the time: what `as_image` shows again
    film : that it is of
    time : at which it is on the screen, s
    """

    name: str
    path: Path
    film: Film
    time: Fraction

    def state(self) -> list[int] | None:
        """Time of change (ns) and bytes of the film."""
        return file_state(self.film.path)

    def size(self) -> Size | None:
        """Not known before it is decoded."""
        return None

    def through(self, use: Callable[[Pixels], T]) -> Loaded[T]:
        """What is made of its pixels; `UniformFrame` where there is nothing to be seen."""
        seen = self.film.reader.frame(self.time)
        pixels = seen.pixels
        if is_uniform(pixels):
            raise UniformFrame(f"{display_name(self.path)}: {UniformFrame.reason}")
        size = (pixels.shape[1], pixels.shape[0])
        return Loaded(use(pixels), size, self.film.facts(self.name, seen))

    def resized(self, side: int, large: Large | None = None) -> Loaded[Pixels]:
        """The frame in the network's size."""
        return self.through(lambda pixels: resize_image(pixels, side))

    def resized_each(
        self, sides: Sequence[int], large: Large | None = None
    ) -> list[Loaded[Pixels]]:
        """The frame in several sizes, decoded once."""
        return resized_together(self, sides)


def list_film(path: Path, choice: Choice) -> tuple[Film, str]:
    """A film with the frames that are taken of it, and what is wrong with it nevertheless, or "".

    Nothing is decoded, but for its shots: when frames come, the packets say.

    Raises
    ------
    UnreadableImage
        There is no frame in it, it cannot be opened, or PyAV is not installed.
    """
    with OpenFilm(path) as opened:
        timeline = opened.timeline()
        if not len(timeline):
            raise unreadable(path, timeline.trouble or "there is no frame in it")
        shots = choice.shots(opened, timeline)
    by = choice if isinstance(choice, FrameChoice) else None
    return Film(path, timeline, choice.rows(timeline, shots), shots, by), timeline.trouble


def original_at(
    name: str, path: Path, films: Mapping[Path, Film] = MappingProxyType({})
) -> FileOriginal | FrameOriginal:
    """The picture in a file, or the frame of a film, that a path names.

    Parameters
    ----------
    films : that are listed, by path: their frames are decoded one after the other
    """
    place = frame_place(path)
    if place is None:
        return FileOriginal(name, path)
    film, time = place
    return FrameOriginal(name, path, films.get(film) or Film(film), time)


def is_uniform(pixels: Pixels) -> bool:
    """Whether a picture is of one colour all over, or nearly: nothing can be found in it.

    Parameters
    ----------
    pixels : uint8 (height, width, 3)
    """
    step = max(1, max(pixels.shape[:2]) // 128)
    red, green, blue = np.moveaxis(pixels[::step, ::step].astype(np.uint16), 2, 0)
    luma = (77 * red + 150 * green + 29 * blue) >> 8  # 256 levels, to be counted and not sorted
    n_below = np.bincount(luma.ravel(), minlength=256).cumsum()
    n_out = int(luma.size * _OTHERS)
    least, most = np.searchsorted(n_below, [n_out, luma.size - 1 - n_out], side="right")
    return bool(most - least <= _ALIKE_LEVELS)
