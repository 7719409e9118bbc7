"""Windows of a map: the paper's grid, and which sizes a search allows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["allowed_widths", "by_rows", "grid_windows", "kept_windows", "near_windows"]


@lru_cache(maxsize=256)
def grid_windows(h: int, w: int, shares: tuple[int, ...] = (1, 2, 4)) -> np.ndarray:
    """The grid of windows: {W, W/2, W/4} x {H, H/2, H/4}, 50 % overlap in both directions.

    Parameters
    ----------
    h, w : shape of the map, cells
    shares : into how many parts a side of the map is divided, for each size of window

    Returns
    -------
    int32 (n, 4), xyxy, half-open, cells; large windows first, of equal areas the higher ones, then
    top to bottom and left to right; every cell lies in a window of each size. With the shares of
    the paper (1, 2, 4) there are 121 for maps of 8 cells or more a side.

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, section 5. Fractions of a cell: lengths and starts are
    rounded, the last window of a row ends at the edge of the map.
    """
    rows = [_intervals(h, share) for share in shares]
    columns = [_intervals(w, share) for share in shares]
    windows = [
        (x1, y1, x2, y2)
        for row in rows
        for column in columns
        for y1, y2 in row
        for x1, x2 in column
    ]
    unique = list(dict.fromkeys(windows))  # small maps repeat themselves
    grid = np.array(unique, dtype=np.int32)
    grid = _in_order(grid)
    grid.setflags(write=False)  # it is cached
    return grid


def _in_order(windows: np.ndarray) -> np.ndarray:
    """Windows as ties are decided: large ones first, then high ones, the top, the left."""
    heights = windows[:, 3] - windows[:, 1]
    areas = (windows[:, 2] - windows[:, 0]) * heights
    return windows[np.lexsort((windows[:, 0], windows[:, 1], -heights, -areas))]


def _intervals(n: int, share: int) -> list[tuple[int, int]]:
    """Intervals of n / share cells, half of that apart: 1, 3, 7, ... of them."""
    length = max(1, round(n / share))
    # More steps than cells only repeat starts: 2 * 10**9 of them would be made one by one.
    n_steps = min(2 * (share - 1), n - length)
    starts = [round(step * (n - length) / max(n_steps, 1)) for step in range(n_steps + 1)]
    return [(start, start + length) for start in starts]


@lru_cache(maxsize=256)
def allowed_widths(
    shape: tuple[int, int],
    min_side: int = 1,
    min_aspect: float = 0.0,
    aspect: float | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The widths that windows of each height may have.

    A window is discarded when a side has fewer than `min_side` cells, or when
    ``min(AR_w, AR_q) / max(AR_w, AR_q) < min_aspect``. Where every size is discarded, all are kept.

    Parameters
    ----------
    shape : (h, w) of the map, cells
    min_side : cells
    min_aspect : 0..1
    aspect : width over height of the query, None keeps all aspects
    size : (width, height) of the image in pixels, for the aspect of a window; cells are taken as
        square without it

    Returns
    -------
    least, most : int32 (h + 1,), widths in cells by height in cells; most = 0 for none
    """
    (h, w), (width, height) = shape, size or shape[::-1]
    heights, widths = np.arange(h + 1)[:, None], np.arange(w + 1)[None, :]
    kept = (heights >= max(min_side, 1)) & (widths >= max(min_side, 1))  # (h + 1, w + 1)
    if aspect is not None and min_aspect > 0:
        # Height 0 has no aspect; its row is discarded already.
        aspects = (widths * width / w) / (np.maximum(heights, 1) * height / h)
        kept &= np.minimum(aspects, aspect) / np.maximum(aspects, aspect) >= min_aspect
    if not kept.any():
        return allowed_widths(shape)
    # The widths of a height are neighbours: its aspects ascend.
    least = kept.argmax(axis=1)
    most = np.where(kept.any(axis=1), w - kept[:, ::-1].argmax(axis=1), 0)
    limits = least.astype(np.int32), most.astype(np.int32)
    for one in limits:
        one.setflags(write=False)
    return limits


def kept_windows(windows: np.ndarray, least: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The windows of allowed sizes: int32 (n, 4), maybe none."""
    widths, heights = windows[:, 2] - windows[:, 0], windows[:, 3] - windows[:, 1]
    return windows[(least[heights] <= widths) & (widths <= most[heights])]


def by_rows(windows: np.ndarray) -> np.ndarray:
    """Positions of windows such that those of the same rows follow one another: int64 (n,)."""
    return np.lexsort((windows[:, 3], windows[:, 1]))


def near_windows(cells: tuple[int, int, int, int], step: int, shape: tuple[int, int]) -> np.ndarray:
    """The windows whose edges lie `step` cells from those of a window, or on them.

    Returns
    -------
    int32 (n, 4), at most 81, in the order of `grid_windows`, inside the map
    """
    moves = np.stack(np.meshgrid(*[(-step, 0, step)] * 4), axis=-1).reshape(-1, 4)
    windows = (np.array(cells) + moves).astype(np.int32)
    inside = (windows[:, :2] >= 0).all(axis=1) & (windows[:, 2:] <= shape[::-1]).all(axis=1)
    return _in_order(windows[inside & (windows[:, :2] < windows[:, 2:]).all(axis=1)])
