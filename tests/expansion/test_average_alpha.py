"""Average query expansion with weights: hits by their score to the power of alpha."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest
from expansion.vectors import as_dicts, assert_is, csr, random_vectors

from blcf.errors import InvalidInput
from blcf.expansion import average_query


def test_by_hand():
    expanded = average_query(csr([[1, 0, 0]]), csr([[0, 1, 0], [0, 0, 1]]), [0.5, 0.25], alpha=1)
    norm = math.sqrt(1 + 0.5**2 + 0.25**2)
    np.testing.assert_allclose(expanded.toarray(), [[1 / norm, 0.5 / norm, 0.25 / norm]])


def test_equals_the_plain_twin():
    rng = np.random.default_rng(0)
    for _ in range(50):
        query, hits = random_vectors(rng, 1), random_vectors(rng, rng.integers(0, 6))
        scores, alpha = rng.uniform(-0.3, 1, hits.shape[0]), rng.choice([0.5, 1.0, 3.0])
        weights = [1.0] + [max(score, 0.0) ** alpha for score in scores]
        twin = oracle.combine(as_dicts(query) + as_dicts(hits), weights)
        assert_is(average_query(query, hits, scores, alpha), twin)


def test_alpha_0_is_the_plain_average_bit_for_bit():
    rng = np.random.default_rng(1)
    for _ in range(20):
        query, hits = random_vectors(rng, 1), random_vectors(rng, 5)
        plain = average_query(query, hits).toarray()
        scores = rng.uniform(-1, 1, 5)
        assert np.array_equal(average_query(query, hits, scores).toarray(), plain)
        assert np.array_equal(average_query(query, hits, np.ones(5), alpha=2).toarray(), plain)


def test_negative_scores_count_nothing():
    query, hits = csr([[1, 0, 0]]), csr([[0, 1, 0], [0, 0, 1]])
    one = average_query(query, hits[:1], [0.5], alpha=2).toarray()
    assert np.array_equal(average_query(query, hits, [0.5, -0.5], alpha=2).toarray(), one)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"alpha": 1}, "Expected the scores of the hits for an alpha of 1, got None"),
        ({"alpha": -1, "scores": [1, 1]}, "alpha to be a finite number, 0 or more, got -1"),
        ({"alpha": math.nan, "scores": [1, 1]}, "alpha to be a finite number"),
        ({"alpha": "much", "scores": [1, 1]}, "got 'much'"),
        ({"alpha": 1, "scores": [1]}, r"shape \(2,\), one per row, got shape \(1,\)"),
        ({"scores": [1, math.nan]}, "scores of the hits to be finite"),
        ({"scores": ["a", "b"]}, "scores of the hits to be numbers"),
    ],
)
def test_bad_values(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        average_query(csr([[1, 0]]), csr([[0, 1], [1, 0]]), **arguments)


def test_bad_vectors():
    with pytest.raises(InvalidInput, match="a query as a scipy CSR matrix, got ndarray"):
        average_query(np.ones((1, 2)), csr([[1, 0]]))
    with pytest.raises(InvalidInput, match=r"one query of shape \(1, n_words\), got shape \(2, 2"):
        average_query(csr([[1, 0], [0, 1]]), csr([[1, 0]]))
    with pytest.raises(InvalidInput, match="hits of finite numbers"):
        average_query(csr([[1, 0]]), csr([[math.inf, 0]]))
