"""Kernel of the voting: where scores of boxes are largest among their neighbours."""

from __future__ import annotations

from blcf.kernels.compiling import kernel

__all__ = ["find_peaks"]


@kernel
def find_peaks(scores, least, peaks):
    """Where no neighbour in size, row and column scores more; of equal ones the first.

    Parameters
    ----------
    scores : float32 (n_sizes, h, w)
    least : the score of a peak, at least
    peaks : out, int64 (n, 3), size, y and x, ascending; as many as there may be, every second one
        in each direction

    Returns
    -------
    How many there are
    """
    n_sizes, h, w = scores.shape
    n = 0
    for size in range(n_sizes):
        for y in range(h):
            for x in range(w):
                score = scores[size, y, x]
                is_peak = score >= least
                if not is_peak:
                    continue
                for s in range(max(size - 1, 0), min(size + 2, n_sizes)):
                    for v in range(max(y - 1, 0), min(y + 2, h)):
                        for u in range(max(x - 1, 0), min(x + 2, w)):
                            other = scores[s, v, u]
                            is_first = (s, v, u) >= (size, y, x)
                            is_peak &= other < score or (other == score and is_first)
                if is_peak:
                    peaks[n, 0], peaks[n, 1], peaks[n, 2] = size, y, x
                    n += 1
    return n
