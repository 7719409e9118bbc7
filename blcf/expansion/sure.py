"""Which hits are sure enough to expand a query that had few or none to be found: "auto"."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.expansion.checked import check_scores, check_vectors
from blcf.expansion.trust import trusted_hits

__all__ = ["KEPT", "sure_hits", "sure_weights"]

SURE, MOST = 0.5, 25
ALIKE = 0.8  # cosine of the windows of near-duplicates
FEWEST = 8.0  # pictures that are unlike one another
KEPT = SURE  # confidence of hits that keep their place
_ROUNDING = 1e-9  # three thirds


def sure_hits(scores: Any, confidences: Any) -> np.ndarray:
    """The rows of hits that are told from chance twice: int64 (n,), of at most 25.

    By their confidence, of .5 and more, and by their scores, see `trusted_hits`.

    Parameters
    ----------
    scores : float (n,), of a ranking, descending
    confidences : float (n,), 0..1; NaN where nothing can be told, which is not sure

    Raises
    ------
    InvalidInput
        Not one finite score per hit.

    Examples
    --------
    >>> sure_hits([0.6, 0.4, 0.12, 0.1, 0.1], [0.9, 0.4, 0.8, 0, 0]).tolist()
    [0]
    """
    scores = check_scores(scores, None, "scores of hits")
    told = np.nan_to_num(np.asarray(confidences, dtype=np.float64)) >= SURE
    return np.flatnonzero(told & trusted_hits(scores))[:MOST]


def sure_weights(vectors: sp.csr_matrix, confidences: Any, known: Any = None) -> np.ndarray:
    """What each hit counts beside the query, which counts 1: float64 (n,); zeros: do not expand.

    Its confidence, over the number of hits that look like it: three photographs of one wrong thing
    are one vote. Where they are fewer than eight, so counted, they say too little against the
    query.

    Parameters
    ----------
    vectors : CSR (n, n_words), of length 1, the windows of hits
    confidences : float (n,), 0..1
    known : bool (n,), hits that are the query's own picture: they weigh, and are not counted; None:
        none is

    Raises
    ------
    InvalidInput
        Not one finite confidence per hit.

    Notes
    -----
    Ours. The floors were chosen on every second query of logos and grocery, with blcf-lite, all but
    1, 2, 5, 20 positives of a query taken out (benchmarks/expansion.md), sizes alike and hits among
    their like. What the mAP gained there of what was tried, for 1, 2, 5, 20, all, in thousandths;
    "kept" is from what confidence hits keep their places:

    ==========================  =====================  =====================  ==================
    rule                        logos                  grocery                logos, MobileNetV2
    ==========================  =====================  =====================  ==================
    no expansion, mAP           .458 .460 .475 .568    .293 .356 .451 .618    .429 .433 .470 .589
                                .612                   .601                   .624
    local, guard="scores"       -147 -114 -30 12 16    -100 -97 -18 50 66
    .5, four, kept .8           -2 -2 -3 7 10          0 0 6 10 10            0 -2 -11 10 21
    .5, four, kept .5           -3 -5 -3 4 9           0 0 6 9 9              0 -1 -7 6 17
    .5, eight, kept .8          0 2 -2 8 11            0 0 0 10 10            0 0 -1 8 13
    **.5, eight, kept .5**      0 -1 -2 4 10           0 0 0 9 9              0 0 -1 5 10
    .7, eight, kept .8          0 -1 0 4 7             0 0 0 5 9              0 0 0 6 9
    .9, four, kept .8           0 0 -3 1 4             0 0 0 11 10
    ==========================  =====================  =====================  ==================

    The odd queries chose between hits that keep their places from .8 and from .5: with .8 two of
    fifty queries of grocery with five positives left lost half of their precision (its mean .019).
    """
    vectors = check_vectors(vectors, "hits")
    sure = check_scores(confidences, vectors.shape[0], "confidences of hits")
    known = np.zeros(sure.size, bool) if known is None else np.asarray(known, dtype=bool)
    n_alike = np.asarray((vectors @ vectors.T >= ALIKE).sum(axis=1), dtype=np.float64).ravel()
    shares = 1 / np.maximum(n_alike, 1)  # a window without words is like none, itself included
    if shares[~known].sum() < FEWEST - _ROUNDING:
        return np.zeros(sure.size)
    return sure * shares
