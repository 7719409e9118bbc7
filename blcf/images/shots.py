"""The shots of a film: cuts and fades through black by PySceneDetect, and dissolves.

A shot's number is the number of cuts until it. A frame's is known a few frames later, as a cut is
told from the frames around it, a dissolve from those half a second apart; in a fade, when it is
light again.
"""

from __future__ import annotations

from bisect import insort
from fractions import Fraction

import numpy as np

from blcf.checks import needs
from blcf.images.dissolves import DissolveFinder
from blcf.images.video import FilmFrame, small_frame

__all__ = ["ShotFinder", "can_find_shots"]

_SHORTEST = Fraction(3, 5)  # s of a shot
_WINDOW = 2  # frames before and behind, to which a cut is compared
_DARK = 12  # mean of the levels 0..255, as of PySceneDetect's ThresholdDetector
_STEP = 4
# Of a shot's threshold, for dissolves: of 57 in three films 55 are found with half of 3, and none
# that is none; with two thirds of it 50 (benchmarks.footage.films, seeds 10 to 12).
_OF_THRESHOLD, _LEAST_RATIO = 0.5, 1.2
_LONGEST_FADE = 10  # s: a film that stays dark is a dark film
_RATE = Fraction(25)  # where a film does not say it


def can_find_shots() -> bool:
    """Whether PySceneDetect is installed."""
    try:
        import scenedetect  # noqa: F401
    except ImportError:
        return False
    return True


class ShotFinder:
    """Cuts of a film whose frames are handed over one after the other, from the first.

    Parameters
    ----------
    rate : frames a second, about; None where it is not known
    threshold : how much more a frame differs from the one before than its neighbours do from each
        other, to be the first of a shot (`AdaptiveDetector`); of a dissolve, half as much between
        frames that are half a second apart

    Attributes
    ----------
    cuts : time stamps of the first frames of all shots but the first, ascending
    is_over : whether the whole film was handed over

    Raises
    ------
    InvalidInput
        PySceneDetect is not installed.
    """

    def __init__(self, rate: Fraction | None, threshold: float):
        with needs("'blcf[video]'", "Finding shots"):
            from scenedetect import FrameTimecode
            from scenedetect.detectors import AdaptiveDetector, ThresholdDetector

        self._rate = float(rate or _RATE)
        self._shortest = max(2, round(_SHORTEST * (rate or _RATE)))  # frames
        self._timecode = FrameTimecode
        self._detectors = [
            AdaptiveDetector(
                adaptive_threshold=threshold,
                min_scene_len=self._shortest,
                window_width=_WINDOW,
            ),
            ThresholdDetector(threshold=_DARK, min_scene_len=self._shortest),
        ]
        ratio = max(_LEAST_RATIO, _OF_THRESHOLD * threshold)
        self._dissolves = DissolveFinder(rate or _RATE, ratio)
        self._pts: list[int] = []
        self._n_dark = 0  # frames up to now without a light one
        self.is_over = False
        self._cuts: list[int] = []  # numbers of frames
        self.cuts: list[int] = []

    @property
    def last(self) -> int | None:
        """The time stamp of the last frame that was handed over."""
        return self._pts[-1] if self._pts else None

    def feed(self, frame: FilmFrame) -> None:
        """Take the next frame."""
        pixels = small_frame(frame)
        number = len(self._pts)
        self._pts.append(frame.pts)
        few = pixels[::_STEP, ::_STEP]  # enough to tell the dark
        self._n_dark = self._n_dark + 1 if np.mean(few) < _DARK else 0
        timecode = self._timecode(number, self._rate)
        for detector, seen in zip(self._detectors, (pixels, few)):
            for cut in detector.process_frame(timecode, seen):
                self._add(cut.frame_num)
        middle = self._dissolves.feed(pixels)
        if middle is not None:  # after the others, which know to a frame
            self._add(middle)

    def _add(self, number: int) -> None:
        """A cut at a frame, unless one is near: both detectors may see the same."""
        if 0 < number < len(self._pts) and all(
            abs(number - one) >= self._shortest for one in self._cuts[-3:]
        ):
            insort(self._cuts, number)
            self.cuts = sorted([*self.cuts, self._pts[number]])  # others may look at the old ones

    def finish(self) -> None:
        """There are no more frames: everything is known."""
        self.is_over, self._detectors = True, []

    @property
    def delay(self) -> int:
        """How many frames behind one its shot is known, but for fades."""
        return max(_WINDOW, self._dissolves.delay)

    @property
    def known(self) -> int | None:
        """The time stamp of the last frame whose shot is known, or None; see `is_over`."""
        n_dark = self._n_dark if self._n_dark < _LONGEST_FADE * self._rate else 0
        n_known = len(self._pts) - max(self.delay, _WINDOW + n_dark)
        return self._pts[n_known - 1] if n_known > 0 else None
