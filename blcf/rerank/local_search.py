"""Local search: where in an image the object is, by comparing the query with windows of its map."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.kernels.windows import score_windows
from blcf.records import Window

__all__ = ["LocalSearch", "grid_windows"]


@lru_cache(maxsize=256)
def grid_windows(h: int, w: int, shares: tuple[int, ...] = (1, 2, 4)) -> np.ndarray:
    """The grid of windows: {W, W/2, W/4} x {H, H/2, H/4}, 50 % overlap in both directions.

    Parameters
    ----------
    h, w : shape of the map, cells
    shares : into how many parts a side of the map is divided, for each size of window

    Returns
    -------
    int32 (n, 4), xyxy, half-open, cells; large windows first, then top to bottom and left to
    right; every cell lies in a window of each size. With the shares of the paper (1, 2, 4) there
    are 121 for maps of 8 cells or more a side.

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, section 5. Fractions of a cell: lengths and starts are
    rounded, the last window of a row ends at the edge of the map.
    """
    rows = [_intervals(h, share) for share in shares]
    columns = [_intervals(w, share) for share in shares]
    windows = [
        (x1, y1, x2, y2)
        for row in rows
        for column in columns
        for y1, y2 in row
        for x1, x2 in column
    ]
    unique = list(dict.fromkeys(windows))  # small maps repeat themselves
    grid = np.array(unique, dtype=np.int32)
    areas = (grid[:, 2] - grid[:, 0]) * (grid[:, 3] - grid[:, 1])
    grid = grid[np.argsort(-areas, kind="stable")]
    grid.setflags(write=False)  # it is cached
    return grid


def _intervals(n: int, share: int) -> list[tuple[int, int]]:
    """Intervals of n / share cells, half of that apart: 1, 3, 7, ... of them."""
    length = max(1, round(n / share))
    n_steps = 2 * (share - 1)
    starts = [round(step * (n - length) / max(n_steps, 1)) for step in range(n_steps + 1)]
    return [(start, start + length) for start in starts]


class LocalSearch:
    """Scores windows of assignment maps by their cosine with the query.

    A window is discarded when ``min(AR_w, AR_q) / max(AR_w, AR_q) < min_aspect``, with AR width
    over height (of the window in pixels of the image, of the query's box). Where every window is
    discarded, all of them are kept.

    Parameters
    ----------
    idf : float64 (n_words,), the weights of the words (ones where idf is off)
    sqrt : bool, whether counts are rooted, as in the index
    min_aspect : float, 0..1; 0 keeps all windows
    shares : sizes of the windows, see `grid_windows`

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, section 5 (R); the spatial pyramid of that section is not
    part of the score.
    """

    def __init__(
        self,
        idf: np.ndarray,
        *,
        sqrt: bool = False,
        min_aspect: float = 0.4,
        shares: Sequence[int] = (1, 2, 4),
    ):
        if not shares:
            raise InvalidInput("Expected shares of at least one size, e.g. (1, 2, 4), got none.")
        self.idf = idf
        self._squared_idf = idf * idf  # once, not for every image
        self.sqrt = sqrt
        self.min_aspect = min_aspect
        self.shares = shares

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
        """The window with the largest cosine; of equal ones the largest, then the first.

        Parameters
        ----------
        query : float64 (n_words,), from `prepare`
        assignment_map : int (h, w)
        aspect : width over height of the query, None keeps all windows
        size : (width, height) of the image in pixels, for the aspect of a window; cells are taken
            as square without it
        weights : float32 (h, w), of the cells; None counts each as 1
        """
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
        if weights is None:
            weights = np.ones(assignment_map.shape, dtype=np.float32)
        elif weights.shape != assignment_map.shape:
            raise InvalidInput(
                f"Expected weights of shape {assignment_map.shape}, got {weights.shape}."
            )
        windows = self._windows(assignment_map.shape, aspect, size)
        scores = np.empty(len(windows))
        tf = np.zeros(query.size)
        score_windows(
            assignment_map, weights, windows, query, self._squared_idf, self.sqrt, tf, scores
        )
        # Equal figures are ties, as in the index: double precision would split them by rounding.
        best = int(np.argmax(scores.astype(np.float32)))
        x1, y1, x2, y2 = (int(edge) for edge in windows[best])
        return Window(float(scores[best]), (x1, y1, x2, y2))

    def _windows(
        self, shape: tuple[int, int], aspect: float | None, size: tuple[int, int] | None
    ) -> np.ndarray:
        windows = grid_windows(*shape, tuple(self.shares))
        if aspect is None or self.min_aspect <= 0:
            return windows.copy()  # writeable like a selection: the kernel is compiled once
        (h, w), (width, height) = shape, size or shape[::-1]
        sides = windows[:, 2:] - windows[:, :2]
        aspects = (sides[:, 0] * width / w) / (sides[:, 1] * height / h)
        kept = np.minimum(aspects, aspect) / np.maximum(aspects, aspect) >= self.min_aspect
        return windows[kept] if kept.any() else windows.copy()
