"""Average query expansion: the mean of the query's vector and those of its best hits."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.expansion.checked import check_number, check_scores, check_vectors, l2

__all__ = ["average_query"]


def average_query(
    query: sp.csr_matrix, hits: sp.csr_matrix, scores: Any = None, alpha: float = 0.0
) -> sp.csr_matrix:
    """``q' = (q + sum_i s_i^alpha d_i) / (1 + N)``, then L2.

    With the bags of whole images this is global query expansion (GQE), with those of the
    localised windows local query expansion (LQE).

    Parameters
    ----------
    query : CSR (1, n_words), L2-normalised weighed vector
    hits : CSR (n_hits, n_words), the same of the hits
    scores : float (n_hits,), scores of the hits; None weighs all hits like the query
    alpha : 0 is the plain average, whatever the scores; above 0 hits of a score below 0 count
        nothing

    Returns
    -------
    CSR float64 (1, n_words), L2-normalised

    Raises
    ------
    InvalidInput
        Not one query, alpha below 0 or without scores, not one finite score per hit.
    VocabularyMismatch
        The hits are of another number of words.

    Notes
    -----
    Source: Chum et al., ICCV 2007 (average query expansion); Mohedano et al., ICMR 2016,
    section 5 (N = 10); Radenovic et al., TPAMI 2019 (alpha; 3 there). Their scores, of dense
    descriptors, are near 1 for a true hit; those of bags are mostly .1 to .5, and an alpha of 3
    leaves little of the hits. mAP with SqueezeNet 1.1, GQE:

    =======  =====  ===============  ===============  ===============
    set      base   N = 10: 0, 1, 3  N = 25: 0, 1, 3  N = 50: 0, 1, 3
    =======  =====  ===============  ===============  ===============
    logos    .515   .577 .561 .521   .546 .561 .523   .479 .547 .523
    grocery  .556   .656 .653 .569   .611 .634 .571   .533 .590 .570
    =======  =====  ===============  ===============  ===============

    So alpha = 1 forgives an N that is too large; `trusted_hits` forgives more.
    """
    query, hits = check_vectors(query, "a query"), check_vectors(hits, "hits")
    if query.shape[0] != 1:
        raise InvalidInput(f"Expected one query of shape (1, n_words), got shape {query.shape}.")
    if query.shape[1] != hits.shape[1]:
        raise VocabularyMismatch(
            f"Expected hits of {query.shape[1]} words like the query, got {hits.shape[1]}."
        )
    alpha = check_number(alpha, "alpha")
    if scores is None and alpha:
        raise InvalidInput(f"Expected the scores of the hits for an alpha of {alpha:g}, got None.")
    if scores is not None:
        weights = np.maximum(check_scores(scores, hits.shape[0], "the scores of the hits"), 0)
        if alpha:
            hits = sp.diags(weights**alpha) @ hits
    return l2(sp.vstack([query, hits]).mean(axis=0))
