"""Average precision in its forms, which are different numbers under different names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from blcf.errors import InvalidInput

__all__ = [
    "average_precision",
    "average_precision_at",
    "micro_average_precision",
    "trec_average_precision",
]


def average_precision(
    ranked: Iterable[str], positives: Collection[str], junk: Collection[str] = ()
) -> float:
    """Area under the precision-recall curve by the trapezoidal rule.

    Junk is dropped from the ranking. The rule of Oxford's ``compute_ap``: for each kept picture
    ``ap += (recall - old_recall) * (old_precision + precision) / 2``, from recall 0 and precision
    1. Positives that are not ranked are not found.

    Parameters
    ----------
    ranked : names, best first, each once
    positives, junk : names

    Returns
    -------
    float, 0..1

    Raises
    ------
    InvalidInput
        No positives.

    Notes
    -----
    Source: Philbin et al., CVPR 2007, and the evaluation program of the Oxford Buildings set.

    Examples
    --------
    >>> round(average_precision(["x", "a", "b"], {"a", "b"}), 6)
    0.416667
    """
    positives = set(positives)
    ap, old_recall, old_precision = 0.0, 0.0, 1.0
    for rank, hits, _ in _kept(ranked, positives, junk):
        recall, precision = hits / len(positives), hits / rank
        ap += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
    return ap


def trec_average_precision(
    ranked: Iterable[str], positives: Collection[str], junk: Collection[str] = ()
) -> float:
    """Mean of the precision at each positive, 0 for those not found (trec_eval's ``map``).

    Same parameters and errors as `average_precision`.

    Examples
    --------
    >>> trec_average_precision(["x", "a", "b"], {"a", "b"})
    0.5833333333333333
    """
    positives = set(positives)
    kept = _kept(ranked, positives, junk)
    return sum(hits / rank for rank, hits, is_hit in kept if is_hit) / len(positives)


def average_precision_at(
    ranked: Iterable[str], positives: Collection[str], k: int, junk: Collection[str] = ()
) -> float:
    """Sum of the precision at each positive among the first k, over min(k, positives).

    1 where the first min(k, positives) are all positive. ILIAS (k = 1,000) and Google Landmarks v2
    (100) are measured so; `trec_average_precision` of the first k divides by all positives.

    Parameters and errors as of `average_precision`; `k` is at least 1.

    Notes
    -----
    Source: Weyand et al., "Google Landmarks Dataset v2", CVPR 2020, equation 2.

    Examples
    --------
    >>> average_precision_at(["a", "x", "b"], {"a", "b", "c"}, k=2)
    0.5
    """
    if k < 1:
        raise InvalidInput(f"Expected k to be at least 1, got {k}.")
    positives = set(positives)
    kept = islice(_kept(ranked, positives, junk), k)
    total = sum(hits / rank for rank, hits, is_hit in kept if is_hit)
    return total / min(k, len(positives))


def micro_average_precision(
    predictions: Mapping[str, tuple[str, float]], truth: Mapping[str, Collection[str]]
) -> float:
    """One average precision over the predictions of all queries (also called GAP).

    Predictions are ordered by their score, so that a system has to know what it does not know:
    a sure prediction for a query that shows nothing known costs all that come behind it.

    Parameters
    ----------
    predictions : {query: (label, score)}, at most one a query; equal scores are ordered by query
    truth : {query: its labels}, of every query; none where it shows nothing known

    Returns
    -------
    float, 0..1: the sum of the precision at each right prediction, over the queries that have a
    label

    Raises
    ------
    InvalidInput
        No query has a label, or a prediction is of a query that is not in the truth.

    Notes
    -----
    Source: Weyand et al., "Google Landmarks Dataset v2", CVPR 2020, equation 1; Perronnin, Liu &
    Renders, CVPR 2009.

    Examples
    --------
    >>> micro_average_precision({"q": ("a", 0.9), "r": ("b", 0.8)}, {"q": [], "r": ["b"]})
    0.5
    """
    n_known = sum(1 for labels in truth.values() if labels)
    if not n_known:
        raise InvalidInput("Expected at least one query that has a label, got none.")
    total, n_right = 0.0, 0
    ordered = sorted(predictions.items(), key=lambda one: (-one[1][1], one[0]))
    for rank, (query, (label, _)) in enumerate(ordered, start=1):
        if query not in truth:
            raise InvalidInput(f"Expected predictions of queries of the truth, got {query!r}.")
        if label in truth[query]:
            n_right += 1
            total += n_right / rank
    return total / n_known


def _kept(ranked, positives, junk):
    """(rank from 1, positives so far, whether this is one) of each picture that is not junk."""
    if not positives:
        raise InvalidInput("Expected at least one positive; a query without any has no AP.")
    rank, hits, seen = 0, 0, set()
    for name in ranked:
        if name in seen:
            raise InvalidInput(f"Expected each name once in the ranking, {name!r} comes twice.")
        seen.add(name)
        if name in junk:
            continue
        rank += 1
        hits += name in positives
        yield rank, hits, name in positives
