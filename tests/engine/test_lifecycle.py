"""Create, open, add, resume: what a collection promises about its pictures and its files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tiles

from blcf import SearchEngine
from blcf.engine import indexing
from blcf.errors import (
    CollectionExists,
    CollectionLocked,
    CollectionNotFound,
    InvalidInput,
    UnreadableImage,
    VocabularyMismatch,
)


@pytest.fixture
def scenes(tmp_path):
    """A folder of twelve pictures."""
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(tmp_path / "scenes" / f"{number:02d}.png", one)
    return tmp_path / "scenes"


def create(path, **changes) -> SearchEngine:
    return SearchEngine.create(path, tiles.TileNetwork(), **{**tiles.SETTINGS, **changes})


def reopen(path) -> SearchEngine:
    return SearchEngine.open(path, network=tiles.TileNetwork())


def rankings(engine, folder) -> list:
    """Names and scores of a search with every picture of a folder."""
    found = []
    for path in sorted(folder.iterdir()):
        hits = engine.search(path, box=(16, 16, 96, 80), expand="local", n_expand=3)
        found.append([(hit.name, round(hit.score, 6), str(hit.box)) for hit in hits])
    return found


def test_open_gives_what_add_left(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    report = engine.add(scenes, progress=False)
    assert (report.n_added, report.n_present, report.skipped) == (12, 0, {})
    assert len(engine) == 12
    opened = reopen(tmp_path / "c.blcf")
    assert rankings(opened, scenes) == rankings(engine, scenes)
    assert opened.search(scenes / "03.png", k=1)[0].name == "03.png"


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


def test_interrupt_commits_what_is_finished(scenes, tmp_path, monkeypatch):
    engine = create(tmp_path / "c.blcf")
    engine.add([scenes / "00.png", scenes / "01.png"], root=scenes, progress=False)
    real, seen = engine.model.encode, []

    def encode(feature_map):
        if len(seen) == 5:
            raise KeyboardInterrupt
        seen.append(1)
        return real(feature_map)

    monkeypatch.setattr(engine.model, "encode", encode)
    with pytest.raises(KeyboardInterrupt):
        engine.add(scenes, progress=False)
    again = reopen(tmp_path / "c.blcf")
    assert len(again) == 7
    assert again.add(scenes, progress=False).n_added == 5


def test_training_sample_survives_an_interrupt(scenes, tmp_path, monkeypatch):
    """A run stopped in k-means does not go through the network again."""
    engine = create(tmp_path / "c.blcf")
    monkeypatch.setattr("blcf.vocabulary.Vocabulary.fit", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.add(scenes, progress=False)
    monkeypatch.undo()
    monkeypatch.setattr("blcf.engine.training._draw_sample", _interrupt)
    again = reopen(tmp_path / "c.blcf")
    assert again.add(scenes, progress=False).n_added == 12
    assert not (tmp_path / "c.blcf" / "training.npz").exists()


def _interrupt(*args, **kwargs):
    raise KeyboardInterrupt


KILLED = """
import sys, time
import tiles
from blcf import SearchEngine
from blcf.engine import indexing
indexing.COMMIT_IMAGES = 2
engine = SearchEngine.open(sys.argv[1], network=tiles.TileNetwork())
encode = engine.model.encode
def slow(feature_map):
    time.sleep(0.05)
    return encode(feature_map)
engine.model.encode = slow
print("adding", flush=True)
engine.add(sys.argv[2], progress=False)
"""


def test_kill_loses_only_the_batch_in_flight(scenes, tmp_path):
    """kill -9 at several instants, then the same command: the ranking of an undisturbed run."""
    path = tmp_path / "c.blcf"
    undisturbed = create(tmp_path / "undisturbed.blcf")
    for engine in (create(path), undisturbed):
        engine.add([scenes / "00.png"], root=scenes, progress=False)  # learns the vocabulary
    undisturbed.add(scenes, progress=False)
    before = 1
    for delay in (0.15, 0.25, 0.35):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(scenes)],
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert process.stdout.readline() == b"adding\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        now = len(reopen(path))
        assert before <= now <= 12
        before = now
    again = reopen(path)
    report = again.add(scenes, progress=False)
    assert report.n_present == before and len(again) == 12
    assert rankings(again, scenes) == rankings(undisturbed, scenes)
    assert not list(path.glob("**/*.tmp"))


def test_commits_are_bounded_in_time_and_number(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr(indexing, "COMMIT_IMAGES", 5)
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    assert [len(segment.names) for segment in engine.collection.segments] == [5, 5, 2]


def test_one_writer(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    other = reopen(tmp_path / "c.blcf")
    with other.collection.writing():
        with pytest.raises(CollectionLocked, match="Another process is writing"):
            engine.add(scenes, progress=False)
    assert engine.add(scenes, progress=False).n_present == 12


def test_readers_keep_their_snapshot(scenes, tmp_path):
    writer = create(tmp_path / "c.blcf")
    writer.add([scenes / f"{i:02d}.png" for i in range(8)], root=scenes, progress=False)
    reader = reopen(tmp_path / "c.blcf")
    before = rankings(reader, scenes)
    writer.add(scenes, progress=False)
    assert len(reader) == 8 and rankings(reader, scenes) == before
    reader.refresh()
    assert len(reader) == 12 and rankings(reader, scenes) == rankings(writer, scenes)


def test_messages(scenes, tmp_path):
    with pytest.raises(InvalidInput, match="no option 'sied' here. Did you mean 'side'"):
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
    with pytest.raises(InvalidInput, match="no option 'reranking' here. Did you mean 'rerank'"):
        engine.search(scenes / "00.png", reranking=True)
    with pytest.raises(InvalidInput, match="Expected k to be 1 or more"):
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
