"""Photographs of installed libraries, and scenes composed from them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from blcf.datasets import read_dataset
from blcf.demo import photographs, scenes
from blcf.demo.photographs import GROUNDS, LIBRARIES, OBJECTS, Object, find_photographs
from blcf.images import read_image


def only_sklearn(monkeypatch):
    true = photographs.find_spec
    monkeypatch.setattr(
        photographs, "find_spec", lambda name: true(name) if name == "sklearn" else None
    )


def test_scikit_learn_always_has_two():
    assert {"china.jpg", "flower.jpg"} <= set(find_photographs())


def test_the_lists_name_photographs_that_are_listed():
    listed = {name for _, _, names in LIBRARIES.values() for name in names}
    named = {one.photograph for one in (*OBJECTS, *GROUNDS)}
    named |= {one.also[0] for one in OBJECTS if one.also is not None}
    assert named == listed
    assert len({one.name for one in (*OBJECTS, *GROUNDS)}) == len(OBJECTS) + len(GROUNDS)


@pytest.mark.parametrize("one", [*OBJECTS, *GROUNDS], ids=lambda one: one.name)
def test_boxes_lie_in_their_photographs(one):
    found = find_photographs()
    if one.photograph not in found:
        pytest.skip(f"{one.photograph} is not installed")
    box = one.box if isinstance(one, Object) else one.part
    height, width = read_image(found[one.photograph]).shape[:2]
    assert box is None or (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height)


def test_a_part_that_is_a_ground_shows_no_object():
    for ground in GROUNDS:
        for one in OBJECTS:
            if ground.photograph == one.photograph:
                assert ground.part is not None
                apart = ground.part[0] >= one.box[2] or ground.part[2] <= one.box[0]
                assert apart, (ground.name, one.name)


def test_pillow_takes_the_corners_back():
    rng = np.random.default_rng(0)
    for _ in range(20):
        size = tuple(int(n) for n in rng.integers(20, 300, 2))
        corners = scenes._corners(np.array(size), rng) + rng.uniform(0, 200, 2)
        a, b, c, d, e, f, g, h = scenes._perspective(corners, size)
        ends = [(0, 0), (size[0], 0), size, (0, size[1])]
        for (x, y), end in zip(corners, ends):
            below = g * x + h * y + 1
            got = (a * x + b * y + c) / below, (d * x + e * y + f) / below
            np.testing.assert_allclose(got, end, atol=1e-6)


def test_the_box_is_around_what_is_seen(monkeypatch):
    """A white object on black, unlit: its box is that of the bright pixels."""
    monkeypatch.setattr(scenes, "LIGHT", (1.0, 1.0))
    rng = np.random.default_rng(1)
    photograph = Image.new("RGB", (120, 90), "white")
    what = Object("it", "it.png", (((20, 10), (110, 40), (60, 85)), ((20, 10), (40, 80), (70, 30))))
    assert what.box == (20, 10, 110, 85)
    for _ in range(10):
        scene, placed = Image.new("RGB", (320, 240)), []
        for _ in range(2):
            before = np.asarray(scene)[..., 0]
            box = scenes.paste(scene, photograph, what, placed, rng)
            if box is None:
                continue
            rows, columns = np.nonzero((np.asarray(scene)[..., 0] >= 128) & (before < 128))
            assert box == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            placed.append(scenes.Placed("it", box))
        if len(placed) == 2:
            a, b = (one.box for one in placed)
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_no_room_is_no_object():
    what = Object("it", "it.png", (((0, 0), (50, 0), (50, 50)),))
    scene, everywhere = Image.new("RGB", (64, 64)), [scenes.Placed("other", (0, 0, 64, 64))]
    rng = np.random.default_rng(0)
    assert scenes.paste(scene, Image.new("RGB", (60, 60)), what, everywhere, rng) is None
    assert not np.asarray(scene).any()


def test_scenes_of_scikit_learn_alone(monkeypatch, tmp_path):
    """Two photographs are enough; the same seed gives the same bytes, the truth can be read."""
    only_sklearn(monkeypatch)
    found = find_photographs()
    assert set(found) == {"china.jpg", "flower.jpg"}
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    composed = scenes.compose(tmp_path / "a", found)
    scenes.compose(tmp_path / "b", found)
    scenes.compose(tmp_path / "c", found, random_state=1)
    files = {
        name: [path.read_bytes() for path in sorted((tmp_path / name / "images").iterdir())]
        for name in "abc"
    }
    assert files["a"] == files["b"] != files["c"]
    assert sorted(path.name for path in (tmp_path / "a" / "images").iterdir()) == sorted(
        composed.scenes
    )
    truth = read_dataset(tmp_path / "a" / "gt.json")
    assert [query.object for query in truth.queries] == ["temple", "flower"]
    for query in truth.queries:
        boxes = composed.true_boxes(query.object)
        assert query.positives == set(boxes) and not query.junk
        for scene, some in boxes.items():
            np.testing.assert_array_equal(query.boxes[scene], some)
            width, height = composed.sizes[scene]
            assert (some >= 0).all() and (some <= [width, height, width, height]).all()
        (example,) = query.examples
        whole = {"temple": "china.jpg", "flower": "flower.jpg"}[query.object]
        assert read_image(example.image).shape == read_image(found[whole]).shape
    assert any(not placed for placed in composed.scenes.values()), "distractors"
    rows = json.loads((tmp_path / "a" / "gt.json").read_text())["images"]
    assert {row["name"]: tuple(row["size"]) for row in rows} == composed.sizes
