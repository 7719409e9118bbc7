"""A collection on disk: commits, snapshots, damage (the writer: test_collection_writers)."""

from __future__ import annotations

import json
import os
import threading

import h5py
import numpy as np
import pytest
from made_up import DESCRIPTION, append, check, picture

from blcf.bags import BagOfWords
from blcf.errors import (
    CollectionExists,
    CollectionNotFound,
    FormatError,
    StorageError,
    VocabularyMismatch,
)
from blcf.index import Batch, Collection, Segment


@pytest.fixture
def collection(tmp_path):
    return Collection.create(tmp_path / "some.blcf", DESCRIPTION)


def manifest_of(collection):
    return json.loads((collection.path / "manifest.json").read_text("utf-8"))


def test_create_and_open(collection):
    assert collection.n_images == 0
    opened = Collection.open(str(collection.path))
    check(opened, [])
    assert opened.manifest["settings"] == {"n_words": 20}
    assert opened.manifest["model"] is None and opened.skipped() == {}


def test_create_makes_folders_and_takes_an_empty_one(tmp_path):
    (tmp_path / "empty").mkdir()
    Collection.create(tmp_path / "empty", DESCRIPTION)
    Collection.create(tmp_path / "a" / "b" / "c", DESCRIPTION)
    check(Collection.open(tmp_path / "a" / "b" / "c"), [])


def test_create_where_something_is(collection, tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_text("photo")
    for path in (collection.path, tmp_path / "file", tmp_path / "full"):
        with pytest.raises(CollectionExists, match=f"{path} exists and is not an empty folder"):
            Collection.create(path, DESCRIPTION)
    assert os.listdir(tmp_path / "full") == ["photo.jpg"]
    with pytest.raises(StorageError, match="Could not make .*file/inside"):
        Collection.create(tmp_path / "file" / "inside", DESCRIPTION)


def test_append_and_open(collection):
    with collection.writing():
        append(collection, range(5))
        check(collection, range(5))
        append(collection, [5])
        append(collection, range(6, 30))
    check(collection, range(30))
    opened = Collection.open(collection.path)
    check(opened, range(30))
    assert opened.words(0).dtype == np.uint16
    assert [entry["n_images"] for entry in opened.manifest["segments"]] == [5, 1, 24]


def test_large_vocabulary(collection):
    with collection.writing():
        append(collection, range(8), n_words=100_000)
    opened = Collection.open(collection.path)
    assert opened.words(0).dtype == np.int32
    check(opened, range(8), n_words=100_000)


def test_snapshot_and_refresh(collection):
    with collection.writing():
        append(collection, range(4))
        reader = Collection.open(collection.path)
        segment = reader.segments[0]
        append(collection, range(4, 6))
        check(reader, range(4))
        reader.refresh()
        check(reader, range(6))
        assert reader.segments[0] is segment  # what is open stays open
        reader.refresh()
        check(reader, range(6))


def test_writer_takes_what_another_committed(collection):
    other = Collection.open(collection.path)
    with other.writing():
        append(other, range(3))
    with collection.writing():
        check(collection, range(3))
        append(collection, range(3, 5))
    check(Collection.open(collection.path), range(5))


def test_readers_while_a_writer_appends(collection):
    counts, failures, done = [], [], threading.Event()

    def read():
        try:
            while not done.is_set():
                reader = Collection.open(collection.path)
                check(reader, range(reader.n_images))
                counts.append(reader.n_images)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    with collection.writing():
        for first in range(0, 30, 3):
            append(collection, range(first, first + 3))
    done.set()
    thread.join()
    assert not failures and counts == sorted(counts) and not any(n % 3 for n in counts)


def test_commit_keeps_other_values(collection):
    with collection.writing():
        append(collection, range(2))
        collection.commit(model="model.h5")
    manifest = manifest_of(collection)
    assert manifest["model"] == "model.h5" and len(manifest["segments"]) == 1
    assert manifest["generation"] == 2 and manifest["settings"] == DESCRIPTION["settings"]


def test_no_collection(tmp_path):
    with pytest.raises(CollectionNotFound, match="there is no such folder. Make one with `blcf"):
        Collection.open(tmp_path / "none")
    with pytest.raises(CollectionNotFound, match="the folder holds no manifest.json"):
        Collection.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:40], "manifest.json is damaged"),
        (lambda text: "", "manifest.json is damaged"),
        (lambda text: "[1]", "to be the manifest of a blcf collection, it is not"),
        (lambda text: '{"format": "zip"}', "to be the manifest of a blcf collection, it is not"),
        (lambda text: text.replace('"generation"', '"other"'), "it lacks generation"),
        (lambda text: text.replace('_version": 1', '_version": 7'), "version 1, got version 7"),
    ],
)
def test_damaged_manifest(collection, change, message):
    path = collection.path / "manifest.json"
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    with pytest.raises(FormatError, match=message):
        Collection.open(collection.path)
    with pytest.raises(FormatError, match=message):
        collection.refresh()


def test_damaged_segment(collection):
    with collection.writing():
        append(collection, range(3))
        append(collection, range(3, 9))
    path = collection.path / "segments" / "00000002.h5"
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError, match="00000002.h5 is damaged or cut short"):
            Collection.open(collection.path)
    path.write_bytes((collection.path / "segments" / "00000001.h5").read_bytes())
    with pytest.raises(FormatError, match=r"00000002.h5 to hold 6 images, its parts say \[3, 6\]"):
        Collection.open(collection.path)
    path.unlink()
    with pytest.raises(FormatError, match="00000002.h5 is missing"):
        Collection.open(collection.path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 9
    with pytest.raises(FormatError, match="segment of format version 1, got segment of version 9"):
        Collection.open(collection.path)
    path.write_bytes(whole)
    check(Collection.open(collection.path), range(9))


def test_reader_takes_a_mended_segment(collection):
    reader = Collection.open(collection.path)
    with collection.writing():
        append(collection, range(3))
    path = collection.path / "segments" / "00000001.h5"
    whole = path.read_bytes()
    path.unlink()
    with pytest.raises(FormatError, match="00000001.h5 is missing"):
        reader.refresh()
    check(reader, [])
    path.write_bytes(whole)
    reader.refresh()
    check(reader, range(3))


def test_segment_of_strange_names(tmp_path):
    names = ["new\nline.jpg", "\U0001f600.jpg", os.fsdecode(b"\xe9.jpg"), ""]
    batch = Batch()
    for name in names:
        batch.append(name, *picture(0)[1:])
    Segment.write(tmp_path / "a.h5", batch, BagOfWords(20).encode_many(batch.maps), "v")
    assert list(Segment.read(tmp_path / "a.h5", 4, "v").names) == names
    with pytest.raises(VocabularyMismatch, match="with vocabulary w, it was made with v"):
        Segment.read(tmp_path / "a.h5", 4, "w")


def test_skipped_pictures(collection):
    collection.record_skipped({}, [], "/f")
    assert not (collection.path / "errors.jsonl").exists()
    strange = "new\nline\u2028\udce9.jpg"
    found = {"a.jpg": "empty", strange: "cut short"}
    collection.record_skipped(found, ["a.jpg", "b.jpg", strange], "/f")
    assert collection.skipped() == {"a.jpg": "empty", strange: "cut short"}
    # a.jpg was mended, c.jpg is new and bad, the strange one was not tried again.
    collection.record_skipped({"c.jpg": "no picture"}, ["a.jpg", "c.jpg"], "/f")
    expected = {strange: "cut short", "c.jpg": "no picture"}
    assert Collection.open(collection.path).skipped() == expected
    collection.record_skipped({"c.jpg": "empty"}, iter(["c.jpg"]), "/f")
    assert collection.skipped()["c.jpg"] == "empty"
    collection.record_skipped({}, [strange, "c.jpg"], "/f")
    assert collection.skipped() == {}


@pytest.mark.parametrize("line", ["{", "[]", '{"name": "a"}', "5"])
def test_damaged_report_of_skipped_pictures(collection, line):
    (collection.path / "errors.jsonl").write_text(line + "\n")
    with pytest.raises(FormatError, match="errors.jsonl is damaged .*Delete it"):
        collection.skipped()
