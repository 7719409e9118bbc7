"""Hits among their like: the score of a hit from those of the hits whose windows are most like its.

A cosine is a noisy measure: a wrong hit comes first by a lucky one, though the pictures that show
what it shows do not; a right one falls behind its like in a bad light.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

__all__ = ["WEIGHT", "smoothed_scores"]

# Of a neighbour as like the hit as itself. Chosen with the number of neighbours on the even queries
# of logos and grocery, see benchmarks/neighbours.md; from .15 to 1 all gain.
WEIGHT = 0.5
_POOL = 1000  # the best hits, among which neighbours are looked for: the time is that of n times it


def smoothed_scores(
    scores: np.ndarray, vectors: sp.csr_matrix, n_neighbours: int, weight: float = WEIGHT
) -> np.ndarray:
    """The scores that hits have with their vectors moved towards those of their neighbours.

    ``v_i' = v_i + weight * sum of g_ij v_j`` over the neighbours j of i, the hits of the largest
    cosine ``g_ij = v_i . v_j`` among the 1,000 best, of equal ones that of the larger score; what
    is wanted has the cosine ``(s_i + weight * sum of g_ij s_j) / |v_i'|`` with it. A hit that is
    like no other stays nearly as it is.

    Parameters
    ----------
    scores : float (n,), 1 at most: cosines of the hits with what is wanted
    vectors : CSR float (n, n_words), >= 0, of the hits' windows, weighed; of any length, rows of
        zeros have no neighbours
    n_neighbours : of a hit, 0 or more
    weight : of a neighbour that is the same, 0 or more

    Returns
    -------
    float64 (n,), 1 at most

    Notes
    -----
    Source: Shao et al., "Global Features are All You Need for Image Retrieval and Reranking", ICCV
    2023, section 3.3 (descriptors of the first hits refined by their neighbours, which are weighed
    by similarity; K = 9, beta = .15), with the vectors of windows in place of those of pictures,
    and without its second half, the expanded query, which loses where there is little to find.
    benchmarks/neighbours.md has both.

    Examples
    --------
    Of two hits of one score that which its like confirm comes first:

    >>> vectors = sp.csr_matrix([[1.0, 0, 0], [0, 1, 0], [0, 0.8, 0.6]])
    >>> smoothed_scores(np.array([0.5, 0.5, 0.6]), vectors, 1).round(3).tolist()
    [0.5, 0.552, 0.596]
    """
    found = np.asarray(scores, dtype=np.float64)
    order = np.argsort(-found, kind="stable")
    pool = order[:_POOL]
    n_neighbours = min(n_neighbours, len(pool) - 1)
    if n_neighbours < 1:
        return found.copy()
    unit, is_long = _unit_rows(vectors)
    among = unit[pool].T.tocsr()
    of_pool = (unit[pool] @ among).toarray()
    moved = found.copy()
    for first in range(0, len(order), len(pool)):
        block = order[first : first + len(pool)]
        alike = (unit[block] @ among).toarray() if first else of_pool
        known = alike.copy()
        known[block[:, None] == pool] = -1  # itself
        places = np.argsort(-known, axis=1, kind="stable")[:, :n_neighbours]
        shares = weight * np.maximum(np.take_along_axis(known, places, axis=1), 0)
        # |v'|^2 from the cosines: the vectors themselves need not be added.
        between = of_pool[places[:, :, None], places[:, None, :]]
        crossed = (shares * np.take_along_axis(alike, places, axis=1)).sum(axis=1)
        squared = is_long[block] + 2 * crossed + np.einsum("ij,ijk,ik->i", shares, between, shares)
        sums = found[block] + (shares * found[pool[places]]).sum(axis=1)
        moved[block] = np.divide(sums, np.sqrt(squared), out=moved[block], where=squared > 0)
    return np.minimum(moved, 1)


def _unit_rows(vectors: sp.csr_matrix) -> tuple[sp.csr_matrix, np.ndarray]:
    """The vectors over their lengths, and which have one: bool (n,)."""
    lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    scale = np.divide(1, lengths, out=np.zeros(len(lengths)), where=lengths > 0)
    values = vectors.data * np.repeat(scale, np.diff(vectors.indptr))
    unit = sp.csr_matrix((values, vectors.indices, vectors.indptr), shape=vectors.shape)
    return unit, lengths > 0
