"""Boxes: what is refused and with which words, cutting, cells and back, overlap."""

from __future__ import annotations

import logging

import numpy as np
import oracle
import pytest

from blcf.boxes import as_box, box_to_cells, cells_to_boxes, iou, nearest_cells
from blcf.errors import InvalidInput


def random_box(rng, width, height):
    """A box on quarters of a pixel, exact in binary; the sides are 1/4 pixel or more."""
    x1, x2 = np.sort(rng.choice(4 * width + 1, 2, replace=False)) / 4
    y1, y2 = np.sort(rng.choice(4 * height + 1, 2, replace=False)) / 4
    return np.array([x1, y1, x2, y2])


@pytest.mark.parametrize("box", [[1, 2, 3, 4], (1.0, 2, 3, 4), np.array([1, 2, 3, 4], np.int16)])
def test_box_in_all_forms(box):
    checked = as_box(box, (10, 10))
    assert checked.dtype == np.float32 and checked.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "box",
    [
        None,
        5,
        [],
        [1, 2, 3],
        [1, 2, 3, 4, 5],
        [[1, 2, 3, 4]],
        "1,2,3,4",
        ["a", "b", "c", "d"],
        {"x1": 0},
        [[1], 2, 3, 4],
        [10**400, 0, 1, 1],
    ],
)
def test_not_four_numbers(box):
    with pytest.raises(InvalidInput, match="Expected a box of four numbers x1,y1,x2,y2"):
        as_box(box)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(4))
def test_not_finite(bad, place):
    box = [1.0, 2, 3, 4]
    box[place] = bad
    with pytest.raises(InvalidInput, match="four finite numbers .* got .*(nan|inf)"):
        as_box(box, (10, 10))


@pytest.mark.parametrize("box", [[3, 2, 1, 4], [1, 4, 3, 2], [1, 2, 1, 4], [1, 2, 3, 2]])
def test_empty_or_reversed(box):
    text = ",".join(map(str, box))
    with pytest.raises(InvalidInput, match=f"x1 < x2 and y1 < y2, got {text}, .*not x, y, width"):
        as_box(box)


@pytest.mark.parametrize("box", [[10, 0, 12, 5], [-5, 0, 0, 5], [0, 8, 5, 9], [0, -9, 5, 0]])
def test_outside(box):
    with pytest.raises(InvalidInput, match="inside the image of 10x8 pixels.*lies outside"):
        as_box(box, (10, 8))


@pytest.mark.parametrize(
    ("box", "cut"),
    [
        ([-3, 2, 5, 6], [0, 2, 5, 6]),
        ([1, -0.5, 5, 6], [1, 0, 5, 6]),
        ([1, 2, 10.25, 6], [1, 2, 10, 6]),
        ([-1, -1, 99, 99], [0, 0, 10, 8]),
    ],
)
def test_part_outside_is_cut_and_logged(box, cut, caplog):
    with caplog.at_level(logging.WARNING, logger="blcf.boxes"):
        assert as_box(box, (10, 8)).tolist() == cut
    assert len(caplog.records) == 1
    text = ",".join(f"{edge:g}" for edge in cut)
    assert caplog.records[0].getMessage().endswith(f"cut to the image: {text} (pixels)")


def test_box_inside_is_not_logged_nor_cut_without_size(caplog):
    with caplog.at_level(logging.DEBUG, logger="blcf.boxes"):
        assert as_box([0, 0, 10, 8], (10, 8)).tolist() == [0, 0, 10, 8]
        assert as_box([-5, -5, 100, 8]).tolist() == [-5, -5, 100, 8]
    assert not caplog.records


def test_argument_is_not_written():
    box = np.array([-3.0, 2, 5, 6])
    as_box(box, (10, 8))
    assert box.tolist() == [-3, 2, 5, 6]


def test_box_to_cells_is_the_oracle():
    rng = np.random.default_rng(0)
    for _ in range(800):
        width, height = (int(n) for n in rng.integers(1, 900, 2))
        shape = tuple(int(n) for n in rng.integers(1, 45, 2))
        box = random_box(rng, width, height)
        cells = box_to_cells(box, (width, height), shape)
        assert cells == oracle.box_to_cells(box, (width, height), shape), (box, shape)


@pytest.mark.parametrize(
    ("box", "cells"),
    [
        ([0, 0, 100, 50], (0, 0, 10, 5)),
        ([10, 10, 20, 20], (1, 1, 2, 2)),  # edges on the edges of cells: no cell too many
        ([9.9, 9.9, 20.1, 20.1], (0, 0, 3, 3)),
        ([11, 12, 11.5, 12.5], (1, 1, 2, 2)),  # smaller than a cell
        ([99.9, 49.9, 100, 50], (9, 4, 10, 5)),
        ([-20, -20, 300, 300], (0, 0, 10, 5)),
    ],
)
def test_box_to_cells_by_hand(box, cells):
    assert box_to_cells(np.array(box, np.float32), (100, 50), (5, 10)) == cells


def test_cells_to_boxes_by_hand():
    boxes = cells_to_boxes(np.array([[0, 0, 4, 2], [1, 0, 3, 1]]), (100, 50), (2, 4))
    assert boxes.dtype == np.float32
    assert boxes.tolist() == [[0, 0, 100, 50], [25, 0, 75, 25]]
    assert cells_to_boxes(np.array([1, 0, 3, 1]), (100, 50), (2, 4)).tolist() == [25, 0, 75, 25]


def test_cells_to_boxes_and_back():
    # Edges of cells in float32, as 33.333336 of 100 pixels, are no part of the next cell.
    rng = np.random.default_rng(1)
    for _ in range(3000):
        h, w = (int(n) for n in rng.integers(1, 60, 2))
        # The image is larger than its map, as it is behind a network.
        size = (int(rng.integers(w, 4000)), int(rng.integers(h, 4000)))
        x1, x2 = (int(x) for x in np.sort(rng.choice(w + 1, 2, replace=False)))
        y1, y2 = (int(y) for y in np.sort(rng.choice(h + 1, 2, replace=False)))
        box = cells_to_boxes(np.array([x1, y1, x2, y2]), size, (h, w))
        assert as_box(box, size).tolist() == box.tolist()
        assert box_to_cells(box, size, (h, w)) == (x1, y1, x2, y2)


def test_iou_is_the_oracle():
    rng = np.random.default_rng(2)
    boxes = np.array([random_box(rng, 12, 9) for _ in range(25)])
    others = np.array([random_box(rng, 12, 9) for _ in range(30)])
    expected = [[oracle.iou(box, other) for other in others] for box in boxes]
    np.testing.assert_allclose(iou(boxes, others), expected, rtol=1e-12)
    np.testing.assert_array_equal(np.diag(iou(boxes, boxes)), 1)
    np.testing.assert_array_equal(iou(boxes, others), iou(others, boxes).T)


def test_iou_by_hand():
    assert iou([0, 0, 2, 2], [1, 0, 3, 2]) == [[2 / 6]]
    assert iou([0, 0, 2, 2], [2, 0, 4, 2]) == [[0]]  # they touch
    assert iou([0, 0, 0, 0], [0, 0, 0, 0]) == [[0]]  # no division by 0
    assert iou(np.empty((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)


@pytest.mark.parametrize(
    ("box", "cells"),
    [
        ([0, 0, 100, 50], (0, 0, 10, 5)),
        ([10, 10, 20, 20], (1, 1, 2, 2)),
        ([9.9, 9.9, 20.1, 20.1], (1, 1, 2, 2)),  # `box_to_cells` has nine cells here
        ([5, 5, 25, 25], (1, 1, 3, 3)),  # halves go up, on both sides
        ([4.9, 4.9, 24.9, 24.9], (0, 0, 2, 2)),
        ([11, 12, 11.5, 12.5], (1, 1, 2, 2)),  # smaller than a cell: the one it is in
        ([17, 12, 22, 17], (1, 1, 2, 2)),  # both edges are nearest to 20: its middle is 19.5
        ([99.9, 49.9, 100, 50], (9, 4, 10, 5)),
        ([0, 0, 0.1, 0.1], (0, 0, 1, 1)),
        ([-20, -20, 300, 300], (0, 0, 10, 5)),
    ],
)
def test_nearest_cells_by_hand(box, cells):
    assert nearest_cells(np.array(box, np.float32), (100, 50), (5, 10)) == cells


def test_nearest_cells_of_windows_and_of_any_box():
    rng = np.random.default_rng(3)
    for _ in range(1000):
        h, w = (int(n) for n in rng.integers(1, 60, 2))
        size = (int(rng.integers(w, 4000)), int(rng.integers(h, 4000)))
        x1, x2 = (int(x) for x in np.sort(rng.choice(w + 1, 2, replace=False)))
        y1, y2 = (int(y) for y in np.sort(rng.choice(h + 1, 2, replace=False)))
        box = cells_to_boxes(np.array([x1, y1, x2, y2]), size, (h, w))
        assert nearest_cells(box, size, (h, w)) == (x1, y1, x2, y2)
        moved = box + rng.uniform(-0.49, 0.49, 4) * np.tile([size[0] / w, size[1] / h], 2)
        if x2 - x1 > 1 and y2 - y1 > 1:
            assert nearest_cells(moved, size, (h, w)) == (x1, y1, x2, y2)
        x1, y1, x2, y2 = nearest_cells(random_box(rng, *size), size, (h, w))
        assert 0 <= x1 < x2 <= w and 0 <= y1 < y2 <= h
