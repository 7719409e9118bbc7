"""Average query expansion: the mean of the query's vector and those of its best hits."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from blcf.errors import VocabularyMismatch

__all__ = ["average_query"]


def average_query(query: sp.csr_matrix, hits: sp.csr_matrix) -> sp.csr_matrix:
    """``q' = (q + sum_i d_i) / (1 + N)``, then L2.

    With the bags of whole images this is global query expansion (GQE), with those of the
    localised windows local query expansion (LQE).

    Parameters
    ----------
    query : CSR (1, n_words), L2-normalised weighed vector
    hits : CSR (n_hits, n_words), the same of the hits

    Returns
    -------
    CSR float64 (1, n_words), L2-normalised

    Notes
    -----
    Source: Chum et al., ICCV 2007 (average query expansion); Mohedano et al., ICMR 2016,
    section 5 (N = 10).
    """
    if query.shape[1] != hits.shape[1]:
        raise VocabularyMismatch(
            f"Expected hits of {query.shape[1]} words like the query, got {hits.shape[1]}."
        )
    mean = sp.csr_matrix(sp.vstack([query, hits]).mean(axis=0), dtype=np.float64)
    norm = np.sqrt(mean.multiply(mean).sum())
    return (mean / norm if norm > 0 else mean).tocsr()
