"""The kernel of the local search against the oracle."""

from __future__ import annotations

import math

import numpy as np
import oracle
import pytest

from blcf.kernels.windows import lay_out, score_one_each, score_windows
from blcf.weighed_maps import WeighedMaps


def all_windows(h, w):
    return np.array(oracle.all_windows(h, w), dtype=np.int32)


def kernel_scores(words, weights, windows, query, idf, sqrt):
    scores = np.full(len(windows), np.nan)
    cells = lay_out(words, weights, query * idf, idf * idf, sqrt)
    score_windows(*cells, sqrt, windows, np.arange(len(windows)), scores)
    shuffled = np.random.default_rng(0).permutation(len(windows))
    again = np.full(len(windows), np.nan)
    score_windows(*cells, sqrt, windows, shuffled, again)
    assert again.tolist() == scores.tolist()
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


@pytest.mark.parametrize("sqrt", [False, True])
def test_a_map_laid_out(sqrt):
    words = np.array([[70_000, 3, 70_000], [3, 0, 65_536]], dtype=np.int32)
    weights = np.array([[1, 2, 0], [0.5, 4, 8]], dtype=np.float32)
    query, squared_idf = np.zeros(70_001), np.ones(70_001)
    query[[3, 70_000]], squared_idf[[0, 3]] = [0.25, 0.5], [0, 2]
    additive, first, numbers, values, factors = lay_out(words, weights, query, squared_idf, sqrt)
    if sqrt:  # words of the query are listed, where they count; their factors are the query's
        assert additive.tolist() == [[1, 4, 0], [1, 0, 8]]
        assert first.tolist() == [0, 1, 2, 2, 3, 3, 3]
        assert (numbers.tolist(), values.tolist()) == ([0, 1, 1], [1, 2, 0.5])
        assert factors.tolist() == [0.5, 0.25]
    else:  # words with an idf
        assert additive.tolist() == [[0.5, 0.5, 0], [0.125, 0, 0]]
        assert first.tolist() == [0, 1, 2, 2, 3, 3, 4]
        assert (numbers.tolist(), values.tolist()) == ([0, 1, 1, 2], [1, 2, 0.5, 8])
        assert factors.tolist() == [1, 2, 1]


@pytest.mark.parametrize("n_words", [1, 2, 40, 5_000])
def test_words_are_numbered_whatever_their_hash(n_words):
    rng = np.random.default_rng(n_words)
    words = rng.integers(0, n_words, (30, 40)).astype(np.int32) * 4_096  # clashes
    ones = np.ones(words.shape, dtype=np.float32)
    idf = np.ones(4_096 * n_words)
    _, first, numbers, values, factors = lay_out(words, ones, idf, idf, False)
    assert first.tolist() == list(range(1_201))
    assert factors.size == np.unique(words).size == np.unique(numbers).size
    assert len(set(zip(numbers.tolist(), words.ravel().tolist()))) == factors.size


@pytest.mark.parametrize("sqrt", [False, True])
def test_one_window_of_each_of_several_maps_scores_what_it_does_alone(sqrt):
    rng = np.random.default_rng(sqrt)
    n_words, shares = 30, np.array([1 / 3, 2 / 3])
    queries, idf = rng.random((2, n_words)), rng.random(n_words)
    maps, windows, expected = [], np.empty((2, 20, 4), dtype=np.int32), []
    for image in range(20):
        shape = tuple(int(n) for n in rng.integers(1, 12, 2))
        words = rng.integers(0, n_words, shape).astype(np.int32)
        weights = rng.random(shape).astype(np.float32)
        maps.append((words, weights))
        there = all_windows(*shape)
        windows[:, image] = there[rng.integers(0, len(there), 2)]
        total = 0.0
        for region in range(2):
            one = windows[region, image : image + 1]
            cells = lay_out(words, weights, queries[region], idf, sqrt)
            score = np.empty(1)
            score_windows(*cells, sqrt, one, np.arange(1), score)
            total += shares[region] * float(score[0])
        expected.append(total)
    laid_out = WeighedMaps.of([one for one, _ in maps], [one for _, one in maps], n_words)
    cells = laid_out.words, laid_out.weights, laid_out.starts, laid_out.shapes
    scores = np.empty(20)
    score_one_each(*cells, queries, idf, sqrt, windows, shares, scores)
    assert scores.tolist() == expected
