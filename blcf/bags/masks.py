"""Masks: checked, their bounding box, and how their pixels overlap with cells."""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.errors import InvalidInput

__all__ = ["as_mask", "mask_box", "overlaps"]


def as_mask(mask: Any) -> np.ndarray:
    """Check a mask: float32 (height, width), 0..1."""
    values = np.asarray(mask)
    if (
        values.ndim != 2
        or not values.size
        or not (values.dtype.kind == "f" or values.dtype in (np.bool_, np.uint8))
    ):
        raise InvalidInput(
            "Expected a mask of bool, uint8 (0 to 255) or float (0 to 1) of shape (height, width), "
            f"got {values.dtype} of shape {values.shape}. Of a picture of labels pass "
            "`labels == label`."
        )
    if values.dtype == np.uint8:
        return values.astype(np.float32) / 255
    if not (values.min() >= 0 and values.max() <= 1):  # NaN is neither
        raise InvalidInput(
            f"Expected a mask of floats from 0 to 1, got {values.min():g} to {values.max():g}. "
            "Divide by the largest value that the mask can have."
        )
    return values.astype(np.float32)


def mask_box(values: np.ndarray) -> np.ndarray:
    """The bounding box of a mask's pixels above 0.5, or above 0 where none is.

    float32 (4,), xyxy, pixels; `InvalidInput` where there is none.
    """
    selected = values > (0.5 if values.max() > 0.5 else 0)
    y = np.flatnonzero(selected.any(axis=1))
    x = np.flatnonzero(selected.any(axis=0))
    if not len(x):
        raise InvalidInput("Expected a mask that selects at least one pixel, got an empty one.")
    return np.array([x[0], y[0], x[-1] + 1, y[-1] + 1], dtype=np.float32)


def overlaps(n_cells: int, n_pixels: int) -> np.ndarray:
    """How much of each cell's length each pixel takes: float32 (n_cells, n_pixels)."""
    borders = np.round(np.arange(n_pixels + 1) * n_cells / n_pixels, 4)  # in cells
    cells = np.arange(n_cells)[:, None]
    shared = np.minimum(borders[1:], cells + 1) - np.maximum(borders[:-1], cells)
    return shared.clip(0).astype(np.float32)
