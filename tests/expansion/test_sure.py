"""Hits that are sure enough to expand a query, and what they weigh."""

from __future__ import annotations

import numpy as np
import oracle_expansion
import pytest
import scipy.sparse as sp

from blcf.errors import InvalidInput
from blcf.expansion import sure_hits, sure_weights


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(20))
def test_hits_equal_the_plain_twin(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 160))
    scores = np.sort(rng.random(n) ** 4)[::-1]
    sure = np.minimum.accumulate(rng.random(n) ** 0.2)
    if seed % 4 == 0:
        sure[:] = np.nan
    assert sure_hits(scores, sure).tolist() == oracle_expansion.sure_hits(scores, sure)


@pytest.mark.parametrize("seed", range(20))
def test_weights_equal_the_plain_twin(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 24))
    rows = unit(rng.integers(0, 2, (n, 20)) + np.eye(n, 20) + 0.001)
    sure, known = rng.random(n), rng.random(n) < 0.2
    found = sure_weights(sp.csr_matrix(rows), sure, known)
    np.testing.assert_allclose(found, oracle_expansion.sure_weights(rows, sure, known))


def test_near_duplicates_are_one_vote():
    """Three photographs of one wrong thing beside seven hits: eight votes, and seven are none."""
    rows = np.eye(8)[[*range(7), 7, 7, 7]]
    weights = sure_weights(sp.csr_matrix(rows), np.ones(10))
    np.testing.assert_allclose(weights, [*np.ones(7), 1 / 3, 1 / 3, 1 / 3])
    assert not sure_weights(sp.csr_matrix(rows[1:]), np.ones(9)).any()


def test_the_picture_of_the_query_is_not_counted():
    vectors = sp.csr_matrix(np.eye(8))
    assert sure_weights(vectors, np.ones(8)).all()
    assert not sure_weights(vectors, np.ones(8), [True, *[False] * 7]).any()


def test_nothing_is_told_of_few():
    assert not sure_hits([0.9, 0.5, 0.1, 0.1, 0.1], np.full(5, np.nan)).size
    assert not sure_hits([], []).size


def test_wrong_input():
    with pytest.raises(InvalidInput, match="confidences of hits"):
        sure_weights(sp.csr_matrix(np.eye(3)), [1.0])
    with pytest.raises(InvalidInput, match="scores of hits"):
        sure_hits([np.nan], [1.0])
