"""The spatial pyramid: a window and its 2x2 sub-windows, each compared with the query's own.

The score of a window is ``sum_r weight_r cosine(query_r, window_r) / sum_r weight_r``, r over the
window and its four sub-windows, with ``weight_r = 1 / 2^(L - l)`` at level l of L = 2: 1/2 for the
window, 1 for each sub-window. Divided by the sum of the weights, 4.5, a window equal to the query
scores 1; the order is that of the sum. A region of norm 0, of either side, adds 0: a query with an
empty quarter scores 7/9 at most.

Source: Mohedano et al., ICMR 2016, section 5; the rounding of halves and the division are ours.
"""

from __future__ import annotations

import numpy as np

from blcf.errors import InvalidInput

__all__ = ["SHARES", "pyramid_parts", "quadrants"]

SHARES = (1 / 9, 2 / 9, 2 / 9, 2 / 9, 2 / 9)  # weights over their sum: the window, its quarters
# Where their edges stand among x1, y1, x2, y2, the starts of the far halves (x, y), the ends of the
# near ones (x, y).
_QUADRANTS = ([0, 1, 6, 7], [4, 1, 2, 7], [0, 5, 6, 3], [4, 5, 2, 3])


def quadrants(cells: tuple[int, int, int, int] | np.ndarray) -> np.ndarray:
    """The four sub-windows: top left, top right, bottom left, bottom right.

    Halves of an odd side share its middle: of n cells they are [0, ceil(n / 2)) and
    [floor(n / 2), n). None is empty, all cells are covered, a mirrored window has mirrored
    quadrants, and a side of one cell is in both halves.

    Parameters
    ----------
    cells : int (4,), xyxy, half-open, cells; or int (n, 4), of several windows

    Returns
    -------
    int32 (4, 4), or (4, n, 4): the top left ones of all windows first

    Raises
    ------
    InvalidInput
        Not four integers, or an empty window.

    Examples
    --------
    >>> quadrants((0, 0, 4, 3)).tolist()
    [[0, 0, 2, 2], [2, 0, 4, 2], [0, 1, 2, 3], [2, 1, 4, 3]]
    """
    windows = np.asarray(cells)
    if windows.dtype.kind not in "iu" or windows.ndim not in (1, 2) or windows.shape[-1] != 4:
        raise InvalidInput(
            "Expected windows as four integers x1,y1,x2,y2 (cells), got "
            f"{windows.dtype} of shape {windows.shape}."
        )
    if not (windows[..., :2] < windows[..., 2:]).all():
        raise InvalidInput(
            f"Expected windows x1,y1,x2,y2 (cells) with x1 < x2 and y1 < y2, got {cells}."
        )
    windows = windows.astype(np.int32)
    sums = windows[..., :2] + windows[..., 2:]
    edges = np.concatenate([windows, sums // 2, (sums + 1) // 2], axis=-1)
    return np.stack([edges[..., one] for one in _QUADRANTS])


def pyramid_parts(
    cells: tuple[int, int, int, int],
) -> list[tuple[float, tuple[int, int, int, int]]]:
    """The five regions of a window, each with its share of the score; the shares sum to 1.

    Parameters
    ----------
    cells : (x1, y1, x2, y2), half-open, cells

    Returns
    -------
    list of (share, (x1, y1, x2, y2)): the window, then its sub-windows as in `quadrants`

    Raises
    ------
    InvalidInput
        Not four integers, or an empty window.

    Examples
    --------
    >>> [region for _, region in pyramid_parts((0, 0, 2, 1))]
    [(0, 0, 2, 1), (0, 0, 1, 1), (1, 0, 2, 1), (0, 0, 1, 1), (1, 0, 2, 1)]
    """
    regions = quadrants(cells).tolist()
    regions.insert(0, [int(edge) for edge in cells])
    return [(share, (x1, y1, x2, y2)) for share, (x1, y1, x2, y2) in zip(SHARES, regions)]
