"""Which hits may take part in an expansion: the guard against drift."""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.expansion.checked import check_number, check_scores

__all__ = ["trusted_hits"]

DEPTH = 100  # hits that say what a chance score is


def trusted_hits(scores: Any, *, margin: float = 0.08) -> np.ndarray:
    """Hits that score clearly above chance: ``s_i >= median(best 100 scores) + margin``.

    The median of the best 100 hits is the score of an image that shows other things, as long as
    fewer than 50 images show the object; with more, the rule only becomes stricter. Pass the
    scores of (at least) the best 100 hits, not only of those that are to be averaged: the median
    of ten candidates is no chance score.

    Parameters
    ----------
    scores : float (n,), cosines of a query's hits, whole images or windows, in any order
    margin : >= 0, cosine; how far above chance. Larger trusts fewer hits.

    Returns
    -------
    bool (n,), all False where nothing stands out (the query is then better left as it is)

    Raises
    ------
    InvalidInput

    Notes
    -----
    Ours; the margin was tuned on these sets. mAP with SqueezeNet 1.1, N = 10, "of 3" with all but
    three (one) of a query's positives taken out of the ranking, where plain expansion drifts;
    queries in one size, best windows of the grid, a margin of .08:

    =============  =====  ===========  =============  ===========  =============
    set            base   GQE          GQE, trusted   LQE          LQE, trusted
    =============  =====  ===========  =============  ===========  =============
    shelves (768)  .980   .754         1.000          .922         1.000
    logos          .515   .577         .582           .589         .587
    logos, of 3    .339   .201         .340           .239         .333
    logos, of 1    .318   .082         .301           .141         .260
    grocery        .556   .656         .625           .634         .619
    grocery, of 3  .348   .107         .297           .141         .271
    grocery, of 1  .274   .027         .218           .041         .178
    =============  =====  ===========  =============  ===========  =============

    With N = 25 logos has .589 and .596 trusted, .546 and .571 plain. A margin of .06 keeps more of
    the gain on grocery (.647, .632), one of .1 less (.608, .612) and drifts less. With
    MobileNetV2, which had no say: LQE .585 plain, .583 trusted on logos (.211 and .302 of 3),
    .636 and .595 on grocery (.102 and .223 of 3; base .518 and .280).
    Queries in five sizes and voted windows (every fourth or fifth query; mAP of all positives, of
    3, of 1): logos .595, .405, .343 before expansion, LQE .638, .348, .370 with a margin of .08,
    .638, .385, .371 with .1, .641, .394, .372 with .12; grocery .590, .481, .463, LQE .669, .484,
    .380; .656, .476, .386; .628, .471, .426.
    Lost: a share of the best hit's score (the query's own picture is often the best hit: at .3
    logos .542 GQE), the largest gap (.509), a plain cosine (.15: .573, .632, but shelves .942),
    deviations of the scores from their median (no z serves both sets).

    Examples
    --------
    >>> trusted_hits([0.6, 0.4, 0.12, 0.1, 0.1]).tolist()
    [True, True, False, False, False]
    """
    scores = check_scores(scores, None, "scores of hits")
    margin = check_number(margin, "margin")
    if not scores.size:
        return np.zeros(0, dtype=bool)
    best = np.sort(scores)[::-1][:DEPTH]
    return scores >= np.median(best) + margin
