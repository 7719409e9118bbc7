"""The randomization test against a count of all swaps; the bootstrap interval."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.evaluation import PairedTest, bootstrap_interval, paired_test


def all_swaps(a, b):
    """The share of the ways of swapping whose difference is as large, in integers: exact."""
    differences = [x - y for x, y in zip(a, b)]
    sums = [
        abs(sum(sign * each for sign, each in zip(signs, differences)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(each >= abs(sum(differences)) for each in sums) / len(sums)


def test_by_hand():
    """All of 3 queries are better: 2 of the 8 ways of swapping are as extreme."""
    result = paired_test([2, 3, 5], [1, 2, 3])
    assert result == PairedTest(pytest.approx(4 / 3), 0.25, 3, 3, 0)
    assert paired_test([1, 2, 3], [2, 3, 5]) == PairedTest(pytest.approx(-4 / 3), 0.25, 3, 0, 3)
    assert paired_test([1, 2, 3], [1, 2, 3]) == PairedTest(0, 1, 3, 0, 0)
    assert paired_test([1, 0, 3], [0, 1, 3]) == PairedTest(0, 1, 3, 1, 1)


def test_few_queries_are_exact():
    rng = np.random.default_rng(0)
    for n in (2, 3, 5, 8, 10, 13):
        a, b = rng.integers(0, 5, (2, n)).tolist()
        result = paired_test(a, b, random_state=int(rng.integers(100)))
        assert result.p_value == pytest.approx(all_swaps(a, b), abs=1e-12)
        assert result.wins + result.losses == sum(x != y for x, y in zip(a, b))


def test_many_queries_are_near():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 5, (2, 15)).tolist()
    result = paired_test(a, b)
    assert result.p_value == pytest.approx(all_swaps(a, b), abs=0.03)  # 3 sigma: .015
    assert paired_test(a, b) == result
    assert paired_test(a, b, random_state=5).p_value != result.p_value
    clear = paired_test(np.arange(100) + 1, np.arange(100), n_permutations=999)
    assert clear == PairedTest(1, 0.002, 100, 100, 0)


def test_alike_systems_are_seldom_told_apart():
    rng = np.random.default_rng(2)
    p_values = [paired_test(*rng.random((2, 12)), 500).p_value for _ in range(200)]
    assert sum(p <= 0.05 for p in p_values) / 200 == pytest.approx(0.05, abs=0.045)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([1, 2], [1, 2, 3], "the same two queries or more, got 2 and 3"),
        ([1], [2], "the same two queries or more, got 1 and 1"),
        ([], [], "the same two queries or more, got 0 and 0"),
        ([1, np.nan], [1, 2], r"a to be finite numbers .*\(2,\), 1 of them not finite"),
        ([1, 2], [[1], [2]], r"b to be finite numbers .*got shape \(2, 1\)"),
        ([1, 2], ["x", "y"], "b to be numbers, one per query"),
        ([1, 2], [[1], [2, 3]], "b to be numbers, one per query"),
    ],
)
def test_what_the_test_refuses(a, b, message):
    with pytest.raises(InvalidInput, match=message):
        paired_test(a, b)


@pytest.mark.parametrize("n", [0, 2.5, None])
def test_counts_and_seeds(n):
    with pytest.raises(InvalidInput, match="n_permutations to be a whole number >= 1, got"):
        paired_test([1, 2], [3, 4], n)
    with pytest.raises(InvalidInput, match="n to be a whole number >= 100, got"):
        bootstrap_interval([1, 2], n=n)
    for seed in (-1, "seed"):
        with pytest.raises(InvalidInput, match="random_state to be a seed >= 0, got"):
            paired_test([1, 2], [3, 4], random_state=seed)


def test_interval():
    values = np.random.default_rng(3).random(200)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    # Of many values in the middle of the scale: nearly the normal interval.
    half = 1.96 * values.std() / np.sqrt(200)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.004)
    assert bootstrap_interval(values) == (low, high)
    inner = bootstrap_interval(values, level=0.5)
    assert low < inner[0] < inner[1] < high
    assert bootstrap_interval(values, random_state=1) != (low, high)


@pytest.mark.parametrize("n_values", [1, 2, 55])
def test_equal_values_have_no_spread(n_values):
    assert bootstrap_interval([0.1] * n_values) == (0.1, 0.1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "values",
    [[0.5, 0.49999999999999994], [0.1] * 9 + [0.1 + 1e-16], [4.0, 4 - 1e-15], [0, 5e-324]],
)
def test_values_that_differ_by_rounding_have_no_spread(values):
    low, high = bootstrap_interval(values)
    assert low == high == pytest.approx(np.mean(values), abs=1e-12)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "values", [[0, 1], [0] * 499 + [1], [1] * 499 + [0], [0.3, 0.1 + 0.2], [1e-9, 0, 0]]
)
def test_values_with_little_spread(values):
    low, high = bootstrap_interval(values, n=1000)
    assert min(values) <= low <= np.mean(values) <= high <= max(values)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, float("nan"), "high"])
def test_levels(level):
    with pytest.raises(InvalidInput, match="a level between 0 and 1, got"):
        bootstrap_interval([1, 2], level=level)


def test_no_values():
    with pytest.raises(InvalidInput, match="at least one query, got none"):
        bootstrap_interval([])
    with pytest.raises(InvalidInput, match="not finite"):
        bootstrap_interval([np.inf, 1])
