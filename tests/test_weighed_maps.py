"""Maps of several images laid out one behind the other: each is found again, bad ones are named."""

from __future__ import annotations

import numpy as np
import pytest

from blcf import BagOfWords, LocalSearch
from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.weighed_maps import WeighedMaps


def some(rng, n=5):
    shapes = rng.integers(1, 7, (n, 2))
    maps = [rng.integers(0, 9, shape).astype(np.uint16) for shape in shapes]
    weights = [None if i % 2 else rng.random(one.shape) for i, one in enumerate(maps)]
    return maps, weights


def assert_same(laid_out, maps, weights):
    assert len(laid_out) == len(maps)
    for row, (words, given) in enumerate(zip(maps, weights)):
        np.testing.assert_array_equal(laid_out.words_of(row), words)
        expected = np.ones(words.shape) if given is None else given.astype(np.float32)
        np.testing.assert_array_equal(laid_out.weights_of(row), expected)
        assert laid_out.words_of(row).dtype == np.int32
        assert laid_out.weights_of(row).dtype == np.float32


def test_each_map_is_found_again_alone_chosen_and_behind_others():
    rng = np.random.default_rng(0)
    maps, weights = some(rng)
    first = WeighedMaps.of(maps, weights, 9)
    assert_same(first, maps, weights)
    rows = np.array([3, 0, 3])
    assert_same(first.take(rows), [maps[i] for i in rows], [weights[i] for i in rows])
    more, others = some(rng, 3)
    both = first.followed_by(WeighedMaps.of(more, others, 9))
    assert_same(both, maps + more, weights + others)
    assert_same(both.take(rows).followed_by(first), [maps[i] for i in rows] + maps,
                [weights[i] for i in rows] + weights)  # fmt: skip
    nothing = WeighedMaps.of([], [], 9)
    assert len(nothing) == 0 and nothing.shapes.shape == (0, 2)
    assert_same(nothing.followed_by(first), maps, weights)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float16, np.float64])
def test_weights_of_any_kind_of_number(kind):
    given = np.array([[0, 1], [1, 0]], dtype=kind)
    maps = WeighedMaps.of([np.zeros((2, 2), int), np.zeros((1, 1), int)], [given, None], 1)
    np.testing.assert_array_equal(maps.weights_of(0), given)
    assert maps.weights.dtype == np.float32


def test_what_is_wrong_is_said_of_the_map_that_it_is_in():
    good = np.zeros((2, 3), dtype=np.int32)
    for bad in (np.zeros(3, int), np.zeros((0, 3), int), np.zeros((2, 3))):
        with pytest.raises(InvalidInput, match="an assignment map of integers of shape"):
            WeighedMaps.of([good, bad], [None, None], 5)
    for word in (-1, 5):
        with pytest.raises(VocabularyMismatch, match="Expected words from 0 to 4, got"):
            WeighedMaps.of([good, np.full((1, 1), word)], [None, None], 5)
    for weights in (np.ones((3, 2)), np.full((2, 3), -0.5), np.full((2, 3), np.nan),
                    np.full((2, 3), np.inf), np.full((2, 3), "a")):  # fmt: skip
        with pytest.raises(InvalidInput, match=r"finite weights >= 0.* as the|finite weights"):
            WeighedMaps.of([good, good], [None, weights], 5)


def test_maps_of_another_vocabulary_reach_no_kernel():
    maps = WeighedMaps.of([np.full((2, 2), 7)], [None], 10)
    calls = (
        lambda: LocalSearch(np.ones(4)).scores_of_windows(np.ones(4), maps, [(0, 0, 1, 1)]),
        lambda: BagOfWords(4).encode_one_each(maps, np.array([[0, 0, 1, 1]])),
        lambda: maps.followed_by(WeighedMaps.of([], [], 4)),
    )
    for call in calls:
        with pytest.raises(VocabularyMismatch, match="Expected maps of .* words, got maps of"):
            call()


def test_windows_are_inside_their_maps():
    maps = WeighedMaps.of([np.zeros((2, 3), int), np.zeros((4, 1), int)], [None, None], 1)
    windows = maps.as_windows([(0, 0, 3, 2), (0, 1, 1, 4)])
    assert windows.dtype == np.int32 and windows.tolist() == [[0, 0, 3, 2], [0, 1, 1, 4]]
    assert maps.take(np.array([], int)).as_windows([]).shape == (0, 4)
    assert BagOfWords(1).encode_one_each(maps, windows).toarray().tolist() == [[6.0], [3.0]]
    for bad in ([(0, 0, 3, 2)], [(0, 0, 3, 2)] * 3):
        with pytest.raises(InvalidInput, match=f"each of 2 maps, got {len(bad)} of them"):
            maps.as_windows(bad)
    for bad in ((0, 0, 2, 1), (0, -1, 1, 1), (0, 2, 1, 2), (0, 0, 1.5, 1), (0, 0, 1), None):
        with pytest.raises(InvalidInput, match="x1,y1,x2,y2 inside a map of"):
            BagOfWords(1).encode_one_each(maps, [(0, 0, 3, 2), bad])
