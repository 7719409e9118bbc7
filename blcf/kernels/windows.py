"""Kernels of the local search: a map laid out for one query, and the cosines of given windows.

With ``tf_w`` the weights of a window's cells of word w, summed, the score of a window is
``sum_w query_w g(tf_w) / sqrt(sum_w idf_w^2 g(tf_w)^2)`` with ``g(tf) = tf`` or ``sqrt(tf)``, and 0
for a window of norm 0. One half of that is a plain sum over cells: of counts the dot product, of
roots the squared norm. The other half, ``sum_w factor_w G(tf_w)``, needs the sums of each word:
``G(tf) = tf^2`` and ``factor = idf^2`` of counts, ``G(tf) = sqrt(tf)`` and ``factor = query`` of
roots. Of roots only the cells of the query's words count in it, which are few.
"""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["lay_out", "score_one_each", "score_windows"]


@kernel
def lay_out(words, weights, query, squared_idf, sqrt):
    """A map as the two halves of the cosine with a query.

    Parameters
    ----------
    words : int32 (h, w), the assignment map
    weights : float32 (h, w), >= 0, of the cells
    query : float64 (n_words,), the normalised query times idf
    squared_idf : float64 (n_words,), ones where idf is off
    sqrt : bool, whether term frequencies are rooted

    Returns
    -------
    additive : float64 (h, w), what a cell adds to the half that is a sum over cells
    first : int32 (h w + 1,), how many listed cells lie before each cell, row by row; listed are
        the cells that count in the other half
    numbers : uint32 (n_listed,), the words of the listed cells, numbered anew from 0: the scratch
        of a window is as small as its map and stays in the nearest cache
    values : float64 (n_listed,), weights of the listed cells
    factors : float64 (n_numbered,), of the numbered words
    """
    h, w = words.shape
    additive = np.empty((h, w))
    first = np.empty(h * w + 1, dtype=np.int32)
    numbers = np.empty(h * w, dtype=np.uint32)
    values = np.empty(h * w)
    factors = np.empty(h * w)
    known = np.empty(h * w, dtype=words.dtype)  # the word of each number
    size = 4
    while size < 2 * h * w:
        size *= 2
    table = np.full(size, -1, dtype=np.int32)  # numbers by hash of the word, open addressing
    n_listed = n_numbered = 0
    for y in range(h):
        for x in range(w):
            first[y * w + x] = n_listed
            word, weight = words[y, x], np.float64(weights[y, x])
            factor, other = squared_idf[word], query[word]
            if sqrt:
                factor, other = other, factor
            additive[y, x] = other * weight
            if factor == 0 or not weight > 0:
                continue
            slot = (np.int64(word) * 40_503) & (size - 1)
            while table[slot] >= 0 and known[table[slot]] != word:
                slot = (slot + 1) & (size - 1)
            if table[slot] < 0:
                table[slot] = n_numbered
                known[n_numbered] = word
                factors[n_numbered] = factor
                n_numbered += 1
            numbers[n_listed] = table[slot]
            values[n_listed] = weight
            n_listed += 1
    first[h * w] = n_listed
    return additive, first, numbers[:n_listed], values[:n_listed], factors[:n_numbered]


@kernel
def score_windows(additive, first, numbers, values, factors, sqrt, windows, order, scores):
    """Cosine similarity of a query with each window of an assignment map.

    Parameters
    ----------
    additive, first, numbers, values, factors : from `lay_out`
    sqrt : bool, as it was laid out
    windows : int32 (n, 4), xyxy, half-open, cells
    order : int (n,), in which order they are looked at: windows of the same rows should follow one
        another, for the columns of a band are summed up once for all of them
    scores : out, float64 (n,)
    """
    h, w = additive.shape
    by_column = _by_column(first, numbers, values, h, w)
    sums = np.empty(w)  # of the additive half in the columns of the band
    starts = np.empty(w + 1, dtype=np.int32)  # of the band's entries in its columns
    entries = np.empty_like(numbers), np.empty_like(values)
    entry_numbers, entry_values = entries
    places = np.empty(factors.size, dtype=np.int32)
    tf = np.zeros(factors.size)
    top = bottom = -1
    for i in order:
        x1, y1, x2, y2 = windows[i, 0], windows[i, 1], windows[i, 2], windows[i, 3]
        if y1 != top or y2 != bottom:
            top, bottom = y1, y2
            sums[:] = 0.0
            for y in range(y1, y2):
                sums += additive[y]
            _enter_band(y1, y2, by_column, places, starts, entries)
        by_cell = by_word = 0.0
        for x in range(x1, x2):
            by_cell += sums[x]
        for entry in range(np.uint64(starts[x1]), np.uint64(starts[x2])):
            tf[entry_numbers[entry]] += entry_values[entry]
        if sqrt:  # few entries: once more over them, each word once
            for entry in range(np.uint64(starts[x1]), np.uint64(starts[x2])):
                number = entry_numbers[entry]
                by_word += factors[number] * np.sqrt(tf[number])
                tf[number] = 0.0  # the root of a word that was taken is 0: no branch
            dot, squared_norm = by_word, by_cell
        else:
            dot, squared_norm = by_cell, _sum_of_squares(factors, tf)
            tf[:] = 0.0
        scores[i] = dot / np.sqrt(squared_norm) if squared_norm > 0 else 0.0


@kernel
def score_one_each(
    words, weights, starts, shapes, queries, squared_idf, sqrt, windows, shares, scores
):
    """The score of one window in each of several maps, in regions that count by their shares.

    Bit for bit what `score_windows` gives: a map is laid out whole, for the order of its words is
    that of the sums.

    Parameters
    ----------
    words, weights : int32 and float32 (n_cells,), of all maps
    starts : int64 (n,), the first cell of each map
    shapes : int64 (n, 2), its rows and columns
    queries : float64 (n_regions, n_words), see `lay_out`
    squared_idf, sqrt : as there
    windows : int32 (n_regions, n, 4), xyxy, half-open, cells
    shares : float64 (n_regions,)
    scores : out, float64 (n,)
    """
    score, order = np.empty(1), np.zeros(1, np.int64)
    for i in range(len(starts)):
        h, w = shapes[i]
        first, last = starts[i], starts[i] + h * w
        own_words = words[first:last].reshape(h, w)
        own_weights = weights[first:last].reshape(h, w)
        scores[i] = 0.0
        for region in range(len(shares)):
            cells = lay_out(own_words, own_weights, queries[region], squared_idf, sqrt)
            window = windows[region, i : i + 1]
            additive, before, numbers, values, factors = cells
            score_windows(additive, before, numbers, values, factors, sqrt, window, order, score)
            scores[i] += shares[region] * score[0]


@kernel
def _sum_of_squares(factors, tf):
    """Of all words, in four parts: an addition need not wait for the one before it."""
    a = b = c = d = 0.0
    n = tf.size - tf.size % 4
    for i in range(0, n, 4):
        a += factors[i] * tf[i] * tf[i]
        b += factors[i + 1] * tf[i + 1] * tf[i + 1]
        c += factors[i + 2] * tf[i + 2] * tf[i + 2]
        d += factors[i + 3] * tf[i + 3] * tf[i + 3]
    for i in range(n, tf.size):
        a += factors[i] * tf[i] * tf[i]
    return (a + b) + (c + d)


@kernel
def _by_column(first, numbers, values, h, w):
    """The listed cells column by column: first (w, h + 1), numbers, values."""
    starts = np.empty((w, h + 1), dtype=np.int32)
    turned_numbers, turned_values = np.empty_like(numbers), np.empty_like(values)
    n = 0
    for x in range(w):
        for y in range(h):
            starts[x, y] = n
            i = first[y * w + x]
            if first[y * w + x + 1] > i:
                turned_numbers[n], turned_values[n] = numbers[i], values[i]
                n += 1
        starts[x, h] = n
    return starts, turned_numbers, turned_values


@kernel
def _enter_band(y1, y2, by_column, places, starts, entries):
    """List the cells of a band column by column, a word once in a column.

    Upsampled maps have the same word in cells one above the other: half as many entries as cells.
    """
    first, numbers, values = by_column
    entry_numbers, entry_values = entries
    places[:] = -1  # of the last entry of each word
    n = 0
    for x in range(starts.size - 1):
        starts[x] = n
        for cell in range(np.uint64(first[x, y1]), np.uint64(first[x, y2])):
            number, value = numbers[cell], values[cell]
            if places[number] >= starts[x]:
                entry_values[places[number]] += value
                continue
            places[number] = n
            entry_numbers[n], entry_values[n] = number, value
            n += 1
    starts[-1] = n
