"""Kernel of the local search: the best of all windows of a map, positions and sizes.

Windows of the same rows y1 to y2 make a band. Going down from a y1, each row adds its cells to the
band, and the band keeps a table from which the cosines of all its windows are sums:

- A word whose cells in the band lie in columns c_1 < c_2 < ... has in the window from x1 to x2 the
  sum S(i, l) of its cells from column c_i, the first that is not left of x1, to c_l, the last
  before x2. New cells change its part of the score, ``factor G(S)`` (see `blcf.kernels.windows`),
  by ``F(i, l) = factor (G(S_new(i, l)) - G(S(i, l)))``; 0 where none of them is inside.
- ``table[c_i, x2]`` gets ``F(i, l) - F(i + 1, l)``. Summed over the columns from x1 on, these
  differences are F again: the table takes a few row segments a word, not a value a window.
- From the last column to the first, the table's rows are summed up, for all x2 at once: that gives
  the half of the cosine that depends on the sums of words; column sums give the other half. A
  window costs two additions and a comparison of squares, without a branch.

So nothing is pruned, the time does not depend on how good the best window is, and windows of any
sizes can be left out, where a bound on a set of windows would not hold. It depends on how often
words repeat: .4 ms for a usual map of 32x42 cells with roots, at most 10 ms (twenty words).
"""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["best_of_all_windows"]

HALF_STEP = 6e-8  # a float32 is off by 2^-24 = 5.96e-8 of itself at most


@kernel
def best_of_all_windows(
    additive, first, numbers, values, factors, sqrt, rows, columns, least, most, best
):
    """The window of the largest cosine among all with edges in given rows and columns.

    Scores are compared as float32; of equal ones the window of the largest area in cells wins, then
    the highest, then the one nearest to the top, then to the left.

    Parameters
    ----------
    additive, first, numbers, values, factors : of the map, from `blcf.kernels.windows.lay_out`
    sqrt : bool, as it was laid out
    rows, columns : int32 (n_bands + 1,), (n_strips + 1,), where edges may lie, ascending from 0 to
        the side of the map; each cell for all windows
    least, most : int32 (h + 1,), widths in cells that a window of each height may have; most = 0
        for none
    best : out, int32 (4,), xyxy, half-open, cells; not written where no window is allowed

    Returns
    -------
    float64, the score; -inf where no window is allowed
    """
    h, w = additive.shape
    n_bands, n_strips = rows.size - 1, columns.size - 1
    strips = np.empty(w, dtype=np.int32)  # of each column
    for strip in range(n_strips):
        strips[columns[strip] : columns[strip + 1]] = strip
    starts, places, slots = _slots(first, numbers, factors.size, strips)
    # By slot: of a word, in a strip, those of the band and those of the row that comes to it.
    tf, added = np.empty(places.size), np.zeros(places.size)
    is_new, new_words = np.zeros(factors.size, dtype=np.bool_), np.empty_like(numbers)
    cells = np.empty(n_strips)  # sums of the additive half
    table = np.empty((n_strips, n_strips + 1))
    by_word, by_cell = np.empty(n_strips + 1), np.empty(n_strips + 1)
    edges, scratch = np.empty(n_strips + 1, dtype=np.int32), np.empty((3, n_strips + 1))
    tallest = 0
    for height in range(1, h + 1):
        if most[height] > 0:
            tallest = height
    # The limit is not -inf: times a norm of 0 that were no number.
    state = np.array([-np.inf, -1e200])
    for top in range(n_bands):
        tf[:] = 0.0
        cells[:] = 0.0
        table[:] = 0.0
        for bottom in range(top + 1, n_bands + 1):
            height = rows[bottom] - rows[top]
            if height > tallest:
                break
            n_new = 0
            for y in range(rows[bottom - 1], rows[bottom]):
                for x in range(w):
                    cells[strips[x]] += additive[y, x]
                for i in range(first[y * w], first[(y + 1) * w]):
                    if not is_new[numbers[i]]:
                        is_new[numbers[i]] = True
                        new_words[n_new] = numbers[i]
                        n_new += 1
                    added[slots[i]] += values[i]
            for n in new_words[:n_new]:
                is_new[n] = False
                _add_cells(
                    starts[n],
                    starts[n + 1],
                    factors[n],
                    sqrt,
                    places,
                    tf,
                    added,
                    table,
                    edges,
                    scratch,
                )
            if most[height] == 0:
                continue
            least_width, most_width = least[height], most[height]
            _search_band(
                rows[top],
                rows[bottom],
                columns,
                least_width,
                most_width,
                cells,
                table,
                sqrt,
                by_cell,
                by_word,
                best,
                state,
            )
    return state[0]


@kernel
def _is_before(x1, y1, x2, y2, best):
    """Whether of two windows of equal scores the first one is the better."""
    height, other_height = y2 - y1, best[3] - best[1]
    area, other_area = height * (x2 - x1), other_height * (best[2] - best[0])
    if area != other_area:
        return area > other_area
    if height != other_height:
        return height > other_height
    return y1 < best[1] or (y1 == best[1] and x1 < best[0])


@kernel
def _search_band(y1, y2, columns, least, most, cells, table, sqrt, by_cell, by_word, best, state):
    """Look at the windows of a band; `state` is (the best score, its square less a rounding).

    Unsigned bounds: with signed ones LLVM allows for negative indices and does not vectorise
    (.45 against .25 ms for all windows of 32x42 cells); with a loop for roots and another for
    counts it takes .45 ms too.
    """
    by_word[:] = 0.0
    by_cell[:] = 0.0
    limit = state[1]
    near = far = by_word.size
    for left in range(cells.size - 1, -1, -1):
        while near > left + 1 and columns[near - 1] - columns[left] >= least:
            near -= 1
        while far > near and columns[far - 1] - columns[left] > most:
            far -= 1
        row, strip, n = table[left], cells[left], 0
        for right in range(np.uint64(left + 1), np.uint64(near)):
            by_word[right] += row[right]
            by_cell[right] += strip
        for right in range(np.uint64(near), np.uint64(far)):
            word, cell = by_word[right] + row[right], by_cell[right] + strip
            by_word[right] = word
            by_cell[right] = cell
            dot = word if sqrt else cell
            squared_norm = cell if sqrt else word
            n += dot * abs(dot) >= limit * squared_norm
        if n == 0:
            continue
        for right in range(near, far):
            dot, squared_norm = by_cell[right], by_word[right]
            if sqrt:
                dot, squared_norm = squared_norm, dot
            score = dot / np.sqrt(squared_norm) if squared_norm > 0 else 0.0
            rounded, best_score = np.float32(score), np.float32(state[0])
            if rounded < best_score:
                continue
            x1, x2 = columns[left], columns[right]
            if rounded == best_score and not _is_before(x1, y1, x2, y2, best):
                continue
            best[0], best[1], best[2], best[3] = x1, y1, x2, y2
            limit = np.float64(rounded) - HALF_STEP * abs(np.float64(rounded)) - 1e-44
            limit *= abs(limit)  # squared, with its sign
            state[0], state[1] = score, limit


@kernel
def _add_cells(start, end, factor, sqrt, places, tf, added, table, edges, scratch):
    """Add new cells of one word to the band: `tf` and `added` by slot, those from start to end.

    All cells of a row at once: one by one a map of a single word took 30 ms instead of 4.
    """
    old, new, known = scratch[0], scratch[1], scratch[2]
    n, last = 0, -1
    for slot in range(start, end):
        if tf[slot] > 0 or added[slot] > 0:
            if added[slot] > 0:
                last = n
            edges[n], old[n], new[n], known[n] = places[slot], tf[slot], added[slot], 0.0
            n += 1
            tf[slot] += added[slot]
            added[slot] = 0.0
    edges[n] = table.shape[0]
    begin, lead = last, 0.0  # the first strip with new cells, and the sum of those before it
    for first in range(last, -1, -1):
        if new[first] > 0:
            begin, lead = first, 0.0
        else:
            lead += old[first]
        row = table[edges[first]]
        before, change = lead, 0.0
        for segment in range(begin, n):
            before += old[segment]
            change += new[segment]
            if sqrt:
                value = factor * (np.sqrt(before + change) - np.sqrt(before))
            else:
                value = factor * change * (2 * before + change)
            difference = value - known[segment]
            known[segment] = value
            for right in range(np.uint64(edges[segment] + 1), np.uint64(edges[segment + 1] + 1)):
                row[right] += difference


@kernel
def _slots(first, numbers, n_numbered, strips):
    """A slot for each strip that a word occurs in.

    Returns
    -------
    starts : int32 (n_numbered + 1,), of the slots of each word
    places : int32 (n_slots,), their strips, ascending
    slots : int32 (n_listed,), of the listed cells
    """
    w = strips.size
    h = (first.size - 1) // w
    starts = np.zeros(n_numbered + 1, dtype=np.int32)
    last = np.full(n_numbered, -1, dtype=np.int32)
    used = np.empty(n_numbered, dtype=np.int32)
    places = np.empty(numbers.size, dtype=np.int32)
    slots = np.empty(numbers.size, dtype=np.int32)
    for number_them in (False, True):  # a first pass counts
        for x in range(w):
            for y in range(h):
                for i in range(first[y * w + x], first[y * w + x + 1]):
                    n = numbers[i]
                    is_new = last[n] != strips[x]
                    last[n] = strips[x]
                    if not number_them:
                        starts[n + 1] += is_new
                        continue
                    if is_new:
                        places[used[n]] = strips[x]
                        used[n] += 1
                    slots[i] = used[n] - 1
        if not number_them:
            for n in range(n_numbered):
                starts[n + 1] += starts[n]
            used[:] = starts[:-1]
            last[:] = -1
    return starts, places[: starts[n_numbered]], slots
