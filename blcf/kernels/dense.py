"""Kernel of the dense search: exact dot products, of the vectors that can be among the best."""

from __future__ import annotations

import numpy as np

from blcf.kernels.compiling import kernel

__all__ = ["score_candidates"]


@kernel
def score_candidates(estimates, limit, vectors, query, scores):
    """Exact dot products of the vectors whose estimate reaches a limit.

    Parameters
    ----------
    estimates : float32 (n,), dot products as any routine rounds them
    limit : estimates below are not looked at; -inf looks at all
    vectors : float32 (n, d), query : float32 (d,)
    scores : out, float64 (n,), -inf for those that are not looked at

    Notes
    -----
    Products of two float32 are exact in float64, and are summed one after the other: the figures
    are those of a plain loop in any language, whatever the processor.
    """
    for i in range(estimates.size):
        scores[i] = -np.inf
        if estimates[i] >= limit:
            vector, total = vectors[i], 0.0
            for j in range(query.size):
                total += np.float64(query[j]) * np.float64(vector[j])
            scores[i] = total
