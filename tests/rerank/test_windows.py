"""The windows of the paper, and which sizes are allowed."""

from __future__ import annotations

import itertools

import numpy as np
import oracle
import pytest

from blcf.rerank import grid_windows
from blcf.rerank.windows import allowed_widths, by_rows, kept_windows, near_windows

SHAPES = [(1, 1), (1, 2), (2, 1), (2, 3), (3, 3), (1, 30), (4, 4), (7, 5), (8, 8), (13, 22)]


def as_tuples(windows):
    return [tuple(int(edge) for edge in window) for window in windows]


@pytest.mark.parametrize("shape", [*SHAPES, *itertools.product(range(1, 20, 3), range(2, 35, 4))])
def test_windows_are_the_oracle(shape):
    windows = as_tuples(grid_windows(*shape))
    assert len(windows) == len(set(windows))
    assert set(windows) == oracle.windows(*shape)


@pytest.mark.parametrize("shape", [*SHAPES, (20, 31), (37, 50)])
def test_windows_lie_inside_and_cover_the_map(shape):
    h, w = shape
    windows = grid_windows(h, w)
    assert windows[0].tolist() == [0, 0, w, h]
    covered = {}
    for x1, y1, x2, y2 in as_tuples(windows):
        assert 0 <= x1 < x2 <= w and 0 <= y1 < y2 <= h
        covered.setdefault((x2 - x1, y2 - y1), np.zeros(shape, bool))[y1:y2, x1:x2] = True
    assert all(mask.all() for mask in covered.values())


@pytest.mark.parametrize("shape", SHAPES)
def test_order_of_windows(shape):
    windows = grid_windows(*shape)
    sides = windows[:, 2:] - windows[:, :2]
    assert (np.diff(sides.prod(axis=1)) <= 0).all()
    for side in np.unique(sides, axis=0):
        places = as_tuples(windows[(sides == side).all(axis=1)][:, [1, 0]])
        assert places == sorted(places)


def test_number_of_windows():
    for h, w in itertools.product((8, 9, 11, 16, 30, 40), (8, 10, 13, 33)):
        assert len(grid_windows(h, w)) == (1 + 3 + 7) ** 2
    assert grid_windows(1, 1).tolist() == [[0, 0, 1, 1]]
    assert grid_windows(9, 9, (1,)).tolist() == [[0, 0, 9, 9]]
    assert len(grid_windows(12, 12, (1, 2))) == 16
    with pytest.raises(ValueError, match="read-only"):
        grid_windows(8, 8)[0] = 0


@pytest.mark.parametrize("share", [64, 999_999_999])
def test_more_parts_than_cells_are_the_cells(share):
    """At once: each of 2 * 10**9 steps of such a window was made, and its start rounded."""
    assert as_tuples(grid_windows(5, 7, (share,))) == as_tuples(grid_windows(5, 7, (9,)))
    assert len(grid_windows(5, 7, (share,))) == 35


def is_kept(window, shape, min_side, min_aspect, aspect, size):
    (h, w), (x1, y1, x2, y2) = shape, window
    if min(x2 - x1, y2 - y1) < min_side:
        return False
    if aspect is None:
        return True
    width, height = size or (w, h)
    own = (x2 - x1) * width / w / ((y2 - y1) * height / h)
    return min(own, aspect) / max(own, aspect) >= min_aspect


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (6, 1), (5, 7), (9, 4)])
@pytest.mark.parametrize("min_side", [1, 2, 4])
@pytest.mark.parametrize("aspect", [None, 0.2, 1.0, 2.7])
@pytest.mark.parametrize("size", [None, (640, 200)])
def test_allowed_sizes(shape, min_side, aspect, size):
    windows = np.array(oracle.all_windows(*shape), dtype=np.int32)
    limits = min_side, 0.4, aspect, size
    expected = [window for window in as_tuples(windows) if is_kept(window, shape, *limits)]
    least, most = allowed_widths(shape, *limits)
    assert as_tuples(kept_windows(windows, least, most)) == (expected or as_tuples(windows))
    assert (least.size, most.size, most[0]) == (shape[0] + 1, shape[0] + 1, 0)


def test_no_limits():
    for least, most in (allowed_widths((3, 5)), allowed_widths((3, 5), 1, 0.0, 2.0)):
        assert most.tolist() == [0, 5, 5, 5]
        assert least[1:].tolist() == [1, 1, 1]
        with pytest.raises(ValueError, match="read-only"):
            least[0] = 0


def test_near_windows():
    near = as_tuples(near_windows((3, 3, 6, 6), 1, (20, 20)))
    assert len(near) == len(set(near)) == 81
    assert near[0] == (2, 2, 7, 7) and near[-1] == (4, 4, 5, 5)
    assert as_tuples(near_windows((0, 0, 1, 1), 1, (1, 1))) == [(0, 0, 1, 1)]
    assert (0, 0, 4, 1) in as_tuples(near_windows((1, 0, 3, 1), 1, (1, 9)))
    assert min(as_tuples(near_windows((2, 2, 4, 4), 2, (9, 9))))[:2] == (0, 0)


def test_order_by_rows():
    windows = grid_windows(9, 13)
    order = by_rows(windows)
    assert sorted(order.tolist()) == list(range(len(windows)))
    rows = [tuple(one) for one in windows[order][:, [1, 3]].tolist()]
    assert rows == sorted(rows)
