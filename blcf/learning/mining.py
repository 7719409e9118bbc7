"""Mining: which negatives, positives and triplets teach most, by vectors and classes at hand.

Pure functions of arrays. The same arrays give the same numbers: of equal similarities the one that
comes first in its array counts as the larger.
"""

from __future__ import annotations

import numpy as np

from blcf.bounds import is_number
from blcf.checks import check_integer
from blcf.errors import InvalidInput
from blcf.learning.vectors import as_classes, as_pairs, as_vectors
from blcf.threads import one_blas_thread

__all__ = [
    "hard_negatives",
    "hard_positives",
    "semi_hard_triplets",
]

# Queries whose similarities are in memory at a time: 256 x 22,000 in float32 are 22 MB.
_AT_ONCE = 256


def hard_negatives(
    queries: np.ndarray,
    pool: np.ndarray,
    query_classes: np.ndarray,
    pool_classes: np.ndarray,
    n: int = 5,
) -> np.ndarray:
    """The pictures of a pool that are most like each query and show something else.

    By dot product, descending; the query's own class is left out, and of every other class only
    the nearest picture is taken, so that n negatives are n things.

    Parameters
    ----------
    queries, pool : float (n_queries, d) and (n_pool, d), of length 1
    query_classes, pool_classes : int (n_queries,) and (n_pool,)
    n : negatives of a query

    Returns
    -------
    int64 (n_queries, n), positions in the pool, the hardest first

    Raises
    ------
    InvalidInput
        Shapes that do not fit; a pool with fewer than n classes beside a query's.

    Notes
    -----
    Source: Radenovic, Tolias & Chum, TPAMI 2019, section 4.2; cirtorch, ``traindataset.py``.
    """
    queries, pool = as_vectors(queries, "the queries"), as_vectors(pool, "the pool")
    if queries.shape[1] != pool.shape[1]:
        raise InvalidInput(
            f"Expected queries and pool of one length, got {queries.shape[1]} and {pool.shape[1]}."
        )
    query_classes = as_classes(query_classes, len(queries), "query_classes")
    pool_classes = as_classes(pool_classes, len(pool), "pool_classes")
    check_integer("n", n, 1)
    n_classes = len(np.unique(pool_classes))
    own = np.isin(query_classes, pool_classes)
    if n_classes - int(own.any()) < n:
        raise InvalidInput(
            f"Expected a pool of at least {n} classes beside the query's, got {n_classes} classes. "
            "Draw a larger pool, or take fewer negatives."
        )
    found = np.empty((len(queries), n), dtype=np.int64)
    with one_blas_thread():
        for first in range(0, len(queries), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            orders = np.argsort(-(queries[part] @ pool.T), axis=1, kind="stable")
            for row, order, own_class in zip(found[part], orders, query_classes[part].tolist()):
                row[:] = _first_of_each_class(order, pool_classes, own_class, n)
    return found


def _first_of_each_class(
    order: np.ndarray, classes: np.ndarray, own_class: int, n: int
) -> list[int]:
    """The first n positions of an order that are each of another class, and not of one's own."""
    seen, found = {own_class}, []
    for position in order:
        its = int(classes[position])
        if its not in seen:
            seen.add(its)
            found.append(int(position))
            if len(found) == n:
                break
    return found


def hard_positives(
    vectors: np.ndarray,
    pairs: np.ndarray,
    agreement: np.ndarray | None = None,
    floor: float = 0.0,
) -> np.ndarray:
    """Of each query the match that is least like it, among those that are still within reach.

    Matches that share hardly anything with the query (another side of the house) teach nonsense:
    what counts is who agrees with it, by geometric verification for instance.

    Parameters
    ----------
    vectors : float (n, d), of length 1
    pairs : int (n_pairs, 2), (query, match), positions in `vectors`; see `blcf.learning.vectors`
    agreement : float (n_pairs,), of each pair, such as the number of inliers; None: all in reach
    floor : the least agreement within reach

    Returns
    -------
    int64 (m, 2), (query, match), one row for each query that has a match within reach, ascending

    Raises
    ------
    InvalidInput
        Shapes that do not fit; positions outside the vectors.

    Notes
    -----
    Source: Radenovic, Tolias & Chum, TPAMI 2019, section 4.2, which draws from those within reach
    at random (m3); the hardest by similarity is what they are compared with.
    """
    vectors = as_vectors(vectors, "the vectors")
    pairs = as_pairs(pairs, len(vectors))
    if agreement is not None:
        agreement = np.asarray(agreement)
        if agreement.shape != (len(pairs),) or agreement.dtype.kind not in "iuf":
            raise InvalidInput(
                f"Expected agreement of shape ({len(pairs)},), one a pair, got {agreement.dtype} "
                f"of shape {agreement.shape}."
            )
        pairs = pairs[agreement >= floor]
    similar = np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]])
    pairs = pairs[np.lexsort((pairs[:, 1], similar, pairs[:, 0]))]
    is_first = np.append(True, np.diff(pairs[:, 0]) != 0)[: len(pairs)]
    return pairs[is_first]


def semi_hard_triplets(vectors: np.ndarray, classes: np.ndarray, margin: float = 0.2) -> np.ndarray:
    """For each matching pair the nearest negative that is further than the match, within a margin.

    ``|a - p|^2 < |a - n|^2 < |a - p|^2 + m``. The hardest negatives of all, nearer than the
    match, may make everything collapse to one point early in training; these do not.

    Parameters
    ----------
    vectors : float (n, d), of length 1, of one batch
    classes : int (n,)
    margin : m, above 0

    Returns
    -------
    int64 (n_triplets, 3), (anchor, positive, negative), by anchor, then by positive; pairs
    without such a negative are left out

    Raises
    ------
    InvalidInput
        Shapes that do not fit; a margin that is none.

    Notes
    -----
    Source: Schroff, Kalenichenko & Philbin, CVPR 2015, section 3.2.
    """
    vectors = as_vectors(vectors, "the vectors").astype(np.float64)
    classes = as_classes(classes, len(vectors), "classes")
    if not is_number(margin) or not 0 < margin < np.inf:
        raise InvalidInput(f"Expected a margin above 0, got {margin!r}.")
    triplets = []
    for anchor, one in enumerate(vectors):
        distances = np.square(vectors - one).sum(axis=1)
        negatives = np.flatnonzero(classes != classes[anchor])
        negatives = negatives[np.argsort(distances[negatives], kind="stable")]  # nearest first
        for positive in np.flatnonzero(classes == classes[anchor]).tolist():
            near = distances[positive]
            place = int(np.searchsorted(distances[negatives], near, side="right"))
            if positive == anchor or place == len(negatives):
                continue
            if distances[negatives[place]] < near + margin:
                triplets.append((anchor, positive, int(negatives[place])))
    return np.array(triplets, dtype=np.int64).reshape(-1, 3)
