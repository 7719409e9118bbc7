"""Tiles cover a map, overlap by half, and are bags of their windows."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blcf.bags import BagOfWords, tile_windows

cells = st.integers(1, 60)


@given(cells, cells, st.integers(2, 7))
def test_windows_are_the_oracle(h, w, n):
    windows = tile_windows((h, w), n)
    assert windows == oracle.tile_windows(h, w, n)
    assert len(windows) == n * n
    seen = np.zeros((h, w), dtype=int)
    for x1, y1, x2, y2 in windows:
        assert 0 <= x1 < x2 <= w and 0 <= y1 < y2 <= h
        seen[y1:y2, x1:x2] += 1
    assert seen.min() >= 1


@given(st.integers(2, 7), st.data())
def test_what_is_half_as_large_as_a_tile_is_whole_in_one(n, data):
    h = w = 12 * (n + 1)  # a tile has 24 cells, its half 12
    x, y = (data.draw(st.integers(0, w - 12)) for _ in range(2))
    windows = tile_windows((h, w), n)
    assert any(x1 <= x and x + 12 <= x2 and y1 <= y and y + 12 <= y2 for x1, y1, x2, y2 in windows)


@pytest.mark.parametrize("weighting", ["uniform", "norm", "center"])
def test_bags_of_windows_are_those_of_their_cells(weighting):
    rng = np.random.default_rng(3)
    words = rng.integers(0, 9, (7, 10)).astype(np.int32)
    channel = rng.random((7, 10)).astype(np.float32) if weighting == "norm" else None
    bags, windows = BagOfWords(9, weighting), tile_windows((7, 10), 3)
    found = bags.encode_windows(words, windows, channel)
    assert found.dtype == np.float32 and found.shape == (9, 9)
    for row, window in zip(found, windows):
        one = bags.encode(words, cells=window, channel=channel)
        np.testing.assert_array_equal(row.toarray(), one.toarray())
    assert bags.encode_windows(words, [], channel).shape == (0, 9)
