"""Labels of pictures whose truth is known: what is false goes, boxes lie on the thing."""

from __future__ import annotations

import numpy as np
import oracle_cleaning as oracle
import pytest
from PIL import Image

from blcf.boxes import iou
from blcf.errors import InvalidInput
from blcf.learning.cleaning import (
    Edges,
    candidate_pairs,
    clean_classes,
    join_agreements,
    largest_component,
    spread_boxes,
)
from blcf.rerank.keypoints import Agreement, find_keypoints


def _graph(seed: int, n: int = 9, n_edges: int = 14) -> tuple[Edges, np.ndarray]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(100, 200, (n, 2))
    pairs = np.array([sorted(rng.permutation(n - 1)[:2]) for _ in range(n_edges)])
    linear = np.eye(2) * rng.uniform(0.7, 1.4, (n_edges, 1, 1)) + rng.normal(
        0, 0.2, (n_edges, 2, 2)
    )
    shift = rng.normal(0, 20, (n_edges, 2, 1))
    corners = rng.uniform(10, 50, (n_edges, 2, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 50, (n_edges, 2, 2))], axis=2)
    inliers = rng.integers(8, 60, n_edges)
    return Edges(pairs, inliers, np.concatenate([linear, shift], axis=2), boxes), sizes


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("n_iterations", [0, 1, 7])
def test_boxes_are_those_of_the_twin(seed, n_iterations):
    edges, sizes = _graph(seed)
    found = spread_boxes(edges, sizes, step=0.3, tolerance=0, max_iterations=n_iterations)
    rows = [
        (one, other, int(weight), matrix.tolist(), boxes[0].tolist(), boxes[1].tolist())
        for (one, other), weight, matrix, boxes in zip(
            edges.pairs.tolist(), edges.n_inliers, edges.transforms, edges.boxes
        )
    ]
    expected = oracle.spread_boxes(rows, sizes.tolist(), 0.3, n_iterations)
    for mine, its in zip(found, expected):
        if its is None:
            assert np.isnan(mine).all()
        else:
            np.testing.assert_allclose(mine, its, rtol=1e-9, atol=1e-9)
    assert np.isnan(found[-1]).all(), "the last picture has no edge"


def test_boxes_that_agree_stay_and_others_come_to_agree():
    """Three pictures, each the other at twice the size; one of them saw half of the thing."""
    double = np.array([[2.0, 0, 0], [0, 2, 0]])
    boxes = np.array([[[10, 10, 30, 30], [20, 20, 60, 60]], [[20, 20, 60, 60], [40, 40, 120, 120]]])
    pairs, sizes = np.array([[0, 1], [1, 2]]), np.array([[50, 50], [100, 100], [200, 200]])
    agreed = Edges(pairs, np.array([9, 9]), np.stack([double, double]), boxes.astype(float))
    np.testing.assert_allclose(spread_boxes(agreed, sizes), boxes[[0, 0, 1], [0, 1, 1]])
    boxes[0, 0, 2] = 20
    halved = Edges(pairs, np.array([9, 9]), np.stack([double, double]), boxes.astype(float))
    found = spread_boxes(halved, sizes, tolerance=1e-6, max_iterations=5000)
    np.testing.assert_allclose(found / [[1], [2], [4]], found[:1].repeat(3, 0), atol=1e-3)
    assert 20 < found[0, 2] < 30


def test_a_thing_that_turns_round_does_not_grow():
    quarter = np.array([[0.0, -1, 100], [1, 0, 0]])
    eighth = np.array([[np.sqrt(0.5), -np.sqrt(0.5), 50], [np.sqrt(0.5), np.sqrt(0.5), -20.7]])
    box = np.array([30.0, 30, 70, 70])
    edges = Edges(
        np.array([[0, 1], [0, 1]]),
        np.array([9, 9]),
        np.stack([quarter, eighth]),
        np.tile(box, (2, 2, 1)),
    )
    found = spread_boxes(edges, np.full((2, 2), 100), max_iterations=500)
    np.testing.assert_allclose(found, [box, box], atol=0.5)


@pytest.mark.parametrize("seed", range(8))
def test_the_largest_component_is_that_of_the_twin(seed):
    rng = np.random.default_rng(seed)
    pairs = rng.integers(0, 30, (14, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    assert largest_component(pairs, 30).tolist() == oracle.largest_component(pairs.tolist(), 30)
    assert largest_component(pairs[:0], 30).tolist() == []


@pytest.mark.parametrize("n_nearest", [1, 2, 30])
def test_candidates_are_near_neighbours_of_one_class(n_nearest):
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 4, 40)
    vectors = rng.integers(-2, 3, (40, 3)).astype(float)
    found = candidate_pairs(classes, vectors, n_nearest)
    expected = oracle.nearest_pairs(classes.tolist(), vectors.tolist(), n_nearest)
    assert found.tolist() == [list(pair) for pair in expected]
    assert len(candidate_pairs(classes)) == sum(n * (n - 1) // 2 for n in np.bincount(classes))


def _pictures() -> tuple[list, np.ndarray, np.ndarray, np.ndarray]:
    """Two things of blobs pasted at places and sizes on noise; labels, truth, boxes."""
    rng = np.random.default_rng(0)
    things = [
        Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)).resize(
            (120, 120), Image.Resampling.BICUBIC
        )
        for _ in range(3)
    ]
    truth = np.repeat([0, 1, 2], [6, 6, 2])
    images, boxes = [], []
    for its in truth:
        noise = rng.integers(0, 255, (10, 14, 3), dtype=np.uint8)
        scene = Image.fromarray(noise).resize((280, 200), Image.Resampling.BICUBIC)
        side = int(rng.integers(90, 120))
        x, y = int(rng.integers(0, 280 - side)), int(rng.integers(0, 200 - side))
        scene.paste(things[its].resize((side, side)), (x, y))
        images.append(np.asarray(scene))
        boxes.append((x, y, x + side, y + side))
    labels = truth.copy()
    labels[[1, 8]] = labels[[8, 1]]  # two false ones, and a class of a thing too rare
    return images, labels, truth, np.array(boxes, dtype=np.float32)


def test_false_labels_go_and_boxes_lie_on_the_thing():
    pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'blcf[verify]'")
    images, labels, truth, boxes = _pictures()
    asked: list[int] = []

    def keypoints_of(position: int):
        asked.append(position)
        return find_keypoints(images[position])

    cleaned = clean_classes(keypoints_of, labels)
    large = np.flatnonzero(labels != 2).tolist()
    assert asked == sorted(large, key=lambda each: (labels[each], each)), "once each, by class"
    right = (labels == truth) & (labels != 2)
    assert cleaned.kept.tolist() == right.tolist()
    assert np.isnan(cleaned.boxes[~right]).all()
    ious = [
        float(iou(cleaned.boxes[i : i + 1], boxes[i : i + 1]).max()) for i in np.flatnonzero(right)
    ]
    assert min(ious) > 0.6, ious
    assert set(np.unique(cleaned.edges.pairs)) == set(np.flatnonzero(right))
    assert (cleaned.edges.n_inliers >= 10).all() and len(cleaned.edges) >= 8
    assert clean_classes(keypoints_of, labels, min_pictures=2).kept[-2:].all()
    again = clean_classes(lambda each: find_keypoints(images[each]), labels)
    assert np.array_equal(again.boxes, cleaned.boxes, equal_nan=True)


def test_nothing_agrees_in_nothing():
    edges = join_agreements([])
    assert len(edges) == 0 and np.isnan(spread_boxes(edges, np.ones((3, 2)))).all()
    points = np.array([[1.0, 2], [3, 5], [0, 9]])
    one = join_agreements([(0, 1, Agreement(np.eye(2, 3), points, points + 1))])
    assert one.boxes.tolist() == [[[0, 2, 3, 9], [1, 3, 4, 10]]] and one.n_inliers.tolist() == [3]


def test_what_is_wrong_is_said():
    classes = np.zeros(4, dtype=int)
    with pytest.raises(InvalidInput, match="a vector for each of 4 pictures, got 3"):
        candidate_pairs(classes, np.ones((3, 2)))
    with pytest.raises(InvalidInput, match="n_nearest"):
        candidate_pairs(classes, np.ones((4, 2)), 0)
    with pytest.raises(InvalidInput, match="classes to be integers"):
        candidate_pairs(np.array(["a", "b"]))
    with pytest.raises(InvalidInput, match="min_pictures"):
        clean_classes(find_keypoints, classes, min_pictures=1)
    with pytest.raises(InvalidInput, match="from 0 to 1, got 0 to 2"):
        largest_component(np.array([[0, 2]]), 2)
    edges, sizes = _graph(0)
    with pytest.raises(InvalidInput, match="a step above 0 up to 1, got 0"):
        spread_boxes(edges, sizes, step=0)
