"""Where the tiles of a picture lie: overlapping parts of its map, each a bag of its own."""

from __future__ import annotations

__all__ = ["tile_windows"]


def tile_windows(shape: tuple[int, int], n: int) -> list[tuple[int, int, int, int]]:
    """The windows of n x n tiles of a map, from the top left, row by row.

    A tile has 2 / (n + 1) of each side, and half of it is the next one's too: what is half as wide
    and high as a tile is whole in one of them, wherever it is.

    Parameters
    ----------
    shape : (h, w) of the map, cells
    n : tiles of a row and of a column, 2 or more

    Returns
    -------
    list of (x1, y1, x2, y2), half-open, cells; a cell at least in each direction

    Examples
    --------
    >>> tile_windows((3, 6), 2)
    [(0, 0, 4, 2), (2, 0, 6, 2), (0, 1, 4, 3), (2, 1, 6, 3)]
    """
    rows, columns = ([_span(i, n, cells) for i in range(n)] for cells in shape)
    return [(x1, y1, x2, y2) for y1, y2 in rows for x1, x2 in columns]


def _span(number: int, n: int, cells: int) -> tuple[int, int]:
    """Where a tile of a row begins and ends, half-open: no part of its cells is left out."""
    return number * cells // (n + 1), -(-(number + 2) * cells // (n + 1))
