"""The kernel of bags: how much each word counts in windows of assignment maps."""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["count_words"]


@kernel
def count_words(words, weights, starts, shapes, windows, steps):
    """The words of one window of each of several maps, ascending, and the sums of their weights.

    Weights count in whole steps, so that sums are exact and their order means nothing; words whose
    cells all count 0 are left out.

    Parameters
    ----------
    words, weights : int32 and float32 (n_cells,), of all maps; weights >= 0
    starts : int64 (n,), the first cell of each map
    shapes : int64 (n, 2), its rows and columns
    windows : int64 (n, 4), xyxy, half-open, cells
    steps : float, of a weight of 1

    Returns
    -------
    found, tf, ends : int32 and float32 (n_found,), int32 (n + 1,): CSR
    """
    n, most, total = len(starts), 0, 0
    for i in range(n):
        n_cells = (windows[i, 2] - windows[i, 0]) * (windows[i, 3] - windows[i, 1])
        most, total = max(most, n_cells), total + n_cells
    found, tf = np.empty(total, np.int32), np.empty(total, np.float32)
    ends = np.zeros(n + 1, np.int32)
    size = 4
    while size < 2 * most:
        size *= 2
    slots = np.full(size, -1, np.int32)  # words by hash, open addressing; as in `windows.lay_out`
    sums = np.zeros(size)
    last = 0
    for i in range(n):
        first = last
        for y in range(windows[i, 1], windows[i, 3]):
            row = starts[i] + y * shapes[i, 1]
            for cell in range(row + windows[i, 0], row + windows[i, 2]):
                weight = np.rint(weights[cell] * steps)
                if not weight > 0:
                    continue
                word = words[cell]
                slot = _slot(slots, word)
                if slots[slot] < 0:
                    slots[slot] = word
                    found[last] = word
                    last += 1
                sums[slot] += weight
        here = found[first:last]
        here.sort()
        for k in range(first, last):
            slot = _slot(slots, found[k])
            tf[k] = sums[slot] / steps
            sums[slot] = 0.0
        # Not one by one: another word may have been put behind this one.
        slots[:] = -1
        ends[i + 1] = last
    return found[:last].copy(), tf[:last].copy(), ends


@kernel
def _slot(slots, word):
    """Where a word is, or would be."""
    slot = (np.int64(word) * 40_503) & (slots.size - 1)
    while slots[slot] >= 0 and slots[slot] != word:
        slot = (slot + 1) & (slots.size - 1)
    return slot
