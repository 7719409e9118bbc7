"""A finder of shots in a thread of its own, some frames behind the decoder.

Finding shots takes .3 ms a frame, of the thread that decodes: on a machine with cores for each, a
film at one picture a second was read no faster than that. Frames are handed over in their order, so
what is found is what would be found at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from blcf.images.shots import ShotFinder
from blcf.images.video import FilmFrame

__all__ = ["MOST_BEHIND", "ShotThread"]

_TOGETHER = 4  # frames that are handed over at once: one by one that takes half as long as finding
_MOST_WAITING = 2  # such groups: the decoder waits then
MOST_BEHIND = _TOGETHER * (_MOST_WAITING + 2)


class ShotThread:
    """Hands frames to a `ShotFinder`, and says what it knows; by one thread at a time.

    Parameters
    ----------
    finder : its own from now on

    Attributes
    ----------
    finder : it is busy while frames wait, see `rest`
    last : the time stamp of the last frame that was handed over, or None
    """

    def __init__(self, finder: ShotFinder):
        self.finder = finder
        self._thread: ThreadPoolExecutor | None = None
        self._next: list[FilmFrame] = []
        self._waiting: deque[Future[None]] = deque()
        self.last = finder.last
        # What the thread says, replaced as a whole: up to where shots are known, and their cuts.
        self._said: tuple[int | None, list[int]] = (None, [])

    @property
    def is_over(self) -> bool:
        """Whether the whole film was handed over."""
        return self.finder.is_over

    @property
    def delay(self) -> int:
        """How many frames behind one its shot is known, at most, but for fades."""
        return self.finder.delay + MOST_BEHIND

    def feed(self, frame: FilmFrame) -> None:
        """Take the next frame; wait where too many wait."""
        self.last = frame.pts
        self._next.append(frame)
        if len(self._next) == _TOGETHER:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "shots")
        self._waiting.append(self._thread.submit(self._take, self._next))
        self._next = []
        while self._waiting and (len(self._waiting) > _MOST_WAITING or self._waiting[0].done()):
            self._waiting.popleft().result()

    def _take(self, frames: list[FilmFrame]) -> None:
        for frame in frames:
            self.finder.feed(frame)
        self._said = self.finder.known, self.finder.cuts

    def finish(self) -> None:
        """There are no more frames: everything is known."""
        self.rest()
        self.finder.finish()

    def rest(self) -> None:
        """Take what waits, and give the thread back; `feed` makes another."""
        if self._next:
            self._hand_over()
        while self._waiting:
            self._waiting.popleft().result()
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    def knows(self, pts: int) -> bool:
        """Whether the shot of a frame is known."""
        known, _ = self._said
        return self.is_over or (known is not None and pts <= known)

    @property
    def cuts(self) -> list[int]:
        """Time stamps of the first frames of the shots but the first, as far as they are known."""
        return self.finder.cuts if self.is_over else self._said[1]

    def shot(self, pts: int) -> int:
        """The number of a frame's shot, 0 the first."""
        return bisect_right(self.cuts, pts)
