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
FEWEST = 4.0  # pictures that are unlike one another
KEPT = 0.8  # confidence of hits that keep their place


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
    are one vote. Where they are fewer than four, so counted, they say too little against the query.

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
    1, 2, 5, 20 positives of a query taken out (benchmarks/expansion.md). mAP there of what was
    tried, for 1, 2, 5, 20, all, then hits of `KEPT` keep their places except where said:

    ===========================  ==============================  ==============================
    rule                         logos                           grocery
    ===========================  ==============================  ==============================
    no expansion                 .456 .464 .468 .562 .607        .246 .329 .392 .546 .546
    local, guard="scores"        .366 .347 .423 .577 .631        .186 .267 .387 .637 .645
    confidence >= .5, no more    .391 .398 .448 .590 .637        .203 .255 .326 .579 .580
    this one, no place is kept   .429 .429 .467 .585 .637        .223 .304 .378 .584 .578
    confidence, their sum >= 5   .455 .461 .468 .579 .629        .244 .327 .387 .574 .575
    this one                     .466 .465 .471 .577 .631        .246 .329 .396 .575 .574
    three for four               .464 .456 .470 .576 .631        .246 .329 .400 .575 .576
    six for four                 .456 .464 .466 .577 .630        .246 .329 .394 .567 .570
    ===========================  ==============================  ==============================

    (These counted near-duplicates as often as they came, when four were asked for.) The larger of
    both scores, their mean or the sum of reciprocal ranks in place of kept places: .404 to .429 on
    logos with one and two positives.
    """
    vectors = check_vectors(vectors, "hits")
    sure = check_scores(confidences, vectors.shape[0], "confidences of hits")
    known = np.zeros(sure.size, bool) if known is None else np.asarray(known, dtype=bool)
    n_alike = np.asarray((vectors @ vectors.T >= ALIKE).sum(axis=1), dtype=np.float64).ravel()
    shares = 1 / np.maximum(n_alike, 1)  # a window without words is like none, itself included
    if shares[~known].sum() < FEWEST:
        return np.zeros(sure.size)
    return sure * shares
