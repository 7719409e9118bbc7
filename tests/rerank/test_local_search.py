"""Local search: the windows of the paper, and the best of them by brute force."""

from __future__ import annotations

import itertools

import numpy as np
import oracle
import pytest
import scipy.sparse as sp

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.rerank import LocalSearch, grid_windows


def as_tuples(windows):
    return [tuple(int(edge) for edge in window) for window in windows]


def dense(wanted, n_words):
    return sp.csr_matrix([[wanted.get(word, 0.0) for word in range(n_words)]])


def random_query(rng, n_words, idf, sqrt):
    counts = {word: float(n) for word, n in enumerate(rng.integers(0, 4, n_words)) if n}
    return oracle.vector(counts, idf, sqrt)


@pytest.mark.parametrize("sqrt", [False, True])
@pytest.mark.parametrize("with_idf", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("aspect", [None, 0.9, 3.3])
def test_best_window_by_brute_force(sqrt, with_idf, weighted, aspect):
    rng = np.random.default_rng(8 * sqrt + 4 * with_idf + 2 * weighted)
    for _ in range(8):
        h, w = (int(n) for n in rng.integers(1, 10, 2))
        n_words = int(rng.integers(2, 7))
        size = (int(rng.integers(100, 900)), int(rng.integers(100, 900)))
        words = rng.integers(0, n_words, (h, w)).astype(np.int32)
        weights = (rng.integers(0, 5, (h, w)) / 4).astype(np.float32) if weighted else None
        idf = rng.random(n_words) if with_idf else np.ones(n_words)
        wanted = random_query(rng, n_words, idf, sqrt)

        def is_kept(window):
            if aspect is None:
                return True
            own = (window[2] - window[0]) * size[0] / w / ((window[3] - window[1]) * size[1] / h)
            return min(own, aspect) / max(own, aspect) >= 0.4

        windows = as_tuples(grid_windows(h, w))
        windows = [window for window in windows if is_kept(window)] or windows
        scores = [
            oracle.window_score(words, window, wanted, idf, sqrt, weights) for window in windows
        ]
        # The first of the best, where figures that differ by rounding are equal.
        best = max(range(len(windows)), key=lambda i: (round(scores[i], 7), -i))
        search = LocalSearch(idf, sqrt=sqrt)
        found = search.best_window(
            search.prepare(dense(wanted, n_words)), words, aspect=aspect, size=size, weights=weights
        )
        assert found.cells == windows[best]
        assert found.score == pytest.approx(scores[best], abs=1e-9)


@pytest.mark.parametrize("sqrt", [False, True])
def test_ties_go_to_the_largest_then_the_first(sqrt):
    search = LocalSearch(np.ones(3), sqrt=sqrt)
    query = np.array([1.0, 0, 0])
    assert search.best_window(query, np.zeros((9, 9), int)).cells == (0, 0, 9, 9)
    # One word in two corners: equal small windows, the upper left is the first.
    words = np.ones((8, 8), dtype=int)
    words[:2, :2] = words[6:, 6:] = 0
    assert search.best_window(query, words).cells == (0, 0, 2, 2)
    words[:2, :2] = 1
    assert search.best_window(query, words).cells == (6, 6, 8, 8)
    # Nothing of the query anywhere: the whole map, with score 0.
    nothing = search.best_window(query, np.ones((8, 8), dtype=int))
    assert (nothing.score, nothing.cells) == (0, (0, 0, 8, 8))


def test_ties_are_not_split_by_rounding():
    # Both rows hold 0 and 1 as 2 to 3: equal cosines, whose last bits differ.
    words = np.array([[1, 0, 1, 0, 1], [0, 1, 1, 1, 0]], dtype=np.int32)
    query = np.array([0.6324555320336759, 0.7745966692414833])
    assert LocalSearch(np.ones(2), sqrt=True).best_window(query, words).cells == (0, 0, 5, 2)


@pytest.mark.parametrize("sqrt", [False, True])
def test_box_follows_a_planted_object(sqrt):
    rng = np.random.default_rng(0)
    background = rng.integers(0, 20, (16, 16)).astype(np.int32)
    planted = rng.integers(20, 30, (4, 4)).astype(np.int32)
    search = LocalSearch(np.ones(30), sqrt=sqrt)
    query = search.prepare(dense(oracle.vector(oracle.bag(planted), [1] * 30, sqrt), 30))
    for y, x in itertools.product(range(0, 14, 2), repeat=2):
        words = background.copy()
        words[y : y + 4, x : x + 4] = planted
        found = search.best_window(query, words, aspect=1.0, size=(640, 640))
        assert found.cells == (x, y, x + 4, y + 4)
        assert found.score == pytest.approx(1, abs=1e-12)


def test_aspect_is_in_pixels():
    # The object fills the left quarter of the map: a window 2 wide and 8 high, of aspect 1/4 in
    # square cells, of aspect 1 in an image four times as wide as high.
    words = np.ones((8, 8), dtype=int)
    words[:, :2] = 0
    search, query = LocalSearch(np.ones(2)), np.array([1.0, 0])
    assert search.best_window(query, words, aspect=0.25).cells == (0, 0, 2, 8)
    assert search.best_window(query, words, aspect=1.0, size=(800, 200)).cells == (0, 0, 2, 8)
    assert search.best_window(query, words, aspect=1.0).cells == (0, 0, 2, 4)
    everything = LocalSearch(np.ones(2), min_aspect=0)
    assert everything.best_window(query, words, aspect=50.0).cells == (0, 0, 2, 8)


def test_where_all_windows_are_discarded_all_are_kept():
    words = np.array([[1, 1, 0, 1]])
    search, query = LocalSearch(np.ones(2)), np.array([1.0, 0])
    assert search.best_window(query, words, aspect=1000.0).cells == (2, 0, 3, 1)
    assert search.best_window(query, words[:, 2:3], aspect=1000.0).cells == (0, 0, 1, 1)


def test_weights_say_where_to_look():
    words = np.zeros((8, 8), dtype=int)
    words[4:, 4:] = 1
    weights = np.ones((8, 8), dtype=np.float32)
    search, query = LocalSearch(np.ones(2)), np.array([0.0, 1])
    assert search.best_window(query, words).cells == (4, 4, 8, 8)
    weights[words == 0] = 0  # what is not the object does not count: the whole map is the object
    assert search.best_window(query, words, weights=weights).cells == (0, 0, 8, 8)
    assert search.best_window(query, words, weights=0 * weights).score == 0


@pytest.mark.parametrize("sqrt", [False, True])
@pytest.mark.parametrize("windows", ["grid", "all", "coarse"])
def test_score_of_a_window(sqrt, windows):
    rng = np.random.default_rng(sqrt)
    for trial in range(30):
        shape = tuple(rng.integers(1, 12, 2).tolist())
        words, idf = rng.integers(0, 30, shape).astype(np.uint16), rng.random(30)
        weights = rng.random(shape).astype(np.float32) if trial % 2 else None
        wanted = random_query(rng, 30, idf, sqrt)
        search = LocalSearch(idf, sqrt=sqrt, windows=windows)
        query = search.prepare(dense(wanted, 30))
        best = search.best_window(query, words, weights=weights)
        score = search.score_of_window(query, words, best.cells, weights=weights)
        if windows == "grid":  # bit for bit
            assert score == best.score
        assert score == pytest.approx(best.score, rel=1e-12)
        edges = [np.sort(rng.permutation(n + 1)[:2]) for n in shape[::-1]]
        cells = np.stack(edges, axis=1).ravel()  # as an array, and of no grid
        score = search.score_of_window(query, words, cells, weights=weights)
        expected = oracle.window_score(words, cells, wanted, idf, sqrt, weights)
        assert score == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("sqrt", [False, True])
def test_every_window_of_the_grid_has_the_score_of_the_search(sqrt):
    # Alone in its aspect or not, what is found has the figure that it has alone.
    rng = np.random.default_rng(7)
    words, idf = rng.integers(0, 50, (12, 15)), rng.random(50)
    search = LocalSearch(idf, sqrt=sqrt)
    query = search.prepare(dense(random_query(rng, 50, idf, sqrt), 50))
    for aspect in (None, 0.1, 0.3, 1.0, 3.0, 9.0):
        best = search.best_window(query, words, aspect=aspect)
        assert search.score_of_window(query, words, best.cells) == best.score


def test_search_writes_no_argument():
    words, query, weights = np.eye(5, dtype=np.int32), np.array([0.6, 0.8]), np.ones((5, 5), "f4")
    for array in (words, query, weights):
        array.setflags(write=False)
    search = LocalSearch(np.ones(2))
    first = search.best_window(query, words, weights=weights)
    assert search.best_window(query, words, weights=weights) == first


def test_mistakes():
    search = LocalSearch(np.ones(4))
    with pytest.raises(VocabularyMismatch, match=r"shape \(1, 4\), got \(1, 5\)"):
        search.prepare(sp.csr_matrix((1, 5)))
    with pytest.raises(VocabularyMismatch, match=r"shape \(1, 4\), got \(2, 4\)"):
        search.prepare(sp.csr_matrix((2, 4)))
    with pytest.raises(VocabularyMismatch, match="Expected words from 0 to 3, got 0 to 4"):
        search.best_window(np.ones(4), np.array([[0, 4]]))
    for words in (np.zeros(3, int), np.zeros((0, 3), int), np.zeros((1, 2, 3), int)):
        with pytest.raises(InvalidInput, match="map of integers of shape"):
            search.best_window(np.ones(4), words)
    with pytest.raises(VocabularyMismatch, match="got -1 to 0"):
        search.best_window(np.ones(4), np.array([[-1, 0]]))
    with pytest.raises(VocabularyMismatch, match=r"Expected a query of shape \(4,\), got \(5,\)"):
        search.best_window(np.ones(5), np.array([[0, 3]]))
    with pytest.raises(InvalidInput, match=r"weights >= 0 of shape \(1, 2\).* of shape \(2, 2\)"):
        search.best_window(np.ones(4), np.array([[0, 3]]), weights=np.ones((2, 2), np.float32))
    for cells in ((0, 0, 3, 1), (-1, 0, 1, 1), (1, 0, 1, 1), (0, 0, 1), (0, 0, 1.0, 1), None):
        with pytest.raises(InvalidInput, match="x1,y1,x2,y2 inside a map of 2x1 cells, got"):
            search.score_of_window(np.ones(4), np.array([[0, 3]]), cells)
    with pytest.raises(InvalidInput, match="one of .'grid', 'all', 'coarse'., got 'every'"):
        LocalSearch(np.ones(4), windows="every")
    with pytest.raises(InvalidInput, match="min_side of 1 cell or more, got 0"):
        LocalSearch(np.ones(4), min_side=0)
    with pytest.raises(InvalidInput, match="at least one size"):
        LocalSearch(np.ones(4), shares=())
