"""Create, open, add: what a collection promises about its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiles
from tiles import create, rankings, reopen

from blcf import SearchEngine
from blcf.errors import (
    CollectionExists,
    CollectionNotFound,
    InvalidInput,
    UnreadableImage,
    VocabularyMismatch,
)


def test_open_gives_what_add_left(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    report = engine.add(scenes, progress=False)
    assert (report.n_added, report.n_present, report.skipped) == (12, 0, {})
    assert len(engine) == 12
    opened = reopen(tmp_path / "c.blcf")
    assert rankings(opened, scenes) == rankings(engine, scenes)
    hits = opened.search(scenes / "03.png", k=1, query_scales=(1,), rerank=False)
    assert hits.names == ["03.png"]


def test_adding_again_adds_nothing(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    report = engine.add(scenes, progress=False)
    assert (report.n_added, report.n_present) == (0, 12)


def test_adding_in_parts_ranks_like_adding_at_once(scenes, tmp_path):
    """The vocabulary comes from the first part; here the words are the tiles all the same."""
    parts = create(tmp_path / "parts.blcf")
    parts.add([scenes / f"{i:02d}.png" for i in range(8)], root=scenes, progress=False)
    parts.add([scenes / f"{i:02d}.png" for i in range(8, 12)], root=scenes, progress=False)
    assert len(parts.collection.segments) == 2
    whole = create(tmp_path / "whole.blcf")
    whole.add(scenes, progress=False)
    assert rankings(parts, scenes) == rankings(whole, scenes)


def test_bad_pictures_are_skipped_and_named(scenes, tmp_path):
    (scenes / "empty.jpg").write_bytes(b"")
    (scenes / "text.png").write_text("no picture")
    engine = create(tmp_path / "c.blcf")
    report = engine.add(scenes, progress=False)
    assert report.n_added == 12
    assert sorted(report.skipped) == ["empty.jpg", "text.png"]
    assert "empty" in report.skipped["empty.jpg"]
    assert engine.collection.skipped() == report.skipped
    # A picture that was mended is added by the next run, and leaves the list.
    tiles.save(scenes / "text.png", np.full((8, 8), 3))
    report = engine.add(scenes, progress=False)
    assert (report.n_added, report.n_present) == (1, 12)
    assert list(engine.collection.skipped()) == ["empty.jpg"]


def test_nothing_but_bad_pictures(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"no picture")
    engine = create(tmp_path / "c.blcf")
    with pytest.raises(InvalidInput, match="None of 1 pictures .* could be read"):
        engine.add(tmp_path / "bad", progress=False)
    with pytest.raises(InvalidInput, match="holds no pictures yet"):
        engine.search(np.zeros((64, 64, 3), dtype=np.uint8))


def test_one_name_for_two_pictures(scenes, tmp_path):
    """Two folders with equal names: refused, not silently taken for the same picture."""
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    tiles.save(tmp_path / "other" / "00.png", np.full((8, 8), 3))
    with pytest.raises(InvalidInput, match="already holds '00.png'.*common parent"):
        engine.add(tmp_path / "other", progress=False)
    scenes.rename(tmp_path / "moved")  # the same pictures elsewhere are the same pictures
    assert engine.add(tmp_path / "moved", progress=False).n_present == 12


def test_the_folder_above_adds_no_picture_twice(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    tiles.save(tmp_path / "more" / "00.png", np.full((8, 8), 3))
    (tmp_path / "all").mkdir()
    scenes.rename(tmp_path / "all" / "scenes")
    (tmp_path / "more").rename(tmp_path / "all" / "more")
    inside = create(tmp_path / "d.blcf")
    inside.add(tmp_path / "all" / "scenes", progress=False)
    report = inside.add(tmp_path / "all", progress=False)
    assert (report.n_added, report.n_present) == (1, 12)
    assert sorted(inside.collection.names())[-1] == "more/00.png"


def test_moved_pictures_are_found_again(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    scenes.rename(tmp_path / "moved")
    engine.add(tmp_path / "moved", progress=False)
    opened = reopen(tmp_path / "c.blcf")
    hits = opened.search(tmp_path / "moved" / "03.png", k=2, query_scales=(1,), rerank=False)
    assert [path.parent.name for path in hits.paths] == ["moved", "moved"]
    assert all(path.exists() for path in hits.paths)
    assert [hit.name for hit in hits[:1]] == ["03.png"] and hits[:1].paths == hits.paths[:1]


def test_a_picture_that_the_network_cannot_take_is_skipped(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    real = engine.model.extractor._run

    def run(images):
        if any((image == image[0, 0]).all() for image in images):
            raise InvalidInput("no plain pictures")
        return real(images)

    engine.model.extractor._run = run
    tiles.save(scenes / "04 plain.png", np.full((8, 8), 3))
    report = engine.add(scenes, progress=False)
    assert report.n_added == 12 and report.skipped == {"04 plain.png": "no plain pictures"}


def test_what_is_gone_leaves_the_list_of_skipped(scenes, tmp_path):
    (scenes / "bad.jpg").write_bytes(b"")
    (scenes / "link.jpg").symlink_to(scenes / "nowhere.jpg")
    engine = create(tmp_path / "c.blcf")
    assert sorted(engine.add(scenes, progress=False).skipped) == ["bad.jpg", "link.jpg"]
    (scenes / "bad.jpg").unlink()
    assert sorted(engine.add(scenes, progress=False).skipped) == ["link.jpg"]
    assert sorted(engine.collection.skipped()) == ["link.jpg"]
    tiles.save(tmp_path / "others" / "a.png", np.full((8, 8), 9))
    (tmp_path / "others" / "link.jpg").write_bytes(b"")
    engine.add(tmp_path / "others", progress=False)
    report = (tmp_path / "c.blcf" / "errors.jsonl").read_text()
    assert report.count("link.jpg") == 4, "another folder's pictures stay on the list"


def test_few_readable_pictures_among_many(scenes, tmp_path):
    """The size of an automatic vocabulary follows what can be read."""
    for number in range(300):
        (scenes / f"bad {number}.png").write_bytes(b"no picture")
    engine = create(tmp_path / "c.blcf", n_words="auto")
    report = engine.add(scenes, progress=False)
    assert report.n_added == 12 and len(report.skipped) == 300
    assert engine.model.n_words == 24  # of 12 pictures of 64 cells; a word for 20 would be 38


def test_expansion_wants_its_hits_however_few_are_shown(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    for expand in ("local", "global"):
        options = {"expand": expand, "n_expand": 8, "depth": 3}
        few = engine.search(scenes / "00.png", k=1, **options)
        many = engine.search(scenes / "00.png", k=12, **options)
        assert few[0].score == many[0].score and len(few) == 1 and len(many) == 12
        assert (np.diff(many.scores) <= 0).all()


def test_one_picture_is_found_without_idf(scenes, tmp_path, caplog):
    caplog.set_level("INFO", "blcf")
    engine = create(tmp_path / "c.blcf", idf=True, n_words=20)  # of 23 colours
    engine.add([scenes / "00.png"], root=scenes, progress=False)
    (hit,) = engine.search(scenes / "00.png", query_scales=(1,))
    assert hit.score == pytest.approx(1, abs=1e-3), "idf would make all scores 0"
    assert "idf is left off" in caplog.text


def test_messages(scenes, tmp_path):
    with pytest.raises(TypeError, match="unexpected keyword argument 'sied'"):
        create(tmp_path / "x.blcf", sied=3)
    assert not (tmp_path / "x.blcf").exists(), "nothing is made for a mistake"
    with pytest.raises(CollectionExists, match="not an empty folder"):
        create(scenes)
    with pytest.raises(CollectionNotFound, match="No collection at"):
        SearchEngine.open(tmp_path / "nowhere")
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    with pytest.raises(InvalidInput, match="your own module TileNetwork"):
        SearchEngine.open(tmp_path / "c.blcf").search(scenes / "00.png")
    other = tiles.TileNetwork()
    other.mix.bias.data += 1
    with pytest.raises(VocabularyMismatch, match="was made with weights_digest"):
        SearchEngine.open(tmp_path / "c.blcf", network=other).search(scenes / "00.png")
    with pytest.raises(TypeError, match="unexpected keyword argument 'reranking'"):
        engine.search(scenes / "00.png", reranking=True)
    with pytest.raises(InvalidInput, match="Expected k to be an integer from 1"):
        engine.search(scenes / "00.png", k=0)
    with pytest.raises(UnreadableImage, match="no such file"):
        engine.search(Path("nowhere.jpg"))
    with pytest.raises(InvalidInput, match="lies outside"):
        engine.search(scenes / "00.png", box=(200, 200, 300, 300))


def test_the_same_seed_gives_the_same_collection(scenes, tmp_path):
    digests = set()
    for name in ("a.blcf", "b.blcf"):
        engine = create(tmp_path / name, random_state=3)
        engine.add(scenes, progress=False)
        digests.add(engine.model.vocabulary.digest_)
    assert len(digests) == 1
