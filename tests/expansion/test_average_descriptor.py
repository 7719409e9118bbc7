"""Average query expansion of dense vectors: that of sparse ones, without the zeros."""

from __future__ import annotations

import math

import numpy as np
import pytest
from expansion.vectors import csr

from blcf.errors import InvalidInput
from blcf.expansion.average import average_descriptor, average_query


def test_by_hand():
    hits = np.array([[0, 1.0], [0.6, 0.8]])
    expanded = average_descriptor(np.array([1.0, 0]), hits, [0.5, -1], alpha=2)
    assert expanded.dtype == np.float64
    np.testing.assert_allclose(expanded, np.array([1, 0.25]) / math.hypot(1, 0.25), rtol=1e-15)


def test_equals_the_sparse_average():
    rng = np.random.default_rng(0)
    for n in (0, 1, 5):
        for alpha in (0, 0.5, 3):
            rows, scores = rng.standard_normal((n + 1, 8)), rng.uniform(-0.3, 1, n)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            dense = average_descriptor(rows[0].astype(np.float32), rows[1:], scores, alpha)
            sparse = average_query(csr(rows[:1]), csr(rows[1:]), scores, alpha)
            np.testing.assert_allclose(dense, sparse.toarray()[0], atol=1e-7)


def test_what_sums_to_0_stays_0():
    assert not average_descriptor(np.array([1.0, 0]), np.array([[-1.0, 0]])).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((1, 2)), np.ones((1, 2))), r"a query as a float array of 1 dimension.*\(1, 2\)"),
        ((np.ones(2), np.ones(2)), r"hits as a float array of 2 dimension"),
        ((np.ones(2), [[1, 2]]), "got list"),
        ((np.ones(2), np.ones((1, 3))), "hits of 2 components like the query, got 3"),
        ((np.array([1, np.nan]), np.ones((1, 2))), "a query of finite numbers"),
        ((np.ones(2), np.ones((1, 2)), None, 1), "scores of the hits for an alpha of 1, got None"),
        ((np.ones(2), np.ones((1, 2)), [1, 2]), r"shape \(1,\), one per row"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        average_descriptor(*arguments)
