"""The grid of R-MAC, against the released program's steps and by hand; crops under a box."""

from __future__ import annotations

from typing import Any

import numpy as np
import oracle_descriptors as oracle
import pytest

from blcf.descriptors import crop_map, rmac_regions
from blcf.errors import InvalidInput


def test_the_released_program() -> None:
    for h in range(1, 34):
        for w in range(1, 34):
            found = rmac_regions(h, w, 4)
            assert found.dtype == np.int64
            assert [tuple(row) for row in found.tolist()] == oracle.rmac_regions(h, w, 4), (h, w)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.7])
def test_other_overlaps(overlap: float) -> None:
    for h, w in [(5, 17), (12, 9), (16, 21)]:
        found = [tuple(row) for row in rmac_regions(h, w, 3, overlap).tolist()]
        assert found == oracle.rmac_regions(h, w, 3, overlap)


@pytest.mark.parametrize(
    ("h", "w", "counts"),
    [
        (1, 1, [1, 0, 0]),  # floor(2 / 3) = 0 cells: no region at the second scale
        (1, 3, [4, 0, 0]),  # ratio 3: with m = 4 each shares 1 - 2/3 of its neighbour's area
        (2, 2, [1, 4, 9]),
        (7, 7, [1, 4, 9]),
        (18, 24, [2, 6, 12]),  # 288 x 384 pixels of VGG16: m = 2 shares 2/3, the least there is
        (16, 21, [2, 6, 12]),
        (24, 18, [2, 6, 12]),
        (5, 12, [3, 8, 15]),
    ],
)
def test_counts(h: int, w: int, counts: list[int]) -> None:
    found = [len(rmac_regions(h, w, n)) for n in (1, 2, 3)]
    assert found == np.cumsum(counts).tolist()


def test_places_by_hand() -> None:
    # 4 x 6 cells, m = 2. Sides 4, floor(8 / 3) = 2 and 2; along the height 1, 2, 3 regions (the
    # rooms 0, 2, 2), along the width 2, 3, 4 (the rooms 2, 4, 4).
    found = rmac_regions(4, 6).tolist()
    assert found[:2] == [[0, 0, 4, 4], [2, 0, 6, 4]]
    assert found[2:8] == [[x, y, x + 2, y + 2] for y in (0, 2) for x in (0, 2, 4)]
    assert found[8:] == [[x, y, x + 2, y + 2] for y in (0, 1, 2) for x in (0, 1, 2, 4)]


def test_regions_reach_all_borders() -> None:
    for h in range(1, 70):
        for w in (1, 2, 3, 11, 17, 24, 69):
            x1, y1, x2, y2 = rmac_regions(h, w).T
            assert (x1.min(), y1.min(), x2.max(), y2.max()) == (0, 0, w, h)
            assert (x2 - x1 == y2 - y1).all()


def test_a_transposed_map_has_transposed_regions() -> None:
    for h, w in [(18, 24), (5, 30), (7, 7)]:
        found = {tuple(row) for row in rmac_regions(w, h)[:, [1, 0, 3, 2]].tolist()}
        assert found == {tuple(row) for row in rmac_regions(h, w).tolist()}


@pytest.mark.parametrize("bad", [0, -1, 2.0, "3", None, True])
def test_scales_that_cannot_be(bad: Any) -> None:
    with pytest.raises(InvalidInput, match="n_scales to be an integer of 1 or more, got"):
        rmac_regions(3, 4, bad)


@pytest.mark.parametrize("bad", [0, -1, 2.5, None])
def test_sizes_that_cannot_be(bad: Any) -> None:
    with pytest.raises(InvalidInput, match="h and w, in cells, to be 1 or more, got"):
        rmac_regions(bad, 4)
    with pytest.raises(InvalidInput, match="h and w, in cells, to be 1 or more, got"):
        rmac_regions(4, bad)


@pytest.mark.parametrize("bad", [-0.1, 1, np.nan, "0.4"])
def test_overlaps_that_cannot_be(bad: Any) -> None:
    with pytest.raises(InvalidInput, match="overlap from 0 to less than 1, got"):
        rmac_regions(3, 4, overlap=bad)


def test_a_crop_is_a_view_of_the_cells_that_the_box_touches() -> None:
    one = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)  # cells of 10 x 10 pixels
    crop = crop_map(one, (12, 0, 20, 21), (40, 30))
    np.testing.assert_array_equal(crop, one[:, 0:3, 1:2])
    assert np.shares_memory(crop, one)
    np.testing.assert_array_equal(crop_map(one, (35, 25, 99, 99), (40, 30)), one[:, 2:, 3:])
    assert crop_map(one, (5, 5, 5.1, 5.1), (40, 30)).shape == (2, 1, 1)
    np.testing.assert_array_equal(crop_map(one, None, (40, 30)), one)


def test_crops_that_cannot_be() -> None:
    one = np.ones((2, 3, 4), dtype=np.float32)
    with pytest.raises(InvalidInput, match="inside the image of 40x30 pixels"):
        crop_map(one, (50, 0, 60, 10), (40, 30))
    with pytest.raises(InvalidInput, match="x1 < x2"):
        crop_map(one, (5, 5, 5, 9), (40, 30))
    with pytest.raises(InvalidInput, match=r"shape \(C, h, w\), got shape \(3, 4\)"):
        crop_map(one[0], (0, 0, 5, 9), (40, 30))
    for size in [(0, 30), (40,), None, "ab", (40.5, 30)]:
        with pytest.raises(InvalidInput, match=r"size as \(width, height\) in pixels"):
            crop_map(one, (0, 0, 5, 9), size)  # type: ignore[arg-type]
