"""Relevance feedback: towards what is right, away from what is wrong."""

from __future__ import annotations

import scipy.sparse as sp

from blcf.errors import InvalidInput
from blcf.expansion.checked import check_number, check_vectors, l2

__all__ = ["rocchio_query"]


def rocchio_query(
    positives: sp.csr_matrix, negatives: sp.csr_matrix, *, gamma: float = 0.25, clip: bool = True
) -> sp.csr_matrix:
    """``q = mean(positives) - gamma * mean(negatives)``, then L2.

    Parameters
    ----------
    positives : CSR (n, n_words), L2-normalised weighed vectors; the query is one of them
    negatives : CSR (m, n_words), the same; none leaves the mean of the positives
    gamma : >= 0, what the negatives count
    clip : whether entries below 0 become 0, as is classic; with False, images that show the
        negatives' words lose score for them

    Returns
    -------
    CSR float64 (1, n_words), L2-normalised; a row of zeros where nothing is left

    Raises
    ------
    InvalidInput
        No positives, or gamma below 0.
    VocabularyMismatch
        The negatives are of another number of words.

    Notes
    -----
    Source: Rocchio, 1971; Manning et al., Introduction to Information Retrieval, 9.1.1, with
    alpha = 1 for the query, beta = .75 and gamma = .15 for the means. Here query and positives
    are one mean (alpha and beta fold into one), and gamma is relative to it. With the last 200
    hits as negatives instead of images that a user refused, gamma hardly counts: logos .5768 at
    0, .5773 at .25, .5789 at 1; grocery .6561, .6563, .6576 (SqueezeNet 1.1, GQE, N = 10).
    """
    positives = check_vectors(positives, "positives")
    if not positives.shape[0]:
        raise InvalidInput("Expected one positive or more (the query is one), got none.")
    negatives = check_vectors(negatives, "negatives", positives.shape[1])
    gamma = check_number(gamma, "gamma")
    query = sp.csr_matrix(positives.mean(axis=0))
    if negatives.shape[0]:
        query = sp.csr_matrix(query - gamma * sp.csr_matrix(negatives.mean(axis=0)))
    return l2(query.maximum(0) if clip else query)
