"""Kernels of approximate max pooling over rectangles, and of the search for the best of them.

The maximum of a rectangle of non-negative activations is nearly ``(sum x^a)^(1/a)``, and the sum
comes from an integral image with three additions (Tolias, Sicre & Jegou, ICLR 2016).

Numbers: x^10 overflows float32 from x = 7,132 on, and in float64 the differences of an integral
image keep the rounding of its largest sums: of a rectangle without any activation some 1e-13 of
the channel's largest power would be left, whose tenth root is .05. So each channel is divided by
its maximum, and powers are whole multiples of 2^-s, as int64: all sums and differences are exact,
and what is empty is 0. The rounding of a power makes values below .024 of the channel's maximum 0
(map of 24x18 cells, exponent 10); the released program has nine levels of activations to that end.
"""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["best_rectangle", "integrate_powers", "pool_rectangle"]

_EDGES = (1, 3, 0, 2)  # y1, y2, x1, x2: the order in which they move


@kernel
def integrate_powers(cells, scales, exponent, unit, integral):
    """Integral images of ``round(unit * (scale * x)^exponent)``, channels last.

    Parameters
    ----------
    cells : float32 (h, w, C), >= 0, channels last: with channels first the writes into `integral`
        lie far apart, and took 2 ms instead of .2 (512 channels, 23x17 cells)
    scales : float64 (C,), one over the maximum of each channel
    exponent : int, 1 or more
    unit : float64, a power of two; unit * h * w < 2^63
    integral : out, int64 (h + 1, w + 1, C)
    """
    h, w, n_channels = cells.shape
    powers, bases = np.empty(n_channels), np.empty(n_channels)
    sums = np.empty(n_channels, dtype=np.int64)  # of the row so far
    integral[0] = 0
    integral[:, 0] = 0
    for y in range(h):
        sums[:] = 0
        for x in range(w):
            cell, above, out = cells[y, x], integral[y, x + 1], integral[y + 1, x + 1]
            for c in range(n_channels):
                bases[c] = cell[c] * scales[c]
                powers[c] = unit
            left = exponent
            while left > 0:  # by squaring: a few products, where a pow takes 20 ns
                if left & 1:
                    for c in range(n_channels):
                        powers[c] *= bases[c]
                for c in range(n_channels):
                    bases[c] *= bases[c]
                left >>= 1
            for c in range(n_channels):
                sums[c] += np.int64(powers[c] + 0.5)
                out[c] = above[c] + sums[c]


@kernel
def pool_rectangle(integral, unit, exponent, x1, y1, x2, y2, pooled):
    """Approximate maxima of the cells of a rectangle, over the maximum of the channel.

    Parameters
    ----------
    integral, unit, exponent : from `integrate_powers`
    x1, y1, x2, y2 : half-open, cells
    pooled : out, float64 (C,)
    """
    _pool(integral, unit, 1 / np.float64(exponent), x1, y1, x2, y2, pooled)


@kernel
def _pool(integral, unit, root, x1, y1, x2, y2, pooled):
    a, b, c, d = integral[y2, x2], integral[y1, x2], integral[y2, x1], integral[y1, x1]
    for i in range(pooled.size):
        total = a[i] - b[i] - c[i] + d[i]
        pooled[i] = (total / unit) ** root if total > 0 else 0.0


@kernel
def _score(integral, unit, root, rectangle, products, squares, pooled):
    """Cosine of the query and the approximate maxima of a rectangle; 0 where a length is 0."""
    x1, y1, x2, y2 = rectangle[0], rectangle[1], rectangle[2], rectangle[3]
    _pool(integral, unit, root, x1, y1, x2, y2, pooled)
    dot = squared = 0.0
    for c in range(pooled.size):
        dot += products[c] * pooled[c]
        squared += squares[c] * pooled[c] * pooled[c]
    return dot / np.sqrt(squared) if squared > 0 else 0.0


@kernel
def best_rectangle(
    integral, unit, exponent, products, squares, aspect, most_change, step, shift, n_rounds, best
):
    """The rectangle whose approximate maxima have the largest cosine with a query: a greedy search.

    First every rectangle of the grid: near edges at multiples of `step`, sides of 2, 2 + step, ...
    cells, of an aspect ratio within a factor of the query's; of equal scores the first in the order
    of y1, y2, x1, x2. Then the edges y1, y2, x1, x2 move in turn, back and forth by `shift` cells;
    a move that is better is kept at once; up to `n_rounds` rounds, until one finds nothing better;
    then the same with moves of one cell less, down to 1. No move makes a side shorter than 2.

    Parameters
    ----------
    integral, unit, exponent : from `integrate_powers`
    products : float64 (C,), of the query's unit vector and the channels' maxima
    squares : float64 (C,), of the channels' maxima
    aspect : width over height in cells; 0 allows all
    most_change : >= 1, the factor
    step, shift, n_rounds : int, cells, cells and rounds
    best : in, out, int64 (4,), xyxy, half-open, cells: where the moves begin if no rectangle of
        the grid has the aspect ratio; the best afterwards

    Returns
    -------
    float64, its score
    """
    h, w = integral.shape[0] - 1, integral.shape[1] - 1
    pooled, root = np.empty(products.size), 1 / np.float64(exponent)
    rectangle, score = np.empty_like(best), -np.inf
    for y1 in range(0, h - 1, step):
        for y2 in range(y1 + 2, h + 1, step):
            for x1 in range(0, w - 1, step):
                for x2 in range(x1 + 2, w + 1, step):
                    change = aspect * (y2 - y1) / (x2 - x1)
                    if aspect > 0 and max(change, 1 / change) > most_change:
                        continue
                    rectangle[0], rectangle[1], rectangle[2], rectangle[3] = x1, y1, x2, y2
                    one = _score(integral, unit, root, rectangle, products, squares, pooled)
                    if one > score:
                        score = one
                        best[:] = rectangle
    if score == -np.inf:
        score = _score(integral, unit, root, best, products, squares, pooled)
    for size in range(shift, 0, -1):
        for _ in range(n_rounds):
            before = score
            for move in range(8):
                edge, back = _EDGES[move >> 1], move & 1 == 0
                rectangle[:] = best
                rectangle[edge] += -size if back else size
                x1, y1, x2, y2 = rectangle[0], rectangle[1], rectangle[2], rectangle[3]
                if x1 < 0 or y1 < 0 or x2 > w or y2 > h:
                    continue
                smaller = back == (edge >= 2)
                if smaller and (x2 - x1 < 2 or y2 - y1 < 2):
                    continue
                one = _score(integral, unit, root, rectangle, products, squares, pooled)
                if one > score:
                    score = one
                    best[:] = rectangle
            if score == before:
                break
    return score
