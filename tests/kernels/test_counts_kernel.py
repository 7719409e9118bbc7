"""The kernel of bags against a dictionary of sums."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from blcf.kernels.counts import count_words
from blcf.weighed_maps import WeighedMaps


def counted(maps, weights, windows, n_words, steps=8.0):
    laid_out = WeighedMaps.of(maps, weights, n_words)
    cells = laid_out.words, laid_out.weights, laid_out.starts, laid_out.shapes
    words, tf, ends = count_words(*cells, np.array(windows, np.int64).reshape(-1, 4), steps)
    assert (words.dtype, tf.dtype, ends.dtype) == (np.int32, np.float32, np.int32)
    assert ends[0] == 0 and ends[-1] == words.size == tf.size
    return [
        dict(zip(words[first:last].tolist(), tf[first:last].tolist()))
        for first, last in zip(ends[:-1], ends[1:])
    ]


def random_window(rng, shape):
    (y1, y2), (x1, x2) = (np.sort(rng.choice(n + 1, 2, replace=False)) for n in shape)
    return [x1, y1, x2, y2]


@pytest.mark.parametrize("n_words", [1, 3, 40, 5_000_000])
def test_windows_are_those_of_the_oracle(n_words):
    rng = np.random.default_rng(n_words)
    for _ in range(30):
        maps, weights, windows = [], [], []
        for _ in range(int(rng.integers(0, 6))):
            shape = tuple(rng.integers(1, 9, 2))
            maps.append(rng.integers(0, n_words, shape))
            weights.append(rng.integers(0, 9, shape).astype(np.float32) / 8)
            windows.append(random_window(rng, shape))
        found = counted(maps, weights, windows, n_words)
        assert len(found) == len(maps)
        for words, values, (x1, y1, x2, y2), one in zip(maps, weights, windows, found):
            there = slice(y1, y2), slice(x1, x2)
            expected = oracle.bag(words[there].tolist(), values[there].tolist())
            assert one == {word: tf for word, tf in expected.items() if tf > 0}
            assert list(one) == sorted(one)


def test_weights_count_in_steps_and_what_counts_nothing_is_left_out():
    words = np.array([[0, 1, 2, 3, 2]])
    weights = np.array([[0.06, 0.07, 0.3, 1.0, 0.3]], dtype=np.float32)
    assert counted([words], [weights], [0, 0, 5, 1], 4) == [{1: 0.125, 2: 0.5, 3: 1.0}]
    assert counted([words], [0 * weights], [0, 0, 5, 1], 4) == [{}]
    assert counted([], [], [], 4) == []


def test_words_that_fall_on_one_place_of_the_table_stay_apart():
    words = np.arange(0, 64 * 1024, 1024).reshape(8, 8)  # equal in their last ten bits
    assert (
        counted([words, words[::-1]], [None, None], [[0, 0, 8, 8]] * 2, 64 * 1024)
        == [dict.fromkeys(words.ravel().tolist(), 1.0)] * 2
    )
