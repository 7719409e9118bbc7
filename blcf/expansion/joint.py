"""Several examples of one object to one query."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput
from blcf.expansion.checked import check_scores, check_vectors, l2

__all__ = ["joint_query"]


def joint_query(vectors: sp.csr_matrix, weights: Any = None) -> sp.csr_matrix:
    """``q = sum_i a_i v_i / |v_i|``, then L2: the mean of the examples, each of length 1.

    Also for several views of one example (its mirror image, other sizes). Rows of zeros are left
    out; where no row is left, so is the query a row of zeros.

    Parameters
    ----------
    vectors : CSR (n_examples, n_words), weighed vectors
    weights : float (n_examples,), >= 0, not all 0; None weighs all alike

    Returns
    -------
    CSR float64 (1, n_words), L2-normalised

    Raises
    ------
    InvalidInput
        No examples, not one weight per example, weights below 0 or all 0.

    Notes
    -----
    Source: Arandjelovic & Zisserman, BMVC 2012, "Joint-Avg". Every example has length 1 in the
    mean: a large box counts no more than a small one.

    Examples
    --------
    >>> joint_query(sp.csr_matrix([[3.0, 0.0], [0.0, 5.0]])).toarray().round(4).tolist()
    [[0.7071, 0.7071]]
    """
    vectors = check_vectors(vectors, "examples")
    n = vectors.shape[0]
    if not n:
        raise InvalidInput("Expected one example or more, got none.")
    shares = np.ones(n) if weights is None else check_scores(weights, n, "the weights of examples")
    if (shares < 0).any() or not shares.any():
        raise InvalidInput(f"Expected weights of 0 or more, not all 0, got {weights!r}.")
    norms = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    scale = np.divide(shares, norms, out=np.zeros(n), where=norms > 0)
    return l2(sp.csr_matrix(scale[None]) @ vectors)
