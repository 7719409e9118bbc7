"""Average query expansion by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp

from blcf.errors import VocabularyMismatch
from blcf.expansion import average_query


def csr(rows):
    return sp.csr_matrix(np.array(rows, dtype=np.float64))


def test_by_hand():
    expanded = average_query(csr([[1, 0, 0]]), csr([[0, 1, 0], [0.6, 0.8, 0]]))
    assert expanded.format == "csr" and expanded.dtype == np.float64 and expanded.shape == (1, 3)
    # (1.6, 1.8, 0) / 3, then L2
    norm = math.hypot(1.6, 1.8)
    np.testing.assert_allclose(expanded.toarray(), [[1.6 / norm, 1.8 / norm, 0]], rtol=1e-15)


def test_without_hits_the_query_stays():
    query = csr([[0.6, 0, 0.8]])
    expanded = average_query(query, sp.csr_matrix((0, 3)))
    np.testing.assert_allclose(expanded.toarray(), query.toarray(), rtol=1e-15)


def test_hits_like_the_query_change_nothing():
    query = csr([[0.6, 0, 0.8]])
    expanded = average_query(query, sp.vstack([query] * 10))
    np.testing.assert_allclose(expanded.toarray(), query.toarray(), rtol=1e-15)


def test_mean_of_dense_rows():
    rng = np.random.default_rng(0)
    for _ in range(20):
        rows = rng.random((11, 30)) * (rng.random((11, 30)) < 0.3)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        mean = rows.mean(axis=0)
        expanded = average_query(csr(rows[:1]), csr(rows[1:])).toarray()[0]
        np.testing.assert_allclose(expanded, mean / np.linalg.norm(mean), rtol=1e-12)
        # The order of the hits does not count.
        other = average_query(csr(rows[:1]), csr(rows[:0:-1])).toarray()[0]
        np.testing.assert_allclose(other, expanded, rtol=1e-12)


def test_empty_vectors_stay_empty():
    nothing = sp.csr_matrix((1, 4))
    assert average_query(nothing, nothing).nnz == 0
    # An empty hit weighs nothing, as the mean is normalised.
    assert average_query(csr([[0, 1, 0, 0]]), nothing).toarray().tolist() == [[0, 1, 0, 0]]


def test_arguments_are_not_written():
    query, hits = csr([[1, 0]]), csr([[0, 1]])
    average_query(query, hits)
    assert query.toarray().tolist() == [[1, 0]] and hits.toarray().tolist() == [[0, 1]]


def test_other_vocabulary():
    with pytest.raises(VocabularyMismatch, match="hits of 3 words like the query, got 2"):
        average_query(csr([[1, 0, 0]]), csr([[0, 1]]))
