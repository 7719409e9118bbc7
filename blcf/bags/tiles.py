"""Where the tiles of a picture lie: overlapping parts of its map, each a bag of its own."""

from __future__ import annotations

__all__ = ["FAR_SHARE", "tile_windows"]

# What cosines of tiles, and of windows, count where they are of a larger picture than the whole's.
# Logos with blcf-lite, pictures of side 384 with 3 x 3 and 5 x 5 tiles of side 768, even queries,
# mAP before reranking (.579 without tiles): 1 .616 and .620, .8 .627 and .631, .7 .632 and .638, .6
# .636 and .643, .5 .635 and .645, .4 .627 and .640, .3 .612 and .626. Tiles of the same map lose
# below 1. Grocery, whose objects fill pictures and queries, has .577 without, .557 with .6, .567
# with .5. Windows: see benchmarks/small_objects.md.
FAR_SHARE = 0.5


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
