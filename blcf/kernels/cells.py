"""Kernels of the search in two levels: products of features and the words of cells."""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["FEATURES", "TILE", "group_by_cell", "keep_best_of_cells", "probe_cells"]

# Words of a tile and features of a block: 48 KB of products, near the first-level cache. Tiles of
# 256 words take a tenth longer, of 128 words half as long again.
TILE, FEATURES = 512, 24


@kernel(fastmath={"contract"})
def _multiply(features, words, width, products):
    """``products = features words``: (n, d) by (d, width); n is a multiple of 3, d of 8.

    Every product is the same chain of additions, whatever it is computed beside. Contraction
    (one rounding for product and sum) is all of `fastmath` that is used.

    With 128 components 1.5 to 1.8 ns a product on one core of an AMD EPYC, 3 features by 8
    components at a time: 4 by 4 take 2.3 ns, 2 by 8 2.5, 2 by 16 4. oneDNN takes 1.2 ns in large
    products, 2.3 for 32 features by 512 words, and .7 and 1.7 in bfloat16; making a product of a
    new shape ready costs it more than most cells do.
    """
    n, n_components = features.shape
    products[:n, :width] = 0
    for j in range(0, n_components, 8):
        c0, c1, c2, c3 = words[j], words[j + 1], words[j + 2], words[j + 3]
        c4, c5, c6, c7 = words[j + 4], words[j + 5], words[j + 6], words[j + 7]
        for i in range(0, n, 3):
            p, q, r = products[i], products[i + 1], products[i + 2]
            x0, x1, x2 = features[i, j], features[i, j + 1], features[i, j + 2]
            x3, x4, x5 = features[i, j + 3], features[i, j + 4], features[i, j + 5]
            x6, x7 = features[i, j + 6], features[i, j + 7]
            y0, y1, y2 = features[i + 1, j], features[i + 1, j + 1], features[i + 1, j + 2]
            y3, y4, y5 = features[i + 1, j + 3], features[i + 1, j + 4], features[i + 1, j + 5]
            y6, y7 = features[i + 1, j + 6], features[i + 1, j + 7]
            z0, z1, z2 = features[i + 2, j], features[i + 2, j + 1], features[i + 2, j + 2]
            z3, z4, z5 = features[i + 2, j + 3], features[i + 2, j + 4], features[i + 2, j + 5]
            z6, z7 = features[i + 2, j + 6], features[i + 2, j + 7]
            for w in range(width):  # all loads before the first store: arrays may overlap
                w0, w1, w2, w3 = c0[w], c1[w], c2[w], c3[w]
                w4, w5, w6, w7 = c4[w], c5[w], c6[w], c7[w]
                p0 = p[w] + x0 * w0 + x1 * w1 + x2 * w2 + x3 * w3
                p0 = p0 + x4 * w4 + x5 * w5 + x6 * w6 + x7 * w7
                q0 = q[w] + y0 * w0 + y1 * w1 + y2 * w2 + y3 * w3
                q0 = q0 + y4 * w4 + y5 * w5 + y6 * w6 + y7 * w7
                r0 = r[w] + z0 * w0 + z1 * w1 + z2 * w2 + z3 * w3
                r0 = r0 + z4 * w4 + z5 * w5 + z6 * w6 + z7 * w7
                p[w], q[w], r[w] = p0, q0, r0


@kernel
def probe_cells(features, panels, half_norms, n_cells, margin, counts):
    """The cells that score at most `margin` less than a feature's best cell.

    Parameters
    ----------
    features : float32 (n, d), d a multiple of 8
    panels : float32 (n_places d,), the centroids of the cells in tiles of `TILE` places, each
        (d, width), one behind the other; n_places is n_cells rounded up to a multiple of 16
    half_norms : float32 (n_places,), ``|c|^2 / 2``; inf where there is no cell
    margin : float32, >= 0; inf for all cells
    counts : out, int32 (n,), how many cells; 0 where a feature is not finite

    Returns
    -------
    int32 (counts.sum(),), the cells, ascending, feature by feature
    """
    n, d = features.shape
    block = np.zeros((FEATURES, d), np.float32)
    products = np.empty((FEATURES, TILE), np.float32)
    scores = np.empty((FEATURES, half_norms.size), np.float32)
    found, n_found = np.empty(16 * n + n_cells, np.int32), 0
    for first in range(0, n, FEATURES):
        size = min(FEATURES, n - first)
        block[:size] = features[first : first + size]
        rounded = (size + 2) // 3 * 3
        block[size:rounded] = 0
        for start in range(0, half_norms.size, TILE):
            width = min(TILE, half_norms.size - start)
            words = panels[start * d : (start + width) * d].reshape(d, width)
            _multiply(block[:rounded], words, width, products)
            for i in range(size):
                row, norms = products[i], half_norms[start : start + width]
                out = scores[i, start : start + width]
                for w in range(width):
                    out[w] = row[w] - norms[w]
        for i in range(size):
            if n_found + n_cells > found.size:
                larger = np.empty(2 * found.size + n_cells, np.int32)
                larger[:n_found] = found[:n_found]
                found = larger
            row = scores[i, :n_cells]
            n_before = n_found
            n_found = _above(row, _largest(row) - margin, found, n_found)
            counts[first + i] = n_found - n_before
    return found[:n_found]


@kernel
def _largest(values):
    """The largest of some values; -inf where all are NaN."""
    best = np.float32(-np.inf)
    for first in range(0, values.size, 64):
        part = values[first : first + 64]
        n_above = np.int32(0)
        for i in range(part.size):
            n_above = np.int32(n_above + np.int32(part[i] > best))
        if n_above:
            for i in range(part.size):
                if part[i] > best:
                    best = part[i]
    return best


@kernel
def _above(values, least, places, n_found):
    """Write the places of the values >= least behind the `n_found` first; how many there are."""
    for first in range(0, values.size, 64):
        part = values[first : first + 64]
        n_above = np.int32(0)
        for i in range(part.size):
            n_above = np.int32(n_above + np.int32(part[i] >= least))
        if n_above:
            for i in range(part.size):
                if part[i] >= least:
                    places[n_found] = first + i
                    n_found += 1
    return n_found


@kernel
def group_by_cell(counts, cells, starts, pairs):
    """The features that look at each cell.

    Parameters
    ----------
    counts, cells : see `probe_cells`
    starts : out, int64 (n_cells + 1,), where the features of a cell begin in `pairs`
    pairs : out, int32 (cells.size,), the features, ascending within a cell
    """
    starts[:] = 0
    for cell in cells:
        starts[cell + 1] += 1
    for cell in range(starts.size - 1):
        starts[cell + 1] += starts[cell]
    ends = starts[:-1].copy()
    first = 0
    for feature in range(counts.size):
        for place in range(first, first + counts[feature]):
            cell = cells[place]
            pairs[ends[cell]] = feature
            ends[cell] += 1
        first += counts[feature]


@kernel
def keep_best_of_cells(
    features, pair_starts, pairs, panels, half_norms, numbers, word_starts, cells, top, top_words
):
    """Offer the words of some cells to the features that look at them.

    Parameters
    ----------
    features : float32 (n, d), d a multiple of 8
    pair_starts : int64 (n_cells + 1,), where the features of a cell begin in `pairs`
    pairs : int32 (n_pairs,), places of features, cell by cell
    panels : float32 (n_places d,), the words of a cell behind those of the cell before, as in
        `probe_cells`; a cell's places are a multiple of 16
    half_norms : float32 (n_places,), ``|c|^2 / 2``; inf where there is no word
    numbers : int32 (n_places,), of the words, ascending within a cell
    word_starts : int64 (n_cells + 1,), where the places of a cell begin
    cells : (first, last), the cells to look at, half-open
    top, top_words : float32 and int32 (n,), the best so far: -inf and 0 before the first call

    Notes
    -----
    Of equal scores the lower word stays; a score that is NaN is never kept.
    """
    d = features.shape[1]
    block = np.zeros((FEATURES, d), np.float32)
    products = np.empty((FEATURES, TILE), np.float32)
    for cell in range(cells[0], cells[1]):
        for first in range(pair_starts[cell], pair_starts[cell + 1], FEATURES):
            looking = pairs[first : min(first + FEATURES, pair_starts[cell + 1])]
            for i in range(looking.size):
                block[i] = features[looking[i]]
            rounded = (looking.size + 2) // 3 * 3
            block[looking.size : rounded] = 0
            for start in range(word_starts[cell], word_starts[cell + 1], TILE):
                width = min(TILE, word_starts[cell + 1] - start)
                words = panels[start * d : (start + width) * d].reshape(d, width)
                _multiply(block[:rounded], words, width, products)
                norms, tile = half_norms[start : start + width], numbers[start : start + width]
                for i in range(looking.size):
                    row, feature = products[i], looking[i]
                    best = top[feature]
                    n_above = np.int32(0)
                    for w in range(width):
                        n_above = np.int32(n_above + np.int32(row[w] - norms[w] >= best))
                    if n_above == 0:
                        continue
                    word = top_words[feature]
                    for w in range(width):
                        score = row[w] - norms[w]
                        if score > best or (score == best and tile[w] < word):
                            best, word = score, tile[w]
                    top[feature], top_words[feature] = best, word
