"""How much each size of a query counts: alike, or by how far its best hits stand out for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from blcf.expansion import joint_query
from blcf.records import Query
from blcf.searching.ranking_index import RankingIndex

__all__ = ["joint_vector", "shares_of_gaps", "sizes_of", "with_shares"]

BEST, AMONG, LEAST = 30, 200, 100  # hits: those that count, that say what chance is, at least
# Gaps of a size, 1 that of the collection's pictures, over the mean of all five, where all five are
# as good: means of the queries of logos with three networks, which lie within .05 (.35: .09).
SIZES, TYPICAL = (0.35, 0.5, 0.7, 1.0, 1.4), (0.68, 0.92, 1.12, 1.13, 1.15)
POWER = 1.5
_ROUNDING = 1e-6  # of scores, which are float32


def with_shares(index: RankingIndex, queries: Sequence[Query]) -> list[Query]:
    """The queries with the shares of their views, each searched with alone, all in one walk.

    The mean of a query's shares is 1: an example counts as much as another, however its sizes
    share it. A query of one view stays as it is, and so do all of a small collection.

    Parameters
    ----------
    index : of what is searched; of all of it, whatever a condition leaves out
    queries : the examples
    """
    bags = [view.bag for query in queries if len(query.views) > 1 for view in query.views]
    if not bags or index.n_images < LEAST:
        return list(queries)
    vectors = index.weigh(sp.vstack(bags, format="csr"))
    rankings = iter(index.search_many(vectors, AMONG, weighed=True))
    found = []
    for query in queries:
        if len(query.views) > 1:
            scores = [next(rankings).scores for _ in query.views]
            query = replace(query, shares=tuple(shares_of_gaps(scores, sizes_of(query))))
        found.append(query)
    return found


def sizes_of(query: Query) -> list[float]:
    """The sizes of a query's views, as lengths; 1 is that of the collection's pictures."""
    n_cells = [view.assignment_map.size for view in query.views]
    return [math.sqrt(one / max(n_cells[query.whole], 1)) for one in n_cells]


def shares_of_gaps(scores: Sequence[np.ndarray], sizes: Sequence[float]) -> list[float]:
    """Shares of views by the gap between their best hits and chance.

    ``gap = mean(s_2 .. s_31) - median(s_1 .. s_200)``, of the scores in falling order: the first
    hit may be the query's own picture. A size in which the object is seldom seen in the collection
    has no hits that stand out, and its bag is noise in the mean of all. A small size has few words
    and a small gap wherever it is looked for, so that gaps count by what is typical of a size:
    ``share ~ (gap / typical) ** 1.5``, typical gaps interpolated by the logarithm of the size.

    Parameters
    ----------
    scores : of each view, its best hits in falling order, cosines, 200 where there are as many
    sizes : of each view, above 0, 1 that of the collection's pictures

    Returns
    -------
    Of each view, 0 or more, 1 in the mean; all 1 where a view has fewer than 100 hits, or none
    has a gap

    Notes
    -----
    Ours. benchmarks/query_scales.md says what it gains, and what else was tried.
    """
    if min(len(one) for one in scores) < LEAST:
        return [1.0] * len(scores)
    typical = np.interp(np.log(sizes), np.log(SIZES), TYPICAL).tolist()
    counts = []
    for one, usual in zip(scores, typical):
        gap = float(np.mean(one[1 : 1 + BEST]) - np.median(one[:AMONG]))
        counts.append((gap / usual) ** POWER if gap > _ROUNDING else 0.0)
    total = sum(counts)
    return [len(counts) * one / total if total else 1.0 for one in counts]


def joint_vector(index: RankingIndex, queries: Sequence[Query]) -> sp.csr_matrix:
    """What to search for: one vector of all views of all examples, CSR float64 (1, n_words)."""
    bags = sp.vstack([view.bag for query in queries for view in query.views], format="csr")
    vectors = index.weigh(bags)
    if bags.shape[0] == 1:
        return vectors
    return joint_query(vectors, [share for query in queries for share in query.shares_of_views()])
