"""Dissolves of a film: where frames half a second apart differ more than those before and behind.

From one frame to the next a dissolve differs no more than a camera that moves. Over its whole
length it does: the difference of frames `LAG` apart is largest around its middle, by a factor,
beside those a lag before and behind, which are of one shot each. A cut is found as well, if not to
a frame: who looks for cuts takes those of a better detector first.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import numpy as np

from blcf.images.video import Pixels

__all__ = ["DissolveFinder"]

LAG = Fraction(12, 25)  # s
_LEAST = 10.0  # mean of levels 0..255
_FEWEST = 6  # frames of a lag: in a film of fewer frames a second nothing can be told
_STEP = 2  # of pixels


class DissolveFinder:
    """The middles of dissolves, told `delay` frames later.

    Parameters
    ----------
    rate : frames a second, about
    ratio : how many times the differences a lag before and behind that in the middle is, at least
    """

    def __init__(self, rate: Fraction, ratio: float):
        self._ratio = ratio
        half = round(LAG * rate / 2)
        self._lag = 2 * half if 2 * half >= _FEWEST else 0
        self._frames: deque[np.ndarray] = deque(maxlen=self._lag + 1)
        # Of frames half a lag before and behind each; of the last two lags.
        self._differences: deque[float] = deque(maxlen=2 * self._lag + 1)
        self._n = 0

    @property
    def delay(self) -> int:
        """Frames that come between one and the answer for it."""
        return self._lag + self._lag // 2

    def feed(self, pixels: Pixels) -> int | None:
        """Take the next frame; gives the number of one that is the middle of a dissolve, or None.

        Parameters
        ----------
        pixels : uint8 (height, width, 3), small
        """
        if not self._lag:
            return None
        self._n += 1
        few = pixels[::_STEP, ::_STEP].astype(np.int16)
        if self._frames and self._frames[0].shape != few.shape:  # a film may change its size
            self._frames.clear()
            self._differences.clear()
        self._frames.append(few)
        if len(self._frames) <= self._lag:
            return None
        self._differences.append(float(np.mean(np.abs(self._frames[-1] - self._frames[0]))))
        if len(self._differences) <= 2 * self._lag:
            return None
        around = self._differences
        most = around[self._lag]
        if most < max(_LEAST, *around, self._ratio * (around[0] + around[-1]) / 2):
            return None
        return self._n - 1 - self.delay
