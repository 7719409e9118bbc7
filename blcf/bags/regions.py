"""Queries as people draw them: box, polygon or mask image as spatial weights of a map's cells.

Invariant: a polygon or a mask equal to a box counts exactly the cells of `blcf.boxes.box_to_cells`,
and whatever was drawn counts at least one cell.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blcf.bags.masks import as_mask, mask_box, overlaps
from blcf.bags.polygons import as_polygon, polygon_coverage
from blcf.boxes import as_box, box_to_cells
from blcf.errors import InvalidInput
from blcf.threads import one_blas_thread

__all__ = [
    "HOWS",
    "DrawnRegion",
    "draw_region",
    "mask_weights",
    "polygon_weights",
    "region_box",
    "region_weights",
]

HOWS = ("hard", "soft", "distance")

# Borders are rounded to 4 decimals of a cell, as in `box_to_cells`. What a rounded box covers of a
# cell is then nothing or 1e-8 at least; halved, because sloping edges leave rounding errors.
_LEAST_COVERAGE = 5e-9

_Box = Sequence[float] | np.ndarray


@dataclass(frozen=True, eq=False)
class DrawnRegion:
    """What was drawn on a picture, checked; `draw_region` makes it, and nothing checks it again.

    Attributes
    ----------
    size : (width, height) of the picture, pixels
    box : float32 (4,), xyxy, pixels: the bounding box, inside the picture; None for all of it
    points : float64 (n, 2), xy, pixels: the corners of the box or polygon; None where it is a mask
    mask : float32 (height, width), 0..1; None where it is none
    how : one of `HOWS`
    """

    size: tuple[int, int]
    box: np.ndarray | None = None
    points: np.ndarray | None = None
    mask: np.ndarray | None = None
    how: str = "hard"

    def weights(self, shape: tuple[int, int]) -> np.ndarray:
        """What each cell of a map of the picture counts: float32 (h, w), 0..1; the largest is 1."""
        (h, w), (width, height) = shape, self.size
        if self.box is None:
            return np.ones(shape, dtype=np.float32)
        if self.points is not None:
            scaled = np.round(self.points * (w, h) / (width, height), 4)
            coverage = polygon_coverage(scaled, shape)
        else:
            assert self.mask is not None
            selected = self.mask
            if self.how != "soft":
                selected = (selected > 0.5).astype(np.float32)
            with one_blas_thread():
                coverage = overlaps(h, height) @ selected @ overlaps(w, width).T  # (h, w)
        return _weigh(coverage, self.how, box_to_cells(self.box, self.size, shape))

    def mirrored(self) -> DrawnRegion:
        """The same region of the mirrored picture."""
        width, box, points = self.size[0], self.box, self.points
        if box is not None:
            x1, y1, x2, y2 = box.astype(np.float64)
            box = np.array([width - x2, y1, width - x1, y2], dtype=np.float32)
        if points is not None:
            points = points * (-1, 1) + (width, 0)
            points = points.astype(np.float32).astype(np.float64)  # as they are given
        mask = None if self.mask is None else self.mask[:, ::-1]
        return replace(self, box=box, points=points, mask=mask)


def draw_region(
    size: tuple[int, int],
    *,
    box: _Box | None = None,
    polygon: Any = None,
    mask: np.ndarray | None = None,
    how: str = "hard",
) -> DrawnRegion:
    """Check what was drawn on a picture; parameters and errors are those of `region_weights`."""
    check_how(how)
    _check_region(size, box, polygon, mask)
    if box is not None:
        checked = as_box(box, size)
        return DrawnRegion(size, checked, _corners(checked), how=how)
    if polygon is not None:
        points = as_polygon(polygon, size)
        return DrawnRegion(size, _bounds(points), points, how=how)
    if mask is None:
        return DrawnRegion(size, how=how)
    values = as_mask(mask)
    least = 0.0 if how == "soft" else 0.5
    if values.max() <= least:
        given = np.asarray(mask)
        raise InvalidInput(
            f"Expected a mask that selects at least one pixel above {least:g}, got an empty "
            f"one; its largest value is "
            f"{given.max()} ({given.dtype}). uint8 masks go from 0 to 255: pass `mask > 0` where "
            "any value but 0 marks the object."
        )
    return DrawnRegion(size, mask_box(values), None, values, how)


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
    return draw_region(size, box=box, polygon=polygon, mask=mask, how=how).weights(shape)


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
    if mask is not None:  # whatever weights it would give
        _check_region(size, box, polygon, mask)
        return mask_box(as_mask(mask))
    return draw_region(size, box=box, polygon=polygon).box


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
    return draw_region(size, polygon=polygon, how=how).weights(shape)


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
    check_how(how)
    height, width = as_mask(mask).shape
    return draw_region((width, height), mask=mask, how=how).weights(shape)


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
    from scipy.ndimage import distance_transform_edt  # late: a quarter of a start-up, rarely used

    distances = distance_transform_edt(~inside)
    return (1 - distances / distances.max()).astype(np.float32)


def _bounds(points: np.ndarray) -> np.ndarray:
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float32)


def _corners(box: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = box.astype(np.float64)
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])


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


def check_how(how: str) -> None:
    if how not in HOWS:
        near = difflib.get_close_matches(str(how), HOWS, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(f"Expected how to be one of {HOWS}, got {how!r}.{hint}")
