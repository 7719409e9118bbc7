"""Discriminative query expansion: a known answer, separation, determinism, errors."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from expansion.vectors import csr, random_vectors

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.expansion import discriminative_query
from blcf.index import InvertedFile


def test_by_hand():
    # One of each kind: by symmetry w is along their difference, whatever C.
    for C in (0.01, 1.0, 100.0):
        query = discriminative_query(csr([[1, 0, 0, 0]]), csr([[0, 1, 0, 0]]), C)
        assert query.format == "csr" and query.dtype == np.float64 and query.shape == (1, 4)
        wanted = [[np.sqrt(0.5), -np.sqrt(0.5), 0, 0]]
        np.testing.assert_allclose(query.toarray(), wanted, atol=1e-3)
        assert query.indices.tolist() == [0, 1]  # the others occur in neither


def test_solves_the_problem_it_states():
    """No step from the answer lowers the balanced cost; the bias is a feature that is 1."""
    rng = np.random.default_rng(0)
    from sklearn.svm import LinearSVC

    for _ in range(5):
        positives, negatives = random_vectors(rng, 4), random_vectors(rng, 9)
        rows = sp.vstack([positives, negatives]).toarray()
        rows = np.column_stack([rows, np.ones(13)])
        labels = np.repeat([1, -1], [4, 9])
        costs = 0.5 * np.repeat([13 / (2 * 4), 13 / (2 * 9)], [4, 9])
        weights = np.zeros(rows.shape[1])
        for _ in range(20_000):  # plain gradient descent
            short = np.maximum(0, 1 - labels * (rows @ weights))
            weights -= 0.01 * (weights - 2 * rows.T @ (costs * labels * short))
        found = discriminative_query(positives, negatives, C=0.5).toarray()[0]
        wanted = weights[:-1] / np.linalg.norm(weights[:-1])
        np.testing.assert_allclose(found, wanted, atol=2e-3)
    assert LinearSVC().intercept_scaling == 1  # or the bias above would be another


def test_separates_and_ranks():
    rng = np.random.default_rng(2)
    bags = rng.integers(0, 4, (30, 40)).astype(np.float32) * (rng.random((30, 40)) < 0.3)
    bags[:10, :3] += 5  # words of the object
    index = InvertedFile(40).add([str(i) for i in range(30)], sp.csr_matrix(bags))
    vectors = index.weigh(sp.csr_matrix(bags))
    query = discriminative_query(vectors[:5], vectors[10:25], C=10)
    scores = (vectors @ query.T).toarray().ravel()
    assert scores[:10].min() > scores[10:].max() and query.data.min() < 0
    np.testing.assert_allclose(np.sqrt(query.multiply(query).sum()), 1, rtol=1e-12)
    ranking = index.search(query, k=30, weighed=True)  # with entries below 0
    assert ranking.ids.tolist() == np.lexsort((np.arange(30), -scores.astype(np.float32))).tolist()
    again = discriminative_query(vectors[:5], vectors[10:25], C=10)
    assert np.array_equal(again.data, query.data)  # one seed


def test_wide_indices_and_zero_rows():
    rows = csr([[1, 0, 0], [0, 0, 0], [0, 1, 0]])
    wide = rows.copy()
    wide.indices, wide.indptr = wide.indices.astype(np.int64), wide.indptr.astype(np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        narrow = discriminative_query(rows[:2], rows[2:])
        assert np.array_equal(discriminative_query(wide[:2], wide[2:]).data, narrow.data)
    assert discriminative_query(sp.csr_matrix((1, 3)), sp.csr_matrix((2, 3))).nnz == 0


def test_bad_values():
    one, none = csr([[1, 0]]), sp.csr_matrix((0, 2))
    with pytest.raises(InvalidInput, match="one positive or more, got none"):
        discriminative_query(none, one)
    with pytest.raises(InvalidInput, match="one negative or more, got none.*use average_query"):
        discriminative_query(one, none)
    with pytest.raises(VocabularyMismatch, match="negatives of 2 words like the others, got 3"):
        discriminative_query(one, csr([[1, 0, 0]]))
    for C in (0, -1, np.inf, "1", True):
        with pytest.raises(InvalidInput, match="C to be a finite number, above 0"):
            discriminative_query(one, one, C)
