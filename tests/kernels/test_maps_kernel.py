"""Packed assignment maps: nothing is lost, and damage is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from blcf.kernels.maps import pack_map, unpack_map, unpack_maps


def pack(words):
    marks = np.zeros((words.size + 3) // 4, dtype=np.uint8)
    new_words = np.empty(words.size, dtype=words.dtype)
    return marks, new_words[: pack_map(words, marks, new_words)]


def unpack(marks, new_words, shape):
    words = np.full(shape, -1 if new_words.dtype == np.int32 else 9, dtype=new_words.dtype)
    n = unpack_map(marks, new_words, words)
    return n, words


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("n_words", [1, 2, 5, 60_000])
def test_round_trip(dtype, n_words):
    rng = np.random.default_rng(n_words)
    for h in (1, 2, 3, 7):
        for w in (1, 2, 4, 5, 9):
            words = rng.integers(0, n_words, (h, w)).astype(dtype)
            marks, new_words = pack(words)
            n, found = unpack(marks, new_words, (h, w))
            assert n == new_words.size
            np.testing.assert_array_equal(found, words)


def test_by_hand():
    words = np.array([[7, 7, 3], [7, 4, 4]], dtype=np.uint16)
    marks, new_words = pack(words)
    assert new_words.tolist() == [7, 3, 4]
    # new, left, new, above | new, left
    assert marks.tolist() == [0b10_00_01_00, 0b01_00]


def test_large_blocks_take_few_words():
    words = np.arange(12, dtype=np.uint16).reshape(3, 4).repeat(8, axis=0).repeat(8, axis=1)
    assert pack(words)[1].size == 12


def test_damage_is_noticed_or_stays_inside():
    rng = np.random.default_rng(0)
    words = rng.integers(0, 3, (5, 6)).astype(np.uint16)
    marks, new_words = pack(words)
    assert unpack(marks, new_words[:-1], words.shape)[0] == -1
    for _ in range(300):
        n, found = unpack(rng.integers(0, 256, marks.size).astype(np.uint8), new_words, (5, 6))
        assert n == -1 or (n <= new_words.size and np.isin(found, new_words).all())
    left_of_nothing = np.array([0b01], dtype=np.uint8)
    assert unpack(left_of_nothing, new_words, (1, 1))[0] == -1


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_several_maps_at_once(dtype):
    rng = np.random.default_rng(1)
    shapes = np.array([(3, 5), (1, 1), (4, 2), (2, 7)], dtype=np.int64)
    maps = [rng.integers(0, 4, shape).astype(dtype) for shape in shapes.tolist()]
    marks, new_words = zip(*map(pack, maps))
    sizes = [[0, *(one.size for one in each)] for each in (marks, new_words, maps)]
    mark_ends, word_ends, ends = (np.cumsum(one, dtype=np.int64) for one in sizes)
    packed = np.concatenate(marks), np.concatenate(new_words)
    order = np.array([2, 0, 3, 1])
    chosen = shapes[order]
    starts = np.concatenate([[0], chosen.prod(axis=1).cumsum()])[:-1].astype(np.int64)
    spans = mark_ends[order], word_ends[order], word_ends[order + 1]
    words = np.full(ends[-1], -1, dtype=np.int32)
    assert unpack_maps(*packed, *spans, starts, chosen, words) == -1
    expected = np.concatenate([maps[number].ravel() for number in order])
    np.testing.assert_array_equal(words, expected)
    packed[0][mark_ends[3]] = 255
    assert unpack_maps(*packed, *spans, starts, chosen, words) == 2
