"""Ids and facts of files: written with a picture, kept by merges, given to what is of before."""

from __future__ import annotations

import json
import math
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from damaged import forged
from made_up import DESCRIPTION, append, append_batch, check, name, picture

from blcf.collection import Batch, Collection, check_collection
from blcf.collection.manifest import copy_manifest, is_of_before, swap_manifest
from blcf.errors import FormatError
from blcf.images import PictureFacts

BEFORE = [0, 2, 3, 5, 10, 11, 1001]  # the pictures of before_facts.zip
IDS = [0, 2, 3, 5, 6, 7, 8]


@pytest.fixture
def collection(tmp_path):
    return Collection.create(tmp_path / "some.blcf", DESCRIPTION)


@pytest.fixture
def before(tmp_path):
    """A collection of format 2: six pictures, two of them removed, and three."""
    with zipfile.ZipFile(Path(__file__).with_name("before_facts.zip")) as packed:
        packed.extractall(tmp_path / "before.blcf")
    return tmp_path / "before.blcf"


def frame(number):
    """Facts of a frame of one of two videos."""
    return PictureFacts(
        10**18 + number, 1000 + number, 7 * number, f"{number % 2}.mp4", number / 8, number // 3
    )


def append_frames(collection, numbers):
    batch = Batch()
    for number in numbers:
        batch.append(*picture(number), facts=frame(number))
    append_batch(collection, batch)


def check_frames(collection, numbers, ids):
    facts = [frame(number) for number in numbers]
    videos = collection.manifest["videos"]
    assert collection.column("digests").tolist() == [one.digest for one in facts]
    assert collection.column("ids").tolist() == ids
    assert collection.column("mtimes").tolist() == [one.mtime_ns for one in facts]
    assert collection.column("n_bytes").tolist() == [one.n_bytes for one in facts]
    assert [videos[i] for i in collection.column("videos")] == [one.video for one in facts]
    assert collection.column("times").tolist() == [one.time for one in facts]
    assert collection.column("shots").tolist() == [one.shot for one in facts]
    mtimes, n_bytes = collection.file_facts(np.arange(len(facts))[::-1])
    assert mtimes.tolist() == [one.mtime_ns for one in facts][::-1]
    assert n_bytes.tolist() == [one.n_bytes for one in facts][::-1]
    assert check_collection(collection.path).is_sound


def test_facts_of_frames(collection, small_parts):
    with collection.writing():
        append_frames(collection, range(5))
        check_frames(collection, range(5), list(range(5)))
        append_frames(collection, [7, 1])  # replaced: a new id
        check_frames(collection, [0, 2, 3, 4, 7, 1], [0, 2, 3, 4, 5, 6])
        collection.remove([name(3)])
        append_frames(collection, range(20, 30))
        left, ids = [0, 2, 4, 7, 1, *range(20, 30)], [0, 2, 4, 5, 6, *range(7, 17)]
        check_frames(collection, left, ids)
        collection.compact()
        check_frames(collection, left, ids)
        collection.remove([name(29)])  # the last id does not come again
        collection.compact()
        append_frames(collection, [29])
    check_frames(Collection.open(collection.path), left, [*ids[:-1], 17])
    assert (collection.path / "facts.sqlite").exists()  # of frames conditions are asked
    assert collection.matching("video = '1.mp4' AND time < 1").sum() == 2


def test_what_is_not_known(collection):
    with collection.writing():
        append(collection, range(3))
    assert collection.column("ids").tolist() == [0, 1, 2]
    mtimes, n_bytes = collection.file_facts(np.arange(3))
    assert mtimes.tolist() == [0] * 3 and n_bytes.tolist() == [-1] * 3
    assert collection.column("videos").tolist() == collection.column("shots").tolist() == [-1] * 3
    assert np.isnan(collection.column("times")).all()
    assert collection.manifest["videos"] == []


def test_an_empty_collection(collection):
    assert collection.column("ids").shape == (0,) and collection.column("sizes").shape == (0, 2)
    mtimes, n_bytes = collection.file_facts(np.arange(0))
    assert mtimes.dtype == n_bytes.dtype == np.int64 and mtimes.size == 0


def version_of(path):
    return json.loads((path / "manifest.json").read_text())["format_version"]


def test_a_collection_of_before(before):
    report = check_collection(before)
    assert report.is_sound and (report.n_images, report.n_segments) == (7, 2)
    opened = Collection.open(before)
    check(opened, BEFORE)
    assert opened.column("ids").tolist() == IDS
    assert opened.read_statistics() is not None and opened.skipped() == {"bad.jpg": "empty"}
    assert opened.file_facts(np.array([3]))[0].tolist() == [0]
    assert version_of(before) == 2 and is_of_before(before)


def test_a_collection_of_before_is_added_to(before):
    opened = Collection.open(before)
    with opened.writing():
        assert version_of(before) == 2
        append_frames(opened, [20, 2])
    assert version_of(before) == 3 and not is_of_before(before)
    again = Collection.open(before)
    check(again, [*(one for one in BEFORE if one != 2), 20, 2])
    assert again.column("ids").tolist() == [0, 3, 5, 6, 7, 8, 9, 10]
    assert again.column("shots").tolist() == [-1] * 6 + [6, 0]
    firsts = [entry.get("first_id") for entry in again.manifest["segments"]]
    assert firsts == [0, 6, None] and again.manifest["next_id"] == 11
    assert check_collection(before).is_sound


def test_a_collection_of_before_is_removed_from_and_compacted(before):
    opened = Collection.open(before)
    with opened.writing():
        opened.remove([name(10)])
        assert version_of(before) == 3
        left = [one for one in BEFORE if one != 10]
        check(Collection.open(before), left)
        opened.compact()
    again = Collection.open(before)
    check(again, left)
    assert again.column("ids").tolist() == [0, 2, 3, 5, 7, 8]
    assert "first_id" not in again.manifest["segments"][0]
    assert check_collection(before).is_sound


def test_a_collection_of_before_is_mended(before):
    """Its ids stay what they were, also where a segment before them is lost."""
    path = before / "segments" / "00000001.h5"
    path.write_bytes(path.read_bytes()[:-9])
    assert check_collection(before, repair=True).repaired
    again = Collection.open(before)
    check(again, BEFORE[4:])
    assert again.column("ids").tolist() == IDS[4:] and check_collection(before).is_sound


def test_a_copy_of_before(before):
    """The copy of a manifest of before is written as one of now, and is as good."""
    (before / "manifest.backup.json").write_text("damaged")
    with Collection.open(before).writing():
        pass
    assert check_collection(before).is_sound
    (before / "manifest.json").unlink()
    assert check_collection(before, repair=True).repaired
    again = Collection.open(before)
    check(again, BEFORE)
    assert again.column("ids").tolist() == IDS


def test_ids_are_given_once_after_a_repair_from_the_copy(collection):
    with collection.writing():
        append(collection, range(3))
        before = (collection.path / "manifest.backup.json").read_bytes()
        append(collection, range(3, 6))
    (collection.path / "manifest.backup.json").write_bytes(before)
    (collection.path / "manifest.json").unlink()
    assert check_collection(collection.path, repair=True).repaired
    again = Collection.open(collection.path)
    with again.writing():
        append(again, [9])
    assert again.column("ids")[:3].tolist() == [0, 1, 2] and again.column("ids")[3] > 5


ODD = {
    "ids": ([0, 2, 2], [-1, 0, 1], [0, 1, 3]),
    "videos": ([0, 1, 2], [-2, 0, 1]),
    "n_bytes": ([-2, 0, 0],),
    "shots": ([0, 0, -2],),
    "times": ([0, math.inf, 0],),
}


@pytest.mark.parametrize("column", ODD)
def test_odd_values_are_found(collection, column):
    """Under digests that fit: such a collection opens, and `check` says what is wrong."""
    with collection.writing():
        append_frames(collection, range(3))
    sound = collection.path.with_name("sound.blcf")
    shutil.move(collection.path, sound)
    for values in ODD[column]:
        shutil.rmtree(collection.path, ignore_errors=True)
        shutil.copytree(sound, collection.path)
        manifest = json.loads((sound / "manifest.json").read_text())
        entry = manifest["segments"][0]
        with forged(collection.path / "segments" / entry["file"], entry) as file:
            file[column][...] = values
        copy_manifest(collection.path, swap_manifest(collection.path, manifest))
        (damage,) = check_collection(collection.path).damages
        assert damage.file == "segments/00000001.h5" and damage.reason.startswith("Expected")


def test_ids_that_do_not_ascend(collection):
    """As a repair can leave them; they are of the same pictures."""
    with collection.writing():
        append_frames(collection, range(3))
        collection.annotate({name(0): {"a": 1}, name(1): {"a": 2}})
        entries = collection.manifest["segments"]
        append_frames(collection, range(3, 6))
        collection.commit(segments=[*collection.manifest["segments"][1:], *entries])
    assert collection.column("ids").tolist() == [3, 4, 5, 0, 1, 2]
    found = collection.matching("a = 2 OR time = 0.5")
    assert np.flatnonzero(found).tolist() == [1, 4]
    assert check_collection(collection.path).is_sound


def test_a_segment_of_before_without_ids(before):
    opened = Collection.open(before)
    with opened.writing():
        opened.remove([name(10)])
    manifest = json.loads((before / "manifest.json").read_text())
    del manifest["segments"][0]["first_id"]
    swap_manifest(before, manifest)
    with pytest.raises(FormatError, match="00000001.h5 is damaged: the manifest has no first_id"):
        Collection.open(before)
