"""From what a person points at to a query: regions, frames, sizes, mirrors, several examples."""

from __future__ import annotations

import logging
import subprocess
import sys

import numpy as np
import pytest
import tiles
from PIL import Image
from planted import ONE_SIZE

from blcf.boxes import iou
from blcf.errors import InvalidInput, UnreadableImage
from blcf.rerank import Voting
from blcf.searching.options import SearchOptions
from blcf.searching.queries import Example
from blcf.searching.views import query_sides

WHOLE_PIXELS = [(32, 32, 96, 96), (0, 0, 128, 128), (0, 17, 128, 18)]
WHOLE_PIXELS += [(111, 0, 128, 47), (3, 5, 4, 6)]
FRACTIONS = [(0.5, 30.25, 47.75, 128), (15.999, 16.001, 32.001, 31.999), (127.5, 0, 128, 0.5)]


def corners(box):
    x1, y1, x2, y2 = box
    return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]


def mask_of(box):
    x1, y1, x2, y2 = box
    mask = np.zeros((128, 128), dtype=bool)
    mask[y1:y2, x1:x2] = True
    return mask


def rows(hits):
    return hits.names, hits.scores.tolist(), hits.ids.tolist(), hits.boxes.tolist()


@pytest.mark.parametrize("windows", ["votes", "grid"])
@pytest.mark.parametrize("box", WHOLE_PIXELS + FRACTIONS)
def test_a_polygon_or_a_mask_equal_to_a_box(planted, box, windows):
    engine = planted.engine(weighting="norm")
    expected = engine.search(planted.path(0), box=box, windows=windows, k=12)
    polygon = engine.search(planted.path(0), polygon=corners(box), windows=windows, k=12)
    assert rows(polygon) == rows(expected)
    assert polygon.query_box.tolist() == expected.query_box.tolist()
    if box in WHOLE_PIXELS:
        mask = engine.search(planted.path(0), mask=mask_of(box), windows=windows, k=12)
        assert rows(mask) == rows(expected)
        assert mask.query_box.tolist() == expected.query_box.tolist()


def test_a_mask_of_a_file_is_that_of_its_array(planted, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(0, 256, (128, 128)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "mask.png")
    engine = planted.engine()
    for how in ("hard", "soft", "distance"):
        options = {"how": how, "windows": "grid", **ONE_SIZE}
        of_file = engine.search(planted.path(0), mask=tmp_path / "mask.png", **options)
        assert rows(of_file) == rows(engine.search(planted.path(0), mask=values, **options))


@pytest.mark.parametrize("how", ["soft", "distance"])
@pytest.mark.parametrize("with_frame", [False, True])
def test_how_weighs(planted, how, with_frame):
    """Half of two cells and one whole: what each counts."""
    engine = planted.engine(idf=False)
    picture = {"frame": "00.png"} if with_frame else {"image": planted.path(0)}
    polygon = [(0, 0), (16, 0), (32, 16), (32, 32), (16, 32), (16, 16)]
    region = {"polygon": polygon, "how": how, **ONE_SIZE}
    (query,) = engine.search(**picture, **region).asked.queries
    (view,) = query.views
    if how == "soft":
        assert view.weights[:2, :2].tolist() == [[0.5, 0.5], [0, 1]]
        assert np.count_nonzero(view.weights) == 3
    else:
        farthest = np.hypot(6, 6)
        next_to_it = np.rint(8 * (1 - 1 / farthest)) / 8
        assert view.weights[:2, :2].tolist() == [[1, 1], [next_to_it, 1]]
        assert view.weights[7, 7] == 0 and np.count_nonzero(view.weights) > 40
    tf = np.bincount(view.assignment_map.ravel(), view.weights.ravel(), tiles.N_COLOURS)
    np.testing.assert_array_equal(view.bag.toarray()[0], tf)
    hard = engine.search(**picture, polygon=polygon, **ONE_SIZE)
    assert hard.scores.tolist() != engine.search(**picture, **region).scores.tolist()


def others(hits, name):
    """Name, score and box of each hit but one."""
    return [row for row in zip(*rows(hits)) if row[0] != name]


@pytest.mark.parametrize("box", [None, (16, 16, 96, 80)])
@pytest.mark.parametrize("windows", ["grid", "votes"])
def test_a_frame_is_its_picture(planted, box, windows):
    engine = planted.engine()
    options = {"box": box, "windows": windows, **ONE_SIZE}
    picture = engine.search(planted.path(3), **options)
    by_name = engine.search(frame="03.png", **options)
    by_path = engine.search(frame=planted.path(3), **options)
    assert rows(by_name) == rows(by_path)
    assert others(by_name, "03.png") == others(picture, "03.png")
    own = by_name.names.index("03.png")  # its own region is compared with it as well
    assert by_name.scores[own] >= picture.scores[picture.names.index("03.png")]
    assert by_name.query == by_path.query == picture.query
    # Norms are kept in 255 steps: an eighth more or less here and there.
    engine = planted.engine(weighting="norm")
    kept = engine.search(frame="03.png", **options)
    picture = engine.search(planted.path(3), **options)
    scores = [dict(zip(hits.names, hits.scores.tolist())) for hits in (kept, picture)]
    assert {**scores[0], "03.png": 0} == pytest.approx({**scores[1], "03.png": 0}, abs=0.02)
    if box is None:
        whole = engine.search(frame="03.png", rerank=False, **ONE_SIZE)
        assert whole[0].name == "03.png" and whole[0].score == pytest.approx(1, abs=1e-6)


def test_a_frame_needs_no_network(planted):
    """Neither the module nor torch itself, whose import takes seconds."""
    code = """
import sys
from blcf import SearchEngine
engine = SearchEngine.open(sys.argv[1])
for windows in ("votes", "grid", "all", "coarse"):
    hits = engine.search(frame="03.png", windows=windows)
    assert len(hits) == 12 and hits[0].evidence().score > 0.9
    engine.search(frame="03.png", windows=windows, expand="local", guard="none")
assert "torch" not in sys.modules, "torch was loaded"
print("found")
try:
    engine.search(hits.paths[0])
except Exception as error:
    print(error)
"""
    path = planted.engine().collection.path
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("found\n") and "your own module TileNetwork" in done.stdout


def test_sizes_are_looked_at_once_and_within_limits(planted):
    def sides(*scales, side=None):
        return query_sides(128, SearchOptions(query_scales=scales, query_side=side))

    assert sides(1, 0.5, 0.7, 1.4) == [128, 64, 90, 179]
    assert sides(1, 1.001, 0.999) == [128], "sizes that are the same in pixels"
    assert sides(0.1, 0.2, 0.25) == [32], "at least 32"
    assert sides(4, 1, 2, side=8000) == [8192, 8000]
    assert sides(2, side=100) == [200]
    query = planted.engine().describe(planted.path(0), scales=(1, 1.001, 0.1, 0.2, 2))
    assert [view.assignment_map.shape for view in query.views] == [(8, 8), (2, 2), (16, 16)]
    once = planted.engine().search(planted.path(0), windows="grid", **ONE_SIZE)
    twice = planted.engine().search(
        planted.path(0), windows="grid", k=12, query_scales=[1, 1, 1.001]
    )
    assert rows(twice) == rows(once)


def test_flip_finds_a_mirrored_object(planted, tmp_path):
    """Words of tiles are the same in a mirror; that they lie mirrored is seen by votes."""
    scene = np.random.default_rng(1).integers(8, tiles.N_COLOURS, (8, 8))
    scene[2:6, 3:7] = planted.object[:, ::-1]
    engine = tiles.create(tmp_path / "c.blcf")
    tiles.save(tmp_path / "scenes" / "mirrored.png", scene)
    for number in range(6, 12):
        tiles.save(tmp_path / "scenes" / f"{number}.png", planted.maps[number])
    engine.add(tmp_path / "scenes", progress=False)
    box, place = planted.box, np.array([[3, 2, 7, 6]]) * tiles.TILE
    for region in ({"box": box}, {"polygon": corners(box)}, {"mask": mask_of(box)}):
        hits = engine.search(planted.picture, query_flip=True, **region, **ONE_SIZE)
        assert hits[0].name == "mirrored.png"
        # Centroids of so few tiles are all alike: equal words alone.
        voting = Voting(engine.model.n_words)
        found = [
            voting.locate(voting.prepare(query), engine.collection.words(6), (128, 128))
            for query in hits.asked.queries
        ]
        assert found[0].scores[0] < found[1].scores[0]
        assert iou(found[1].boxes, place)[0, 0] > 0.7
        assert [query.box.tolist() for query in hits.asked.queries] == 2 * [list(box)]
        assert np.array_equal(hits.asked.pictures[1], planted.picture[:, ::-1])


def test_a_region_is_mirrored_with_its_picture(planted):
    engine = planted.engine()
    picture = tiles.paint(planted.maps[0])
    regions = [
        {"box": (10, 3, 50.5, 40)},
        {"polygon": [(10, 3), (50.5, 3), (30, 40)]},
        {"mask": np.random.default_rng(2).random((128, 128)), "how": "soft"},
        {"box": (-20, -5, 40, 40)},
    ]
    for region in regions:
        hits = engine.search(picture, query_flip=True, **region, **ONE_SIZE)
        first, second = hits.asked.queries
        np.testing.assert_array_equal(first.views[0].weights, second.views[0].weights[:, ::-1])
        np.testing.assert_array_equal(first.bag.toarray(), second.bag.toarray())
        x1, y1, x2, y2 = first.box
        np.testing.assert_allclose(second.box, (128 - x2, y1, 128 - x1, y2), rtol=1e-6)


def test_a_box_that_sticks_out_is_logged_once(planted, caplog):
    with caplog.at_level(logging.WARNING, logger="blcf.boxes"):
        planted.engine().search(planted.path(0), box=(-5, 0, 50, 50), query_flip=True)
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "a picture or a frame .* got neither"),
        ({"negatives": [Example(frame="00.png")]}, "a picture or a frame .* got neither"),
        ({"image": "a.png", "frame": "00.png"}, "a picture or a frame .* got both"),
        ({"box": (0, 0, 9, 9)}, "a picture or a frame .* got neither"),
        ({"box": (0, 0, 9, 9), "examples": [Example(frame="00.png")]}, "that the box, polygon or"),
        ({"examples": ["00.png"]}, "Expected examples .*Example, got str"),
        ({"frame": "00.png", "negatives": "01.png"}, "Expected examples .*Example, got str"),
        ({"frame": 5}, "Expected frame to be a name or a path, got 5"),
        ({"frame": ["00.png", "01.png"]}, "Expected frame to be a name or a path"),
        ({"frame": "0.png"}, "it holds no '0.png'.* Did you mean '.0.png'"),
        ({"image": 5}, "Expected a picture: a path, .* got int"),
        ({"image": np.zeros(5, np.uint8)}, r"Expected a picture .* got uint8 \(5,\)"),
        ({"image": np.zeros((64, 64, 3))}, r"Expected a picture .* got float64 \(64, 64, 3\)"),
        ({"frame": "00.png", "how": "softly"}, "got 'softly'. Did you mean 'soft'"),
        ({"frame": "00.png", "box": (0, 0, 9, 9), "polygon": [(0, 0), (9, 0), (9, 9)]}, "one of"),
        ({"frame": "00.png", "box": (200, 0, 300, 9)}, "lies outside"),
        ({"frame": "00.png", "mask": np.ones((64, 64), bool)}, "128x128 pixels, got one of 64x64"),
        ({"frame": "00.png", "mask": np.zeros((128, 128), bool)}, "selects at least one pixel"),
    ],
)
def test_what_is_no_query(planted, given, message):
    with pytest.raises(InvalidInput, match=message):
        planted.engine().search(**given)


def test_what_cannot_be_read(planted, tmp_path):
    with pytest.raises(UnreadableImage, match="no such file"):
        planted.engine().search(frame="00.png", mask=tmp_path / "none.png")
    with pytest.raises(InvalidInput, match="Expected query_scales to be numbers from 0.1 to 4"):
        planted.engine().describe(planted.path(0), scales=1.0)


def test_an_object_in_the_dark_counts_by_its_own_norms(planted, monkeypatch):
    """Beside the brightest cell all of the object's would round to nothing."""
    engine = planted.engine(weighting="norm")
    encode = engine.model.encode

    def dark(feature_map, needed):
        words, norms = encode(feature_map)
        norms = np.full_like(norms, 0.5)
        norms[0, 0] = 100
        norms[2, 2] = 1
        return words, norms

    monkeypatch.setattr(engine.model, "encode", dark)
    (view,) = engine.describe(planted.picture, planted.box).views
    assert view.weights[2, 2] == 1 and view.weights[3, 3] == 0.5 and view.weights[0, 0] == 0
    np.testing.assert_allclose(view.bag.sum(), view.weights.sum())
