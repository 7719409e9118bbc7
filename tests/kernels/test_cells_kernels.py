"""The kernels of the search in two levels, against the oracle."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from blcf.kernels.cells import FEATURES, TILE, group_by_cell, keep_best_of_cells, probe_cells
from blcf.vocabulary.two_level import _Panels


def integers(rng, *shape):
    """Small integers: scores are exact, and ties are many."""
    return rng.integers(-3, 4, shape).astype(np.float32)


def search(features, centroids, cells, cell_of_word, margin, cuts=()):
    """Words and scores; the cells are looked at in parts that end at the cuts."""
    coarse = _Panels(cells, np.zeros(len(cells), np.int32), 1)
    fine = _Panels(centroids, cell_of_word, len(cells))
    counts = np.empty(len(features), np.int32)
    found = probe_cells(
        features, coarse.panels, coarse.half_norms, len(cells), np.float32(margin), counts
    )
    starts, pairs = np.empty(len(cells) + 1, np.int64), np.empty(len(found), np.int32)
    group_by_cell(counts, found, starts, pairs)
    top = np.full(len(features), -np.inf, np.float32)
    words = np.zeros(len(features), np.int32)
    ends = [0, *cuts, len(cells)]
    for part in zip(ends[:-1], ends[1:]):
        keep_best_of_cells(
            features,
            starts,
            pairs,
            fine.panels,
            fine.half_norms,
            fine.numbers,
            fine.starts,
            part,
            top,
            words,
        )
    return words, top


@pytest.mark.parametrize("margin", [0, 5, np.inf])
@pytest.mark.parametrize(
    ("n", "n_words", "n_cells"),
    [(1, 1, 1), (7, 40, 6), (FEATURES + 2, 90, 17), (2 * FEATURES, 30, 40), (0, 5, 2)],
)
def test_equals_the_plain_twin(n, n_words, n_cells, margin):
    rng = np.random.default_rng(n)
    features, centroids = integers(rng, n, 8), integers(rng, n_words, 8)
    cells, cell_of_word = integers(rng, n_cells, 8), rng.integers(0, n_cells, n_words)
    words, top = search(features, centroids, cells, cell_of_word, margin)
    expected = [
        oracle.nearest_in_cells(feature, centroids, cells, cell_of_word, margin)
        for feature in features
    ]
    assert words.tolist() == expected  # of equal scores the lower word
    looked = top > -np.inf
    scores = (features * centroids[words] - centroids[words] ** 2 / 2).sum(axis=1)
    np.testing.assert_array_equal(top[looked], scores[looked])
    assert looked.all() or margin < np.inf  # a feature may look at empty cells only
    for cuts in ([n_cells // 2], [0, 1], [n_cells]):
        again = search(features, centroids, cells, cell_of_word, margin, cuts)
        np.testing.assert_array_equal(again[0], words)


def test_a_cell_of_many_tiles():
    rng = np.random.default_rng(0)
    features, centroids = integers(rng, 5, 8), integers(rng, 2 * TILE + 20, 8)
    features[0] = centroids[-1] = 9  # in the last tile, which is no multiple of 16
    words, _ = search(features, centroids, centroids[:1], np.zeros(len(centroids), int), 0)
    expected = (features @ centroids.T - (centroids**2).sum(axis=1) / 2).argmax(axis=1)
    np.testing.assert_array_equal(words, expected)
    assert words[0] == 2 * TILE + 19


def test_features_that_are_not_finite():
    rng = np.random.default_rng(0)
    features, centroids = integers(rng, 4, 8), integers(rng, 30, 8)
    alone, _ = search(features[2:], centroids, centroids[:3], np.arange(30) % 3, np.inf)
    features[0], features[1, 3] = np.nan, np.nan
    words, top = search(features, centroids, centroids[:3], np.arange(30) % 3, np.inf)
    assert words[:2].tolist() == [0, 0] and (top[:2] == -np.inf).all()
    np.testing.assert_array_equal(words[2:], alone)


def test_the_cells_of_a_feature():
    """Ascending, and all that score at most the margin less than the best."""
    cells = np.zeros((5, 8), np.float32)
    cells[:, 0] = [1, 3, 2, 3, 0]
    coarse = _Panels(cells, np.zeros(5, np.int32), 1)
    feature = np.eye(1, 8, dtype=np.float32) * 3  # scores 2.5, 4.5, 4, 4.5, 0
    counts = np.empty(1, np.int32)
    for margin, expected in [(0, [1, 3]), (0.5, [1, 2, 3]), (2, [0, 1, 2, 3]), (np.inf, range(5))]:
        found = probe_cells(
            feature, coarse.panels, coarse.half_norms, 5, np.float32(margin), counts
        )
        assert found.tolist() == list(expected) and counts[0] == len(found)
