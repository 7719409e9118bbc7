"""Boxes: xyxy in pixels of the original image, half-open, and their way to and from cells of a map.

One convention everywhere: ``box = (x1, y1, x2, y2)`` with ``0 <= x1 < x2 <= width`` and
``0 <= y1 < y2 <= height``; the pixel ``x2`` is the first one outside. A map of
``(h, w)`` cells covers the whole image: cell ``c`` of a row covers the pixels
``[c * width / w, (c + 1) * width / w)``.
"""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from blcf.errors import InvalidInput

__all__ = ["as_box", "box_to_cells", "cells_to_boxes", "iou", "nearest_cells"]

logger = logging.getLogger(__name__)


def as_box(box: Any, size: tuple[int, int] | None = None) -> np.ndarray:
    """Check a box and give it as an array.

    Parameters
    ----------
    box : four numbers, xyxy, pixels of the original image
    size : (width, height) of the image, in pixels, optional
        When given, the part of the box that sticks out of the image is cut off (and logged).

    Returns
    -------
    float32 (4,), xyxy, pixels

    Raises
    ------
    InvalidInput
        Not four finite numbers; reversed or empty; wholly outside the image.
    """
    try:
        values = np.asarray(box, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.empty(0)
    if values.shape != (4,):
        raise InvalidInput(
            f"Expected a box of four numbers x1,y1,x2,y2 (pixels), got {box!r}. "
            "Give the left, top, right and bottom edge."
        )
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(np.float32)).all()
    if not finite:
        raise InvalidInput(
            f"Expected four finite numbers for a box x1,y1,x2,y2, got {_text(values)}."
        )
    values = values.astype(np.float32).astype(np.float64)  # what is given back
    x1, y1, x2, y2 = values
    if x1 >= x2 or y1 >= y2:
        raise InvalidInput(
            f"Expected a box x1,y1,x2,y2 with x1 < x2 and y1 < y2, got {_text(values)}, which is "
            "empty or reversed. Give left, top, right and bottom, not x, y, width and height."
        )
    if size is None:
        return values.astype(np.float32)
    width, height = size
    inside = np.array([max(x1, 0.0), max(y1, 0.0), min(x2, width), min(y2, height)])
    if inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise InvalidInput(
            f"Expected a box inside the image of {width}x{height} pixels, got {_text(values)}, "
            "which lies outside. Boxes are x1,y1,x2,y2 in pixels of the original image."
        )
    if not np.array_equal(inside, values):
        logger.warning("box %s cut to the image: %s (pixels)", _text(values), _text(inside))
    return inside.astype(np.float32)


def _text(values: np.ndarray) -> str:
    return ",".join(f"{value:g}" for value in values)


def box_to_cells(
    box: np.ndarray, size: tuple[int, int], shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The cells of a map under a box: floor of the near side, ceil of the far side, at least one.

    Parameters
    ----------
    box : float (4,), xyxy, pixels of the original image
    size : (width, height) of the original image, pixels
    shape : (h, w) of the map, cells

    Returns
    -------
    (x1, y1, x2, y2) : int, half-open, in cells, ``0 <= x1 < x2 <= w``

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, section 4 (local search query) and its released code.
    """
    (h, w), (width, height) = shape, size
    x1, x2 = _span(float(box[0]), float(box[2]), width, w)
    y1, y2 = _span(float(box[1]), float(box[3]), height, h)
    return x1, y1, x2, y2


def _span(near: float, far: float, n_pixels: int, n_cells: int) -> tuple[int, int]:
    # Rounding guards against taking one cell too many: 0.3 * 10 / 3 = 1.0000000000000002, and the
    # float32 boxes of windows, some 1e-6 of a cell off (a third of them came back with one more).
    first = int(np.floor(round(near * n_cells / n_pixels, 4)))
    last = int(np.ceil(round(far * n_cells / n_pixels, 4)))
    first = min(max(first, 0), n_cells - 1)
    return first, min(max(last, first + 1), n_cells)


def nearest_cells(
    box: np.ndarray, size: tuple[int, int], shape: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The window of whole cells whose edges are nearest to those of a box, at least one cell.

    For boxes that were found between the cells; `box_to_cells` takes every cell that is touched.
    Parameters and result as there.
    """
    (h, w), (width, height) = shape, size
    x1, x2 = _nearest(float(box[0]) * w / width, float(box[2]) * w / width, w)
    y1, y2 = _nearest(float(box[1]) * h / height, float(box[3]) * h / height, h)
    return x1, y1, x2, y2


def _nearest(near: float, far: float, n_cells: int) -> tuple[int, int]:
    first, last = int(np.floor(near + 0.5)), int(np.floor(far + 0.5))
    if first >= last:  # thinner than a cell: the one that holds its middle
        first = int(np.floor((near + far) / 2))
        last = first + 1
    first = min(max(first, 0), n_cells - 1)
    return first, min(max(last, first + 1), n_cells)


def cells_to_boxes(cells: np.ndarray, size: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Boxes in pixels of the original image of windows given in cells.

    Parameters
    ----------
    cells : int (n, 4) or (4,), xyxy, half-open, cells
    size : (width, height) of the original image, pixels
    shape : (h, w) of the map, cells

    Returns
    -------
    float32 (n, 4) or (4,), xyxy, pixels
    """
    (h, w), (width, height) = shape, size
    scale = np.array([width / w, height / h, width / w, height / h])
    return (np.asarray(cells) * scale).astype(np.float32)


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of half-open boxes (no ``+ 1``), every box with every other.

    Parameters
    ----------
    boxes, others : float (n, 4) and (m, 4), xyxy, pixels

    Returns
    -------
    float64 (n, m), 0..1
    """
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    others = np.asarray(others, dtype=np.float64).reshape(-1, 4)
    near = np.maximum(boxes[:, None, :2], others[None, :, :2])
    far = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(far - near, 0, None).prod(axis=2)  # (n, m)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    other_areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = areas[:, None] + other_areas[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
