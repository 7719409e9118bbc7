"""Exact ranking of the images of several parts: scores part by part, the best k in one heap."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from blcf.index.numbering import Numbering
from blcf.index.postings import BUFFER, Postings
from blcf.index.tiles import WeighedTiles
from blcf.kernels.top import sort_top, take_top

__all__ = ["Part", "Top", "parts_among", "rank", "rank_many", "unit_values"]

# Queries that share one walk: a list that two of them want is fetched once, and their scores
# still fit the second-level cache (4 x 256 KB). 1, 2 and 8 measured the same within noise for
# queries that share little; eight copies of one query ran a third faster than alone.
SHARING = 4

_Wanted = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # words, starts, rows, weights


@dataclass(frozen=True, eq=False)
class Part:
    """Posting lists and what turns their dot products into cosines.

    Attributes
    ----------
    postings : `Postings`
    scale : float64 (n_images,), one over an image's norm, 0 where that is 0, NaN where the image
        is removed
    first : number of its first image, removed images of all parts counted
    tiles : those of its images, the best of which counts; None where they have none
    """

    postings: Postings
    scale: np.ndarray
    first: int
    tiles: WeighedTiles | None = None


@dataclass(frozen=True, eq=False)
class Top:
    """The best images of a query: score descending, then number ascending.

    Attributes
    ----------
    scores : float32 (n,)
    images : int64 (n,), numbers with the removed images counted
    """

    scores: np.ndarray
    images: np.ndarray


def parts_among(parts: Sequence[Part], numbering: Numbering, mask: np.ndarray) -> list[Part]:
    """The parts as if all images but those of a mask, bool (n_images,), were removed.

    Weights and norms stay those of the whole collection; parts without such an image are left out.
    """
    chosen = []
    for number, part in enumerate(parts):
        positions = numbering.chosen(number, mask)
        if not positions.size:
            continue
        if positions.size < part.scale.size:
            scale = np.full(part.scale.size, np.nan)
            scale[positions] = part.scale[positions]
            part = replace(part, scale=scale)
        chosen.append(part)
    return chosen


def unit_values(bags: sp.csr_matrix, idf: np.ndarray, sqrt: bool) -> np.ndarray:
    """The entries of the L2-normalised (rooted) tf-idf vectors of checked bags: float64 (n,)."""
    values = np.sqrt(bags.data, dtype=np.float64) if sqrt else bags.data.astype(np.float64)
    values *= idf[bags.indices]
    rows = np.repeat(np.arange(bags.shape[0]), np.diff(bags.indptr))
    squared = np.zeros(bags.shape[0])
    squared += np.bincount(rows, weights=values * values, minlength=bags.shape[0])
    scale = np.divide(1, np.sqrt(squared), out=np.zeros_like(squared), where=squared > 0)
    return values * scale[rows]


def rank(parts: Sequence[Part], words: np.ndarray, weights: np.ndarray, k: int, sqrt: bool) -> Top:
    """The best k images of one query, serially.

    Parameters
    ----------
    words, weights : int32 and float64 (n,), ascending words and what a unit of (root of) tf adds
    """
    starts = np.arange(words.size + 1, dtype=np.int32)
    rows = np.zeros(words.size, dtype=np.int32)
    return _rank_together(parts, (words, starts, rows, weights), 1, k, sqrt)[0]


def rank_many(
    parts: Sequence[Part], vectors: sp.csr_matrix, k: int, sqrt: bool, n_threads: int
) -> list[Top]:
    """`rank` for every row, CSR float64 (n, n_words), in threads over (queries, parts)."""
    n_groups = -(-vectors.shape[0] // SHARING)
    # Few queries: the parts are shared out as well, and the best of each share merged.
    n_shares = min(len(parts), 1 if n_groups >= 2 * n_threads else n_threads) or 1
    bounds = np.linspace(0, len(parts), n_shares + 1).astype(int)
    tasks = [
        (parts[bounds[share] : bounds[share + 1]], group * SHARING)
        for group in range(n_groups)
        for share in range(n_shares)
    ]

    def run(task: tuple[Sequence[Part], int]) -> list[Top]:
        rows = vectors[task[1] : task[1] + SHARING]
        return _rank_together(task[0], _by_word(rows), rows.shape[0], k, sqrt)

    if n_threads == 1:  # a thread of its own takes .1 ms to start
        tops = [run(task) for task in tasks]
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            tops = list(pool.map(run, tasks))
    merged = []
    for group in range(n_groups):
        shares = tops[group * n_shares : (group + 1) * n_shares]
        merged += [_best(list(rows), k) for rows in zip(*shares)]
    return merged


def _by_word(vectors: sp.csr_matrix) -> _Wanted:
    """Which queries want each word, and how much: words, starts, rows, weights."""
    by_word = vectors.tocsc()
    by_word.sort_indices()
    counts = np.diff(by_word.indptr)
    words = np.flatnonzero(counts).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(counts[words])]).astype(np.int32)
    return words, starts, by_word.indices.astype(np.int32), by_word.data


def _rank_together(
    parts: Sequence[Part], wanted: _Wanted, n_queries: int, k: int, sqrt: bool
) -> list[Top]:
    """The best k images of a few queries, which share one walk over the lists they want."""
    if not k:
        return [Top(np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64))] * n_queries
    top_scores = np.full((n_queries, k), -np.inf, dtype=np.float32)
    top_images = np.zeros((n_queries, k), dtype=np.int64)
    scores = np.zeros((n_queries, BUFFER))
    for part in parts:
        part.postings.add_scores(*wanted, sqrt, scores)
        of_part, scale = scores[:, : part.postings.n_images], part.scale
        if part.tiles is not None:
            of_part *= scale
            part.tiles.raise_cosines(wanted, sqrt, of_part)
            scale = np.ones_like(scale)
        for row in range(n_queries):
            take_top(of_part[row], scale, part.first, top_scores[row], top_images[row])
    tops = []
    for row in range(n_queries):
        sort_top(top_scores[row], top_images[row])
        n = int((top_scores[row] > -np.inf).sum())
        tops.append(Top(top_scores[row, :n], top_images[row, :n]))
    return tops


def _best(shares: list[Top], k: int) -> Top:
    """The best k of the best of several shares of the parts."""
    if len(shares) == 1:
        return shares[0]
    scores = np.concatenate([one.scores for one in shares])
    images = np.concatenate([one.images for one in shares])
    order = np.lexsort((images, -scores))[:k]
    return Top(scores[order], images[order])
