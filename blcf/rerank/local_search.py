"""Local search: where in an image the object is, by comparing the query with windows of its map."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.kernels.all_windows import best_of_all_windows
from blcf.kernels.windows import lay_out, score_windows
from blcf.records import Window
from blcf.rerank.windows import (
    allowed_widths,
    by_rows,
    grid_windows,
    kept_windows,
    near_windows,
)

__all__ = ["WINDOWS", "LocalSearch"]

WINDOWS = ("grid", "all", "coarse")
STRIDE = 2  # of "coarse", a power of two

Cells = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # from `lay_out`


class LocalSearch:
    """Finds the window of an assignment map whose cosine with the query is the largest.

    A window is discarded when ``min(AR_w, AR_q) / max(AR_w, AR_q) < min_aspect``, with AR width
    over height (of the window in pixels of the image, of the query's box), or when one of its sides
    has fewer than `min_side` cells. Where every window is discarded, all of them are kept.

    Parameters
    ----------
    idf : float64 (n_words,), the weights of the words (ones where idf is off)
    sqrt : bool, whether counts are rooted, as in the index
    min_aspect : float, 0..1; 0 keeps all windows
    shares : sizes of the windows of the grid, see `grid_windows`
    windows : which windows are looked at
        "grid", those of the paper, see `grid_windows`;
        "all", every position and size, exactly: 476,784 in a map of 32x42 cells;
        "coarse", approximately: every position and size whose edges lie on every second cell (the
        edges of the map included), then the best of these with each edge moved by at most a cell
    min_side : cells of a side of a window, at least

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, section 5 (R); the spatial pyramid of that section is not
    part of the score. "all" has the optimum of the efficient subwindow search of Lampert et al.
    (CVPR 2008) for this score, without its branch and bound, see `blcf.kernels.all_windows`.

    Examples
    --------
    >>> import numpy as np
    >>> from blcf import LocalSearch
    >>> words = np.zeros((6, 9), dtype=np.int32)
    >>> words[1:4, 2:7] = 1
    >>> LocalSearch(np.ones(2), windows="all").best_window(np.array([0.0, 1.0]), words).cells
    (2, 1, 7, 4)
    """

    def __init__(
        self,
        idf: np.ndarray,
        *,
        sqrt: bool = False,
        min_aspect: float = 0.4,
        shares: Sequence[int] = (1, 2, 4),
        windows: str = "grid",
        min_side: int = 1,
    ):
        if not shares:
            raise InvalidInput("Expected shares of at least one size, e.g. (1, 2, 4), got none.")
        if windows not in WINDOWS:
            raise InvalidInput(f"Expected windows to be one of {WINDOWS}, got {windows!r}.")
        if min_side < 1:
            raise InvalidInput(f"Expected min_side of 1 cell or more, got {min_side}.")
        self.idf = idf
        self._squared_idf = idf * idf  # once, not for every image
        self.sqrt = sqrt
        self.min_aspect = min_aspect
        self.shares = shares
        self.windows = windows
        self.min_side = min_side

    def prepare(self, vector: sp.csr_matrix) -> np.ndarray:
        """A weighed query as the dense weights that `best_window` takes: float64 (n_words,)."""
        if vector.shape != (1, self.idf.size):
            raise VocabularyMismatch(
                f"Expected a query of shape (1, {self.idf.size}), got {vector.shape}."
            )
        return vector.toarray()[0].astype(np.float64) * self.idf

    def best_window(
        self,
        query: np.ndarray,
        assignment_map: np.ndarray,
        *,
        aspect: float | None = None,
        size: tuple[int, int] | None = None,
        weights: np.ndarray | None = None,
    ) -> Window:
        """The window with the largest cosine.

        Cosines are compared as float32: equal figures are ties, as in the index; double precision
        would split them by rounding. Of equal ones the window of the largest area in cells wins,
        then the highest, then the one nearest to the top, then to the left.

        Parameters
        ----------
        query : float64 (n_words,), from `prepare`
        assignment_map : int (h, w)
        aspect : width over height of the query, None keeps all windows
        size : (width, height) of the image in pixels, for the aspect of a window; cells are taken
            as square without it
        weights : float32 (h, w), >= 0, of the cells; None counts each as 1
        """
        words = self._checked(query, assignment_map)
        shape = words.shape
        if weights is None:
            weights = np.ones(shape, dtype=np.float32)
        elif weights.shape != shape:
            raise InvalidInput(f"Expected weights of shape {shape}, got {weights.shape}.")
        weights = np.ascontiguousarray(weights, dtype=np.float32)
        cells = lay_out(words, weights, query, self._squared_idf, self.sqrt)
        sizes = (shape, self.min_side, self.min_aspect, aspect, size)
        if self.windows == "grid":
            return self._best_of(*_grid(tuple(self.shares), *sizes), cells)
        limits = allowed_widths(*sizes)
        if self.windows == "coarse":
            found = self._best_of_all(cells, limits, STRIDE)
            step = STRIDE // 2
            while found and step:
                windows = kept_windows(near_windows(found.cells, step, shape), *limits)
                found = self._best_of(windows, by_rows(windows), cells)
                step //= 2
            if found:
                return found
        found = self._best_of_all(cells, limits, 1)
        assert found, "some size is always allowed"
        return found

    def _checked(self, query: np.ndarray, assignment_map: np.ndarray) -> np.ndarray:
        """The map as int32 (h, w), whose words the query has."""
        assignment_map = np.asarray(assignment_map)
        if assignment_map.ndim != 2 or not assignment_map.size:
            raise InvalidInput(
                f"Expected an assignment map of shape (h, w), got {assignment_map.shape}."
            )
        if query.size != self.idf.size:
            raise VocabularyMismatch(
                f"Expected a query of {self.idf.size} words, got {query.size}. Use prepare."
            )
        least, most = int(assignment_map.min()), int(assignment_map.max())
        if least < 0 or most >= query.size:
            raise VocabularyMismatch(
                f"Expected words from 0 to {query.size - 1}, got {least} to {most}."
            )
        return np.ascontiguousarray(assignment_map, dtype=np.int32)

    def _best_of(self, windows: np.ndarray, order: np.ndarray, cells: Cells) -> Window:
        """The first of the best of given windows, which are looked at in an order of their own."""
        scores = np.empty(len(windows))
        score_windows(*cells, self.sqrt, windows, order, scores)
        best = int(np.argmax(scores.astype(np.float32)))
        x1, y1, x2, y2 = windows[best].tolist()
        return Window(float(scores[best]), (x1, y1, x2, y2))

    def _best_of_all(
        self, cells: Cells, limits: tuple[np.ndarray, np.ndarray], stride: int
    ) -> Window | None:
        """The best of all windows with edges on every `stride`-th cell; None where none is kept."""
        h, w = cells[0].shape
        best = np.empty(4, dtype=np.int32)
        rows, columns = _edges(h, stride), _edges(w, stride)
        score = best_of_all_windows(*cells, self.sqrt, rows, columns, *limits, best)
        x1, y1, x2, y2 = best.tolist()
        return Window(score, (x1, y1, x2, y2)) if score > -np.inf else None


def _edges(n: int, stride: int) -> np.ndarray:
    return np.append(np.arange(0, n, stride), n).astype(np.int32)


@lru_cache(maxsize=256)
def _grid(
    shares: tuple[int, ...],
    shape: tuple[int, int],
    min_side: int,
    min_aspect: float,
    aspect: float | None,
    size: tuple[int, int] | None,
) -> tuple[np.ndarray, np.ndarray]:
    """The windows of the grid that are kept, all where every one is discarded; see `by_rows`."""
    windows = grid_windows(*shape, shares)
    kept = kept_windows(windows, *allowed_widths(shape, min_side, min_aspect, aspect, size))
    windows = kept if len(kept) else windows.copy()  # writeable too: the kernel is compiled once
    return windows, by_rows(windows)
