"""Local search over every window: the brute-force optimum, and what must hold of it."""

from __future__ import annotations

import itertools

import numpy as np
import oracle
import pytest
import scipy.sparse as sp

from blcf.rerank import LocalSearch, grid_windows


def dense(wanted, n_words):
    return sp.csr_matrix([[wanted.get(word, 0.0) for word in range(n_words)]])


def is_kept(window, shape, size, aspect, min_side):
    (h, w), (x1, y1, x2, y2) = shape, window
    own = (x2 - x1) * size[0] / w / ((y2 - y1) * size[1] / h)
    kept = aspect is None or min(own, aspect) / max(own, aspect) >= 0.4
    return kept and min(x2 - x1, y2 - y1) >= min_side


@pytest.mark.parametrize("sqrt", [False, True])
@pytest.mark.parametrize("aspect", [None, 0.9, 3.3, 1e6])
@pytest.mark.parametrize("min_side", [1, 2])
def test_all_windows_by_brute_force(sqrt, aspect, min_side):
    rng = np.random.default_rng(sqrt)
    for trial in range(40):
        h, w = (int(n) for n in rng.integers(1, 6, 2))
        n_words = int(rng.integers(2, 6))
        size = (int(rng.integers(100, 900)), int(rng.integers(100, 900)))
        words = rng.integers(0, n_words, (h, w))
        weights = None
        if trial % 2:
            weights = (rng.integers(0, 9, (h, w)) / 8).astype(np.float32)
        idf = rng.integers(0, 4, n_words) / 2 if trial % 3 else np.ones(n_words)
        # A query of more cells than the map has, in half of the trials.
        counts = {word: float(n) for word, n in enumerate(rng.integers(0, 40, n_words)) if n % 2}
        wanted = oracle.vector(counts, idf, sqrt)
        windows = oracle.all_windows(h, w)
        kept = [one for one in windows if is_kept(one, (h, w), size, aspect, min_side)] or windows
        expected = oracle.best_window(words, kept, wanted, idf, sqrt, weights)
        search = LocalSearch(idf, sqrt=sqrt, windows="all", min_side=min_side)
        query = search.prepare(dense(wanted, n_words))
        found = search.best_window(query, words, aspect=aspect, size=size, weights=weights)
        assert found.cells == expected[1]
        assert found.score == pytest.approx(expected[0], abs=1e-12)
        coarse = LocalSearch(idf, sqrt=sqrt, windows="coarse", min_side=min_side)
        near = coarse.best_window(query, words, aspect=aspect, size=size, weights=weights)
        assert near.cells in kept
        own = oracle.window_score(words, near.cells, wanted, idf, sqrt, weights)
        assert near.score == pytest.approx(own, abs=1e-12)
        assert np.float32(near.score) <= np.float32(found.score)


@pytest.mark.parametrize("windows", ["all", "coarse"])
@pytest.mark.parametrize("sqrt", [False, True])
def test_the_box_follows_a_planted_object(sqrt, windows):
    rng = np.random.default_rng(0)
    background = rng.integers(0, 20, (16, 20)).astype(np.int32)
    planted = rng.integers(20, 40, (4, 6)).astype(np.int32)
    search = LocalSearch(np.ones(40), sqrt=sqrt, windows=windows)
    query = search.prepare(dense(oracle.vector(oracle.bag(planted), [1] * 40, sqrt), 40))
    for y, x in itertools.product(range(13), range(15)):
        words = background.copy()
        words[y : y + 4, x : x + 6] = planted
        for aspect in (None, 1.5):
            found = search.best_window(query, words, aspect=aspect)
            assert found.cells == (x, y, x + 6, y + 4)
            assert found.score == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("sqrt", [False, True])
def test_turned_maps_have_turned_windows(sqrt):
    rng = np.random.default_rng(1)
    for _ in range(20):
        words = rng.integers(0, 300, (9, 14)).astype(np.int32)
        weights = rng.random((9, 14)).astype(np.float32)
        search = LocalSearch(rng.random(300), sqrt=sqrt, windows="all")
        query = search.prepare(sp.csr_matrix(rng.random(300) * (rng.random(300) < 0.2)))
        found = search.best_window(query, words, weights=weights)
        x1, y1, x2, y2 = found.cells
        turned = search.best_window(query, words.T, weights=weights.T)
        assert turned.cells == (y1, x1, y2, x2)
        mirrored = search.best_window(query, words[::-1, ::-1], weights=weights[::-1, ::-1])
        assert mirrored.cells == (14 - x2, 9 - y2, 14 - x1, 9 - y1)
        for other in (turned, mirrored):
            assert other.score == pytest.approx(found.score, rel=1e-12)


@pytest.mark.parametrize("sqrt", [False, True])
def test_no_mode_finds_more_than_all(sqrt):
    rng = np.random.default_rng(2)
    for shape in ((1, 1), (1, 9), (7, 2), (11, 13), (20, 15)):
        words = rng.integers(0, 40, shape)
        weights = rng.random(shape).astype(np.float32)
        idf, vector = rng.random(40), sp.csr_matrix(rng.random(40) * (rng.random(40) < 0.3))
        scores = {}
        for windows in ("grid", "all", "coarse"):
            search = LocalSearch(idf, sqrt=sqrt, windows=windows)
            query = search.prepare(vector)
            found = search.best_window(query, words, aspect=1.2, weights=weights)
            scores[windows] = np.float32(found.score)
        assert max(scores.values()) == scores["all"]


def test_the_grid_is_among_all_windows_and_decides_ties_alike():
    # A map of one word: every window ties, the best is the first of the grid's order.
    for shape in ((1, 1), (8, 8), (9, 14), (20, 11)):
        words = np.zeros(shape, dtype=np.int32)
        for aspect in (None, 0.3, 1.0, 4.0):
            for windows in ("all", "coarse"):
                search = LocalSearch(np.ones(1), windows=windows)
                found = search.best_window(np.ones(1), words, aspect=aspect)
                if aspect is None:
                    assert found.cells == tuple(grid_windows(*shape)[0])
                assert found.score == 1
                assert found.cells[:2] == (0, 0)


def test_nothing_of_the_query_gives_the_largest_window_that_is_kept():
    words = np.ones((8, 8), dtype=int)
    for windows in ("all", "coarse"):
        search = LocalSearch(np.ones(2), windows=windows)
        found = search.best_window(np.array([1.0, 0]), words)
        assert (found.score, found.cells) == (0, (0, 0, 8, 8))
        # Of aspect 0.4 times 10 at least: 8 wide and 2 high.
        narrow = search.best_window(np.array([1.0, 0]), words, aspect=10.0)
        assert (narrow.score, narrow.cells) == (0, (0, 0, 8, 2))


def test_cells_that_count_nothing_belong_to_the_larger_window():
    words = np.zeros((5, 5), dtype=int)
    words[2, 2] = 1
    weights = np.ones((5, 5), dtype=np.float32)
    search, query = LocalSearch(np.ones(2), windows="all"), np.array([0, 1.0])
    assert search.best_window(query, words, weights=weights).cells == (2, 2, 3, 3)
    weights[:, 3] = 0
    assert search.best_window(query, words, weights=weights).cells == (2, 2, 4, 3)
    weights[1] = 0
    weights[2, 1] = 0
    assert search.best_window(query, words, weights=weights).cells == (1, 1, 4, 3)


def test_a_lower_limit_of_the_sides():
    words = np.ones((6, 9), dtype=int)
    words[2, 4] = 0
    query = np.array([1.0, 0])
    for min_side, cells in ((1, (4, 2, 5, 3)), (2, (3, 1, 5, 3)), (7, (4, 2, 5, 3))):
        search = LocalSearch(np.ones(2), windows="all", min_side=min_side)
        assert search.best_window(query, words).cells == cells  # of no size of 7: any
    grid = LocalSearch(np.ones(2), min_side=3).best_window(query, words)
    assert min(grid.cells[2] - grid.cells[0], grid.cells[3] - grid.cells[1]) >= 3


def test_writes_no_argument():
    words, query, weights = np.eye(5, dtype=np.int32), np.array([0.6, 0.8]), np.ones((5, 5), "f4")
    for array in (words, query, weights):
        array.setflags(write=False)
    for windows in ("all", "coarse"):
        search = LocalSearch(np.ones(2), windows=windows)
        first = search.best_window(query, words, weights=weights)
        assert search.best_window(query, words, weights=weights) == first
