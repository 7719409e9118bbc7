"""Where arrays lie is kept beside the statistics: an opening asks HDF5 of new segments alone."""

from __future__ import annotations

import numpy as np
import pytest
from made_up import DESCRIPTION, append, check

from blcf.collection import Collection, numbered, side_files
from blcf.collection.segment import Segment
from blcf.storage import h5

SEGMENTS = 5


@pytest.fixture
def collection(tmp_path):
    """Five segments with kept layouts; the second has an image removed."""
    collection = Collection.create(tmp_path / "some.blcf", DESCRIPTION)
    with collection.writing():
        for number in range(SEGMENTS):
            append(collection, range(3 * number, 3 * number + 3))
        collection.remove(["folder/4.jpg"])
        keep(collection)
    return collection


def keep(collection):
    collection.write_statistics(np.ones(20, np.int64), np.ones(collection.n_images))


@pytest.fixture
def asked(monkeypatch):
    """The segments that HDF5 was asked for, by their files' names."""
    found, layout_of = [], h5._layout_of

    def counted(path, file, mapped):
        if path.below.startswith("segments/"):
            found.append(path.name)
        return layout_of(path, file, mapped)

    monkeypatch.setattr(h5, "_layout_of", counted)
    return found


KEPT = [0, 1, 2, 3, *range(5, 15)]


def test_nothing_is_asked_of_what_is_kept(collection, asked):
    opened = Collection.open(collection.path)
    assert len(opened.segments) == SEGMENTS and asked == []
    check(opened, KEPT)


def test_a_new_segment_is_asked(collection, asked):
    with collection.writing():
        append(collection, range(20, 22))
    asked.clear()
    opened = Collection.open(collection.path)
    assert asked == [opened.segments[-1].path.name]
    check(opened, [*KEPT, 20, 21])
    with opened.writing():
        keep(opened)
    asked.clear()
    check(Collection.open(collection.path), [*KEPT, 20, 21])
    assert asked == []


def test_without_them_all_are_asked(collection, asked, monkeypatch):
    path = collection.path / "statistics.h5"
    whole = path.read_bytes()
    for damaged in (b"", whole[:99], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        asked.clear()
        check(Collection.open(collection.path), KEPT)
        assert len(asked) == SEGMENTS
    path.unlink()
    check(Collection.open(collection.path), KEPT)
    path.write_bytes(whole)
    asked.clear()
    monkeypatch.setattr(numbered, "FEW", SEGMENTS + 1)  # sooner opened than read
    check(Collection.open(collection.path), KEPT)
    assert len(asked) == SEGMENTS


def forge(monkeypatch, collection, change):
    """Keep layouts with something changed in each."""
    write = side_files.write_statistics

    def forging(folder, state, df, norms, layouts):
        write(folder, state, df, norms, {name: change(*one) for name, one in layouts.items()})

    with monkeypatch.context() as patch, collection.writing():
        patch.setattr(side_files, "write_statistics", forging)
        keep(collection)


@pytest.mark.parametrize(
    "change",
    [
        lambda digest, layout: ("0" * 32, layout),  # of another file
        lambda digest, layout: (digest, {}),
        lambda digest, layout: (digest, None),
        lambda digest, layout: (digest, {**layout, "arrays": {"names": ["|u1", [1 << 40], 0]}}),
        lambda digest, layout: (digest, {**layout, "groups": {}}),
        lambda digest, layout: digest,
        lambda digest, layout: 5,
        lambda digest, layout: {},
    ],
)
def test_forged_ones_are_not_believed(collection, asked, monkeypatch, change):
    forge(monkeypatch, collection, change)
    asked.clear()
    check(Collection.open(collection.path), KEPT)
    assert len(asked) == SEGMENTS


def test_a_damaged_segment_is_still_told(collection):
    path = collection.path / "segments" / collection.segments[0].path.name
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(Exception, match="damaged or cut short"):
        Collection.open(collection.path)
    path.write_bytes(whole)
    segment: Segment = Collection.open(collection.path).segments[0]
    assert segment.layout is not None and segment.layout.array_names
