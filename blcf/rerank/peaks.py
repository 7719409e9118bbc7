"""The highest of scores of boxes, and boxes in pixels."""

from __future__ import annotations

import numpy as np

from blcf.kernels.peaks import find_peaks

__all__ = ["find_highest", "in_pixels"]


def find_highest(scores: np.ndarray, min_share: float) -> np.ndarray:
    """Peaks as (size, y, x), by score descending; of equal ones large boxes, the top, the left."""
    shape = scores.shape
    peaks = np.empty((int(np.prod([(n + 1) // 2 for n in shape])), 3), dtype=np.int64)
    peaks = peaks[: find_peaks(scores, min_share * scores.max(), peaks)]
    return peaks[np.argsort(-scores[tuple(peaks.T)], kind="stable")]


def in_pixels(box: np.ndarray, cell: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A box of centre and sides in cells as one of edges in pixels, cut: float32 (1, 4)."""
    edges = np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2]) * np.tile(cell, 2)
    return np.clip(edges, 0, (*size, *size)).astype(np.float32)[None]
