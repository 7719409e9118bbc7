"""Exact ranking of the images of several parts: scores part by part, the best k in one heap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import scipy.sparse as sp

from blcf.index.numbering import Numbering
from blcf.index.postings import BUFFER, Postings
from blcf.index.tiles import Wanted, WeighedTiles
from blcf.kernels.top import sort_top, take_top
from blcf.processor import n_cores
from blcf.threads import computes_alone

__all__ = ["Part", "Top", "parts_among", "rank", "rank_many", "threads_for", "unit_values"]

# Queries that share one walk: a list that two of them want is fetched once, and their scores
# still fit the second-level cache (4 x 256 KB). 1, 2 and 8 measured the same within noise for
# queries that share little; eight copies of one query ran a third faster than alone.
SHARING = 4

# Postings of a query that are worth a thread: some 3 ms, of which starting one takes .1.
WORTH_A_THREAD = 4_000_000


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


def threads_for(n_postings: int) -> int:
    """How many threads share a query that walks so many postings: of large collections alone."""
    if computes_alone():
        return 1
    return min(n_cores(), 1 + n_postings // WORTH_A_THREAD)


def rank(
    parts: Sequence[Part],
    words: np.ndarray,
    weights: np.ndarray,
    k: int,
    sqrt: bool,
    n_threads: int = 1,
) -> Top:
    """The best k images of one query.

    Parameters
    ----------
    words, weights : int32 and float64 (n,), ascending words and what a unit of (root of) tf adds
    n_threads : that share the parts; the ranking is the same
    """
    starts = np.arange(words.size + 1, dtype=np.int32)
    wanted = words, starts, np.zeros(words.size, dtype=np.int32), weights
    shares = _shares(parts, n_threads)
    tops = _in_threads(
        [partial(_rank_together, share, wanted, 1, k, sqrt) for share in shares], n_threads
    )
    return _best([top for (top,) in tops], k)


def rank_many(
    parts: Sequence[Part], vectors: sp.csr_matrix, k: int, sqrt: bool, n_threads: int
) -> list[Top]:
    """`rank` for every row, CSR float64 (n, n_words), in threads over (queries, parts)."""
    n_groups = -(-vectors.shape[0] // SHARING)
    # Few queries: the parts are shared out as well, and the best of each share merged.
    shares = _shares(parts, 1 if n_groups >= 2 * n_threads else n_threads)

    def run(share: Sequence[Part], first: int) -> list[Top]:
        rows = vectors[first : first + SHARING]
        return _rank_together(share, _by_word(rows), rows.shape[0], k, sqrt)

    firsts = range(0, vectors.shape[0], SHARING)
    tops = _in_threads(
        [partial(run, share, first) for first in firsts for share in shares], n_threads
    )
    merged = []
    for group in range(n_groups):
        found = tops[group * len(shares) : (group + 1) * len(shares)]
        merged += [_best(list(rows), k) for rows in zip(*found)]
    return merged


def _shares(parts: Sequence[Part], n: int) -> list[Sequence[Part]]:
    """The parts in at most n runs, of about as many parts each."""
    n = min(len(parts), n) or 1
    bounds = np.linspace(0, len(parts), n + 1).astype(int)
    return [parts[first:last] for first, last in zip(bounds, bounds[1:])]


def _in_threads(tasks: Sequence[Callable[[], list[Top]]], n_threads: int) -> list[list[Top]]:
    """The results of all tasks, in their order."""
    if n_threads == 1 or len(tasks) == 1:  # a thread of its own takes .1 ms to start
        return [task() for task in tasks]
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(lambda task: task(), tasks))


def _by_word(vectors: sp.csr_matrix) -> Wanted:
    """Which queries want each word, and how much: words, starts, rows, weights."""
    by_word = vectors.tocsc()
    by_word.sort_indices()
    counts = np.diff(by_word.indptr)
    words = np.flatnonzero(counts).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(counts[words])]).astype(np.int32)
    return words, starts, by_word.indices.astype(np.int32), by_word.data


def _rank_together(
    parts: Sequence[Part], wanted: Wanted, n_queries: int, k: int, sqrt: bool
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
