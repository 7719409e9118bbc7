"""`check_collection`: every kind of damage is found, and a repair keeps all that is sound."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from made_up import DESCRIPTION, append, append_batch, check, files_of, name, picture

from blcf.collection import Batch, Collection, check_collection, checking, manifest
from blcf.collection.lock import writer_lock
from blcf.errors import (
    BlcfError,
    CollectionLocked,
    CollectionNotFound,
    FormatError,
    StorageError,
)
from blcf.storage import file_digest

DATASETS = ["names", "name_offsets", "name_hashes", "name_order", "root_ids", "sizes"]
DATASETS += [f"maps/{name}" for name in ("shapes", "offsets", "marks", "cell_words", "norms")]
LISTS = ["image_ids", "word_indptr", "run_indptr", "run_codes", "run_lengths", "values"]
LISTS = [f"postings/{one}" for one in LISTS]


@pytest.fixture
def collection(tmp_path):
    """Segments of 4, 5 and 3 images, the second with a removed one; a model and statistics."""
    made = Collection.create(tmp_path / "some.blcf", DESCRIPTION)
    with made.writing():
        (made.path / "model.h5").write_bytes(b"whitening and vocabulary")
        made.commit(model={"file": "model.h5", "n_words": 20})
        append(made, range(4))
        append(made, range(4, 9))
        append(made, range(9, 12))
        made.remove([name(5)])
        made.write_statistics(np.arange(20), np.arange(11))
        made.record_skipped({"bad.jpg": "no picture"}, [], "/pictures")
    return made


LEFT = [i for i in range(12) if i != 5]
FIRST_AND_LAST = [0, 1, 2, 3, 9, 10, 11]


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def only(report):
    assert len(report.damages) == 1, report.damages
    return report.damages[0]


def test_sound(collection):
    before = content_of(collection.path)
    report = check_collection(collection.path)
    assert report.is_sound and not report.repaired and report.leftovers == []
    assert (report.n_images, report.n_segments) == (11, 3)
    assert content_of(collection.path) == before
    assert check_collection(str(collection.path), repair=True) == report
    assert content_of(collection.path) == before


def test_empty(tmp_path):
    Collection.create(tmp_path / "a.blcf", DESCRIPTION)
    report = check_collection(tmp_path / "a.blcf")
    assert report.is_sound and (report.n_images, report.n_segments) == (0, 0)


def test_no_collection(tmp_path):
    for path in (tmp_path, tmp_path / "none"):
        for repair in (False, True):
            with pytest.raises(CollectionNotFound, match="neither manifest.json nor manifest.back"):
                check_collection(path, repair=repair)
    assert not (tmp_path / "none").exists() and not list(tmp_path.iterdir())


def places_of_datasets(path):
    """Bytes in the middle of every dataset, and of the file's own structure."""
    places = {}
    with h5py.File(path) as file:
        sets = [file[one] for one in DATASETS] + list(file["postings"].values())
        for one in sets:
            if one.size:
                n_bytes = one.size * one.dtype.itemsize
                places[one.name] = (one.id.get_offset(), n_bytes)
    return places


def assert_that_it_opens_safely(path):
    """Opened without a check, a damaged collection gives an error of ours or other figures."""
    try:
        opened = Collection.open(path)
        list(opened.names()), opened.find(["folder/1.jpg"])
        for i in range(opened.n_images):
            opened.size(i), opened.norms(i), opened.image_path(i), opened.root_of(i)
            assert opened.words(i).size == 0 or opened.words(i).max() < 20
    except BlcfError:
        pass


def test_flipped_byte_anywhere_in_a_segment(collection):
    path = collection.path / "segments" / "00000002.h5"
    whole, places = path.read_bytes(), places_of_datasets(path)
    assert {"/" + one for one in (*DATASETS, *LISTS)} == places.keys()
    anywhere = [("structure", place) for place in range(0, len(whole), len(whole) // 40)]
    inside = [
        (one, start + at)
        for one, (start, n_bytes) in places.items()
        for at in {0, n_bytes // 2, n_bytes - 1}
    ]
    for _, place in (*inside, *anywhere):
        flip(path, place)
        assert_that_it_opens_safely(collection.path)
        damage = only(check_collection(collection.path))
        assert damage.file == "segments/00000002.h5" and "expected digest" in damage.reason
        assert damage.n_images == 4 and damage.names == [name(i) for i in (4, 6, 7, 8)]
        assert damage.paths == [Path("/pictures") / one for one in damage.names]
        path.write_bytes(whole)
    assert check_collection(collection.path).is_sound


@pytest.mark.parametrize(
    "dataset", ["maps/cell_words", "root_ids", "names", "name_hashes", "maps/shapes", *LISTS]
)
def test_damage_under_a_digest_that_fits(collection, dataset):
    """A segment that was damaged in memory, before its digest was taken."""
    path = collection.path / "segments" / "00000002.h5"
    start, n_bytes = places_of_datasets(path)["/" + dataset]
    flip(path, start + n_bytes - 1)
    entries = collection.manifest["segments"]
    entries[1].update(file_digest(path))
    collection.manifest = manifest.swap_manifest(collection.path, collection.manifest)
    manifest.copy_manifest(collection.path, collection.manifest)
    assert_that_it_opens_safely(collection.path)
    assert only(check_collection(collection.path)).file == "segments/00000002.h5"


def damage_flip(path):
    flip(path, path.stat().st_size // 2)


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:-2])


def damage_empty(path):
    path.write_bytes(b"")


def damage_longer(path):
    path.write_bytes(path.read_bytes() + b"more")


DAMAGES = [damage_flip, damage_cut, damage_empty, damage_longer, Path.unlink]


@pytest.mark.parametrize("damage", DAMAGES)
def test_repair_of_a_segment(collection, damage):
    path = collection.path / "segments" / "00000002.h5"
    damage(path)
    before = content_of(collection.path)
    found = only(check_collection(collection.path))
    assert content_of(collection.path) == before, "a check writes nothing"
    report = check_collection(collection.path, repair=True)
    assert report.repaired and (report.n_images, report.n_segments) == (7, 2)
    repaired = only(report)
    assert (repaired.file, repaired.names) == (found.file, found.names)
    check(Collection.open(collection.path), FIRST_AND_LAST)
    assert check_collection(collection.path).is_sound
    # The list of what to index again, and the damaged files.
    damaged = collection.path / "damaged"
    assert repaired.listed == damaged / "00000002.txt" and repaired.n_left_out == 0
    expected = "".join(f"/pictures/{name(i)}\n" for i in (4, 6, 7, 8))
    assert repaired.listed.read_text("utf-8") == expected
    for file in ("00000002.h5", "00000002.names.h5"):
        kept = before.get(f"segments/{file}")
        assert kept is None or (damaged / file).read_bytes() == kept
    opened = Collection.open(collection.path)
    with opened.writing():
        append(opened, [4, 6, 7, 8])
    assert files_of(opened)[-1] == "00000004.names.h5"  # no name of a file comes twice
    check(opened, [*FIRST_AND_LAST, 4, 6, 7, 8])


def test_names_of_a_segment_whose_copy_is_damaged_too(collection):
    folder = collection.path / "segments"
    start, _ = places_of_datasets(folder / "00000002.h5")["/maps/cell_words"]
    flip(folder / "00000002.h5", start)
    damage_cut(folder / "00000002.names.h5")
    assert only(check_collection(collection.path)).names == [name(i) for i in (4, 6, 7, 8)]
    damage_cut(folder / "00000002.h5")
    found = only(check_collection(collection.path))
    assert found.n_images == 4 and not found.names
    repaired = only(check_collection(collection.path, repair=True))
    assert repaired.listed is None and repaired.n_left_out == 4
    check(Collection.open(collection.path), FIRST_AND_LAST)
    assert sorted(os.listdir(collection.path / "damaged")) == ["00000002.h5", "00000002.names.h5"]


@pytest.mark.parametrize("damage", DAMAGES)
def test_copy_of_the_names(collection, damage):
    path = collection.path / "segments" / "00000001.names.h5"
    damage(path)
    found = only(check_collection(collection.path))
    assert found.file == "segments/00000001.names.h5" and found.n_images == 0
    check(Collection.open(collection.path), LEFT, ranked=False)
    report = check_collection(collection.path, repair=True)
    assert report.repaired and report.n_images == 11
    check(Collection.open(collection.path), LEFT)
    assert check_collection(collection.path).is_sound


@pytest.mark.parametrize("damage", DAMAGES)
def test_manifest(collection, damage):
    damage(collection.path / "manifest.json")
    with pytest.raises(BlcfError, match="blcf check .* --repair"):
        Collection.open(collection.path)
    found = only(check_collection(collection.path))
    assert found.file == "manifest.json" and "manifest.json is" in found.reason
    generation = collection.manifest["generation"]
    assert check_collection(collection.path, repair=True).repaired
    opened = Collection.open(collection.path)
    check(opened, LEFT)
    assert opened.manifest["generation"] == generation + 2
    assert check_collection(collection.path).is_sound
    collection.refresh()
    check(collection, LEFT)


@pytest.mark.parametrize("damage", DAMAGES)
def test_copy_of_the_manifest(collection, damage):
    damage(collection.path / "manifest.backup.json")
    check(Collection.open(collection.path), LEFT, ranked=False)
    assert only(check_collection(collection.path)).file == "manifest.backup.json"
    assert check_collection(collection.path, repair=True).repaired
    check(Collection.open(collection.path), LEFT)
    assert check_collection(collection.path).is_sound


def test_manifest_and_its_copy(collection):
    damage_cut(collection.path / "manifest.json")
    damage_flip(collection.path / "manifest.backup.json")
    before = content_of(collection.path)
    for repair in (False, True):
        with pytest.raises(FormatError, match="both damaged or missing: there is nothing to resto"):
            check_collection(collection.path, repair=repair)
    before.pop("writer.lock"), before.pop("writer.json", None)
    after = content_of(collection.path)
    after.pop("writer.lock")
    assert after == before


def test_manifest_whose_copy_is_one_commit_old(collection, monkeypatch):
    with collection.writing():
        with monkeypatch.context() as patch:
            patch.setattr("blcf.collection.collection.copy_manifest", lambda folder, value: False)
            append(collection, [12, 13])
    damage_empty(collection.path / "manifest.json")
    report = check_collection(collection.path, repair=True)
    lost = [one for one in report.damages if one.file == "segments/00000004.h5"]
    assert lost[0].names == [name(12), name(13)]
    assert lost[0].listed.read_text() == f"/pictures/{name(12)}\n/pictures/{name(13)}\n"
    opened = Collection.open(collection.path)
    with opened.writing():
        check(opened, LEFT)
        append(opened, [12, 13])
    assert "00000005.h5" in files_of(opened)
    check(opened, [*LEFT, 12, 13])


def test_another_version(collection):
    path = collection.path / "manifest.json"
    path.write_text(path.read_text().replace('version": 2', 'version": 1'))
    with pytest.raises(FormatError, match="format version 2, got version 1"):
        check_collection(collection.path, repair=True)


@pytest.mark.parametrize("damage", DAMAGES)
def test_model(collection, damage):
    damage(collection.path / "model.h5")
    for repair in (False, True):
        report = check_collection(collection.path, repair=repair)
        found = only(report)
        assert found.file == "model.h5" and not report.repaired
        assert "cannot be computed again: restore it from a copy, or index again" in found.reason


def test_statistics_and_report_of_skipped(collection):
    damage_cut(collection.path / "statistics.h5")
    (collection.path / "errors.jsonl").write_text("{")
    found = check_collection(collection.path).damages
    assert [one.file for one in found] == ["errors.jsonl", "statistics.h5"]
    assert check_collection(collection.path, repair=True).repaired
    assert not (collection.path / "statistics.h5").exists()
    assert (collection.path / "damaged" / "errors.jsonl").read_text() == "{"
    assert check_collection(collection.path).is_sound
    check(Collection.open(collection.path), LEFT)
    (collection.path / "errors.jsonl").write_text("5")
    assert check_collection(collection.path, repair=True).repaired
    assert (collection.path / "damaged" / "errors.jsonl.2").read_text() == "5"


def test_leftovers(collection):
    for file in ("00000044.h5", "notes.txt"):
        (collection.path / "segments" / file).write_text("x")
    report = check_collection(collection.path)
    assert report.is_sound and report.leftovers == ["segments/00000044.h5", "segments/notes.txt"]


def test_names_that_live_twice(collection):
    with collection.writing():
        entries = collection.manifest["segments"]
        collection.commit(segments=[{**entries[0]}, *entries[1:], dict(entries[0])])
    damage = only(check_collection(collection.path))
    assert damage.file == "manifest.json" and damage.names == [name(i) for i in range(4)]
    assert "4 stand for several images" in damage.reason
    assert check_collection(collection.path, repair=True).n_images == 11
    check(Collection.open(collection.path), [*LEFT[4:], 0, 1, 2, 3])
    assert check_collection(collection.path).is_sound


STRANGE = [
    "plain.jpg",
    "new\nline.jpg",
    "\U0001f600.jpg",
    os.fsdecode(b"\xe9.jpg"),
    "\ud800.jpg",
    "\u2028.jpg",
    "blank ",
    "#.jpg",
]


@pytest.mark.skipif(os.name != "posix", reason="names of files are bytes on POSIX only")
def test_list_of_strange_names(collection):
    batch = Batch()
    for one in STRANGE:
        batch.append(one, *picture(0)[1:])
    with collection.writing():
        append_batch(collection, batch)
    damage_flip(collection.path / "segments" / "00000004.h5")
    damage = only(check_collection(collection.path, repair=True))
    assert damage.names == STRANGE and damage.n_left_out == 3
    lines = damage.listed.read_bytes().split(b"\n")
    kept = ["plain.jpg", "\U0001f600.jpg", os.fsdecode(b"\xe9.jpg"), "\u2028.jpg", "#.jpg"]
    assert [os.fsdecode(line) for line in lines] == [*(f"/pictures/{one}" for one in kept), ""]


def test_repair_is_a_writer(collection):
    damage_flip(collection.path / "segments" / "00000002.h5")
    with writer_lock(collection.path):
        assert not check_collection(collection.path).is_sound
        with pytest.raises(CollectionLocked):
            check_collection(collection.path, repair=True)


def test_check_while_a_writer_merges(collection, monkeypatch):
    """What the first look misses was merged away meanwhile: the second look is right."""
    inspect, n_looks = checking.inspect, []

    def inspect_late(folder):
        read = checking_manifest(folder)
        if not n_looks:
            with collection.writing():
                collection.compact()
            monkeypatch.setattr("blcf.collection.findings.read_manifest", lambda _: read)
        n_looks.append(1)
        found = inspect(folder)
        monkeypatch.undo()
        return found

    checking_manifest = manifest.read_manifest
    monkeypatch.setattr(checking, "inspect", inspect_late)
    report = check_collection(collection.path)
    assert report.is_sound and report.n_segments == 1 and n_looks == [1]


def test_read_only_folder(collection):
    folders = [collection.path, collection.path / "segments"]
    damage_flip(collection.path / "segments" / "00000002.h5")
    for folder in folders:
        folder.chmod(0o555)
    try:
        if os.access(collection.path, os.W_OK):
            pytest.skip("this user (root?) may write everywhere")
        assert only(check_collection(collection.path)).n_images == 4
        with pytest.raises(StorageError):
            check_collection(collection.path, repair=True)
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_interrupted_repair_is_completed(collection, monkeypatch):
    damage_flip(collection.path / "segments" / "00000002.h5")

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("blcf.collection.repairing.swap_manifest", stop)
        with pytest.raises(KeyboardInterrupt):
            check_collection(collection.path, repair=True)
    assert "00000002.h5" in os.listdir(collection.path / "damaged")
    repaired = only(check_collection(collection.path, repair=True))
    assert "missing" in repaired.reason and repaired.names == [name(i) for i in (4, 6, 7, 8)]
    check(Collection.open(collection.path), FIRST_AND_LAST)
    assert json.loads((collection.path / "manifest.json").read_text())["next_segment"] == 4
