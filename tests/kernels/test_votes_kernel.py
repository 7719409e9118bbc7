"""The kernels of the voting against the oracle_places."""

from __future__ import annotations

import numpy as np
import oracle_places
import pytest

from blcf.kernels.peaks import find_peaks
from blcf.kernels.votes import fill_planes, in_pixels, refine_box, vote


def random_case(rng):
    """A map, its weights, similarities as {word: {(column, row): value}} and as lists, places."""
    h, w, n, n_words = (int(one) for one in rng.integers((1, 1, 1, 1), (9, 12, 5, 6)))
    words = rng.integers(0, n_words, (h, w)).astype(np.int32)
    weights = (rng.integers(0, 4, (h, w)) ** 2).astype(np.float32)  # whose roots are exact
    table = rng.integers(0, 4, (n_words, n, n)) * (rng.random((n_words, n, n)) < 0.5)
    similarity = {
        word: {(column, row): float(table[word, row, column]) for row, column in np.argwhere(one)}
        for word, one in enumerate(table)
    }
    rows, bins = np.nonzero(table.reshape(n_words, n * n))
    starts = np.searchsorted(rows, np.arange(n_words + 1)).astype(np.int32)
    values = table.reshape(n_words, n * n)[rows, bins].astype(np.float32)
    places = (np.arange(n) + rng.random((2, n))) / n - 0.5
    return words, weights, similarity, (starts, bins.astype(np.int32), values), places


def filled(words, weights, lists, n, padding):
    h, w = words.shape
    planes = np.full((n * n, h, w + padding), 7, dtype=np.float32)
    rows = np.arange(lists[0].size - 1, dtype=np.int32)
    assert fill_planes(words, weights, rows, *lists, planes)
    return planes


def test_votes_are_the_oracle():
    rng = np.random.default_rng(0)
    for _ in range(250):
        words, weights, similarity, lists, places = random_case(rng)
        h, w = words.shape
        sides = rng.uniform(1, (w, h), (3, 2))
        sigmas = rng.uniform(0.1, 1.5, (3, 2))
        divisors = rng.uniform(1, 5, 3)
        padding = int(max(sides[:, 0].max() / 2, 3 * sigmas[:, 0].max())) + 2
        planes = filled(words, weights, lists, places.shape[1], padding)
        scores = np.empty((3, h, w), dtype=np.float32)
        vote(planes, places, sides, sigmas, divisors, scores)
        expected = oracle_places.votes(
            words.tolist(), weights.tolist(), similarity, places.tolist(), sides, sigmas, divisors
        )
        expected = np.array(list(expected.values())).reshape(3, h, w)
        np.testing.assert_allclose(scores, expected, rtol=2e-6, atol=2e-6 * expected.max())


def test_planes_hold_roots_of_weights_and_zeros():
    words = np.array([[1, 0, 2]], dtype=np.int32)
    weights = np.array([[4, 9, 1]], dtype=np.float32)
    lists = (
        np.array([0, 2, 2], dtype=np.int32),
        np.array([0, 3], dtype=np.int32),
        np.array([0.5, 2], dtype=np.float32),
    )
    planes = np.full((4, 1, 5), np.nan, dtype=np.float32)
    rows = np.array([1, 0, -1], dtype=np.int32)
    assert not fill_planes(words, weights, rows, *lists, planes)  # word 2 has no row
    expected = np.zeros((4, 1, 5))
    expected[[0, 3], 0, 0] = 1, 4
    np.testing.assert_array_equal(planes, expected)
    assert fill_planes(words[:, :2], weights[:, :2], rows, *lists, planes)


def test_peaks_are_the_oracle():
    rng = np.random.default_rng(1)
    for _ in range(250):
        shape = tuple(rng.integers(1, 6, 3))
        scores = rng.integers(0, rng.integers(1, 9), shape).astype(np.float32)  # many ties
        least = float(rng.integers(0, 4))
        found = np.empty((np.prod([(n + 1) // 2 for n in shape]), 3), dtype=np.int64)
        n = find_peaks(scores, least, found)
        by_place = {tuple(key): float(scores[tuple(key)]) for key in np.ndindex(shape)}
        assert [tuple(one) for one in found[:n].tolist()] == oracle_places.peaks(by_place, least)


@pytest.mark.parametrize("n_rounds", [1, 3])
def test_refined_boxes_are_the_oracle(n_rounds):
    rng = np.random.default_rng(2)
    for _ in range(150):
        words, weights, _, lists, places = random_case(rng)
        h, w = words.shape
        planes = filled(words, weights, lists, places.shape[1], 3)
        box = np.concatenate([rng.uniform(0.5, (w - 0.4, h - 0.4)), rng.uniform(1, (w, h))])
        expected = box.tolist()
        for _ in range(n_rounds):
            expected = oracle_places.refined_box(
                planes[:, :, :w].tolist(), places.tolist(), expected, 0.2, 0.7, 0.1
            )
        refine_box(planes, places, w, 0.2, 0.7, 0.1, n_rounds, box)
        np.testing.assert_allclose(box, expected, rtol=1e-6)


def test_a_box_that_nothing_votes_for_stays():
    box = np.array([1.5, 1.5, 2.0, 3.0])
    refine_box(np.zeros((4, 3, 5), np.float32), np.zeros((2, 2)), 3, 0.1, 0.7, 0.1, 3, box)
    assert box.tolist() == [1.5, 1.5, 2, 3]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((2, 1.5, 2, 1), (10, 20, 30, 40)),  # cells of 10 and 20 pixels
        ((0.5, 2.5, 3, 2), (0, 30, 20, 60)),  # over the left and the lower edge
        ((2, 1.5, 9, 9), (0, 0, 40, 60)),
    ],
)
def test_a_box_in_pixels_is_cut_to_its_image(box, expected):
    edges = np.empty(4, np.float32)
    in_pixels(np.array(box, np.float64), 4, 3, np.array([40.0, 60.0]), edges)
    assert edges.tolist() == list(expected)
