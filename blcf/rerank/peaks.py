"""The highest of scores of boxes."""

from __future__ import annotations

import numpy as np

from blcf.kernels.peaks import find_peaks

__all__ = ["find_highest"]


def find_highest(scores: np.ndarray, min_share: float) -> np.ndarray:
    """Peaks as (size, y, x), by score descending; of equal ones large boxes, the top, the left."""
    shape = scores.shape
    peaks = np.empty((int(np.prod([(n + 1) // 2 for n in shape])), 3), dtype=np.int64)
    peaks = peaks[: find_peaks(scores, min_share * scores.max(), peaks)]
    return peaks[np.argsort(-scores[tuple(peaks.T)], kind="stable")]
