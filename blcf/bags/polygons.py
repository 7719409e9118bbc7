"""Polygons: checked, cut to the picture, and the exact share of every cell that they cover."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from blcf.errors import InvalidInput
from blcf.kernels.polygons import any_crossing, cover

__all__ = ["as_polygon", "polygon_coverage"]

logger = logging.getLogger(__name__)

MAX_POINTS = 10_000


def as_polygon(polygon: Any, size: tuple[int, int]) -> np.ndarray:
    """Check a polygon and cut it to the picture (which is logged).

    Parameters
    ----------
    polygon : xy of 3 to 10 000 points, pixels of the original image, in either direction; the last
        may repeat the first. Edges may touch but not cross.
    size : (width, height) of the image, in pixels

    Returns
    -------
    float64 (n, 2), xy, pixels, inside the image

    Raises
    ------
    InvalidInput
        Not such points; no area; edges that cross; wholly outside the image.
    """
    try:
        points = np.asarray(polygon, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    with np.errstate(over="ignore"):
        points = points.astype(np.float32).astype(np.float64)  # as a box
    if points.ndim != 2 or points.shape[1] != 2:
        raise InvalidInput(
            "Expected a polygon as points (x, y), shape (n, 2), in pixels of the original image, "
            f"got {str(polygon)[:80]}. Give at least three corners: [(x, y), (x, y), (x, y)]."
        )
    if not np.isfinite(points).all():
        raise InvalidInput("Expected a polygon of finite numbers, got NaN or infinite ones.")
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    if not 3 <= len(points) <= MAX_POINTS:
        raise InvalidInput(
            f"Expected a polygon of 3 to {MAX_POINTS} different points, got {len(points)}. "
            "Mark at least three corners; pass an outline of many points as a mask."
        )
    if _crosses_itself(points):
        raise _crossing()
    # Points on a sloping line are some 1e-8 off it as float32.
    if abs(_area(points)) <= 1e-7 * np.ptp(points, axis=0).prod():
        raise InvalidInput(
            f"Expected a polygon with an area, got {len(points)} points on one line. "
            "Mark corners on both sides of the object."
        )
    width, height = size
    inside = points
    for axis, edge, sign in ((0, 0, 1), (1, 0, 1), (0, width, -1), (1, height, -1)):
        inside = _cut(inside, axis, edge, sign)
    if len(inside) < 3 or _area(inside) == 0:
        raise InvalidInput(
            f"Expected a polygon inside the image of {width}x{height} pixels, got one from "
            f"{points[:, 0].min():g},{points[:, 1].min():g} to "
            f"{points[:, 0].max():g},{points[:, 1].max():g}, which lies outside. "
            "Points are x,y in pixels of the original image."
        )
    if inside is not points:
        logger.warning("polygon cut to the image of %dx%d pixels", width, height)
    return inside


def polygon_coverage(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The share of each cell of a map that lies inside a polygon, exact but for rounding.

    See `blcf.kernels.polygons.cover`. Clipping the polygon to every cell (the oracle of the tests)
    gives the same, slower.

    Parameters
    ----------
    points : float (n, 2), xy, cells, inside the map
    shape : (h, w), cells

    Returns
    -------
    float64 (h, w), 0..1

    Raises
    ------
    InvalidInput
        Edges that cross in a corner of both, which `as_polygon` lets pass.
    """
    area = np.zeros(shape)
    cover(np.ascontiguousarray(points, dtype=np.float64), area)
    area = area if area.sum() >= 0 else -area
    if area.min() < -0.01 or area.max() > 1.01:  # more than points rounded to 1e-4 can do
        raise _crossing()
    return area.clip(0, 1)


def _crosses_itself(points: np.ndarray) -> bool:
    """Whether two edges cross between their ends; edges that only touch do no harm."""
    leftmost = np.minimum(points[:, 0], np.roll(points[:, 0], -1))
    return bool(any_crossing(points, np.argsort(leftmost, kind="stable")))


def _turns(start: np.ndarray, end: np.ndarray, point: np.ndarray) -> np.ndarray:
    """On which side of the line from start to end a point lies, by sign."""
    along, to = end - start, point - start
    return along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]


def _cut(points: np.ndarray, axis: int, edge: float, sign: int) -> np.ndarray:
    """The part of a polygon on one side of a line (Sutherland & Hodgman, 1974)."""
    depths = sign * (points[:, axis] - edge)
    if (depths >= 0).all():
        return points
    kept = []
    for i, (point, depth) in enumerate(zip(points, depths)):
        if (depth >= 0) != (depths[i - 1] >= 0):
            share = depths[i - 1] / (depths[i - 1] - depth)
            crossing = points[i - 1] + share * (point - points[i - 1])
            crossing[axis] = edge
            kept.append(crossing)
        if depth >= 0:
            kept.append(point)
    return np.array(kept).reshape(-1, 2)


def _area(points: np.ndarray) -> float:
    """Twice the signed area of a polygon."""
    return float(_turns(points[0], points, np.roll(points, -1, axis=0)).sum())


def _crossing() -> InvalidInput:
    return InvalidInput(
        "Expected a polygon whose edges do not cross, got one that crosses itself. "
        "Give the corners in the order of the outline, or pass a mask."
    )
