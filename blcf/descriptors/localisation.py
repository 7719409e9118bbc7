"""Where the object is in a feature map, by integral max pooling."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from blcf.bounds import is_number
from blcf.descriptors.descriptor import check_count
from blcf.descriptors.pooling import as_activations
from blcf.errors import InvalidInput
from blcf.kernels.integral_max import best_rectangle, integrate_powers, pool_rectangle
from blcf.records import Window

__all__ = ["approximate_max_pool", "check_aspect", "localise_descriptor"]


def approximate_max_pool(feature_map: np.ndarray, cells: Any, alpha: int = 10) -> np.ndarray:
    """The maximum of each channel in a rectangle, nearly: ``(sum x^alpha)^(1/alpha)``.

    It lies between the maximum and n^(1/alpha) times that, for n cells; the larger alpha, the
    nearer. Values below some .024 of the channel's maximum in the map count as 0.

    Parameters
    ----------
    feature_map : float32 (C, h, w), activations after the ReLU
    cells : (x1, y1, x2, y2), half-open, cells
    alpha : int, 1 to 100

    Returns
    -------
    float32 (C,)

    Raises
    ------
    InvalidInput
        Not a finite map >= 0; a rectangle without cells or outside the map; an alpha that is none.

    Notes
    -----
    Source: Tolias, Sicre & Jegou, ICLR 2016 (alpha = 10).

    Examples
    --------
    >>> feature_map = np.array([[[3.0, 2.0, 9.0], [1.0, 3.0, 0.0]]], dtype=np.float32)
    >>> approximate_max_pool(feature_map, (0, 0, 2, 2)).round(2).tolist()
    [3.2200000286102295]
    """
    feature_map = as_activations(feature_map, "integral max pooling")
    h, w = feature_map.shape[1:]
    rectangle = np.asarray(cells)
    if rectangle.shape != (4,) or rectangle.dtype.kind not in "iu":
        raise InvalidInput(f"Expected a rectangle of four integers x1,y1,x2,y2, got {cells!r}.")
    x1, y1, x2, y2 = rectangle.tolist()
    if not (0 <= x1 < x2 <= w and 0 <= y1 < y2 <= h):
        raise InvalidInput(f"Expected a rectangle within a map of {w}x{h} cells, got {cells!r}.")
    integral, unit, largest = _integrate(feature_map, _exponent(alpha))
    pooled = np.empty(len(largest))
    pool_rectangle(integral, unit, alpha, x1, y1, x2, y2, pooled)
    return (pooled * largest).astype(np.float32)


def localise_descriptor(
    feature_map: np.ndarray,
    query: np.ndarray,
    *,
    aspect: float | None = None,
    max_aspect_change: float = 1.1,
    step: int = 3,
    refine: int = 3,
    n_rounds: int = 5,
    alpha: int = 10,
) -> Window:
    """The rectangle of a map that looks most like the query (AML).

    The score of a rectangle is the cosine of the query's MAC and the rectangle's approximate MAC,
    neither whitened. Rectangles of a coarse grid come first, then the edges of the best one move:
    a greedy search, see `blcf.kernels.integral_max.best_rectangle`.

    Parameters
    ----------
    feature_map : float32 (C, h, w), activations after the ReLU
    query : float (C,), MAC of the query's region (`max_pool`), of any length
    aspect : width over height of the query's region, in cells of this map; None allows all
    max_aspect_change : 1 or more; rectangles of the grid whose aspect ratio differs from the
        query's by a larger factor are not looked at (s in the paper). The moves may change it.
    step : of the grid, cells (t in the paper)
    refine : largest move of an edge, cells; 0 keeps the best of the grid
    n_rounds : moves of all edges, at most, for each size of a move
    alpha : see `approximate_max_pool`

    Returns
    -------
    `Window` : the approximate score, and the cells (x1, y1, x2, y2), half-open

    Raises
    ------
    InvalidInput
        Not a finite map >= 0; a query that is none; options that cannot be.

    Notes
    -----
    Source: Tolias, Sicre & Jegou, ICLR 2016, with the grid and the moves of the
    authors' released program: sides of 2, 2 + t, ... cells. Not taken from it: activations in
    nine levels, and a whole map that any move beats where the grid has no rectangle of the aspect
    ratio (here moves begin at the whole map with its own score).

    Examples
    --------
    >>> feature_map = np.full((3, 9, 12), 0.5, dtype=np.float32)
    >>> feature_map[1, 2, 6] = feature_map[2, 5, 8] = 2
    >>> localise_descriptor(feature_map, np.array([0.0, 1, 1]), aspect=1).cells
    (6, 2, 9, 6)
    """
    feature_map, alpha = as_activations(feature_map, "integral max pooling"), _exponent(alpha)
    query = _query(query, len(feature_map))
    factor, ratio = _at_least_1(max_aspect_change), 0.0 if aspect is None else check_aspect(aspect)
    check_count(step, "step")
    check_count(refine, "refine", least=0)
    check_count(n_rounds, "n_rounds", least=0)
    h, w = feature_map.shape[1:]
    active = feature_map.any(axis=(1, 2))  # the others add to no dot product and no length
    integral, unit, largest = _integrate(feature_map[active], alpha)
    # Scaled by the largest of all channels: squares of lengths that neither overflow nor vanish.
    weights = largest / largest.max(initial=0) if largest.size else largest
    best = np.array([0, 0, w, h])
    score = best_rectangle(
        integral,
        unit,
        alpha,
        query[active] * weights,
        weights**2,
        ratio,
        factor,
        step,
        refine,
        n_rounds,
        best,
    )
    x1, y1, x2, y2 = best.tolist()
    return Window(float(score), (x1, y1, x2, y2))


def _integrate(feature_map: np.ndarray, alpha: int) -> tuple[np.ndarray, float, np.ndarray]:
    """Integral images, their unit, and the maxima of the channels: float64 (C,)."""
    n_channels, h, w = feature_map.shape
    largest = feature_map.max(axis=(1, 2)).astype(np.float64)
    scales = np.divide(1, largest, out=np.zeros_like(largest), where=largest > 0)
    unit = 2.0 ** (62 - math.ceil(math.log2(h * w)))
    integral = np.empty((h + 1, w + 1, n_channels), dtype=np.int64)
    cells = np.ascontiguousarray(feature_map.transpose(1, 2, 0))  # (h, w, C)
    integrate_powers(cells, scales, alpha, unit, integral)
    return integral, unit, largest


def _query(query: Any, n_channels: int) -> np.ndarray:
    """The query over its length: float64 (C,)."""
    is_real = isinstance(query, np.ndarray) and query.dtype.kind in "fiu"
    if not is_real or query.shape != (n_channels,) or not np.isfinite(query).all():
        raise InvalidInput(
            f"Expected a query of {n_channels} finite numbers, as the map has channels, got "
            f"{type(query).__name__} of shape {np.shape(query) if is_real else '?'}. Give the "
            "max_pool of the query's region."
        )
    vector = query.astype(np.float64)
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 0 else vector


def _exponent(alpha: Any) -> int:
    check_count(alpha, "alpha")
    if alpha > 100:
        raise InvalidInput(f"Expected alpha to be an integer of 1 to 100, got {alpha}.")
    return int(alpha)


def check_aspect(aspect: Any) -> float:
    """Give back an aspect ratio, or raise `InvalidInput`."""
    if not is_number(aspect) or not math.isfinite(aspect) or aspect <= 0:
        raise InvalidInput(f"Expected aspect, width over height, to be above 0, got {aspect!r}.")
    return float(aspect)


def _at_least_1(change: Any) -> float:
    if not is_number(change) or not change >= 1:
        raise InvalidInput(f"Expected max_aspect_change to be 1 or more, got {change!r}.")
    return float(change)
