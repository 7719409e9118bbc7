"""Several rankings to one: late fusion, of one index by ids, of several by names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blcf.checks import check_choice
from blcf.errors import InvalidInput
from blcf.records import Ranking

__all__ = ["fuse_by_name", "fuse_rankings"]


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


def fuse_by_name(
    rankings: Sequence[Ranking], how: str = "sum", *, weights: Sequence[float] | None = None
) -> Ranking:
    """One ranking of several over collections of the same pictures, such as with two networks.

    With weights that sum to 1, "sum" is ``sum_i w_i s_i`` and "product" ``prod_i s_i^w_i``, which
    asks all of them. In a ranking without a picture its score is 0: rankings should be deep, those
    of a product as deep as the collection.

    Parameters
    ----------
    rankings : the hits of each collection for the same query; pictures are the same where their
        names are. Their scores are cosines, as those of a search are
    how : "sum" or "product"; scores below 0 count 0 in a product
    weights : of each, above 0; None: all alike

    Returns
    -------
    `Ranking`, score descending, then in the order in which pictures come first in the rankings,
    which is what its ids count: they are of no index. The box of a picture is that of the ranking
    to which it owes most of its score, among those that have one.

    Raises
    ------
    InvalidInput
        No rankings, a picture twice in one; another rule; weights that are not one each, or not
        above 0.

    Notes
    -----
    Source: "CombSUM" of Fox & Shaw, TREC-2 (1994), with weights; the product is that of Zheng et
    al., CVPR 2015 (query-adaptive late fusion), without its adaption. Which gains with which
    networks: benchmarks/several.md.

    Examples
    --------
    >>> one = Ranking(["a.jpg", "b.jpg"], np.float32([0.5, 0.25]), np.array([0, 1]))
    >>> other = Ranking(["b.jpg"], np.float32([0.75]), np.array([7]))
    >>> [(hit.name, hit.score) for hit in fuse_by_name([one, other])]
    [('b.jpg', 0.5), ('a.jpg', 0.25)]
    """
    check_choice("how", how, ("sum", "product"))
    if not rankings:
        raise InvalidInput("Expected one ranking or more, got none.")
    shares = _shares(weights, len(rankings))
    numbers: dict[str, int] = {}
    for ranking in rankings:
        if len(set(ranking.names)) != len(ranking):
            raise InvalidInput("Expected each picture once in a ranking, one comes twice.")
        for name in ranking.names:
            numbers.setdefault(name, len(numbers))
    scores = np.zeros((len(rankings), len(numbers)))
    boxes = np.full((len(numbers), 4), np.nan, np.float32)
    most = np.full(len(numbers), -np.inf)  # of the score, of a ranking that has a box
    for row, ranking, share in zip(scores, rankings, shares):
        ids = np.array([numbers[name] for name in ranking.names], dtype=np.int64)
        row[ids] = ranking.scores
        parts = share * row[ids]
        its = _boxes(ranking)
        better = np.isfinite(its).all(axis=1) & (parts > most[ids])
        most[ids[better]], boxes[ids[better]] = parts[better], its[better]
    if how == "product":
        shown = np.prod(np.maximum(scores, 0) ** shares[:, None], axis=0).astype(np.float32)
    else:
        shown = (shares @ scores).astype(np.float32)
    order = np.lexsort((np.arange(len(shown)), -shown))
    names = list(numbers)
    is_boxed = any(ranking.boxes is not None for ranking in rankings)
    return Ranking(
        [names[row] for row in order], shown[order], order, boxes[order] if is_boxed else None
    )


def _shares(weights: Sequence[float] | None, n: int) -> np.ndarray:
    """Weights that sum to 1."""
    given = np.ones(n) if weights is None else np.asarray(weights)
    is_number = given.dtype.kind in "fiu" and given.shape == (n,)
    if not is_number or not np.isfinite(given).all() or given.min() <= 0:
        raise InvalidInput(
            f"Expected weights above 0, one for each of {n} rankings, got {weights!r}. Leave out "
            "the ranking that is to count nothing."
        )
    return given / given.sum()


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
