"""Scores of hits among their like."""

from __future__ import annotations

import numpy as np
import oracle_expansion
import pytest
import scipy.sparse as sp

from blcf.rerank import neighbours, smoothed_scores


def made_up(seed, n, n_words=30, density=0.2):
    rng = np.random.default_rng(seed)
    vectors = sp.random(n, n_words, density, "csr", random_state=seed)
    vectors[rng.integers(n)] *= 0  # nothing was there
    return rng.random(n).round(2), vectors.tocsr()


@pytest.mark.parametrize("n_neighbours", [1, 2, 5, 100])
@pytest.mark.parametrize("seed", range(10))
def test_it_is_the_oracle(seed, n_neighbours):
    scores, vectors = made_up(seed, 3 + 4 * seed)
    found = smoothed_scores(scores, vectors, n_neighbours, 0.7)
    wanted = oracle_expansion.smoothed_scores(scores, vectors.toarray(), n_neighbours, 0.7)
    assert found.dtype == np.float64 and (found <= 1).all()
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("pool", [1, 7, 50])
def test_more_hits_than_the_best_are_the_oracle(monkeypatch, pool):
    scores, vectors = made_up(3, 50)
    monkeypatch.setattr(neighbours, "_POOL", pool)
    found = smoothed_scores(scores, vectors, 5, 0.7)
    wanted = oracle_expansion.smoothed_scores(scores, vectors.toarray(), 5, 0.7, pool)
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_neighbours_are_among_the_best(monkeypatch):
    monkeypatch.setattr(neighbours, "_POOL", 2)
    vectors = sp.csr_matrix([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    # The last two are alike, and not among the best two; the first of these is like neither.
    found = smoothed_scores(np.array([0.9, 0.8, 0.3, 0.1]), vectors, 1)
    np.testing.assert_allclose(found, [1.3 / 1.5, 1.25 / 1.5, 0.3, 0.1])


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("n_neighbours", [0, 3])
def test_few_hits(n, n_neighbours):
    scores, vectors = np.array([0.5, -0.2][:n]), sp.identity(4, format="csr")[:n]
    np.testing.assert_array_equal(smoothed_scores(scores, vectors, n_neighbours), scores)


def test_scores_that_are_no_cosines_stay_below_one():
    vectors = sp.csr_matrix([[1.0, 1, 0], [1, 0, 1], [0, 1, 1]])
    assert smoothed_scores(np.ones(3), vectors, 2).max() == 1
