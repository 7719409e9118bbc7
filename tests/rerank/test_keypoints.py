"""Keypoints of pictures that were moved on purpose: they match, and the transform is found."""

from __future__ import annotations

import sys

import numpy as np
import oracle_cleaning as oracle
import pytest
from PIL import Image
from textures import blobs

from blcf.errors import BlcfError, InvalidInput
from blcf.records import Keypoints
from blcf.rerank.keypoints import agree, find_keypoints, match_keypoints

pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'blcf[verify]'")


def _turned(pixels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The picture whose pixel ``matrix @ (x, y, 1)`` is the pixel (x, y) of another."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    image = Image.fromarray(pixels)
    turned = image.transform(
        image.size, Image.Transform.AFFINE, back.ravel().tolist(), Image.Resampling.BICUBIC
    )
    return np.asarray(turned)


def test_a_picture_that_was_moved_is_recognised():
    angle = np.radians(20)
    turn = 0.9 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.column_stack([turn, [40, -10]])
    scene = blobs(0)
    ours, theirs = find_keypoints(scene), find_keypoints(_turned(scene, matrix))
    found = agree(ours, theirs)
    assert found is not None and len(found) > 40
    np.testing.assert_allclose(found.transform, matrix, atol=0.03, rtol=0.05)
    carried = found.ours @ found.transform[:, :2].T + found.transform[:, 2]
    assert np.linalg.norm(carried - found.theirs, axis=1).max() <= 4
    again = agree(ours, theirs)
    assert again is not None and np.array_equal(again.transform, found.transform)
    assert agree(ours, theirs, max_rotation=10) is None
    assert agree(ours, theirs, min_inliers=len(ours)) is None


def test_other_pictures_and_mirrored_ones_do_not_agree():
    ours = find_keypoints(blobs(0))
    assert agree(ours, find_keypoints(blobs(1))) is None
    mirrored = Keypoints(ours.points * (-1, 1) + (256, 0), ours.descriptors, ours.size)
    assert agree(ours, mirrored) is None


def test_keypoints_are_of_length_one_and_the_strongest():
    few, many = find_keypoints(blobs(0), 20), find_keypoints(blobs(0))
    assert len(few) == 20 < len(many) and few.size == (256, 192)
    np.testing.assert_allclose(np.linalg.norm(many.descriptors, axis=1), 1, rtol=1e-5)
    assert (many.descriptors >= 0).all() and len(np.unique(many.points, axis=0)) == len(many)
    assert np.array_equal(few.points, many.points[:20])


def test_a_picture_of_one_colour_has_none():
    none = find_keypoints(np.full((40, 50, 3), 128, np.uint8))
    assert len(none) == 0 and none.descriptors.shape == (0, 128)
    assert agree(none, find_keypoints(blobs(0))) is None


@pytest.mark.parametrize("seed", range(5))
def test_matches_are_mutual_and_distinct(seed):
    rng = np.random.default_rng(seed)
    ours = rng.normal(size=(30, 6))
    theirs = np.concatenate([ours[5:20] + rng.normal(0, 0.2, (15, 6)), rng.normal(size=(9, 6))])
    ours, theirs = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (ours, theirs))
    for ratio in (0.8, 1):
        found = match_keypoints(ours, theirs, ratio)
        assert found.tolist() == oracle.matches(ours.tolist(), theirs.tolist(), ratio)
        assert len(found) > 3


def test_what_was_given_is_checked(monkeypatch):
    keypoints = find_keypoints(blobs(0), 10)
    with pytest.raises(InvalidInput, match=r"shapes \(n, d\) and \(m, d\), got \(2, 3\)"):
        match_keypoints(np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(InvalidInput, match=r"uint8 \(height, width, 3\), got float64 \(4, 5, 3\)"):
        find_keypoints(np.zeros((4, 5, 3)))
    with pytest.raises(InvalidInput, match="a ratio above 0 up to 1, got 2"):
        match_keypoints(np.zeros((2, 3)), np.zeros((2, 3)), 2)
    with pytest.raises(InvalidInput, match="min_inliers"):
        agree(keypoints, keypoints, min_inliers=2)
    with pytest.raises(InvalidInput, match="tolerance above 0 pixels, got 0"):
        agree(keypoints, keypoints, tolerance=0)
    with pytest.raises(InvalidInput, match="max_rotation of 0 to 180 degrees, got -1"):
        agree(keypoints, keypoints, max_rotation=-1)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(BlcfError, match=r"blcf\[verify\]"):
        find_keypoints(blobs(0))
