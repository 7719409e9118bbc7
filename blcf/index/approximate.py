"""Approximate search: leave out the words that cost the most and promise the least."""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.bounds import is_number
from blcf.errors import InvalidInput

__all__ = ["check_share", "promising_words", "wanted_words"]


def check_share(share: Any) -> float:
    """Give back a share of a query's squared length, or raise `InvalidInput`."""
    if not is_number(share) or not 0 < share <= 1:
        raise InvalidInput(
            "Expected approximate to be above 0 and at most 1, the share of the query's squared "
            f"length that is kept (0.5 say; None searches exactly), got {share!r}."
        )
    return float(share)


def promising_words(vector: np.ndarray, df: np.ndarray, share: float) -> np.ndarray:
    """Which words of a query to keep: bool (n,).

    A word costs its posting list and promises the square of its weight: words are taken by
    promise over cost until they hold `share` of the squared length of the query.

    Parameters
    ----------
    vector : float64 (n,), the query's L2-normalised tf-idf weights
    df : int64 (n,), how many images each of the words occurs in
    """
    promise = vector * vector
    order = np.argsort(-promise / np.maximum(df, 1), kind="stable")
    held = np.cumsum(promise[order])
    kept = np.zeros(vector.size, dtype=bool)
    if held.size:
        kept[order[: 1 + np.searchsorted(held, share * held[-1])]] = True
    return kept


def wanted_words(
    df: np.ndarray,
    idf: np.ndarray,
    arrays: tuple[np.ndarray, np.ndarray, np.ndarray],
    approximate: float | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """CSR arrays of what a unit of (root of) tf adds to each query: words, weights, ends.

    Parameters
    ----------
    df, idf : of the collection, (n_words,)
    arrays : words, values and ends of normalised vectors, as in CSR
    approximate : None for all words, or the share of a query that is kept
    """
    words, values, ends = arrays
    weights = values * idf[words]
    # All of the length: words too small to show in the sum of squares count as well.
    share = 1.0 if approximate is None else check_share(approximate)
    if share == 1:
        return words.astype(np.int32), weights, ends
    kept = np.zeros(words.size, dtype=bool)
    for first, last in zip(ends, ends[1:]):
        kept[first:last] = promising_words(values[first:last], df[words[first:last]], share)
    left = np.concatenate([[0], np.cumsum(kept)])[ends]
    return words[kept].astype(np.int32), weights[kept], left
