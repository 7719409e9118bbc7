"""Regions: polygons and masks are the oracle, and boxes where they equal one; what is refused."""

from __future__ import annotations

import logging
import math

import numpy as np
import oracle
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from blcf.bags import (
    HOWS,
    WEIGHTINGS,
    BagOfWords,
    mask_weights,
    polygon_weights,
    polygons,
    region_box,
    region_weights,
)
from blcf.boxes import box_to_cells
from blcf.errors import InvalidInput

SIZE, SHAPE = (40, 30), (3, 4)  # a cell is 10 x 10 pixels
TRIANGLE = [(0, 0), (40, 0), (0, 30)]


def star(rng, size, n):
    """A polygon without crossings: points around a centre, by angle; often concave."""
    angles = 2 * np.pi * (np.arange(n) + 0.8 * rng.random(n)) / n
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(0.05, 0.5, (n, 1))
    return ((points + 0.5) * size)[:: rng.choice([-1, 1])]


def corners(box):
    x1, y1, x2, y2 = box
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def box_mask(box, size):
    mask = np.zeros(size[::-1], dtype=bool)
    x1, y1, x2, y2 = box
    mask[y1:y2, x1:x2] = True
    return mask


def box_weights(box, size, shape):
    x1, y1, x2, y2 = box_to_cells(np.array(box, dtype=np.float32), size, shape)
    weights = np.zeros(shape)
    weights[y1:y2, x1:x2] = 1
    return weights


def span(draw, n, least, numbers):
    """Two ends, at least `least` apart, within 0..n."""
    near = draw(numbers(0, n - least))
    return near, draw(numbers(near + least, n))


def float32s(low, high):
    low, high = float(np.float32(low)), float(np.float32(high))
    return st.floats(low, max(low, high), width=32)


@st.composite
def boxes(draw, numbers, least):
    """(box, size, shape of the map)."""
    size = draw(st.tuples(st.integers(1, 400), st.integers(1, 400)))
    shape = draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    x1, x2 = span(draw, size[0], least, numbers)
    y1, y2 = span(draw, size[1], least, numbers)
    return [x1, y1, x2, y2], size, shape


def same_bags(box, region, size, shape):
    rng = np.random.default_rng(0)
    words = rng.integers(0, 50, shape).astype(np.int32)
    norms = rng.random(shape)
    for weighting in WEIGHTINGS:
        encoder = BagOfWords(50, weighting)
        bag = encoder.encode(words, box=box, size=size, channel=norms)
        other = encoder.encode(words, region=region, channel=norms)
        assert (bag != other).nnz == 0 and bag.indices.tolist() == other.indices.tolist()


# Equal to boxes


@settings(max_examples=300, derandomize=True, database=None, deadline=None)
@given(boxes(float32s, 2**-9), st.integers(0, 3), st.sampled_from([1, -1]))
@example(([10, 10, 20, 20], (100, 50), (5, 10)), 0, 1)  # edges on the edges of cells
@example(([33.333336, 0, 66.66667, 50], (100, 50), (5, 3)), 0, 1)  # windows in float32
@example(([9.99, 9.99, 20.01, 20.01], (100, 50), (5, 10)), 0, 1)  # 1e-6 of the corner cells
@example(([11, 12, 11.002, 42], (100, 50), (5, 10)), 0, 1)  # thin
@example(([0, 0, 0.00390625, 1], (1, 1), (1, 1)), 0, 1)
def test_a_polygon_equal_to_a_box(drawn, first, direction):
    box, size, shape = drawn
    polygon = np.roll(corners(box), first, axis=0)[::direction]
    weights = polygon_weights(polygon, size, shape)
    assert weights.dtype == np.float32 and weights.shape == shape
    np.testing.assert_array_equal(weights, box_weights(box, size, shape))
    for how in HOWS:
        np.testing.assert_array_equal(
            polygon_weights(polygon, size, shape, how),
            region_weights(shape, size, box=box, how=how),
        )
    np.testing.assert_array_equal(region_box(size, polygon=polygon), region_box(size, box=box))
    same_bags(box, weights, size, shape)


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(boxes(st.integers, 1))
@example(([10, 10, 20, 20], (100, 50), (5, 10)))
@example(([5, 0, 10, 1], (15, 1), (1, 3)))
@example(([3, 0, 6, 3], (10, 10), (1, 3)))
def test_a_mask_equal_to_a_box(drawn):
    box, size, shape = drawn
    mask = box_mask(box, size)
    weights = mask_weights(mask, shape)
    assert weights.dtype == np.float32 and weights.shape == shape
    np.testing.assert_array_equal(weights, box_weights(box, size, shape))
    for how in ("hard", "distance"):
        np.testing.assert_array_equal(
            mask_weights(mask, shape, how), region_weights(shape, size, box=box, how=how)
        )
    np.testing.assert_allclose(  # pixels and corners round differently, to 1e-4 of a cell
        mask_weights(mask, shape, "soft"),
        region_weights(shape, size, box=box, how="soft"),
        atol=1e-3,
    )
    assert region_box(size, mask=mask).tolist() == box
    same_bags(box, weights, size, shape)


# Polygons


def test_polygons_are_the_oracle():
    rng = np.random.default_rng(0)
    for _ in range(150):
        size = tuple(int(n) for n in rng.integers(5, 500, 2))
        shape = tuple(int(n) for n in rng.integers(1, 12, 2))
        polygon = star(rng, size, int(rng.integers(5, 30)))
        shares = np.array(oracle.polygon_shares(polygon.tolist(), size, shape))
        soft = polygon_weights(polygon, size, shape, "soft")
        np.testing.assert_allclose(soft, shares / shares.max(), atol=5e-4)
        hard = polygon_weights(polygon, size, shape)
        assert hard[shares > 1e-3].all() and not hard[shares < 1e-12].any()
        assert (soft[hard == 0] == 0).all() and (soft[hard == 1] > 0).all() and soft.max() == 1


def test_triangle_by_hand():
    # Its long side passes through corners of cells, whose other sides it does not enter.
    hard = [[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]]
    assert polygon_weights(TRIANGLE, (40, 30), (3, 4)).tolist() == hard
    stairs = [[1, 1, 0.5], [1, 0.5, 0], [0.5, 0, 0]]
    square = [(0, 0), (30, 0), (0, 30)]
    np.testing.assert_allclose(polygon_weights(square, (30, 30), (3, 3), "soft"), stairs)
    assert polygon_weights(square, (30, 30), (3, 3)).tolist() == np.ceil(stairs).tolist()
    assert region_box((40, 30), polygon=[(3, 4), (9.5, 4), (5, 20)]).tolist() == [3, 4, 9.5, 20]


def test_edges_that_cross_are_the_oracle():
    """On whole numbers, where nothing is rounded; many edges touch, many lie on one line."""
    rng, found = np.random.default_rng(1), []
    for _ in range(300):
        points = rng.integers(0, 9, (int(rng.integers(3, 9)), 2))
        points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)].astype(float)
        found.append(oracle.edges_cross(points.tolist()))
        assert polygons._crosses_itself(points) == found[-1], points.tolist()
    assert 50 < sum(found) < 250


def test_concave_polygon_spares_the_notch():
    u = [(0, 0), (10, 0), (10, 20), (20, 20), (20, 0), (30, 0), (30, 30), (0, 30)]
    assert polygon_weights(u, (30, 30), (3, 3)).tolist() == [[1, 0, 1], [1, 0, 1], [1, 1, 1]]


def test_outline_with_a_hole_along_a_bridge():
    outer = [(0, 0), (50, 0), (50, 50), (0, 50), (0, 0)]
    hole = [(10, 10), (10, 40), (40, 40), (40, 10), (10, 10)]
    expected = np.ones((5, 5))
    expected[1:4, 1:4] = 0
    np.testing.assert_array_equal(polygon_weights(outer + hole, (50, 50), (5, 5)), expected)


def test_edges_may_touch():
    hourglass = [(0, 0), (20, 15), (40, 0), (40, 30), (20, 15), (0, 30)]
    weights = polygon_weights(hourglass, SIZE, (1, 2), "soft")
    np.testing.assert_allclose(weights, [[1, 1]], atol=1e-6)


@pytest.mark.parametrize("how", HOWS)
def test_direction_first_point_and_repeats_do_not_matter(how):
    polygon = star(np.random.default_rng(3), SIZE, 9)
    expected = polygon_weights(polygon, SIZE, (7, 8), how)
    for other in (polygon[::-1], np.roll(polygon, 4, axis=0), np.repeat(polygon, 2, axis=0),
                  [*polygon, polygon[0]], polygon.tolist()):  # fmt: skip
        np.testing.assert_allclose(polygon_weights(other, SIZE, (7, 8), how), expected, atol=1e-6)


@pytest.mark.parametrize("how", ["hard", "soft"])
@pytest.mark.parametrize("side", [1, 1e-2, 1e-4])
def test_a_tiny_polygon_counts_its_cell(side, how):
    tiny = [(21, 11), (21 + side, 11), (21, 11 + side)]
    expected = np.zeros(SHAPE)
    expected[1, 2] = 1
    np.testing.assert_array_equal(polygon_weights(tiny, SIZE, SHAPE, how), expected)
    across = [(20 - side, 15), (20, 15 - side), (20 + side, 15), (20, 15 + side)]
    weights = polygon_weights(across, SIZE, SHAPE, how)
    assert weights.any() and not np.delete(weights, [1, 2], axis=1).any()


def test_part_outside_is_cut_and_logged(caplog):
    with caplog.at_level(logging.WARNING, logger="blcf.bags"):
        weights = polygon_weights([(-1e9, -5), (15, -5), (15, 12), (-1e9, 12)], SIZE, SHAPE, "soft")
    np.testing.assert_allclose(weights, [[1, 0.5, 0, 0], [0.2, 0.1, 0, 0], [0, 0, 0, 0]], atol=1e-6)
    assert [r.getMessage() for r in caplog.records] == ["polygon cut to the image of 40x30 pixels"]
    caplog.clear()
    diamond = [(20, -20), (60, 15), (20, 50), (-20, 15)]  # all corners outside
    assert (polygon_weights(diamond, SIZE, SHAPE) == 1).sum() == 12
    assert region_box(SIZE, polygon=diamond).tolist() == [0, 0, 40, 30]


def test_inside_is_not_logged(caplog):
    with caplog.at_level(logging.DEBUG):
        polygon_weights(TRIANGLE, SIZE, SHAPE)
    assert not caplog.records


@pytest.mark.parametrize(
    ("polygon", "message"),
    [
        ([(1, 1), (5, 5)], "3 to 10000 different points, got 2. Mark at least three"),
        ([(1, 1), (5, 5), (1, 1), (1, 1)], "different points, got 2"),
        (np.zeros((0, 2)), "different points, got 0"),
        ([[1, 2, 3], [4, 5, 6], [7, 8, 9]], r"points \(x, y\), shape \(n, 2\)"),
        ([1, 1, 5, 1, 5, 5], r"points \(x, y\), shape \(n, 2\)"),
        ([(1, 1), (5,), (3, 3)], r"got \[\(1, 1\), \(5,\), \(3, 3\)\]"),
        ("1,1 5,5 9,0", "got 1,1 5,5 9,0. Give at least three corners"),
        (5, "got 5. Give"),
        ({"x": 1}, "Give at least three corners"),
        ([(0, 0), (math.nan, 5), (5, 0)], "finite numbers, got NaN"),
        ([(0, 0), (math.inf, 5), (5, 0)], "finite numbers"),
        ([(0, 0), (1e300, 5), (5, 0)], "finite numbers"),
        ([(1, 1), (5, 5), (9, 9)], "with an area, got 3 points on one line"),
        ([(0, 0), (1, 1 / 3), (3, 1)], "with an area"),  # 1 / 3 is rounded
        ([(0, 0), (20, 20), (20, 0), (0, 20)], "do not cross, got one that crosses itself"),
        ([(0, 0), (30, 0), (30, 20), (10, -5), (0, 20)], "crosses itself"),
        ([(0, 0), (20, 15), (40, 30), (40, 10), (20, 15), (0, 30)], "crosses itself"),
        ([(50, 5), (60, 5), (55, 9)], "inside the image of 40x30 .* 50,5 to 60,9, .* outside"),
        ([(40, 5), (60, 5), (55, 9)], "lies outside"),  # it touches
        ([(-5, 3), (3, -5), (-5, -5)], "lies outside"),  # its bounding box does not
    ],
)
def test_refused_polygons(polygon, message):
    with pytest.raises(InvalidInput, match=message):
        polygon_weights(polygon, SIZE, SHAPE)


def test_too_many_points():
    rng = np.random.default_rng(0)
    with pytest.raises(InvalidInput, match="got 10001. .* an outline of many points as a mask"):
        region_box(SIZE, polygon=star(rng, SIZE, 10_001))


# Masks


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "float64"])
def test_masks_are_the_oracle(dtype):
    rng = np.random.default_rng(1)
    for _ in range(30):
        height, width = (int(n) for n in rng.integers(2, 25, 2))
        shape = tuple(int(n) for n in rng.integers(1, 12, 2))
        values = rng.random((height, width)) * (rng.random((height, width)) < 0.2)
        values[int(rng.integers(height)), int(rng.integers(width))] = 1
        if dtype == "bool":
            values = np.rint(values)
        mask = (values * 255 if dtype == "uint8" else values).astype(dtype)
        values = mask / 255 if dtype == "uint8" else mask
        shares = np.array(oracle.mask_shares(values.tolist(), shape), dtype=np.float64)
        np.testing.assert_allclose(
            mask_weights(mask, shape, "soft"), shares / shares.max(), atol=2e-3
        )
        touched = np.array(oracle.mask_shares((values > 0.5).tolist(), shape)) > 1e-9
        np.testing.assert_array_equal(mask_weights(mask, shape), touched)


def test_mask_by_hand():
    mask = np.zeros((4, 8), dtype=np.uint8)
    mask[:2, :4] = [[255, 255, 128, 0], [255, 255, 127, 0]]
    assert mask_weights(mask, (2, 4)).tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    soft = mask_weights(mask, (2, 4), "soft")
    np.testing.assert_allclose(soft, [[1, 0.25, 0, 0], [0] * 4], atol=1e-6)
    assert region_box((8, 4), mask=mask).tolist() == [0, 0, 3, 2]


def test_faint_soft_masks():
    mask = np.zeros((30, 40), dtype=np.float32)
    mask[0, 0] = 0.01  # of a cell of 100 pixels
    mask[0, 10] = 0.005
    assert mask_weights(mask, SHAPE, "soft")[0].tolist() == pytest.approx([1, 0.5, 0, 0])
    assert region_box(SIZE, mask=mask).tolist() == [0, 0, 11, 1]
    with pytest.raises(InvalidInput, match=r"above 0.5, got an empty one; .* 0.00?9*.*\(float32\)"):
        mask_weights(mask, SHAPE)


def test_a_pixel_that_is_lost_in_the_rounding():
    mask = np.zeros((1, 40_000), dtype=bool)
    for pixel, cell in ((20_000, 1), (0, 0), (39_999, 1)):
        mask[:] = False
        mask[0, pixel] = True
        for how in ("hard", "soft"):
            assert mask_weights(mask, (1, 2), how).tolist() == [[1 - cell, cell]]


def test_distance_by_hand():
    mask = box_mask([0, 0, 10, 10], SIZE)
    corner = np.array([[math.hypot(x, y) for x in range(4)] for y in range(3)])
    expected = 1 - corner / math.hypot(3, 2)
    np.testing.assert_allclose(mask_weights(mask, SHAPE, "distance"), expected, atol=1e-6)
    for region in ({"polygon": corners([0, 0, 9, 9])}, {"box": [1, 1, 9, 9]}, {"mask": mask}):
        weights = region_weights(SHAPE, SIZE, how="distance", **region)
        np.testing.assert_allclose(weights, expected, atol=1e-6)
    assert mask_weights(np.ones((30, 40), bool), SHAPE, "distance").tolist() == [[1] * 4] * 3


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((30, 40), bool), r"got an empty one; its largest value is False \(bool\)"),
        (np.ones((30, 40), np.uint8), r"largest value is 1 \(uint8\).* pass `mask > 0`"),
        (np.ones((30, 40, 3), np.uint8), r"shape \(height, width\), got uint8 .*\(30, 40, 3\)"),
        (np.ones((30, 0), bool), r"got bool of shape \(30, 0\)"),
        (np.ones((30, 40), int), "got int64 .* pass `labels == label`"),
        (np.full((30, 40), "a"), "got <U1"),
        (np.full((30, 40), np.nan), "from 0 to 1, got nan to nan"),
        (np.full((30, 40), 1.5), "from 0 to 1, got 1.5 to 1.5. Divide"),
        (np.full((30, 40), -0.5), "got -0.5 to -0.5"),
    ],
)
def test_refused_masks(mask, message):
    with pytest.raises(InvalidInput, match=message):
        mask_weights(mask, SHAPE)
    with pytest.raises(InvalidInput):  # the size is looked at first
        region_weights(SHAPE, SIZE, mask=mask)


# Any of them


def test_the_whole_picture():
    for how in HOWS:
        weights = region_weights(SHAPE, SIZE, how=how)
        assert weights.dtype == np.float32 and weights.tolist() == [[1] * 4] * 3
    assert region_box(SIZE) is None
    assert region_box(SIZE, box=[-5, 1, 9, 99]).tolist() == [0, 1, 9, 30]


def test_refused_regions():
    mask = np.ones((30, 40), bool)
    with pytest.raises(InvalidInput, match="one of box, polygon and mask, got box and mask"):
        region_weights(SHAPE, SIZE, box=[0, 0, 5, 5], mask=mask)
    with pytest.raises(InvalidInput, match="got box and polygon and mask"):
        region_box(SIZE, box=[0, 0, 5, 5], polygon=TRIANGLE, mask=mask)
    for door in (lambda **region: region_weights(SHAPE, SIZE, **region),
                 lambda **region: region_box(SIZE, **region)):  # fmt: skip
        with pytest.raises(InvalidInput, match="its picture, 40x30 pixels, got one of 30x40"):
            door(mask=mask.T)
        with pytest.raises(InvalidInput, match="lies outside"):
            door(box=[50, 50, 60, 60])
    with pytest.raises(InvalidInput, match="selects at least one pixel"):
        region_box(SIZE, mask=~mask)
    for region in ({}, {"box": [0, 0, 5, 5]}, {"polygon": TRIANGLE}, {"mask": mask}):
        with pytest.raises(InvalidInput, match="got 'sof'. Did you mean 'soft'?"):
            region_weights(SHAPE, SIZE, how="sof", **region)
        with pytest.raises(InvalidInput, match="one of .*'hard'.*, got None"):
            region_weights(SHAPE, SIZE, how=None, **region)


def test_arguments_are_not_written():
    polygon, mask = np.array(TRIANGLE, dtype=np.float64) - 3, np.ones((30, 40), dtype=np.float32)
    for array in (polygon, mask):
        array.setflags(write=False)
    for how in HOWS:
        region_weights(SHAPE, SIZE, polygon=polygon, how=how)
        region_weights(SHAPE, SIZE, mask=mask, how=how)
