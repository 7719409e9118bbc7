"""Interrupts, kills, several processes, damage: what is committed is there, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import tiles
from tiles import create, rankings, reopen

from blcf import SearchOptions
from blcf.adding import indexer
from blcf.adding.stream import stream_pictures
from blcf.collection import check_collection
from blcf.errors import CollectionLocked, FormatError, VocabularyMismatch
from blcf.index.blocks import SUMS, sums_of


def test_a_damaged_segment_is_no_crash(scenes, tmp_path):
    """Posting lists that would lead a kernel astray, and a segment of another collection."""
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    path = tmp_path / "c.blcf" / "segments" / "00000001.h5"
    whole = path.read_bytes()
    other = create(tmp_path / "d.blcf", random_state=1)
    other.add(scenes, progress=False)
    path.write_bytes((tmp_path / "d.blcf" / "segments" / "00000001.h5").read_bytes())
    with pytest.raises(VocabularyMismatch, match="was made with"):
        reopen(tmp_path / "c.blcf")
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file["postings/image_ids"][5] = 60_000
    with pytest.raises(FormatError, match="its postings/image_ids are not as they were written"):
        reopen(tmp_path / "c.blcf").search(scenes / "00.png")
    with h5py.File(path, "r+") as file:
        file[SUMS][...] = sums_of(file)  # damaged before they were taken
    assert len(reopen(tmp_path / "c.blcf").search(scenes / "00.png")) == 12
    (damage,) = check_collection(tmp_path / "c.blcf").damages
    assert damage.file == "segments/00000001.h5" and damage.n_images == 12
    with h5py.File(path, "r+") as file:
        file["postings/word_indptr"][5] = 2**30
        file[SUMS][...] = sums_of(file)
    with pytest.raises(FormatError, match="its posting lists do not fit together"):
        reopen(tmp_path / "c.blcf").search(scenes / "00.png")


def test_searching_while_adding_is_followed_by_a_fresh_search(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf", n_words=20)  # of 23 colours
    engine.add([scenes / "00.png"], root=scenes, progress=False)
    real, calls = engine.model.encode_many, []

    def encode_many(feature_maps):
        calls.append(len(feature_maps))
        assert len(engine.searcher.search(query, SearchOptions())) == 1
        return real(feature_maps)

    query = engine.describe(scenes / "00.png")
    engine.model.encode_many = encode_many
    engine.add(scenes, progress=False)
    assert sum(calls) == 11
    assert len(engine.searcher.search(query, SearchOptions())) == len(engine) == 12


def test_interrupt_commits_what_is_finished(scenes, tmp_path, monkeypatch):
    engine = create(tmp_path / "c.blcf")
    engine.add([scenes / "00.png", scenes / "01.png"], root=scenes, progress=False)
    engine.model.extractor.batch_size = 3
    real, seen = engine.model.encode_many, []

    def encode_many(feature_maps):
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(len(feature_maps))
        return real(feature_maps)

    monkeypatch.setattr(engine.model, "encode_many", encode_many)
    monkeypatch.setattr("blcf.features.part.NetworkPart.n_at_once", 1)  # calls are counted
    with pytest.raises(KeyboardInterrupt):
        engine.add(scenes, progress=False)
    again = reopen(tmp_path / "c.blcf")
    assert seen == [3, 3] and len(again) == 2 + 6
    assert again.add(scenes, progress=False).n_added == 4


def test_training_sample_survives_an_interrupt(scenes, tmp_path, monkeypatch):
    """A run stopped in k-means does not go through the network again."""
    engine = create(tmp_path / "c.blcf")
    monkeypatch.setattr("blcf.vocabulary.Vocabulary.fit", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.add(scenes, progress=False)
    monkeypatch.undo()
    monkeypatch.setattr("blcf.adding.sample.stream_pictures", _interrupt)
    again = reopen(tmp_path / "c.blcf")
    assert again.add(scenes, progress=False).n_added == 12
    assert not (tmp_path / "c.blcf" / "training").exists()


@pytest.mark.parametrize("save_seconds", [300.0, 0.0], ids=["when interrupted", "now and then"])
def test_sampling_goes_on_where_it_was_interrupted(scenes, tmp_path, monkeypatch, save_seconds):
    """The vocabulary of a run interrupted while it sampled is that of an undisturbed run."""
    undisturbed = create(tmp_path / "u.blcf")
    undisturbed.add(scenes, progress=False)
    engine = create(tmp_path / "c.blcf")
    monkeypatch.setattr("blcf.adding.sample.SAVE_SECONDS", save_seconds)
    seen = []

    def some(*arguments, **options):
        for row in stream_pictures(*arguments, **options):
            if len(seen) == 5:
                raise KeyboardInterrupt if save_seconds else MemoryError  # no chance to save
            seen.append(row.name)
            yield row

    monkeypatch.setattr("blcf.adding.sample.stream_pictures", some)
    with pytest.raises((KeyboardInterrupt, MemoryError)):
        engine.add(scenes, progress=False)
    names = []
    monkeypatch.setattr(
        "blcf.adding.sample.stream_pictures",
        lambda extractor, images, rest, *more, **options: names.extend(rest)
        or stream_pictures(extractor, images, rest, *more, **options),
    )
    again = reopen(tmp_path / "c.blcf")
    again.add(scenes, progress=False)
    assert seen + names == sorted(seen + names) and len(names) == 12 - 5
    assert again.model.vocabulary.digest_ == undisturbed.model.vocabulary.digest_


def test_a_sample_of_other_pictures_is_not_used(scenes, tmp_path, monkeypatch):
    engine = create(tmp_path / "c.blcf")
    monkeypatch.setattr("blcf.vocabulary.Vocabulary.fit", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.add(scenes, progress=False)
    monkeypatch.undo()
    for number, one in enumerate(tiles.planted_scenes(seed=5)[0]):
        tiles.save(tmp_path / "others" / f"{number:02d}.png", one)
    engine.add(tmp_path / "others", progress=False)
    fresh = create(tmp_path / "f.blcf")
    fresh.add(tmp_path / "others", progress=False)
    assert engine.model.vocabulary.digest_ == fresh.model.vocabulary.digest_


def _interrupt(*args, **kwargs):
    raise KeyboardInterrupt


KILLED = """
import sys, time
import tiles
from blcf import SearchEngine
from blcf.adding import indexer
indexer.COMMIT_IMAGES = 2
engine = SearchEngine.open(sys.argv[1], network=tiles.TileNetwork())
engine.model.extractor.batch_size = 1
encode_many = engine.model.encode_many
def slow(feature_maps):
    time.sleep(0.05)
    return encode_many(feature_maps)
engine.model.encode_many = slow
print("adding", flush=True)
engine.add(sys.argv[2], progress=False)
"""


def test_kill_loses_only_the_batch_in_flight(scenes, tmp_path):
    """kill -9 at several instants, then the same command: the ranking of an undisturbed run."""
    path, how = tmp_path / "c.blcf", {"tiles": 2, "tile_side": 256, "n_words": 20}  # of 23 colours
    undisturbed = create(tmp_path / "undisturbed.blcf", **how)
    for engine in (create(path, **how), undisturbed):
        engine.add([scenes / "00.png"], root=scenes, progress=False)  # learns the vocabulary
    undisturbed.add(scenes, progress=False)
    before = 1
    for delay in (0.15, 0.3):
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
    monkeypatch.setattr(indexer, "COMMIT_IMAGES", 5)
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    assert [len(segment.names) for segment in engine.collection.segments] == [5, 5, 2]


def test_one_writer(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    other = reopen(tmp_path / "c.blcf")
    with other.collection.writing():
        with pytest.raises(CollectionLocked, match="Another process .*is writing"):
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


def test_the_network_sees_each_training_picture_once(scenes, tmp_path, monkeypatch):
    engine = create(tmp_path / "c.blcf")
    real, n_seen = engine.model.extractor.extract_batch, []

    def extract_batch(images):
        n_seen.append(len(images))
        return real(images)

    monkeypatch.setattr(engine.model.extractor, "extract_batch", extract_batch)
    engine.add(scenes, progress=False)
    assert sum(n_seen) == 12
    # The same words as where nothing was kept.
    monkeypatch.setattr("blcf.adding.kept_maps.MOST_BYTES", 0)
    other = create(tmp_path / "o.blcf")
    other.add(scenes, progress=False)
    assert other.model.vocabulary.digest_ == engine.model.vocabulary.digest_
    for image_id in range(12):
        for kind in ("words", "norms"):
            one, two = (getattr(each.collection, kind)(image_id) for each in (engine, other))
            np.testing.assert_array_equal(one, two)


def test_kept_maps_outlive_an_interrupt(scenes, tmp_path, monkeypatch):
    engine = create(tmp_path / "c.blcf")
    monkeypatch.setattr("blcf.collection.model.Model.encode_many", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        engine.add(scenes, progress=False)
    monkeypatch.undo()
    assert {path.name for path in (tmp_path / "c.blcf" / "training").iterdir()} == {
        "maps.raw",
        "maps.jsonl",
    }
    again = reopen(tmp_path / "c.blcf")
    monkeypatch.setattr(again.model.extractor, "extract_batch", _interrupt)
    assert again.add(scenes, progress=False).n_added == 12
    assert not (tmp_path / "c.blcf" / "training").exists()
