"""Average precision, in its two forms; they are different numbers under different names."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from blcf.errors import InvalidInput

__all__ = ["average_precision", "trec_average_precision"]


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
