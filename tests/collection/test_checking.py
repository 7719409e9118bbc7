"""`check_collection`: every kind of damage is found, and a repair keeps all that is sound."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from damaged import (
    DAMAGES,
    DATASETS,
    FIRST_AND_LAST,
    LEFT,
    LISTS,
    assert_that_it_opens_safely,
    content_of,
    damage_cut,
    damage_flip,
    flip,
    only,
    places_of_datasets,
    some_collection,
)
from made_up import DESCRIPTION, append, append_batch, check, files_of, name, picture

from blcf.collection import Batch, Collection, check_collection, manifest
from blcf.errors import CollectionNotFound
from blcf.storage import file_digest


@pytest.fixture
def collection(tmp_path):
    return some_collection(tmp_path)


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
    swapped = manifest.swap_manifest(collection.path, collection.manifest)
    manifest.copy_manifest(collection.path, swapped)
    assert_that_it_opens_safely(collection.path)
    assert only(check_collection(collection.path)).file == "segments/00000002.h5"


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
