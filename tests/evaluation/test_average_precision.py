"""Average precision by hand, against the published program and against scikit-learn."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from sklearn.metrics import average_precision_score

from blcf.errors import InvalidInput
from blcf.evaluation import average_precision, trec_average_precision

CASES = [
    # ranked, positives, junk, trapezoidal, trec
    ("a", "a", "", 1, 1),
    ("abx", "ab", "", 1, 1),
    ("xa", "a", "", 1 / 4, 1 / 2),
    ("xab", "ab", "", 5 / 12, 7 / 12),
    ("axb", "ab", "", 1 / 2 + (1 / 2 + 2 / 3) / 4, 5 / 6),
    ("xyza", "a", "", 1 / 8, 1 / 4),
    ("", "a", "", 0, 0),
    ("xyz", "a", "", 0, 0),
    ("a", "ab", "", 1 / 2, 1 / 2),  # b is not ranked
    ("xa", "abcd", "", 1 / 16, 1 / 8),
    ("jxka", "a", "jk", 1 / 4, 1 / 2),  # junk is dropped: the ranking is xa
    ("ja", "a", "jk", 1, 1),
    ("jk", "a", "jk", 0, 0),
    ("ab", "ab", "a", 1 / 2, 1 / 2),  # junk that is positive: dropped, and counted as missing
]


@pytest.mark.parametrize(("ranked", "positives", "junk", "trapezoidal", "trec"), CASES)
@pytest.mark.parametrize("kind", [frozenset, list])
def test_by_hand(ranked, positives, junk, trapezoidal, trec, kind):
    positives, junk = kind(positives), kind(junk)
    assert average_precision(ranked, positives, junk) == pytest.approx(trapezoidal, abs=1e-15)
    assert trec_average_precision(ranked, positives, junk) == pytest.approx(trec, abs=1e-15)
    assert average_precision(iter(ranked), positives, junk) == pytest.approx(trapezoidal, abs=1e-15)


def test_random_rankings_are_the_published_program():
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(1, 40))
        kinds = rng.choice(3, n, p=[0.5, 0.3, 0.2])
        positives = {f"{i}" for i in np.flatnonzero(kinds == 1)} | {"0"}
        junk = {f"{i}" for i in np.flatnonzero(kinds == 2)}
        ranked = [f"{i}" for i in rng.permutation(n)[: int(rng.integers(0, n + 1))]]
        expected = oracle.average_precision(ranked, positives, junk)
        assert average_precision(ranked, positives, junk) == pytest.approx(expected, abs=1e-12)


def test_trec_is_the_step_rule_of_scikit_learn():
    rng = np.random.default_rng(1)
    for _ in range(100):
        truth = rng.random(30) < 0.3
        truth[0] = True
        scores = rng.permutation(30)
        ranked = [f"{i}" for i in np.argsort(-scores)]
        positives = {f"{i}" for i in np.flatnonzero(truth)}
        expected = average_precision_score(truth, scores)
        assert trec_average_precision(ranked, positives) == pytest.approx(expected, abs=1e-12)


def test_bounds_and_order():
    rng = np.random.default_rng(2)
    names = [f"{i}" for i in range(20)]
    positives = set(names[:6])
    for measure in (average_precision, trec_average_precision):
        best, worst = measure(names, positives), measure(names[::-1], positives)
        assert best == pytest.approx(1, abs=1e-15)
        for _ in range(50):
            assert worst <= measure(rng.permutation(names).tolist(), positives) <= best


@pytest.mark.parametrize("measure", [average_precision, trec_average_precision])
@pytest.mark.parametrize("ranked", [[], ["a"]])
def test_no_positives(measure, ranked):
    with pytest.raises(InvalidInput, match="at least one positive; a query without any has no AP"):
        measure(ranked, set())


@pytest.mark.parametrize("measure", [average_precision, trec_average_precision])
def test_names_ranked_twice(measure):
    with pytest.raises(InvalidInput, match="once in the ranking, 'a' comes twice"):
        measure(["a", "x", "a"], {"a"})


def test_positives_named_twice_count_once():
    assert average_precision(["a"], ["a", "a"]) == trec_average_precision(["a"], ["a", "a"]) == 1
