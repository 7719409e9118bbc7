"""No changed byte goes unnoticed, and none changes a ranking without a word."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from damaged import LEFT, flip, only, some_collection
from made_up import append, check, name, picture

from blcf.bags import BagOfWords
from blcf.collection import Collection, check_collection
from blcf.collection.kept_statistics import read_statistics
from blcf.errors import BlcfError, FormatError
from blcf.index import InvertedFile


@pytest.fixture
def collection(tmp_path):
    return some_collection(tmp_path)


@pytest.mark.parametrize("file", ["statistics.h5", "errors.jsonl"])
def test_every_byte_of_what_no_manifest_holds_a_digest_of(collection, file):
    collection.record_skipped({"worse.jpg": "cut short"}, [], "/pictures")
    path = collection.path / file
    whole = path.read_bytes()
    read = {"statistics.h5": lambda: read_statistics(collection.path)}.get(file, collection.skipped)
    for place in range(0, len(whole), max(1, len(whole) // 200)):
        flip(path, place)
        with pytest.raises(FormatError):
            read()
        path.write_bytes(whole)
    for bit in range(8):
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1 << bit]))
        with pytest.raises(FormatError):
            read()
    assert only(check_collection(collection.path)).file == file
    path.write_bytes(whole)
    assert check_collection(collection.path).is_sound


def test_rows_of_the_report_that_are_missing(collection):
    collection.record_skipped({"worse.jpg": "cut short", "z.jpg": "empty"}, [], "/pictures")
    path = collection.path / "errors.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    keys = ["digest", "name", "path", "reason"]
    assert [sorted(json.loads(line)) for line in lines] == [keys] * 3
    for left in (lines[:2], lines[1:], [lines[0], lines[2], lines[1]], [*lines, lines[0]]):
        path.write_text("".join(left))
        with pytest.raises(FormatError, match="the digest of line . is of another text"):
            collection.skipped()


def test_wrong_statistics_are_made_again(collection):
    sound = collection.read_statistics()
    assert sound is not None
    flip(collection.path / "statistics.h5", 700)
    assert collection.read_statistics() is None
    with collection.writing():
        for df, norms in (
            (np.arange(19), np.ones(11)),
            (np.arange(20), np.ones(10)),
            (-np.arange(20), np.ones(11)),
            (np.arange(20), np.full(11, np.nan)),
            (np.arange(20), -np.ones(11)),
        ):
            collection.write_statistics(df, norms)
            assert collection.read_statistics() is None
        collection.write_statistics(*sound)
        assert collection.read_statistics() is not None


def index_of(collection):
    index = InvertedFile(20, idf=True)
    for part in collection.parts:
        index.add_part(*part)
    return index


QUERIES = BagOfWords(20).encode_many([picture(number)[2] for number in (0, 4, 10, 17)])


def use(path):
    """All that a search uses of a collection."""
    opened = Collection.open(path)
    index = index_of(opened)
    found: list = [(one.names, one.scores.tolist()) for one in map(index.search, QUERIES)]
    for i in range(opened.n_images):
        found.append((opened.words(i).tolist(), opened.norms(i).tolist(), opened.size(i)))
        found.append((opened.name(i), opened.root_of(i), str(opened.image_path(i))))
    found.append((opened.find([name(3), name(8)]).tolist(), opened.roots))
    return found


def test_a_changed_byte_of_a_segment_never_changes_what_is_found(collection):
    path = collection.path / "segments" / "00000002.h5"
    whole, expected, n_refused = path.read_bytes(), use(collection.path), 0
    places = range(0, len(whole), max(1, len(whole) // 100))
    for place in places:
        flip(path, place)
        try:
            assert use(collection.path) == expected, place
        except BlcfError as error:
            assert "damaged" in str(error) or "was made with" in str(error), error
            n_refused += 1
        path.write_bytes(whole)
    assert n_refused > 10  # others lie between the arrays


def test_a_block_is_verified_with_its_first_use(collection):
    """Damage that comes after the first look is not looked for."""
    path = collection.path / "segments" / "00000002.h5"
    with h5py.File(path) as file:
        place = file["maps/norms"].id.get_offset()
    opened = Collection.open(collection.path)
    assert opened.norms(0).size and opened.words(4).size
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    with open(path, "r+b") as file:  # under the map
        file.write(data)
    opened.words(4), opened.words(5)
    with pytest.raises(FormatError, match="00000002.h5 is damaged: its maps/norms are not as they"):
        opened.norms(5)


def test_a_collection_of_before_opens_and_is_sound(tmp_path):
    """Written before there were check sums, and digests of statistics and of the report."""
    with zipfile.ZipFile(Path(__file__).with_name("format_2.zip")) as packed:
        packed.extractall(tmp_path)
    report = check_collection(tmp_path)
    assert report.is_sound and (report.n_images, report.n_segments) == (11, 3)
    opened = Collection.open(tmp_path)
    check(opened, LEFT)
    assert opened.skipped() == {"bad.jpg": "no picture"}
    statistics = opened.read_statistics()
    assert statistics is not None and statistics[0].tolist() == list(range(20))
    assert not opened.segments[0].blocks
    with opened.writing():
        append(opened, [20, 21])
        opened.record_skipped({"b.jpg": "empty"}, [], "/pictures")
        opened.write_statistics(np.arange(20), np.arange(13))
        assert opened.segments[-1].blocks
        check(opened, [*LEFT, 20, 21])
        assert check_collection(tmp_path).is_sound
        opened.compact()
    assert opened.segments[0].blocks and check_collection(tmp_path).is_sound
    check(Collection.open(tmp_path), [*LEFT, 20, 21])
