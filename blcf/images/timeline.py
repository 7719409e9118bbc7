"""When the frames of a film come, exactly, and which of them are taken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

__all__ = ["Timeline"]


@dataclass(frozen=True, eq=False)
class Timeline:
    """When the frames of a film come; nothing is decoded for it.

    Attributes
    ----------
    pts : int64 (n,), time stamps of the frames that are shown, ascending, each once
    keys : int64 (m,), those of key frames
    time_base : s, of one step of a time stamp
    start : the time stamp that times are counted from
    trouble : what is wrong with the file, though these frames are there; ""
    """

    pts: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    time_base: Fraction
    start: int
    trouble: str = ""

    def __len__(self) -> int:
        return self.pts.size

    def time(self, row: int) -> Fraction:
        """When a frame comes, s from the start."""
        return (int(self.pts[row]) - self.start) * self.time_base

    def every(self, seconds: Fraction) -> list[int]:
        """The first frames at or after 0, `seconds`, 2 x `seconds`, ...: rows, each once."""
        # In time stamps: ceil(n * seconds / time_base), whose n-th is exact for every n.
        step = seconds / self.time_base
        n_steps = math.floor((int(self.pts[-1]) - self.start) / step) + 1 if len(self) else 0
        ticks = [self.start + math.ceil(n * step) for n in range(n_steps)]
        rows = np.searchsorted(self.pts, np.array(ticks, dtype=np.int64))
        return np.unique(rows[rows < len(self)]).tolist()

    def around_middles(self, cuts: Sequence[int], seconds: Fraction) -> list[int]:
        """Of each shot the frame on the screen in its middle, and those `seconds` apart from it.

        Parameters
        ----------
        cuts : time stamps at which shots begin, but the first
        """
        if not len(self):
            return []
        step, last = seconds / self.time_base, int(self.pts[-1])
        found: set[int] = set()
        for first, end in pairwise([int(self.pts[0]), *cuts, last + 1]):
            middle = Fraction(first + end - 1, 2)
            n_before, n_behind = int((middle - first) // step), int((end - 1 - middle) // step)
            stamps = [math.floor(middle + n * step) for n in range(-n_before, n_behind + 1)]
            rows = np.searchsorted(self.pts, np.array(stamps, dtype=np.int64), side="right") - 1
            found.update(rows[self.pts[rows] >= first].tolist())
        return sorted(found)
