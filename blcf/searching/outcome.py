"""What the stages of a search hand on: a vector, its ranking, and what was found in the images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from blcf.records import Ranking

__all__ = ["CellWindow", "Found", "Outcome"]

CellWindow = tuple[int, int, int, int]  # xyxy, half-open, in cells


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
    """

    score: float
    cells: CellWindow
    is_whole: bool
    boxes: np.ndarray
    weights: np.ndarray | None = None
    view: int | None = None


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
