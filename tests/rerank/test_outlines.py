"""Outlines of pictures that were carried over on purpose, and what must be refused."""

from __future__ import annotations

import numpy as np
import oracle_places
import pytest
from textures import blobs, homography_of, pasted

from blcf.boxes import iou
from blcf.records import Keypoints
from blcf.rerank import outlines
from blcf.rerank.outlines import carried, find_outline, is_plausible, keypoints_in, widened

pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'blcf[verify]'")

GROUND = blobs(9, (480, 360))
CORNERS = np.array([(130, 70), (330, 100), (310, 260), (120, 230)], dtype=np.float64)
VOTED = np.array([110, 60, 300, 250], dtype=np.float32)


def seen(picture, corners=CORNERS, voted=VOTED):
    """Keypoints of the window around what votes found, of a scene that shows a picture."""
    scene = pasted(GROUND, picture, corners)
    return keypoints_in(scene, widened(voted, (480, 360)))


@pytest.mark.parametrize("box", [None, (40, 30, 200, 170)])
@pytest.mark.parametrize("scale", [1, 3])
def test_the_corners_of_a_box_are_found(box, scale):
    picture = blobs(1, (256 * scale, 192 * scale))
    box = None if box is None else np.array(box, dtype=np.float32) * scale
    ours = keypoints_in(picture, box)
    theirs = seen(picture)
    assert theirs.size == (480, 360)
    whole = np.array([0, 0, *ours.size], dtype=np.float64)
    expected = carried(homography_of(whole, CORNERS), whole if box is None else box)
    voted = np.concatenate([expected.min(axis=0), expected.max(axis=0)]).astype(np.float32) + 9
    found = find_outline(ours, theirs, box, voted)
    assert found.corners.dtype == found.box.dtype == np.float32 and found.n_inliers >= 8
    np.testing.assert_allclose(found.corners, expected, atol=2)
    around = [*found.corners.min(axis=0), *found.corners.max(axis=0)]
    np.testing.assert_allclose(found.box, around, rtol=1e-6)
    again = find_outline(ours, theirs, box, voted)
    assert np.array_equal(found.corners, again.corners)


def test_a_box_is_cut_to_the_picture_and_an_outline_is_not():
    corners = CORNERS - (200, 0)
    picture = blobs(1)
    voted = np.array([0, 60, 120, 250], dtype=np.float32)
    found = find_outline(keypoints_in(picture, None), seen(picture, corners, voted), None, voted)
    np.testing.assert_allclose(found.corners, corners, atol=5)
    assert found.corners[0, 0] < -50 and found.box[0] == 0
    assert iou(found.box, np.array([[0, 70, 130, 260]]))[0, 0] > 0.9


def test_what_is_not_there_is_not_found():
    picture = blobs(1)
    ours = keypoints_in(picture, None)
    assert find_outline(ours, seen(blobs(2)), None, VOTED) is None
    assert find_outline(ours, seen(picture[:, ::-1]), None, VOTED) is None  # in a mirror
    empty = keypoints_in(np.full((40, 50, 3), 128, np.uint8), None)
    assert find_outline(empty, seen(picture), None, VOTED) is None
    assert find_outline(ours, empty, None, np.array([0, 0, 50, 40], dtype=np.float32)) is None
    # Much larger than the votes say.
    small = np.array([200, 150, 230, 170], dtype=np.float32)
    assert find_outline(ours, seen(picture), None, small) is None


def test_few_that_agree_are_too_few(monkeypatch):
    ours, theirs = keypoints_in(blobs(1), None), seen(blobs(1))
    n_inliers = find_outline(ours, theirs, None, VOTED).n_inliers
    monkeypatch.setattr(outlines, "MIN_INLIERS", n_inliers + 1)
    assert find_outline(ours, theirs, None, VOTED) is None
    monkeypatch.setattr(outlines, "MIN_INLIERS", 4)
    # Each point of theirs is elsewhere, but some: what agrees is a small share of the matches.
    rng = np.random.default_rng(0)
    points = theirs.points.copy()
    wrong = rng.random(len(points)) < 0.9
    points[wrong] = rng.permutation(points[wrong])
    moved = Keypoints(points, theirs.descriptors, theirs.size)
    assert find_outline(ours, moved, None, VOTED) is None


def test_keypoints_of_a_part_lie_in_it():
    for size in ((256, 192), (60, 40), (1900, 1300)):
        picture = blobs(3, size)
        width, height = size
        box = np.array([width * 0.2, height * 0.3, width * 0.7, height * 0.9])
        found = keypoints_in(picture, box)
        assert len(found) > 10 and found.size == size
        assert (found.points >= box[:2] - 2).all() and (found.points <= box[2:] + 2).all()
    assert len(keypoints_in(picture, np.array([5.2, 5.1, 5.4, 5.3]))) >= 0  # a pixel


def test_a_window_is_cut_to_the_picture():
    assert widened(np.array([10, 20, 30, 60]), (100, 70)).tolist() == [0, 0, 40, 70]


@pytest.mark.parametrize("seed", range(40))
def test_corners_are_those_of_the_slow_twin(seed):
    rng = np.random.default_rng(seed)
    matrix = np.eye(3) + rng.normal(0, 0.4, (3, 3))
    matrix[2, :2] *= 0.02
    box = np.array([0.0, 0.0, *rng.integers(5, 60, 2)])
    found, expected = carried(matrix, box), oracle_places.carried_corners(matrix.tolist(), box)
    assert (found is None) == (expected is None)
    if found is not None:
        np.testing.assert_allclose(found, expected)
        limits = outlines.MAX_TILT, outlines.MAX_STRETCH
        twin = oracle_places.is_seen_from_the_front(expected, box, *limits)
        assert is_plausible(found, box) == twin


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        ([(0, 0), (10, 0), (10, 10), (0, 10)], True),
        ([(10, 0), (0, 0), (0, 10), (10, 10)], False),  # mirrored
        ([(0, 0), (10, 0), (0, 10), (10, 10)], False),  # folded
        ([(0, 0), (10, 0), (2, 2), (0, 10)], False),  # not convex
        ([(0, 0), (10, 0), (7, 10), (3, 10)], False),  # tilted too much
        ([(0, 0), (30, 0), (30, 10), (0, 10)], False),  # stretched
        ([(10, 10), (0, 10), (0, 0), (10, 0)], True),  # upside down
    ],
)
def test_quadrilaterals_that_a_box_may_be(corners, expected):
    box = np.array([0, 0, 10, 10])
    assert is_plausible(np.array(corners, dtype=np.float64), box) == expected
