"""A collection on disk: commits, snapshots, damage (the writer: test_collection_writers)."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
from made_up import DESCRIPTION, append, append_batch, check, picture

from blcf.collection import Batch, Collection
from blcf.collection.manifest import swap_manifest
from blcf.errors import (
    CollectionExists,
    CollectionNotFound,
    FormatError,
    StorageError,
    VocabularyMismatch,
)
from blcf.storage import file_digest


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
    model = {"file": "model.h5", "n_words": 20}
    (collection.path / "model.h5").write_bytes(b"whitening and vocabulary")
    with collection.writing():
        append(collection, range(2))
        collection.commit(model=model)
    manifest = manifest_of(collection)
    assert manifest["model"] == {**model, **file_digest(collection.path / "model.h5")}
    assert manifest["model"]["bytes"] == 24 and len(manifest["segments"]) == 1
    assert manifest["generation"] == 2 and manifest["settings"] == DESCRIPTION["settings"]
    with collection.writing():
        collection.commit(generation_of_something="else")
    assert manifest_of(collection)["model"] == manifest["model"]


def test_copy_of_the_manifest(collection):
    copy = collection.path / "manifest.backup.json"
    assert json.loads(copy.read_text("utf-8")) == manifest_of(collection)
    with collection.writing():
        append(collection, range(2))
    assert json.loads(copy.read_text("utf-8")) == manifest_of(collection)
    (collection.path / "manifest.json").unlink()
    with pytest.raises(FormatError, match="manifest.json is missing. `blcf check .* --repair`"):
        Collection.open(collection.path)


def test_find(collection):
    strange = ["new\nline.jpg", "\U0001f600.jpg", os.fsdecode(b"\xe9.jpg"), "\ud800", "a b"]
    batch = Batch()
    for name in strange:
        batch.append(name, *picture(0)[1:])
    with collection.writing():
        append(collection, range(3))
        append_batch(collection, batch)
    for opened in (collection, Collection.open(collection.path)):
        assert opened.find(strange).tolist() == [3, 4, 5, 6, 7]
        wanted = ["a b", "none", "folder/1.jpg", "a b", ""]
        assert opened.find(wanted).tolist() == [7, -1, 1, 7, -1]
        assert opened.find([]).tolist() == [] and opened.find([]).dtype == np.int64
        assert [opened.name(i) for i in range(8)] == list(opened.names())


def test_roots(collection):
    with collection.writing():
        append(collection, range(3), root="/a")
        append(collection, range(3, 5), root="/a/folder")
        append(collection, range(5, 9), root="/a")
        assert collection.remove(["folder/0.jpg"]) == 1
    assert collection.roots == {"/a": 6, "/a/folder": 2}
    assert collection.root_of(2) == "/a/folder" and collection.root_of(4) == "/a"
    assert list(collection.names_under("/a/folder")) == ["folder/3.jpg", "folder/4.jpg"]
    assert list(collection.names_under("/a"))[:3] == [f"folder/{i}.jpg" for i in (1, 2, 5)]
    assert list(collection.names_under("/b")) == []
    paths = [collection.image_path(i) for i in range(8)]
    assert collection.find_paths(paths).tolist() == list(range(8))
    others = ["/a/folder/0.jpg", "/a/folder/3.jpg", "/a/folder/folder/3.jpg", "/a", "/b/1.jpg"]
    found = collection.find_paths([Path(path) for path in others])
    assert found.tolist() == [-1, -1, 2, -1, -1]


def test_relocate(collection):
    with collection.writing():
        append(collection, range(3), root="/a")
        append(collection, range(3, 5), root="/b")
        collection.relocate({"/a": "/new", "/none": "/c"})
    check_paths = Collection.open(collection.path)
    assert check_paths.roots == {"/new": 3, "/b": 2}
    assert check_paths.image_path(0).as_posix() == "/new/folder/0.jpg"
    with collection.writing():
        collection.relocate({"/b": "/new"})  # two roots that are one from now on
        append(collection, [5], root="/new")
    check(collection, range(6), root="/new")
    assert collection.roots == {"/new": 6} and len(list(collection.names_under("/new"))) == 6
    paths = [collection.image_path(i) for i in range(6)]
    assert collection.find_paths(paths).tolist() == list(range(6))


def test_root_of_the_file_system(collection):
    with collection.writing():
        append(collection, range(2), root="/")
    assert collection.image_path(1) == Path("/folder/1.jpg")
    assert collection.find_paths([Path("/folder/1.jpg")]).tolist() == [1]


def test_statistics(collection):
    df, norms = np.arange(20), np.arange(3) / 7
    assert collection.read_statistics() is None
    with collection.writing():
        append(collection, range(3))
        collection.write_statistics(df, norms)
        collection.relocate({"/pictures": "/elsewhere"})  # they do not depend on it
    path = collection.path / "statistics.h5"
    found = Collection.open(collection.path).read_statistics()
    np.testing.assert_array_equal(found[0], df)
    np.testing.assert_array_equal(found[1], norms)
    assert found[0].dtype == np.int64 and found[1].dtype == np.float64
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole.replace(norms.tobytes(), norms[::-1].tobytes())):
        path.write_bytes(damaged)
        assert collection.read_statistics() is None
    path.write_bytes(whole)
    assert collection.read_statistics() is not None
    with collection.writing():
        collection.remove(["folder/1.jpg"])
        assert collection.read_statistics() is None  # of another state
        collection.write_statistics(df, norms[:2])
    assert collection.read_statistics() is not None


def test_no_collection(tmp_path):
    with pytest.raises(CollectionNotFound, match="there is no such folder. Make one with `blcf"):
        Collection.open(tmp_path / "none")
    with pytest.raises(CollectionNotFound, match="the folder holds no manifest.json"):
        Collection.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:40], "manifest.json is damaged .*--repair` takes manifest.backup.json"),
        (lambda text: "", "manifest.json is damaged"),
        (lambda text: "[1]", "to be the manifest of a blcf collection, it is not"),
        (lambda text: '{"format": "zip"}', "to be the manifest of a blcf collection, it is not"),
        (lambda text: text.replace('"generation"', '"other"'), "it lacks generation"),
        (
            lambda text: text.replace('_version": 3', '_version": 1'),
            "version 3 or 4, got version 1",
        ),
        (
            lambda text: text.replace('_version": 3', '_version": 7'),
            "version 3 or 4, got version 7",
        ),
        (lambda text: text.replace('"roots": []', '"roots": 5'), "its roots are not of the form"),
        (lambda text: text.replace('"roots": []', '"roots": [5]'), "its roots are not of"),
        (lambda text: text.replace('"segments": []', '"segments": [{}]'), "its segments are not"),
        (lambda text: text.replace('n_words": 20', 'n_words": 21'), "its digest is of another"),
        (lambda text: text.replace("none", "nonf"), "check .*some.blcf --repair` takes"),
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
    sound, (first, second) = collection.manifest, collection.manifest["segments"]
    as_long = {**second, "bytes": first["bytes"]}
    swap_manifest(collection.path, {**sound, "segments": [first, as_long]})
    with pytest.raises(FormatError, match="00000002.h5 to hold 6 images, its root_ids, sizes"):
        Collection.open(collection.path)
    swap_manifest(collection.path, sound)
    path.unlink()
    with pytest.raises(FormatError, match="00000002.h5 is missing"):
        Collection.open(collection.path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 9
    with pytest.raises(FormatError, match="segment of format version 3, got segment of version 9"):
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


def test_segment_of_another_vocabulary(collection):
    with collection.writing():
        append(collection, range(3))
        (collection.path / "model.h5").write_bytes(b"other")
        with pytest.raises(VocabularyMismatch, match="with vocabulary w, it was made with"):
            collection.commit(model={"file": "model.h5", "vocabulary_digest": "w"})
            Collection.open(collection.path)


def test_failed_refresh_changes_nothing(collection):
    with collection.writing():
        append(collection, range(3))
    reader = Collection.open(collection.path)
    with collection.writing():
        collection.remove(["folder/0.jpg"])
        append(collection, range(3, 5))
    path = collection.path / "segments" / "00000002.h5"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(FormatError, match="00000002.h5"):
        reader.refresh()
    check(reader, range(3))
    path.write_bytes(whole)
    reader.refresh()
    check(reader, range(1, 5))


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
