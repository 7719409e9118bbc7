"""Kernels of polygons: whether edges cross, and what the inside covers of each cell."""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["any_crossing", "cover"]


@kernel
def any_crossing(points, order):
    """Whether two edges of a polygon cross between their ends; edges that only touch do not.

    Edges are swept from left to right: each meets those that begin before it ends. An outline of
    4,000 points takes 4 ms, one whose edges all lie above each other 70 (on a busy machine).

    Parameters
    ----------
    points : float64 (n, 2), xy; edge i goes from point i to the next
    order : int64 (n,), the edges by their leftmost x, ascending
    """
    n = len(points)
    for place in range(n):
        i = order[place]
        x1, y1 = points[i, 0], points[i, 1]
        x2, y2 = points[(i + 1) % n, 0], points[(i + 1) % n, 1]
        right, low, high = max(x1, x2), min(y1, y2), max(y1, y2)
        for later in range(place + 1, n):
            j = order[later]
            x3, y3 = points[j, 0], points[j, 1]
            x4, y4 = points[(j + 1) % n, 0], points[(j + 1) % n, 1]
            if min(x3, x4) > right:
                break
            if min(y3, y4) > high or max(y3, y4) < low:
                continue
            # On which sides of the one edge's line the ends of the other are.
            one = (x2 - x1) * (y3 - y1) - (y2 - y1) * (x3 - x1)
            two = (x2 - x1) * (y4 - y1) - (y2 - y1) * (x4 - x1)
            if one * two >= 0:
                continue
            one = (x4 - x3) * (y1 - y3) - (y4 - y3) * (x1 - x3)
            two = (x4 - x3) * (y2 - y3) - (y4 - y3) * (x2 - x3)
            if one * two < 0:
                return True
    return False


@kernel
def cover(points, area):
    """Add to every cell its share inside a polygon: negative where that goes the other way round.

    Each edge is cut where it passes a border of cells. A piece of height dy in a cell has the part
    of that cell to its right, and all cells to the right in its row, on one side: their sum over
    all pieces, signed by direction, is the area inside (Green's theorem, as font renderers do).

    Parameters
    ----------
    points : float64 (n, 2), xy, cells, inside the map
    area : float64 (h, w), written to
    """
    h, w = area.shape
    parts = np.zeros((h, w + 1))  # of the cell, and of what is to the right of it, less the former
    n = len(points)
    for i in range(n):
        x, y = points[i, 0], points[i, 1]
        dx, dy = points[(i + 1) % n, 0] - x, points[(i + 1) % n, 1] - y
        if dy == 0:
            continue
        column = np.floor(x) + 1 if dx > 0 else np.ceil(x) - 1  # the next border on the way
        row = np.floor(y) + 1 if dy > 0 else np.ceil(y) - 1
        at, before_x, before_y = 0.0, x, y
        while at < 1:
            to_column = (column - x) / dx if dx != 0 else np.inf
            to_row = (row - y) / dy
            at = min(max(at, min(to_column, to_row)), 1.0)
            if to_column <= at:
                column += 1 if dx > 0 else -1
            if to_row <= at:
                row += 1 if dy > 0 else -1
            here_x, here_y = x + dx * at, y + dy * at
            middle_x, middle_y = (here_x + before_x) / 2, (here_y + before_y) / 2
            c = min(max(int(middle_x), 0), w - 1)
            r = min(max(int(middle_y), 0), h - 1)
            right = c + 1 - middle_x
            parts[r, c] += (here_y - before_y) * right
            parts[r, c + 1] += (here_y - before_y) * (1 - right)
            before_x, before_y = here_x, here_y
    for r in range(h):
        total = 0.0
        for c in range(w):
            total += parts[r, c]
            area[r, c] += total
