"""Relevance feedback by hand and against the plain twin."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import scipy.sparse as sp
from expansion.vectors import as_dicts, assert_is, csr, random_vectors

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.expansion import average_query, rocchio_query


def test_by_hand():
    positives, negatives = csr([[1, 0, 0], [0, 1, 0]]), csr([[0, 0.6, 0.8]])
    # (.5, .5, 0) - .5 (0, .6, .8) = (.5, .2, -.4)
    kept = rocchio_query(positives, negatives, gamma=0.5, clip=False).toarray()
    np.testing.assert_allclose(kept, np.array([[0.5, 0.2, -0.4]]) / np.sqrt(0.45), rtol=1e-14)
    clipped = rocchio_query(positives, negatives, gamma=0.5).toarray()
    np.testing.assert_allclose(clipped, np.array([[0.5, 0.2, 0]]) / np.sqrt(0.29), rtol=1e-14)


def test_equals_the_plain_twin():
    rng = np.random.default_rng(0)
    for _ in range(50):
        positives, negatives = random_vectors(rng, rng.integers(1, 5)), random_vectors(rng, 3)
        weights = [1 / positives.shape[0]] * positives.shape[0] + [-0.25 / 3] * 3
        twin = oracle.combine(as_dicts(positives) + as_dicts(negatives), weights)
        assert_is(rocchio_query(positives, negatives, clip=False), twin)
        clipped = oracle.unit({word: value for word, value in twin.items() if value > 0})
        assert_is(rocchio_query(positives, negatives), clipped)


def test_without_negatives_it_is_the_average():
    rng = np.random.default_rng(1)
    rows = random_vectors(rng, 4)
    average = average_query(rows[:1], rows[1:]).toarray()
    for feedback in (
        rocchio_query(rows, sp.csr_matrix((0, 12))),
        rocchio_query(rows, random_vectors(rng, 3), gamma=0),
    ):
        np.testing.assert_allclose(feedback.toarray(), average, rtol=1e-14)


def test_nothing_left():
    assert rocchio_query(csr([[1, 0]]), csr([[1, 0]]), gamma=1).nnz == 0


def test_bad_values():
    with pytest.raises(InvalidInput, match="one positive or more"):
        rocchio_query(sp.csr_matrix((0, 2)), csr([[1, 0]]))
    with pytest.raises(VocabularyMismatch, match="negatives of 2 words like the others, got 3"):
        rocchio_query(csr([[1, 0]]), csr([[1, 0, 0]]))
    with pytest.raises(InvalidInput, match="gamma to be a finite number, 0 or more"):
        rocchio_query(csr([[1, 0]]), csr([[1, 0]]), gamma=-1)
