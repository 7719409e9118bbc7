"""Boxes refined by keypoints: outlines, pictures that are gone, and every way to search."""

from __future__ import annotations

import json
import logging
import pickle
import sys

import footage
import numpy as np
import oracle_places
import pytest
import tiles
from PIL import Image
from textures import blobs, pasted

from blcf import Example
from blcf.distributed import split
from blcf.errors import BlcfError
from blcf.exporting import coco_of
from blcf.images.room import Room
from blcf.records import Ranking
from blcf.rerank import Outline, keypoints_in
from blcf.searching.options import SearchOptions
from blcf.searching.refining import CREDIT, credited

pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'blcf[verify]'")

# Where the object's corners are, scene by scene; in the last there is another.
CORNERS = [
    [(60, 40), (260, 50), (250, 220), (50, 200)],
    [(200, 120), (380, 100), (400, 280), (190, 260)],
    [(150, 80), (340, 110), (330, 260), (160, 250)],
]
KEYPOINTS = {"refine": "keypoints", "query_scales": (1,)}


@pytest.fixture
def scenes(tmp_path):
    """A collection of four scenes, and the query's picture and box."""
    grounds = [blobs(20 + number, (420, 320)) for number in range(4)]
    for number, ground in enumerate(grounds):
        shown = blobs(1) if number < 3 else blobs(2)
        corners = CORNERS[number % 3]
        path = tmp_path / "scenes" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pasted(ground, shown, corners)).save(path)
    engine = tiles.create(tmp_path / "c.blcf", side=420)
    engine.add(tmp_path / "scenes", progress=False)
    query = np.zeros((300, 400, 3), dtype=np.uint8)
    query[50:242, 70:326] = blobs(1)
    return engine, query, (70, 50, 326, 242)


def scene_of(hit):
    return int(hit.name[0])


def check(hits, corners=(0, 1, 2, 3)):
    """How many outlines there are; they are where the object is; the box is around."""
    seen = 0
    for row, hit in enumerate(hits):
        if hit.outline is None:
            continue
        seen += 1
        expected = np.array(CORNERS[scene_of(hit)])[list(corners)]
        np.testing.assert_allclose(hit.outline, expected, atol=3)
        assert hit.outline.dtype == np.float32 and hit.outline.shape == (4, 2)
        around = [*hit.outline.min(axis=0), *hit.outline.max(axis=0)]
        np.testing.assert_allclose(hit.box, around, rtol=1e-6)
        assert np.array_equal(hits.boxes[row], hit.box) and np.array_equal(hit.boxes[0], hit.box)
        assert hits.to_dicts()[row]["outline"] == hit.outline.astype(float).round(1).tolist()
    return seen


def test_boxes_are_those_of_the_outlines(scenes):
    engine, query, box = scenes
    plain = engine.search(query, box, query_scales=(1,))
    hits = engine.search(query, box, **KEYPOINTS)
    assert check(hits) == 3
    before = {hit.name: hit for hit in plain}
    assert hits.names[3] == "3.png"
    largest = before["3.png"].score / hits[3].score  # before scores were divided by it
    assert largest == pytest.approx(1) or (largest > 1 and hits[0].score == 1)
    for hit in hits[:3]:
        assert largest * hit.score > before[hit.name].score + CREDIT * np.log(9) - 1e-6
        assert hit.confidence == before[hit.name].confidence
    assert (np.diff(hits.scores) <= 0).all()
    assert hits[3].outline is None and np.array_equal(hits[3].box, before["3.png"].box)
    assert "outline" not in hits.to_dicts()[3]
    assert hits[3].confidence == before["3.png"].confidence
    assert not any("outline" in one for one in plain.to_dicts())
    for hit in hits:
        assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)
    again = pickle.loads(pickle.dumps(hits))
    assert np.array_equal(again[0].outline, hits[0].outline)
    (many,) = engine.search_many([Example(query, box)], progress=False, **KEYPOINTS)
    assert check(many) == 3 and np.array_equal(many.boxes, hits.boxes)


@pytest.mark.parametrize("seed", range(20))
def test_what_agrees_counts(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 9))
    scores = np.sort(rng.integers(0, 5, n).astype(np.float32) / 4)[::-1].copy()
    ids = rng.permutation(n).astype(np.int64)
    ranking = Ranking([f"{i}" for i in ids], scores, ids, rng.random((n, 4)).astype(np.float32))
    found = {
        int(i): Outline(np.zeros((4, 2)), np.full(4, i, np.float32), int(rng.integers(8, 99)))
        for i in ids
        if rng.random() < 0.4
    }
    ordered, order = credited(ranking, found)
    agree = {one: outline.n_inliers for one, outline in found.items()}
    expected = oracle_places.credited(ids.tolist(), scores.tolist(), agree, CREDIT)
    assert ordered.ids.tolist() == [one for one, _ in expected]
    np.testing.assert_allclose(ordered.scores, [score for _, score in expected], rtol=1e-6)
    assert ordered.scores.dtype == np.float32 and (ordered.scores <= 1).all()
    assert ordered.names == [ranking.names[row] for row in order]
    for row, hit in enumerate(ordered.ids.tolist()):
        box = found[hit].box if hit in found else ranking.boxes[order[row]]
        assert np.array_equal(ordered.boxes[row], box)


@pytest.mark.parametrize("n_refine", [1, 2])
def test_the_first_hits_alone(scenes, n_refine):
    engine, query, box = scenes
    hits = engine.search(query, box, n_refine=n_refine, **KEYPOINTS)
    assert check(hits) == n_refine and hits[0].outline is not None
    assert check(engine.search(query, box, rerank=False, **KEYPOINTS)) == 0
    for k in (1, 3):
        few, every = (engine.search(query, box, k=one, **KEYPOINTS) for one in (k, 9))
        assert len(few) == check(few) == k and few.names == every.names[:k]
        assert np.array_equal(few.scores, every.scores[:k])


@pytest.mark.parametrize("fusion", ["average", "max"])
def test_of_several_examples_that_which_agrees_most_counts(scenes, fusion):
    engine, query, box = scenes
    other = Example(np.ascontiguousarray(query[:, ::-1]))
    hits = engine.search(query, box, examples=[other], fusion=fusion, **KEYPOINTS)
    assert check(hits) == 3
    mirrored = np.ascontiguousarray(query[:, ::-1])
    box = (400 - box[2], box[1], 400 - box[0], box[3])
    assert check(engine.search(mirrored, box, **KEYPOINTS)) == 0
    flipped = engine.search(mirrored, box, query_flip=True, **KEYPOINTS)
    # Where the top left corner of the box that was drawn is: the top right one of the object.
    assert check(flipped, corners=(1, 0, 3, 2)) == 3


def test_a_picture_of_the_collection_as_the_query(scenes):
    engine, _, _ = scenes
    hits = engine.search(frame="0.png", box=(50, 40, 260, 220), **KEYPOINTS)
    by_name = {hit.name: hit for hit in hits}
    assert hits.scores[0] == 1 and 0 < hits.scores[3] < 0.9, "its own cosine is 1 before"
    own = by_name["0.png"].outline
    np.testing.assert_allclose(own, [(50, 40), (260, 40), (260, 220), (50, 220)], atol=0.5)
    assert by_name["1.png"].outline is not None and by_name["3.png"].outline is None


def test_pictures_that_are_gone_or_others_keep_their_boxes(scenes, tmp_path, caplog):
    engine, query, box = scenes
    plain = {hit.name: hit.box for hit in engine.search(query, box, query_scales=(1,))}
    (tmp_path / "scenes" / "0.png").unlink()
    Image.fromarray(query).save(tmp_path / "scenes" / "1.png")  # of another size
    with caplog.at_level(logging.WARNING):
        hits = engine.search(query, box, **KEYPOINTS)
    assert check(hits) == 1
    said = [one.getMessage() for one in caplog.records]
    assert len(said) == 1 and "the boxes of 2 hits were not refined: their pictures" in said[0]
    for hit in hits:
        assert hit.outline is not None or np.array_equal(hit.box, plain[hit.name])
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        gone = engine.search(frame="0.png", **KEYPOINTS)
        known = engine.describe(query, box)
        bare = engine.search_query(known, SearchOptions(refine="keypoints"))
    assert check(gone) == check(bare) == 0
    said = [one.getMessage() for one in caplog.records]
    assert len(said) == 2 and all("the pixels of the query are not known" in one for one in said)


def test_room_for_a_picture_is_held_while_keypoints_are_found(scenes, monkeypatch):
    engine, query, box = scenes
    room, seen = Room(1), []  # each is too large for it, and there alone

    def keypoints(pixels, part):
        seen.append(room._held)
        return keypoints_in(pixels, part)

    monkeypatch.setattr("blcf.images.reading._ROOM", room)
    monkeypatch.setattr("blcf.searching.refining.keypoints_in", keypoints)
    assert check(engine.search(query, box, **KEYPOINTS)) == 3
    assert seen == [1] * 4 and room._held == 0


def test_pictures_with_names_of_ones_own(scenes, tmp_path):
    _, query, box = scenes
    given = {f"{n}-x": np.asarray(Image.open(tmp_path / "scenes" / f"{n}.png")) for n in range(4)}
    engine = tiles.create(tmp_path / "given.blcf", side=420)
    engine.add(given, progress=False)
    assert check(engine.search(query, box, **KEYPOINTS)) == 3
    again = tiles.reopen(tmp_path / "given.blcf")
    assert check(again.search(query, box, **KEYPOINTS)) == 0
    again.attach(given)
    assert check(again.search(query, box, **KEYPOINTS)) == 3


def test_an_evaluation_measures_the_refined_boxes(scenes, tmp_path):
    engine, query, box = scenes
    Image.fromarray(query).save(tmp_path / "query.png")
    boxes = {
        f"{n}.png": [[float(v) for v in (*np.min(one, axis=0), *np.max(one, axis=0))]]
        for n, one in enumerate(CORNERS)
    }
    truth = {
        "queries": [
            {
                "query": "query.png",
                "object": "blobs",
                "box": list(box),
                "positives": list(boxes),
                "junk": [],
                "boxes": boxes,
            }
        ],
        "images": [{"name": f"{n}.png", "size": [420, 320]} for n in range(4)],
    }
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    how = {"queries": "box", "progress": False, "query_scales": (1,)}
    (plain,) = engine.evaluate(tmp_path / "gt.json", **how)
    (refined,) = engine.evaluate(tmp_path / "gt.json", refine="keypoints", **how)
    assert refined.to_dict()["mean_iou"] > 0.95 > plain.to_dict()["mean_iou"]


def test_drawings_and_files_show_outlines(scenes, tmp_path):
    engine, query, box = scenes
    plain = engine.search(query, box, query_scales=(1,))
    hits = engine.search(query, box, **KEYPOINTS)
    assert hits._repr_html_() != plain._repr_html_()
    for hits_, name in ((hits, "a.png"), (plain, "b.png")):
        hits_.plot(tmp_path / name)
        hits_.sheet(tmp_path / f"sheet-{name}")
    for name in ("{}", "sheet-{}"):
        one, other = (np.asarray(Image.open(tmp_path / name.format(f))) for f in ("a.png", "b.png"))
        assert (one != other).any()


def test_opencv_is_missing(scenes, monkeypatch):
    engine, query, box = scenes
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(BlcfError, match=r"Keypoints need OpenCV: pip install 'blcf\[verify\]'"):
        engine.search(query, box, **KEYPOINTS)
    assert check(engine.search(query, box, query_scales=(1,))) == 0


def test_shards_are_refined_as_one_collection_is(scenes, tmp_path):
    engine, query, box = scenes
    split(engine.path, tmp_path / "shards", 2, progress=False)
    with tiles.reopen(tmp_path / "shards") as sharded:
        hits = sharded.search(query, box, **KEYPOINTS)
        expected = engine.search(query, box, **KEYPOINTS)
        assert check(hits) == 3 and hits.names == expected.names
        np.testing.assert_allclose(hits.boxes, expected.boxes, atol=1e-3)


def test_coco_has_outlines(scenes):
    engine, query, box = scenes
    hits = engine.search(query, box, **KEYPOINTS)
    rows = coco_of([("blobs", hits)])["annotations"]
    assert len(rows) == 4 and sum("segmentation" in row for row in rows) == 3
    outline = hits[0].outline.ravel().tolist()
    np.testing.assert_allclose(rows[0]["segmentation"], [outline], atol=0.01)


def test_frames_of_a_film_are_refined(scenes, tmp_path, caplog):
    pytest.importorskip("av", reason="films need PyAV: pip install 'blcf[video]'")
    _, query, box = scenes
    shown = [np.asarray(Image.open(tmp_path / "scenes" / f"{n}.png")) for n in range(4)]
    film = footage.write_film(tmp_path / "f.mp4", [one for one in shown for _ in range(25)])
    engine = tiles.create(tmp_path / "film.blcf", side=420)
    engine.add(film, every=1, progress=False)
    hits = engine.search(query, box, **KEYPOINTS)
    assert len(hits) == 4 and sum(hit.outline is not None for hit in hits) == 3
    for hit in hits[:3]:
        np.testing.assert_allclose(hit.outline, CORNERS[round(hit.time)], atol=4)
    film.unlink()
    with caplog.at_level(logging.WARNING):
        hits = engine.search(query, box, **KEYPOINTS)
    assert not any(hit.outline is not None for hit in hits)
    assert "the boxes of 4 hits were not refined" in caplog.text
