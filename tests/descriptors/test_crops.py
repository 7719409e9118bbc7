"""Crops at several levels, and the search through their codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from blcf.descriptors.crops import CropCodes, crop_boxes, signed_power, spatial_search_scores
from blcf.errors import InvalidInput
from blcf.features import CodeFeatures, FeatureStore, feature_key


def test_crops_of_hand() -> None:
    assert crop_boxes((100, 60), 1).tolist() == [[0, 0, 100, 60]]
    assert crop_boxes((90, 60), 2).tolist() == [
        [0, 0, 90, 60],
        [0, 0, 60, 40],
        [30, 0, 90, 40],
        [0, 20, 60, 60],
        [30, 20, 90, 60],
    ]
    # Of a box, three along a side: half of it wide, a quarter further each.
    third = crop_boxes((200, 200), 3, (100, 40, 180, 80))[5:]
    assert third[:3].tolist() == [[100, 40, 140, 60], [120, 40, 160, 60], [140, 40, 180, 60]]
    assert third[-1].tolist() == [140, 60, 180, 80]
    # Side by side where they do not overlap.
    tiles = crop_boxes((80, 40), 2, overlap=0)[1:]
    assert tiles.tolist() == [[0, 0, 40, 20], [40, 0, 80, 20], [0, 20, 40, 40], [40, 20, 80, 40]]


def test_crops_have_the_properties_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        width, height = (int(v) for v in rng.integers(5, 400, 2))
        near = rng.random(2) * (width, height) * 0.8
        far = near + (0.1 + 0.9 * rng.random(2)) * ((width, height) - near)
        box = (*near, *far) if rng.random() < 0.5 else None
        n_levels, overlap = int(rng.integers(1, 6)), float(rng.choice([0, 0.3, 0.5, 0.9]))
        boxes = crop_boxes((width, height), n_levels, box, overlap=overlap)
        region = np.array(box if box else (0, 0, width, height), dtype=np.float32)
        assert boxes.dtype == np.float32 and len(boxes) == sum(i * i for i in range(n_levels + 1))
        done = 0
        for level in range(1, n_levels + 1):
            some = boxes[done : done + level * level].reshape(level, level, 4)
            done += level * level
            sides = some[..., 2:] - some[..., :2]
            np.testing.assert_allclose(sides, np.broadcast_to(sides[0, 0], sides.shape), rtol=1e-3)
            np.testing.assert_allclose([*some[0, 0, :2], *some[-1, -1, 2:]], region, rtol=1e-5)
            if level > 1:  # the shared part of neighbours, and no gap between them
                shared = (some[0, 0, 2] - some[0, 1, 0]) / sides[0, 0, 0]
                assert abs(shared - overlap) < 1e-3
                steps = np.diff(some[0, :, 0])
                np.testing.assert_allclose(steps, steps[0], rtol=1e-3, atol=1e-3)
        assert (boxes >= np.tile(region[:2], 2)).all() and (boxes <= np.tile(region[2:], 2)).all()


def test_squares_around_crops() -> None:
    # A wide box in the middle; near the border, where the square is moved; too wide for one.
    assert crop_boxes((100, 100), 1, (30, 40, 70, 60), square=True).tolist() == [[30, 30, 70, 70]]
    assert crop_boxes((100, 100), 1, (30, 0, 70, 20), square=True).tolist() == [[30, 0, 70, 40]]
    assert crop_boxes((100, 30), 1, (10, 5, 90, 10), square=True).tolist() == [[10, 0, 90, 30]]
    boxes = crop_boxes((120, 90), 3, square=True)[1:]
    sides = boxes[:, 2:] - boxes[:, :2]
    np.testing.assert_allclose(sides[:, 0], sides[:, 1], rtol=1e-6)
    assert boxes.min() >= 0 and (boxes[:, 2:] <= (120, 90)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_levels": 0}, "n_levels to be 1 or more, got 0"),
        ({"n_levels": 2.0}, r"n_levels to be 1 or more, got 2\.0"),
        ({"overlap": 1}, "overlap from 0 to less than 1, got 1"),
        ({"overlap": "half"}, "overlap from 0 to less than 1, got 'half'"),
        ({"size": (0, 5)}, r"size, \(width, height\) in pixels, got \(0, 5\)"),
        ({"size": None}, "size, .* got None"),
        ({"box": (60, 60, 70, 70)}, "inside the image of 50x40 pixels"),
    ],
)
def test_crops_that_cannot_be(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"size": (50, 40), "n_levels": 2} | change
    with pytest.raises(InvalidInput, match=message):
        crop_boxes(**arguments)


def scores_of_hand(query: np.ndarray, collection: np.ndarray) -> list[float]:
    """The plain twin: Razavian et al.'s words, in float64."""
    scores = []
    for image in collection.astype(np.float64):
        apart = []
        for wanted in query.astype(np.float64):
            apart.append(min(float(np.sqrt(((wanted - crop) ** 2).sum())) for crop in image))
        scores.append(-sum(apart) / len(apart))
    return scores


@pytest.mark.parametrize("chunk", [1, 1 << 12, 64 << 20])
def test_scores_equal_the_plain_twin(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blcf.descriptors.crops._CHUNK_BYTES", chunk)
    rng = np.random.default_rng(1)
    for _ in range(40):
        m, n, p, d = (int(v) for v in rng.integers(1, 12, 4))
        query = rng.normal(size=(m, d)).astype(np.float32)
        collection = rng.normal(size=(n, p, d)).astype(rng.choice(["f2", "f4", "f8"]))
        scores = spatial_search_scores(query, collection)
        assert scores.dtype == np.float32 and scores.shape == (n,)
        np.testing.assert_allclose(scores, scores_of_hand(query, collection), rtol=1e-5, atol=1e-6)


def test_scores_of_whole_numbers_are_exact() -> None:
    query = np.array([[0, 0], [3, 4]])
    collection = np.array([[[3, 4], [0, 0]], [[0, 0], [0, 0]], [[6, 8], [0, 5]]])
    # 0 and 0; 0 and 5; 5 and sqrt(9 + 1)
    expected = np.array([0, -2.5, -(5 + np.sqrt(np.float32(10))) / 2], dtype=np.float32)
    np.testing.assert_array_equal(spatial_search_scores(query, collection), expected)
    assert spatial_search_scores(query, collection[:0]).shape == (0,)


def test_a_picture_finds_itself_at_no_distance() -> None:
    """However long the codes: a product of matrices alone would leave some hundredths."""
    codes = np.random.default_rng(2).normal(size=(5, 7, 500)).astype(np.float32) + 100
    for i in range(5):
        scores = spatial_search_scores(codes[i, ::-1], codes)
        assert scores[i] == 0 and (np.delete(scores, i) < -1).all()


@pytest.mark.parametrize(
    ("query", "collection", "message"),
    [
        (np.ones(3), np.ones((2, 2, 3)), r"\(m, d\) and of a collection \(n, p, d\), got \(3,\)"),
        (np.ones((2, 3)), np.ones((2, 3)), r"got \(2, 3\) and \(2, 3\)"),
        (np.ones((2, 3)), np.ones((2, 2, 4)), "codes of one length"),
        (np.ones((0, 3)), np.ones((2, 2, 3)), r"got \(0, 3\)"),
        (np.ones((2, 3)), np.ones((2, 0, 3)), "one crop or more"),
        (np.full((2, 3), "a"), np.ones((2, 2, 3)), "Expected numbers"),
        (np.ones((2, 3)), np.full((2, 2, 3), np.nan), "Expected finite codes"),
        (np.full((2, 3), np.inf), np.ones((2, 2, 3)), "Expected finite codes"),
    ],
)
def test_codes_that_cannot_be(query: Any, collection: Any, message: str) -> None:
    with np.errstate(invalid="ignore"), pytest.raises(InvalidInput, match=message):
        spatial_search_scores(query, collection)


def test_signed_power() -> None:
    codes = np.array([[-2, 0, 3]])
    found = signed_power(codes)
    assert found.dtype == np.float32 and found.tolist() == [[-4, 0, 9]]
    assert signed_power(codes, 1).tolist() == [[-2, 0, 3]]
    for wrong in (0, -1, np.nan, "two"):
        with pytest.raises(InvalidInput, match="exponent"):
            signed_power(codes, wrong)


@pytest.fixture(scope="module")
def codes() -> CodeFeatures:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.ReLU(), nn.Flatten(), nn.Linear(96, 4))
    return CodeFeatures(module, layer="3", input_size=32, device="cpu", dtype="float32")


def test_codes_of_crops(codes: CodeFeatures, tmp_path: Path) -> None:
    crops = CropCodes(codes, n_levels=2)
    assert crops.n_crops_ == 5
    image = np.random.default_rng(3).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    found = crops.extract(image)
    assert found.shape == (5, 4) and found.dtype == np.float32
    parts = [image, image[:40, :60], image[:40, 30:], image[20:, :60], image[20:, 30:]]
    for part, code in zip(parts, found):
        np.testing.assert_allclose(code, codes.extract(part), rtol=1e-5, atol=1e-6)
    inside = crops.extract(image, (30, 0, 60, 60))
    np.testing.assert_allclose(inside, crops.extract(image[:, 30:60]), rtol=1e-5, atol=1e-6)
    with pytest.raises(InvalidInput, match="Expected a picture"):
        crops.extract(image[..., :2])
    keys = [feature_key(CropCodes(codes, 2, square=square)) for square in (False, True)]
    paths = {FeatureStore(tmp_path, key).path for key in [*keys, feature_key(codes)]}
    assert len(paths) == 3  # a store is of one of them
