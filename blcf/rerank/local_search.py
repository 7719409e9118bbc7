"""Local search: where in an image the object is, by comparing the query with windows of its map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.kernels.all_windows import best_of_all_windows
from blcf.kernels.windows import lay_out, score_one_each, score_windows
from blcf.printing import shown
from blcf.records import Window
from blcf.rerank.pyramid import SHARES, quadrants
from blcf.rerank.windows import (
    allowed_widths,
    by_rows,
    grid_windows,
    kept_windows,
    near_windows,
)
from blcf.weighed_maps import WeighedMaps

__all__ = ["WINDOWS", "LocalSearch"]

WINDOWS = ("grid", "all", "coarse")
STRIDE = 2  # of "coarse", a power of two

Layout = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # from `lay_out`
Family = tuple[np.ndarray, np.ndarray]  # windows, and the order in which they are looked at


class LocalSearch:
    """Finds the window of an assignment map whose score, its cosine with the query, is the largest.

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
    pyramid : whether the score is that of the spatial pyramid, see `blcf.rerank.pyramid`: the
        quarters of a window are compared with those of the query too. Only with the grid.

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, section 5 (R). "all" has the optimum of the efficient
    subwindow search of Lampert et al. (CVPR 2008) for the cosine, without its branch and bound,
    see `blcf.kernels.all_windows`.

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
        pyramid: bool = False,
    ):
        if not shares:
            raise InvalidInput("Expected shares of at least one size, e.g. (1, 2, 4), got none.")
        if windows not in WINDOWS:
            raise InvalidInput(f"Expected windows to be one of {WINDOWS}, got {windows!r}.")
        if min_side < 1:
            raise InvalidInput(f"Expected min_side of 1 cell or more, got {min_side}.")
        if pyramid and windows != "grid":
            raise InvalidInput(
                f"Expected windows of the grid for a pyramid, got windows={windows!r}. Pass "
                "windows='grid', or pyramid=False."
            )
        self.idf = idf
        self._squared_idf = idf * idf  # once, not for every image
        self.sqrt = sqrt
        self.min_aspect = min_aspect
        self.shares = shares
        self.windows = windows
        self.min_side = min_side
        self.pyramid = pyramid

    def __repr__(self) -> str:
        return shown(self)

    def prepare(self, vector: sp.csr_matrix, parts: sp.csr_matrix | None = None) -> np.ndarray:
        """A weighed query as the dense weights that `best_window` takes.

        Parameters
        ----------
        vector : CSR float (1, n_words), weighed and L2-normalised
        parts : CSR float (4, n_words), likewise, of the sub-regions of the query in the order of
            `quadrants`; with a pyramid only. A row of zeros is a sub-region without words.

        Returns
        -------
        float64 (n_words,), or with a pyramid (5, n_words): the query, then its sub-regions
        """
        if vector.shape != (1, self.idf.size):
            raise VocabularyMismatch(
                f"Expected a query of shape (1, {self.idf.size}), got {vector.shape}."
            )
        if self.pyramid != (parts is not None):
            raise InvalidInput(
                "Expected parts of the query with a pyramid, and only with one, got "
                f"pyramid={self.pyramid} and parts {'missing' if parts is None else 'given'}. "
                "Encode the cells of `quadrants` and weigh them as the query."
            )
        if parts is None:
            return vector.toarray()[0].astype(np.float64) * self.idf
        if parts.shape != (4, self.idf.size):
            raise VocabularyMismatch(
                f"Expected parts of a query of shape (4, {self.idf.size}), got {parts.shape}."
            )
        return np.vstack([vector.toarray(), parts.toarray()]).astype(np.float64) * self.idf

    def best_window(
        self,
        query: np.ndarray,
        assignment_map: np.ndarray,
        *,
        aspect: float | None = None,
        size: tuple[int, int] | None = None,
        weights: np.ndarray | None = None,
    ) -> Window:
        """The window with the largest score.

        Scores are compared as float32: equal figures are ties, as in the index; double precision
        would split them by rounding. Of equal ones the window of the largest area in cells wins,
        then the highest, then the one nearest to the top, then to the left.

        Parameters
        ----------
        query : float64 (n_words,) or (5, n_words), from `prepare`
        assignment_map : int (h, w)
        aspect : width over height of the query, None keeps all windows
        size : (width, height) of the image in pixels, for the aspect of a window; cells are taken
            as square without it
        weights : float32 (h, w), >= 0, of the cells; None counts each as 1
        """
        words, weights = self._checked(query, assignment_map, weights)
        shape = words.shape
        layers = self._lay_out(query, words, weights)
        sizes = (shape, self.min_side, self.min_aspect, aspect, size)
        if self.windows == "grid":
            return self._best_of(_grid(tuple(self.shares), *sizes, self.pyramid), layers)
        cells, limits = next(layers), allowed_widths(*sizes)
        if self.windows == "coarse":
            found = self._best_of_all(cells, limits, STRIDE)
            step = STRIDE // 2
            while found and step:
                windows = kept_windows(near_windows(found.cells, step, shape), *limits)
                found = self._best_of([(windows, by_rows(windows))], [cells])
                step //= 2
            if found:
                return found
        found = self._best_of_all(cells, limits, 1)
        assert found, "some size is always allowed"
        return found

    def score_of_window(
        self,
        query: np.ndarray,
        assignment_map: np.ndarray,
        cells: tuple[int, int, int, int],
        *,
        weights: np.ndarray | None = None,
    ) -> float:
        """The score of one given window, whatever its sides and its aspect.

        It equals what `best_window` gives this window bit for bit with "grid", up to the rounding
        of double precision with "all" and "coarse".

        Parameters
        ----------
        query, assignment_map, weights : as of `best_window`
        cells : (x1, y1, x2, y2), half-open, cells

        Raises
        ------
        InvalidInput, VocabularyMismatch
        """
        maps = WeighedMaps.of([assignment_map], [weights], self.idf.size)
        return float(self.scores_of_windows(query, maps, [cells])[0])

    def scores_of_windows(
        self,
        query: np.ndarray,
        maps: WeighedMaps,
        cells: Sequence[tuple[int, int, int, int]] | np.ndarray,
    ) -> np.ndarray:
        """`score_of_window` of one window in each of several maps, in one call: float64 (n,).

        Parameters
        ----------
        query : as of `best_window`
        maps : of n images
        cells : of each (x1, y1, x2, y2), half-open, cells
        """
        self._check_query(query)
        maps.check_words(self.idf.size)
        windows = maps.as_windows(cells)
        regions = [windows, *quadrants(windows)] if self.pyramid else [windows]
        scores = np.empty(len(maps))
        score_one_each(
            *(maps.words, maps.weights, maps.starts, maps.shapes),
            *(np.atleast_2d(query), self._squared_idf, self.sqrt),
            *(np.stack(regions), np.array(SHARES if self.pyramid else (1.0,)), scores),
        )
        return scores

    def _checked(
        self, query: np.ndarray, assignment_map: np.ndarray, weights: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The map as int32 (h, w), whose words the query has, and its weights, float32 (h, w)."""
        self._check_query(query)
        maps = WeighedMaps.of([assignment_map], [weights], self.idf.size)
        return maps.words_of(0), maps.weights_of(0)

    def _check_query(self, query: np.ndarray) -> None:
        n_words = self.idf.size
        expected = (len(SHARES), n_words) if self.pyramid else (n_words,)
        if query.shape != expected:
            raise VocabularyMismatch(
                f"Expected a query of shape {expected}, got {query.shape}. Use prepare."
            )

    def _lay_out(
        self, query: np.ndarray, words: np.ndarray, weights: np.ndarray
    ) -> Iterator[Layout]:
        """The map laid out for the query; with a pyramid for each of its regions.

        One after the other: in a map of 70x94 cells half the time of all five, whose memory is new.
        """
        for region in query if self.pyramid else query[None]:
            yield lay_out(words, weights, region, self._squared_idf, self.sqrt)

    def _scores(self, families: Sequence[Family], layers: Iterable[Layout]) -> np.ndarray:
        """Of each window: float64 (n,); a family has the region of each that a layer is for."""
        shares = SHARES if self.pyramid else (1.0,)
        total = np.zeros(len(families[0][0]))
        for share, (windows, order), cells in zip(shares, families, layers):
            scores = np.empty(len(windows))
            score_windows(*cells, self.sqrt, windows, order, scores)
            total += share * scores
        return total

    def _best_of(self, families: Sequence[Family], layers: Iterable[Layout]) -> Window:
        """The first of the best of given windows, which are looked at in an order of their own."""
        scores = self._scores(families, layers)
        best = int(np.argmax(scores.astype(np.float32)))
        x1, y1, x2, y2 = families[0][0][best].tolist()
        return Window(float(scores[best]), (x1, y1, x2, y2))

    def _best_of_all(
        self, cells: Layout, limits: tuple[np.ndarray, np.ndarray], stride: int
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


def _families(windows: np.ndarray, pyramid: bool) -> list[Family]:
    """The windows, and with a pyramid each of their quadrants, with the order of their rows."""
    regions = [windows, *quadrants(windows)] if pyramid else [windows]
    return [(one, by_rows(one)) for one in regions]


@lru_cache(maxsize=256)
def _grid(
    shares: tuple[int, ...],
    shape: tuple[int, int],
    min_side: int,
    min_aspect: float,
    aspect: float | None,
    size: tuple[int, int] | None,
    pyramid: bool,
) -> list[Family]:
    """The windows of the grid that are kept, all where every one is discarded."""
    windows = grid_windows(*shape, shares)
    kept = kept_windows(windows, *allowed_widths(shape, min_side, min_aspect, aspect, size))
    windows = kept if len(kept) else windows.copy()  # writeable too: the kernel is compiled once
    return _families(windows, pyramid)
