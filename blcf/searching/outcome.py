"""What the stages of a search hand on: a vector, its ranking, and what was found in the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import scipy.sparse as sp

from blcf.records import Ranking

__all__ = ["CellWindow", "Found", "Outcome", "bags_of_windows", "without_bags"]

CellWindow = tuple[int, int, int, int]  # xyxy, half-open, in cells
_NOTHING = np.empty(0, np.int32), np.empty(0, np.float32)


@dataclass(frozen=True, eq=False)
class Found:
    """What was found in an image.

    Attributes
    ----------
    score : of the hit
    cells : (x1, y1, x2, y2), half-open, cells: the window that makes the score
    is_whole : whether the score is that of the whole image, which is larger than the window's
    boxes : float32 (n, 4), xyxy, pixels: where the object is, the best first
    weights : float32 (h, w), what each cell counts where the score is not a window's but that of
        the query's own region
    view : of all views of the examples the one that alone makes the score; None: all of them
    bag : words and term frequencies of the window, int32 and float32 (n,), words ascending
    of_tiles : whether the window is one of the map that the image's tiles are parts of
    """

    score: float
    cells: CellWindow
    is_whole: bool
    boxes: np.ndarray
    weights: np.ndarray | None = None
    view: int | None = None
    bag: tuple[np.ndarray, np.ndarray] = _NOTHING
    of_tiles: bool = False


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a search has come to after one of its stages.

    Attributes
    ----------
    vector : CSR float64 (1, n_words), what was searched for
    ranking : the images by it
    found : {image: what reranking found}, of the images that it looked at
    quarters : CSR float64 (4, n_words), the vectors of the query's quarters, where the scores of
        windows are those of a pyramid
    kept : {image: what was searched for} where that was another vector, see
        `blcf.searching.places`
    """

    vector: sp.csr_matrix
    ranking: Ranking
    found: dict[int, Found] = field(default_factory=dict)
    quarters: sp.csr_matrix | None = None
    kept: dict[int, sp.csr_matrix] = field(default_factory=dict)


def without_bags(outcome: Outcome) -> Outcome:
    """The same for who keeps it, without the bags of windows: 4 kB each, or 30."""
    found = {key: replace(one, bag=_NOTHING) for key, one in outcome.found.items()}
    return replace(outcome, found=found)


def bags_of_windows(found: Sequence[Found], n_words: int) -> sp.csr_matrix:
    """The bags of the windows that were found: CSR float32 (n, n_words)."""
    words = np.concatenate([np.empty(0, np.int32), *(one.bag[0] for one in found)])
    tf = np.concatenate([np.empty(0, np.float32), *(one.bag[1] for one in found)])
    ends = np.concatenate([[0], np.cumsum([one.bag[0].size for one in found])]).astype(np.int32)
    return sp.csr_matrix((tf, words, ends), shape=(len(found), n_words))
