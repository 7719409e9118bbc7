"""The kernel of all windows against the oracle, and its choice of edges and sizes."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from blcf.kernels.all_windows import best_of_all_windows
from blcf.kernels.windows import lay_out, score_windows


def edges(n, stride=1):
    return np.append(np.arange(0, n, stride), n).astype(np.int32)


def any_size(h, w):
    return np.ones(h + 1, dtype=np.int32), np.full(h + 1, w, dtype=np.int32)


def found_by_kernel(words, weights, query, idf, sqrt, rows=None, columns=None, sizes=None):
    h, w = words.shape
    best = np.full(4, -1, dtype=np.int32)
    cells = lay_out(words, weights, query * idf, idf * idf, sqrt)
    rows = edges(h) if rows is None else rows
    columns = edges(w) if columns is None else columns
    least, most = any_size(h, w) if sizes is None else sizes
    score = best_of_all_windows(*cells, sqrt, rows, columns, least, most, best)
    return score, tuple(best.tolist())


def random_case(rng, weighted, with_idf, sqrt):
    h, w = (int(n) for n in rng.integers(1, 6, 2))
    n_words = int(rng.integers(1, 6))
    words = rng.integers(0, n_words, (h, w)).astype(np.int32)
    weights = rng.integers(0, 4, (h, w)) / 2 if weighted else np.ones((h, w))
    idf = rng.integers(0, 3, n_words).astype(np.float64) if with_idf else np.ones(n_words)
    counts = {word: float(n) for word, n in enumerate(rng.integers(0, 3, n_words)) if n}
    wanted = oracle.vector(counts, idf, sqrt)
    query = np.array([wanted.get(word, 0.0) for word in range(n_words)])
    return words, weights.astype(np.float32), idf, wanted, query


@pytest.mark.parametrize("sqrt", [False, True])
@pytest.mark.parametrize("with_idf", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_best_of_all_windows_is_the_oracle(sqrt, with_idf, weighted):
    rng = np.random.default_rng(4 * sqrt + 2 * with_idf + weighted)
    for _ in range(60):  # with so few words most maps have ties
        words, weights, idf, wanted, query = random_case(rng, weighted, with_idf, sqrt)
        windows = oracle.all_windows(*words.shape)
        expected = oracle.best_window(words, windows, wanted, idf, sqrt, weights)
        score, window = found_by_kernel(words, weights, query, idf, sqrt)
        assert window == expected[1]
        assert score == pytest.approx(expected[0], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("sqrt", [False, True])
def test_edges_and_sizes(sqrt):
    rng = np.random.default_rng(10 + sqrt)
    for _ in range(100):
        words, weights, idf, wanted, query = random_case(rng, True, True, sqrt)
        h, w = words.shape
        rows, columns = (edges(n, int(rng.integers(1, 4))) for n in (h, w))
        least = rng.integers(1, w + 1, h + 1).astype(np.int32)
        most = np.where(rng.random(h + 1) < 0.5, w, rng.integers(0, w + 1, h + 1)).astype(np.int32)
        windows = [
            (x1, y1, x2, y2)
            for x1, y1, x2, y2 in oracle.all_windows(h, w)
            if {x1, x2} <= set(columns.tolist())
            and {y1, y2} <= set(rows.tolist())
            and least[y2 - y1] <= x2 - x1 <= most[y2 - y1]
        ]
        found = found_by_kernel(words, weights, query, idf, sqrt, rows, columns, (least, most))
        if not windows:
            assert found == (-np.inf, (-1, -1, -1, -1))
            continue
        expected = oracle.best_window(words, windows, wanted, idf, sqrt, weights)
        assert found[1] == expected[1]
        assert found[0] == pytest.approx(expected[0], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("sqrt", [False, True])
def test_a_query_may_want_words_away(sqrt):
    # As a classifier that was trained on what is not the object: all windows may score below 0.
    rng = np.random.default_rng(sqrt)
    for _ in range(60):
        h, w = (int(n) for n in rng.integers(1, 5, 2))
        words = rng.integers(0, 3, (h, w)).astype(np.int32)
        ones, idf = np.ones((h, w), dtype=np.float32), np.ones(3)
        query = rng.integers(-2, 2, 3) / 2
        wanted = dict(enumerate(query.tolist()))
        windows = oracle.all_windows(h, w)
        expected = oracle.best_window(words, windows, wanted, idf, sqrt, ones)
        score, window = found_by_kernel(words, ones, query, idf, sqrt)
        assert (window, score) == (expected[1], pytest.approx(expected[0], abs=1e-12))


@pytest.mark.parametrize("sqrt", [False, True])
def test_small_norms_beside_large_ones(sqrt):
    # The wanted word's cells are worth 1e-8 of the others: differences of sums would lose them.
    words = np.zeros((9, 9), dtype=np.int32)
    words[3:5, 4:8] = 1
    ones, idf = np.ones((9, 9), dtype=np.float32), np.array([1e4, 1e-4])
    score, window = found_by_kernel(words, ones, np.array([0.0, 1.0]), idf, sqrt)
    assert window == (4, 3, 8, 5)
    assert score == pytest.approx(1.0, rel=1e-9)


def test_windows_of_norm_0():
    words = np.array([[0, 1, 0]], dtype=np.int32)
    ones = np.ones((1, 3), dtype=np.float32)
    query, idf = np.array([0.6, 0.8]), np.ones(2)
    whole = (0.0, (0, 0, 3, 1))
    for sqrt in (False, True):
        assert found_by_kernel(words, 0 * ones, query, idf, sqrt) == whole
        assert found_by_kernel(words, ones, query, 0 * idf, sqrt) == whole
        assert found_by_kernel(words, ones, 0 * query, idf, sqrt) == whole


@pytest.mark.parametrize("sqrt", [False, True])
def test_one_word_everywhere(sqrt):
    words = np.zeros((12, 17), dtype=np.int32)
    ones = np.ones(words.shape, dtype=np.float32)
    one = np.ones(1)
    assert found_by_kernel(words, ones, one, one, sqrt)[1] == (0, 0, 17, 12)
    sizes = any_size(12, 17)
    sizes[1][5:] = 0  # at most 4 high
    assert found_by_kernel(words, ones, one, one, sqrt, sizes=sizes)[1] == (0, 0, 17, 4)


@pytest.mark.parametrize("sqrt", [False, True])
@pytest.mark.parametrize("n_words", [1, 3, 30, 1_000])
def test_larger_maps_have_the_best_of_the_listed_windows(sqrt, n_words):
    rng = np.random.default_rng(n_words)
    windows = np.array(oracle.all_windows(13, 11), dtype=np.int32)
    scores = np.empty(len(windows))
    for _ in range(5):
        words = rng.integers(0, n_words, (13, 11)).astype(np.int32)
        words = np.repeat(words, 2, axis=1)[:, :11].copy()  # the same word twice in a row
        weights = (rng.random((13, 11)) * (rng.random((13, 11)) < 0.9)).astype(np.float32)
        query, idf = rng.random(n_words) * (rng.random(n_words) < 0.5), rng.random(n_words)
        query[0] = 1
        cells = lay_out(words, weights, query * idf, idf * idf, sqrt)
        score_windows(*cells, sqrt, windows, np.arange(len(windows)), scores)
        score, window = found_by_kernel(words, weights, query, idf, sqrt)
        assert np.float32(score) == np.float32(scores.max())
        listed = (windows == window).all(axis=1)
        assert scores[listed] == pytest.approx(score, rel=1e-12)
