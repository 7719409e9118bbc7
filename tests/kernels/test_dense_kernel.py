"""The kernel of exact dot products against its plain twin."""

from __future__ import annotations

import numpy as np
import pytest

from blcf.kernels.dense import score_candidates


def twin(estimates, limit, vectors, query):
    scores = []
    for estimate, vector in zip(estimates.tolist(), vectors.tolist()):
        total = 0.0
        for a, b in zip(query.tolist(), vector):
            total += a * b
        scores.append(total if estimate >= limit else -np.inf)
    return scores


@pytest.mark.parametrize("d", [1, 2, 3, 8, 100])
def test_equals_the_plain_twin(d):
    rng = np.random.default_rng(d)
    for n in (0, 1, 2, 50):
        vectors = rng.standard_normal((n, d)).astype(np.float32)
        query = rng.standard_normal(d).astype(np.float32)
        estimates = rng.standard_normal(n).astype(np.float32)
        for limit in (-np.inf, -0.3, 0.0, np.inf, *map(float, estimates[:2])):
            scores = np.full(n, np.nan)
            score_candidates(estimates, limit, vectors, query, scores)
            assert scores.tolist() == twin(estimates, limit, vectors, query)


def test_products_are_exact():
    """The last bits of float32 products are not lost: 1 + 2^-23 squared has 47 bits."""
    one = np.float32(1 + 2.0**-23)
    scores = np.empty(1)
    vectors = np.array([[one, -1]], dtype=np.float32)
    query = np.array([one, 1 + 2.0**-22], dtype=np.float32)
    score_candidates(np.zeros(1, dtype=np.float32), -1.0, vectors, query, scores)
    assert scores[0] == 2.0**-46
