"""One query of several examples."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest
import scipy.sparse as sp
from expansion.vectors import as_dicts, assert_is, csr, random_vectors

from blcf.errors import InvalidInput
from blcf.expansion import joint_query


def test_by_hand():
    joint = joint_query(csr([[2, 0, 0], [0, 3, 4], [0, 0, 0]]))
    norm = math.sqrt(1 + 0.6**2 + 0.8**2)
    np.testing.assert_allclose(joint.toarray(), [[1 / norm, 0.6 / norm, 0.8 / norm]], rtol=1e-15)
    weighted = joint_query(csr([[2, 0], [0, 3]]), [3, 4])
    np.testing.assert_allclose(weighted.toarray(), [[0.6, 0.8]], rtol=1e-15)


def test_equals_the_plain_twin():
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows = random_vectors(rng, rng.integers(1, 6))
        scaled = sp.csr_matrix(sp.diags(rng.uniform(0.1, 9, rows.shape[0])) @ rows)
        weights = None if rng.random() < 0.5 else rng.uniform(0.1, 2, rows.shape[0])
        shares = np.ones(rows.shape[0]) if weights is None else weights
        twin = oracle.combine([oracle.unit(one) for one in as_dicts(scaled)], shares)
        assert_is(joint_query(scaled, weights), twin)


def test_one_example_is_itself_and_duplicates_change_nothing():
    rng = np.random.default_rng(1)
    for _ in range(20):
        rows = random_vectors(rng, 3)
        for row in rows:
            assert_is(joint_query(row), as_dicts(row)[0])
        joint = joint_query(rows).toarray()
        twice = joint_query(sp.vstack([rows, rows])).toarray()
        np.testing.assert_allclose(twice, joint, rtol=1e-14)
        turned = joint_query(rows[::-1]).toarray()
        np.testing.assert_allclose(turned, joint, rtol=1e-14)


def test_of_nothing_comes_nothing():
    assert joint_query(sp.csr_matrix((2, 4))).nnz == 0
    assert joint_query(csr([[1, 0], [0, 0]]), [0, 1]).nnz == 0


def test_bad_values():
    with pytest.raises(InvalidInput, match="one example or more, got none"):
        joint_query(sp.csr_matrix((0, 4)))
    for weights in ([1, -1], [0, 0]):
        with pytest.raises(InvalidInput, match="weights of 0 or more, not all 0"):
            joint_query(csr([[1, 0], [0, 1]]), weights)
    with pytest.raises(InvalidInput, match=r"weights of examples of shape \(2,\), one per row"):
        joint_query(csr([[1, 0], [0, 1]]), [1])
    with pytest.raises(InvalidInput, match="examples as a scipy CSR matrix, got list"):
        joint_query([csr([[1, 0]])])
