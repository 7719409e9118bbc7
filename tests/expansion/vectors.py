"""Sparse vectors for the tests of expansion."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def csr(rows):
    return sp.csr_matrix(np.array(rows, dtype=np.float64))


def random_vectors(rng, n, n_words=12):
    """Sparse L2-normalised rows, a row of zeros now and then."""
    rows = rng.random((n, n_words)) * (rng.random((n, n_words)) < 0.3)
    return csr(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))


def as_dicts(vectors):
    """Rows as {word: value}, for the plain twins."""
    return [{int(w): float(row[w]) for w in np.flatnonzero(row)} for row in vectors.toarray()]


def assert_is(vector, twin):
    """A CSR row equals {word: value}."""
    assert vector.format == "csr" and vector.dtype == np.float64 and vector.shape[0] == 1
    wanted = np.zeros(vector.shape[1])
    for word, value in twin.items():
        wanted[word] = value
    np.testing.assert_allclose(vector.toarray()[0], wanted, rtol=1e-12, atol=1e-15)
