"""The spatial pyramid: its regions, its score by hand and by the oracle, and what must hold."""

from __future__ import annotations

import itertools
import math

import numpy as np
import oracle
import pytest
import scipy.sparse as sp

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.records import View
from blcf.rerank import (
    LocalSearch,
    grid_windows,
    join_evidence,
    pyramid_parts,
    quadrants,
    region_evidence,
)


def regions_of(cells):
    return [cells, *oracle.quadrants(cells)]


def cut(array, cells):
    x1, y1, x2, y2 = cells
    return array[y1:y2, x1:x2]


def vectors_of(words, cells, idf, sqrt, weights=None):
    """The oracle's vectors of the five regions of a query's box."""
    weights = np.ones(words.shape) if weights is None else weights
    bags = [oracle.bag(cut(words, one), cut(weights, one)) for one in regions_of(cells)]
    return [oracle.vector(bag, idf, sqrt) for bag in bags]


def prepared(search, vectors):
    dense = [[one.get(word, 0.0) for word in range(search.idf.size)] for one in vectors]
    return search.prepare(sp.csr_matrix(dense[:1]), sp.csr_matrix(dense[1:]))


def random_box(rng, shape):
    windows = oracle.all_windows(*shape)
    return windows[rng.integers(len(windows))]


@pytest.mark.parametrize(
    "cells", oracle.all_windows(5, 6) + [(3, 0, 4, 9), (7, 2, 29, 31), (0, 0, 1, 1)]
)
def test_quadrants(cells):
    found = quadrants(cells)
    assert (found.dtype, found.shape) == (np.int32, (4, 4))
    assert [tuple(one) for one in found.tolist()] == oracle.quadrants(cells)
    covered = np.zeros((40, 40), dtype=int)
    for one in found:
        assert cut(covered, one).size > 0
        cut(covered, one)[...] += 1
    assert cut(covered, cells).all() and (covered > 0).sum() == cut(covered, cells).size
    sides = {(x2 - x1, y2 - y1) for x1, y1, x2, y2 in found.tolist()}
    x1, y1, x2, y2 = cells
    assert sides == {(math.ceil((x2 - x1) / 2), math.ceil((y2 - y1) / 2))}


def test_quadrants_of_many():
    windows = grid_windows(9, 13)
    found = quadrants(windows)
    assert (found.dtype, found.shape) == (np.int32, (4, len(windows), 4))
    for i, cells in enumerate(windows):
        assert found[:, i].tolist() == quadrants(cells).tolist()


def test_parts():
    assert pyramid_parts((1, 2, 6, 3)) == [
        (1 / 9, (1, 2, 6, 3)),
        (2 / 9, (1, 2, 4, 3)),
        (2 / 9, (3, 2, 6, 3)),
        (2 / 9, (1, 2, 4, 3)),
        (2 / 9, (3, 2, 6, 3)),
    ]
    shares, regions = zip(*pyramid_parts(np.array([0, 0, 8, 8])))
    assert sum(shares) == pytest.approx(1, rel=1e-15)
    assert all(type(edge) is int for region in regions for edge in region)


@pytest.mark.parametrize("sqrt", [False, True])
@pytest.mark.parametrize("with_idf", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("aspect", [None, 0.9])
def test_best_window_by_brute_force(sqrt, with_idf, weighted, aspect):
    rng = np.random.default_rng(8 * sqrt + 4 * with_idf + 2 * weighted)
    for _ in range(30):
        shape, query_shape = rng.integers(1, 7, 2), rng.integers(1, 7, 2)
        n_words = int(rng.integers(2, 6))
        words, query_words = (rng.integers(0, n_words, one) for one in (shape, query_shape))
        weights = (rng.integers(0, 5, shape) / 4).astype(np.float32) if weighted else None
        idf = rng.integers(0, 4, n_words) / 2 if with_idf else np.ones(n_words)
        wanted = vectors_of(query_words, random_box(rng, query_shape), idf, sqrt)

        windows = [tuple(one) for one in grid_windows(*shape.tolist()).tolist()]
        if aspect:
            aspects = [(x2 - x1) / (y2 - y1) for x1, y1, x2, y2 in windows]
            kept = [min(a, aspect) / max(a, aspect) >= 0.4 for a in aspects]
            windows = list(itertools.compress(windows, kept)) or windows
        scores = [oracle.pyramid_score(words, one, wanted, idf, sqrt, weights) for one in windows]
        # The first of the best, where figures that differ by rounding are equal.
        best = max(range(len(windows)), key=lambda i: (round(scores[i], 7), -i))
        search = LocalSearch(idf, sqrt=sqrt, pyramid=True)
        query = prepared(search, wanted)
        found = search.best_window(query, words, aspect=aspect, weights=weights)
        assert found.cells == windows[best]
        assert found.score == pytest.approx(scores[best], abs=1e-12)
        assert search.score_of_window(query, words, found.cells, weights=weights) == found.score
        other = random_box(rng, shape)
        expected = oracle.pyramid_score(words, other, wanted, idf, sqrt, weights)
        score = search.score_of_window(query, words, other, weights=weights)
        assert score == pytest.approx(expected, abs=1e-12)


def test_by_hand():
    # The query: word q alone in quarter q. The image: the same words, left and right exchanged
    # above, the words 2 and 3 below as in the query.
    query_words, words = np.array([[0, 1], [2, 3]]), np.array([[1, 0], [2, 3]])
    search = LocalSearch(np.ones(4), pyramid=True)
    query = prepared(search, vectors_of(query_words, (0, 0, 2, 2), np.ones(4), False))
    assert query.tolist() == [[0.5] * 4, *np.eye(4).tolist()]
    # The whole has cosine 1, two of its quarters 1, the others 0.
    assert search.score_of_window(query, words, (0, 0, 2, 2)) == pytest.approx(2.5 / 4.5)
    # A single cell of word 3 has cosine 1/2, and is its own bottom right quarter.
    assert search.score_of_window(query, words, (1, 1, 2, 2)) == pytest.approx(1.25 / 4.5)
    # The row below: 1/sqrt(2), and its left half is both left quarters.
    expected = (0.5 / math.sqrt(2) + 2) / 4.5
    assert search.score_of_window(query, words, (0, 1, 2, 2)) == pytest.approx(expected)
    found = search.best_window(query, words)
    assert found.cells == (0, 0, 2, 2) and found.score == pytest.approx(2.5 / 4.5)


@pytest.mark.parametrize("sqrt", [False, True])
def test_a_window_equal_to_the_query_scores_1(sqrt):
    rng = np.random.default_rng(3)
    idf = 0.5 + rng.random(9)
    search = LocalSearch(idf, sqrt=sqrt, pyramid=True)
    for _ in range(100):
        shape = rng.integers(1, 9, 2)
        words, weights = rng.integers(0, 9, shape), 0.1 + rng.random(shape).astype(np.float32)
        box = random_box(rng, shape)
        query = prepared(search, vectors_of(words, box, idf, sqrt, weights))
        score = search.score_of_window(query, words, box, weights=weights)
        assert score == pytest.approx(1, abs=1e-12)
    query = prepared(search, vectors_of(words, (0, 0, *words.shape[::-1]), idf, sqrt, weights))
    assert search.best_window(query, words, weights=weights).score == pytest.approx(1, abs=1e-12)


def test_maps_of_one_cell():
    search = LocalSearch(np.ones(2), pyramid=True)
    words = np.zeros((1, 1), dtype=int)
    query = prepared(search, vectors_of(words, (0, 0, 1, 1), np.ones(2), False))
    assert search.best_window(query, words).score == pytest.approx(1)
    assert search.best_window(query, words).cells == (0, 0, 1, 1)
    nothing = search.best_window(query, words + 1)
    assert (nothing.score, nothing.cells) == (0, (0, 0, 1, 1))


def test_an_empty_quarter_adds_nothing():
    words = np.zeros((2, 2), dtype=int)
    weights = np.array([[0, 1], [1, 1]], dtype=np.float32)
    search = LocalSearch(np.ones(1), pyramid=True)
    empty = prepared(search, vectors_of(words, (0, 0, 2, 2), np.ones(1), False, weights))
    full = prepared(search, vectors_of(words, (0, 0, 2, 2), np.ones(1), False))
    cells = (0, 0, 2, 2)
    for query, own in ((empty, None), (full, weights), (empty, weights)):
        score = search.score_of_window(query, words, cells, weights=own)
        assert score == pytest.approx(3.5 / 4.5)
    assert search.best_window(full, words, weights=0 * weights).score == 0


def test_ties_go_to_the_largest_then_the_first():
    search = LocalSearch(np.ones(3), pyramid=True)
    query = prepared(search, [{0: 1.0}] * 5)
    assert search.best_window(query, np.zeros((9, 9), int)).cells == (0, 0, 9, 9)
    words = np.ones((8, 8), dtype=int)
    words[:2, :2] = words[6:, 6:] = 0
    assert search.best_window(query, words).cells == (0, 0, 2, 2)
    nothing = search.best_window(query, np.ones((8, 8), dtype=int))
    assert (nothing.score, nothing.cells) == (0, (0, 0, 8, 8))


def test_the_layout_decides():
    # Left: the quarters of the object exchanged; right: as they are in the query.
    rng = np.random.default_rng(4)
    planted = rng.integers(10, 26, (4, 4))
    words = rng.integers(0, 10, (8, 8))
    words[:4, :4], words[4:, 4:] = np.roll(planted, (2, 2), (0, 1)), planted
    wanted = vectors_of(planted, (0, 0, 4, 4), np.ones(26), False)
    search = LocalSearch(np.ones(26), pyramid=True)
    found = search.best_window(prepared(search, wanted), words, aspect=1.0)
    assert found.cells == (4, 4, 8, 8) and found.score == pytest.approx(1)
    flat = LocalSearch(np.ones(26))
    query = flat.prepare(sp.csr_matrix([[wanted[0].get(word, 0.0) for word in range(26)]]))
    assert flat.best_window(query, words, aspect=1.0).cells == (0, 0, 4, 4)


@pytest.mark.parametrize("sqrt", [False, True])
def test_its_evidence_sums_to_its_score(sqrt):
    rng = np.random.default_rng(5)
    for _ in range(20):
        words, query_words = rng.integers(0, 6, (7, 8)), rng.integers(0, 6, (5, 6))
        weights, idf = rng.random((7, 8)).astype(np.float32), rng.random(6)
        box, cells = random_box(rng, (5, 6)), random_box(rng, (7, 8))
        search = LocalSearch(idf, sqrt=sqrt, pyramid=True)
        query = prepared(search, vectors_of(query_words, box, idf, sqrt))
        parts = []
        for wanted, (_, own), (share, region) in zip(
            query, pyramid_parts(box), pyramid_parts(cells)
        ):
            inside = np.zeros(query_words.shape, dtype=np.float32)
            cut(inside, own)[...] = 1
            view = View(query_words, inside, sp.csr_matrix((1, 6)))
            kinds = {"cells": region, "sqrt": sqrt, "share": share}
            parts.append(region_evidence([view], wanted, idf, words, weights, **kinds))
        score = search.score_of_window(query, words, cells, weights=weights)
        assert join_evidence(parts).score == pytest.approx(score, abs=1e-12)


def test_writes_no_argument():
    search = LocalSearch(np.ones(2), pyramid=True)
    words, query, weights = np.eye(5, dtype=np.int32), np.full((5, 2), 0.5), np.ones((5, 5), "f4")
    for array in (words, query, weights):
        array.setflags(write=False)
    first = search.best_window(query, words, weights=weights)
    assert search.best_window(query, words, weights=weights) == first


def test_mistakes():
    for windows in ("all", "coarse"):
        with pytest.raises(InvalidInput, match=f"windows={windows!r}. Pass windows='grid', or"):
            LocalSearch(np.ones(4), windows=windows, pyramid=True)
    search, flat = LocalSearch(np.ones(4), pyramid=True), LocalSearch(np.ones(4))
    one, four = sp.csr_matrix((1, 4)), sp.csr_matrix((4, 4))
    with pytest.raises(InvalidInput, match="pyramid=True and parts missing"):
        search.prepare(one)
    with pytest.raises(InvalidInput, match="pyramid=False and parts given"):
        flat.prepare(one, four)
    with pytest.raises(VocabularyMismatch, match=r"shape \(4, 4\), got \(5, 4\)"):
        search.prepare(one, sp.csr_matrix((5, 4)))
    words = np.zeros((2, 3), dtype=int)
    with pytest.raises(VocabularyMismatch, match=r"shape \(5, 4\), got \(4,\). Use prepare"):
        search.best_window(np.ones(4), words)
    with pytest.raises(VocabularyMismatch, match=r"shape \(4,\), got \(5, 4\). Use prepare"):
        flat.score_of_window(np.ones((5, 4)), words, (0, 0, 1, 1))
    for cells in ((0, 0, 1), (0.0, 0, 1, 1), (0, 0, 1, 1, 1)):
        with pytest.raises(InvalidInput, match="four integers x1,y1,x2,y2"):
            quadrants(cells)
    for cells in ((1, 0, 1, 1), (0, 3, 1, 2)):
        with pytest.raises(InvalidInput, match="x1 < x2 and y1 < y2, got"):
            pyramid_parts(cells)
