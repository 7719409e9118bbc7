"""Queries as people draw them: box, polygon or mask image as spatial weights of a map's cells.

Invariant: a polygon or a mask equal to a box counts exactly the cells of `blcf.boxes.box_to_cells`,
and whatever was drawn counts at least one cell.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from blcf.bags.polygons import as_polygon, polygon_coverage
from blcf.boxes import as_box, box_to_cells
from blcf.errors import InvalidInput
from blcf.threads import one_blas_thread

__all__ = ["HOWS", "mask_weights", "polygon_weights", "region_box", "region_weights"]

HOWS = ("hard", "soft", "distance")

# Borders are rounded to 4 decimals of a cell, as in `box_to_cells`. What a rounded box covers of a
# cell is then nothing or 1e-8 at least; halved, because sloping edges leave rounding errors.
_LEAST_COVERAGE = 5e-9

_Box = Sequence[float] | np.ndarray


def region_weights(
    shape: tuple[int, int],
    size: tuple[int, int],
    *,
    box: _Box | None = None,
    polygon: Any = None,
    mask: np.ndarray | None = None,
    how: str = "hard",
) -> np.ndarray:
    """Weights of a map's cells for the part of the picture that was drawn; 1 where nothing was.

    - ``hard``: 1 for the cells that the region touches, 0 for the others.
    - ``soft``: the share of the cell that is covered (a mask's mean over the cell), over the
      largest share: a region smaller than a cell must not vanish in the eighths of a bag, and
      the scale of a bag means nothing to its cosine.
    - ``distance``: ``1 - d / d_max``, d the Euclidean distance of the cell to the nearest hard
      cell, ``d_max`` the largest of the map: the context counts, the less the farther it lies.

    Parameters
    ----------
    shape : (h, w) of the map, cells
    size : (width, height) of the original image, pixels
    box : xyxy, pixels of the original image, optional
    polygon : xy of at least 3 points, pixels of the original image, optional
    mask : bool, uint8 (0..255) or float (0..1), (height, width) of the original image, optional
    how : one of `HOWS`

    Returns
    -------
    float32 (h, w), 0..1; the largest is 1

    Raises
    ------
    InvalidInput
        More than one of box, polygon and mask; one that is empty, malformed or outside; a mask of
        another size than the picture; an unknown `how`.

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, section 4 (hard); its released code (distance).

    Examples
    --------
    >>> region_weights((2, 3), (30, 20), polygon=[(0, 0), (15, 0), (0, 15)]).tolist()
    [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    _check_region(size, box, polygon, mask)
    if box is not None:
        return _weights_of_points(_corners(as_box(box, size)), size, shape, how)
    if polygon is not None:
        return polygon_weights(polygon, size, shape, how)
    if mask is not None:
        return mask_weights(mask, shape, how)
    _check_how(how)
    return np.ones(shape, dtype=np.float32)


def region_box(
    size: tuple[int, int],
    *,
    box: _Box | None = None,
    polygon: Any = None,
    mask: np.ndarray | None = None,
) -> np.ndarray | None:
    """The bounding box of what was drawn, cut to the picture; None for the whole picture.

    A mask's is that of its pixels above 0.5, or above 0 where none is. Parameters and errors are
    those of `region_weights`.

    Returns
    -------
    float32 (4,), xyxy, pixels of the original image, or None
    """
    _check_region(size, box, polygon, mask)
    if box is not None:
        return as_box(box, size)
    if polygon is not None:
        return _bounds(as_polygon(polygon, size))
    if mask is None:
        return None
    values = _as_mask(mask)
    return _mask_box(values > (0.5 if values.max() > 0.5 else 0))


def polygon_weights(
    polygon: Any, size: tuple[int, int], shape: tuple[int, int], how: str = "hard"
) -> np.ndarray:
    """Weights of a map's cells under a polygon, see `region_weights`.

    Parameters
    ----------
    polygon : xy of 3 to 10 000 points, pixels of the original image, in either direction; the last
        may repeat the first. Edges may touch but not cross. Parts outside the image are cut off
        (and logged).
    size : (width, height) of the original image, pixels
    shape : (h, w) of the map, cells
    how : one of `HOWS`

    Returns
    -------
    float32 (h, w), 0..1; the largest is 1

    Raises
    ------
    InvalidInput
        Not such points; no area; edges that cross; wholly outside the image; unknown `how`.
    """
    return _weights_of_points(as_polygon(polygon, size), size, shape, how)


def mask_weights(mask: np.ndarray, shape: tuple[int, int], how: str = "hard") -> np.ndarray:
    """Weights of a map's cells under a mask, see `region_weights`.

    Parameters
    ----------
    mask : bool, uint8 (0..255) or float (0..1), (height, width) of the original image. ``hard``
        and ``distance`` take the pixels above 0.5 (uint8: 127), ``soft`` takes the values.
    shape : (h, w) of the map, cells
    how : one of `HOWS`

    Returns
    -------
    float32 (h, w), 0..1; the largest is 1

    Raises
    ------
    InvalidInput
        Not such an array; NaN; a mask that selects no pixel; unknown `how`.
    """
    _check_how(how)
    values = _as_mask(mask)
    least = 0.0 if how == "soft" else 0.5
    if values.max() <= least:
        raise InvalidInput(
            f"Expected a mask with pixels above {least:g}, got an empty one; its largest value is "
            f"{np.max(mask)} ({mask.dtype}). uint8 masks go from 0 to 255: pass `mask > 0` where "
            "any value but 0 marks the object."
        )
    (h, w), (height, width) = shape, values.shape
    selected = values if how == "soft" else (values > 0.5).astype(np.float32)
    with one_blas_thread():
        coverage = _overlaps(h, height) @ selected @ _overlaps(w, width).T  # (h, w)
    return _weigh(coverage, how, box_to_cells(_mask_box(selected > 0), (width, height), shape))


def _weights_of_points(
    points: np.ndarray, size: tuple[int, int], shape: tuple[int, int], how: str
) -> np.ndarray:
    _check_how(how)
    (h, w), (width, height) = shape, size
    scaled = [[round(x * w / width, 4), round(y * h / height, 4)] for x, y in points.tolist()]
    coverage = polygon_coverage(np.array(scaled), shape)
    return _weigh(coverage, how, box_to_cells(_bounds(points), size, shape))


def _weigh(coverage: np.ndarray, how: str, cells: tuple[int, int, int, int]) -> np.ndarray:
    """Weights from the share that is covered of each cell, and the cells of the bounding box."""
    inside = coverage > _LEAST_COVERAGE
    if not inside.any():  # thinner than the rounding: as a box of that kind
        x1, y1, x2, y2 = cells
        inside[y1:y2, x1:x2] = True
        coverage = inside
    if how == "soft":
        return (np.where(inside, coverage, 0) / coverage.max()).astype(np.float32)
    if how == "hard" or inside.all():
        return inside.astype(np.float32)
    distances = distance_transform_edt(~inside)
    return (1 - distances / distances.max()).astype(np.float32)


def _overlaps(n_cells: int, n_pixels: int) -> np.ndarray:
    """How much of each cell's length each pixel takes: float32 (n_cells, n_pixels)."""
    borders = np.round(np.arange(n_pixels + 1) * n_cells / n_pixels, 4)  # in cells
    cells = np.arange(n_cells)[:, None]
    shared = np.minimum(borders[1:], cells + 1) - np.maximum(borders[:-1], cells)
    return shared.clip(0).astype(np.float32)


def _bounds(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def _corners(box: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = box.astype(np.float64)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


def _as_mask(mask: Any) -> np.ndarray:
    """Check a mask: float32 (height, width), 0..1."""
    values = np.asarray(mask)
    if values.ndim != 2 or not values.size or not (
        values.dtype.kind == "f" or values.dtype in (np.bool_, np.uint8)
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


def _mask_box(selected: np.ndarray) -> np.ndarray:
    """The bounding box of the selected pixels: float32 (4,), xyxy, pixels."""
    y = np.flatnonzero(selected.any(axis=1))
    x = np.flatnonzero(selected.any(axis=0))
    if not len(x):
        raise InvalidInput("Expected a mask that selects at least one pixel, got an empty one.")
    return np.array([x[0], y[0], x[-1] + 1, y[-1] + 1], dtype=np.float32)


def _check_region(size: tuple[int, int], box: Any, polygon: Any, mask: Any) -> None:
    given = [
        name
        for name, value in (("box", box), ("polygon", polygon), ("mask", mask))
        if value is not None
    ]
    if len(given) > 1:
        raise InvalidInput(
            f"Expected one of box, polygon and mask, got {' and '.join(given)}. "
            "Pass the one that outlines the object best."
        )
    if mask is not None and np.ndim(mask) == 2 and np.shape(mask) != (size[1], size[0]):
        height, width = np.shape(mask)
        raise InvalidInput(
            f"Expected a mask of the size of its picture, {size[0]}x{size[1]} pixels, got one of "
            f"{width}x{height}. Make the mask from the original picture, not from a resized one."
        )


def _check_how(how: str) -> None:
    if how not in HOWS:
        near = difflib.get_close_matches(str(how), HOWS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(f"Expected how to be one of {HOWS}, got {how!r}.{hint}")
