"""The kernel of the local search against the oracle."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest

from blcf.kernels.windows import score_windows


def all_windows(h, w):
    return np.array(
        [
            (x1, y1, x2, y2)
            for y1 in range(h)
            for y2 in range(y1 + 1, h + 1)
            for x1 in range(w)
            for x2 in range(x1 + 1, w + 1)
        ],
        dtype=np.int32,
    )


def kernel_scores(words, weights, windows, query, idf, sqrt):
    tf = np.zeros(query.size)
    scores = np.full(len(windows), np.nan)
    score_windows(words, weights, windows, query * idf, idf * idf, sqrt, tf, scores)
    assert not tf.any()  # the scratch is left as it was found
    return scores


@pytest.mark.parametrize("sqrt", [False, True])
@pytest.mark.parametrize("with_idf", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_window_of_random_maps(sqrt, with_idf, weighted):
    rng = np.random.default_rng(4 * sqrt + 2 * with_idf + weighted)
    for _ in range(6):
        h, w, n_words = (int(n) for n in rng.integers(1, 6, 3))
        words = rng.integers(0, n_words, (h, w)).astype(np.int32)
        weights = np.ones((h, w), dtype=np.float32)
        if weighted:
            weights = (rng.integers(0, 4, (h, w)) / 2).astype(np.float32)
        idf = rng.integers(0, 3, n_words).astype(np.float64) if with_idf else np.ones(n_words)
        counts = {word: float(n) for word, n in enumerate(rng.integers(0, 4, n_words)) if n}
        wanted = oracle.vector(counts, idf, sqrt)
        query = np.array([wanted.get(word, 0.0) for word in range(n_words)])
        windows = all_windows(h, w)
        expected = [
            oracle.window_score(words, window, wanted, idf, sqrt, weights) for window in windows
        ]
        scores = kernel_scores(words, weights, windows, query, idf, sqrt)
        np.testing.assert_allclose(scores, expected, rtol=1e-9, atol=1e-12)


def test_by_hand():
    words = np.array([[0, 1], [0, 2]], dtype=np.int32)
    windows = np.array([[0, 0, 2, 2], [0, 0, 1, 2], [1, 0, 2, 1], [1, 1, 2, 2]], dtype=np.int32)
    query = np.array([1.0, 0, 0])
    ones = np.ones((2, 2), dtype=np.float32)
    counted = kernel_scores(words, ones, windows, query, np.ones(3), False)
    np.testing.assert_allclose(counted, [2 / math.sqrt(6), 1, 0, 0], rtol=1e-15)
    rooted = kernel_scores(words, ones, windows, query, np.ones(3), True)
    np.testing.assert_allclose(rooted, [math.sqrt(2) / 2, 1, 0, 0], rtol=1e-15)


def test_windows_of_norm_0_score_0():
    words = np.array([[0, 1]], dtype=np.int32)
    windows = all_windows(1, 2)
    ones = np.ones((1, 2), dtype=np.float32)
    query = np.array([0.6, 0.8])
    assert kernel_scores(words, 0 * ones, windows, query, np.ones(2), False).tolist() == [0, 0, 0]
    assert kernel_scores(words, ones, windows, query, np.zeros(2), True).tolist() == [0, 0, 0]


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_words_of_each_stored_type(dtype):
    words = np.array([[3, 0], [1, 3]])
    windows = all_windows(2, 2)
    query = np.array([0.0, 0.6, 0, 0.8])
    ones = np.ones((2, 2), dtype=np.float32)
    expected = kernel_scores(words.astype(np.int32), ones, windows, query, np.ones(4), False)
    mapped = words.astype(dtype)
    mapped.setflags(write=False)  # as it comes from a file
    scores = kernel_scores(mapped, ones, windows, query, np.ones(4), False)
    assert scores.tolist() == expected.tolist()


def test_no_windows():
    words = np.zeros((1, 1), dtype=np.int32)
    none = np.empty((0, 4), dtype=np.int32)
    ones = np.ones((1, 1), dtype=np.float32)
    assert kernel_scores(words, ones, none, np.ones(1), np.ones(1), False).size == 0
