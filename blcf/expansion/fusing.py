"""Several rankings of one index to one: late fusion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blcf.errors import InvalidInput
from blcf.records import Ranking

__all__ = ["fuse_rankings"]


def fuse_rankings(rankings: Sequence[Ranking], how: str = "max") -> tuple[Ranking, np.ndarray]:
    """One ranking of all images that are in any of several rankings of the same index.

    Parameters
    ----------
    rankings : of several examples or views of one object, cut anywhere
    how : "max", an image's score is its best over the rankings; "mean", the mean, where a ranking
        without the image counts 0 (so rankings should be cut at the same, deep place)

    Returns
    -------
    ranking : `Ranking`, score descending, then order of insertion; the box of an image is that of
        the ranking in which it scores best (the first of equal ones), NaN where that has none
    from_ranking : int64 (n,), which ranking that is

    Raises
    ------
    InvalidInput
        No rankings, another rule, an image twice in a ranking, or one position in the order of
        insertion under two names (rankings of different indexes).

    Notes
    -----
    Source: Arandjelovic & Zisserman, BMVC 2012, "MQ-Max" and "MQ-Avg".
    """
    if how not in ("max", "mean"):
        raise InvalidInput(f"Expected how to be one of max, mean, got {how!r}.")
    if not rankings:
        raise InvalidInput("Expected one ranking or more, got none.")
    sizes = [len(ranking) for ranking in rankings]
    which = np.repeat(np.arange(len(sizes)), sizes)
    ids = np.concatenate([np.asarray(ranking.ids, dtype=np.int64) for ranking in rankings])
    scores = np.concatenate([np.asarray(ranking.scores, np.float64) for ranking in rankings])
    names = [name for ranking in rankings for name in ranking.names]
    order = np.lexsort((which, -scores, ids))  # of the rows of an image, the best comes first
    images, starts = np.unique(ids[order], return_index=True)
    _check_same_index(which, ids, names, order)
    best = order[starts]
    fused = scores[best]
    if how == "mean":
        places = np.searchsorted(images, ids)
        fused = np.bincount(places, weights=scores, minlength=images.size) / len(rankings)
    fused = fused.astype(np.float32)
    rows = np.lexsort((images, -fused))
    boxes = None
    if any(ranking.boxes is not None for ranking in rankings):
        boxes = np.concatenate([_boxes(ranking) for ranking in rankings])[best[rows]]
    ranking = Ranking([names[row] for row in best[rows]], fused[rows], images[rows], boxes)
    return ranking, which[best[rows]]


def _boxes(ranking: Ranking) -> np.ndarray:
    if ranking.boxes is None:
        return np.full((len(ranking), 4), np.nan, dtype=np.float32)
    return np.asarray(ranking.boxes, dtype=np.float32)


def _check_same_index(which, ids, names, order) -> None:
    known: dict[int, str] = {}
    for row in order:
        if known.setdefault(int(ids[row]), names[row]) != names[row]:
            raise InvalidInput(
                f"Expected rankings of one index, got image {ids[row]} as "
                f"{known[int(ids[row])]!r} and {names[row]!r}. Search one index with all queries."
            )
    if np.unique(np.stack([which, ids]), axis=1).shape[1] != ids.size:
        raise InvalidInput("Expected each image once in a ranking, one comes twice.")
