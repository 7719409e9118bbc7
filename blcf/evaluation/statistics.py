"""How sure a mean or a difference of means is, from the figures of each query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blcf.bounds import is_integer, is_number
from blcf.errors import InvalidInput

__all__ = ["PairedTest", "bootstrap_interval", "paired_test"]

_BATCH = 1000  # resamples at a time: 500 queries take 4 MB, not 40
_ROUNDING = 1e-12  # figures that are nearer are equal: the last bits depend on the order of sums


@dataclass(frozen=True)
class PairedTest:
    """Two systems on the same queries.

    Attributes
    ----------
    difference : mean of a - b
    p_value : of a difference at least as large in either direction, were the two alike
    n_queries : how many queries
    wins, losses : queries where a is better than b, and worse
    """

    difference: float
    p_value: float
    n_queries: int
    wins: int
    losses: int


def paired_test(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    n_permutations: int = 10_000,
    random_state: int | np.random.Generator = 0,
) -> PairedTest:
    """Two-sided paired randomization test of the difference of means.

    If both systems were alike, each query's two figures could as well be swapped. All 2^n ways
    of swapping are tried where there are at most `n_permutations` of them (13 queries for
    10,000), and the p-value is exact; otherwise as many random ones, and
    p = (1 + number at least as extreme) / (1 + n_permutations), doubled from the smaller tail.

    Parameters
    ----------
    a, b : float (n_queries,), figures of the same queries in the same order
    n_permutations : how many ways of swapping to try
    random_state : seed

    Raises
    ------
    InvalidInput
        The figures are not finite, not of the same queries, or of fewer than two.

    Notes
    -----
    Source: Smucker, Allan & Carterette, CIKM 2007; by scipy.stats.permutation_test.

    Examples
    --------
    >>> paired_test([0.5, 0.75, 1.0], [0.25, 0.5, 0.75])
    PairedTest(difference=0.25, p_value=0.25, n_queries=3, wins=3, losses=0)
    """
    from scipy.stats import permutation_test  # late: it takes half a second, searches do without

    a, b = _figures(a, "a"), _figures(b, "b")
    if len(a) != len(b) or len(a) < 2:
        raise InvalidInput(
            f"Expected figures of the same two queries or more, got {len(a)} and {len(b)}."
        )
    differences = a - b
    result = permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",  # of one sample: its signs change, which is to swap
        vectorized=True,
        n_resamples=_count(n_permutations, "n_permutations"),
        batch=_BATCH,
        random_state=_generator(random_state),
    )
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return PairedTest(
        float(differences.mean()), float(result.pvalue), len(differences), wins, losses
    )


def bootstrap_interval(
    values: Sequence[float] | np.ndarray,
    level: float = 0.95,
    n: int = 10_000,
    random_state: int | np.random.Generator = 0,
) -> tuple[float, float]:
    """Confidence interval of the mean over queries, by the bootstrap.

    The bias-corrected and accelerated (BCa) interval, not the percentile one: on 600 made-up sets
    of 30 skewed APs (mean .17) intervals of level .95 held the true mean in .943 of the cases,
    percentile ones in .920. It says what other queries of the same kind would change, not other
    pictures.

    Parameters
    ----------
    values : float (n_queries,), a figure of each query
    level : share of intervals that hold the true mean, 0..1
    n : resamples, 100 or more
    random_state : seed

    Returns
    -------
    (low, high); the mean twice where all are equal (but for rounding), or where there is only one

    Raises
    ------
    InvalidInput
        No values, values that are not finite, a level that is not between 0 and 1, or too few
        resamples.

    Notes
    -----
    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 14.3; by
    scipy.stats.bootstrap.

    Examples
    --------
    >>> low, high = bootstrap_interval([0.25, 0.5, 0.75, 1.0])
    >>> 0.25 < low < 0.625 < high < 1
    True
    """
    from scipy.stats import bootstrap  # late, as above

    values = _figures(values, "values")
    if not is_number(level) or not 0 < level < 1:
        raise InvalidInput(f"Expected a level between 0 and 1, got {level!r}.")
    if not len(values):
        raise InvalidInput("Expected the figures of at least one query, got none.")
    # No spread, or that of the last bits of equal figures: BCa would divide by it, and give NaN.
    least, most = float(values.min()), float(values.max())
    if most - least <= _ROUNDING * max(1.0, abs(least), abs(most)):
        mean = float(np.clip(values.mean(), least, most))
        return mean, mean
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=_count(n, "n", 100),  # a few may all lie on one side of the mean: no BCa
        batch=_BATCH,
        vectorized=True,
        confidence_level=level,
        method="BCa",
        random_state=_generator(random_state),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _figures(values: Sequence[float] | np.ndarray, what: str) -> np.ndarray:
    """float64 (n,), finite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"Expected {what} to be numbers, one per query: {error}.") from error
    if array.ndim != 1 or not np.isfinite(array).all():
        raise InvalidInput(
            f"Expected {what} to be finite numbers (n_queries,), got shape {array.shape}, "
            f"{int((~np.isfinite(array)).sum())} of them not finite."
        )
    return array


def _count(value: int, what: str, least: int = 1) -> int:
    if not is_integer(value) or value < least:
        raise InvalidInput(f"Expected {what} to be a whole number >= {least}, got {value!r}.")
    return int(value)


def _generator(random_state: int | np.random.Generator) -> np.random.Generator:
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"Expected random_state to be a seed >= 0, got {random_state!r}."
        ) from error
