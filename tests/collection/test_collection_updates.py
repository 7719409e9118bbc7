"""Replace, remove, merge, compact: the collection is what an index built afresh would be."""

from __future__ import annotations

import logging
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up import DESCRIPTION, append, append_batch, check, files_of, name, picture
from test_collection_writers import start

from blcf.collection import Batch, Collection, check_collection
from blcf.collection import collection as module
from blcf.errors import FormatError, StorageError
from blcf.index import merging


@pytest.fixture
def collection(tmp_path):
    return Collection.create(tmp_path / "some.blcf", DESCRIPTION)


@pytest.fixture
def small_tiers(monkeypatch):
    monkeypatch.setattr(merging, "FACTOR", 3)
    monkeypatch.setattr(merging, "TIERS", (4, 12, 24))
    monkeypatch.setattr(merging, "LARGEST", 24)


def lives(collection):
    return [(segment.n_images, segment.n_live) for segment in collection.segments]


def test_merges_keep_the_order(collection, small_tiers):
    with collection.writing():
        for i in range(0, 60, 2):
            append(collection, [i, i + 1])
            check(collection, range(i + 2), ranked=i % 10 == 0)
            n_segments = len(collection.segments)
            assert n_segments <= (i + 2) / 24 * 2 + 9
            assert len(files_of(collection)) == 2 * n_segments  # and a copy of the names each
    assert 12 < max(live for _, live in lives(collection)) <= 24
    opened = Collection.open(collection.path)
    check(opened, range(60))
    assert check_collection(collection.path).is_sound
    numbers = [int(segment.path.name[:8]) for segment in opened.segments]
    assert max(numbers) < opened.manifest["next_segment"]


def test_merge_of_roots_and_of_removed(collection, small_tiers):
    with collection.writing():
        append(collection, range(3), root="/a")
        append(collection, range(3, 6), root="/b")
        collection.remove([name(1), name(3)])
        append(collection, range(6, 9), root="/a")
    assert lives(collection) == [(7, 7)]
    assert collection.roots == {"/a": 5, "/b": 2}
    paths = [collection.image_path(i).as_posix() for i in range(7)]
    roots = ["a", "a", "b", "b", "a", "a", "a"]
    assert paths == [f"/{root}/{name(i)}" for root, i in zip(roots, [0, 2, 4, 5, 6, 7, 8])]


def test_merge_of_a_large_vocabulary(collection, small_tiers):
    with collection.writing():
        for i in range(3):
            append(collection, [2 * i, 2 * i + 1], n_words=100_000)
        assert len(collection.segments) == 1 and collection.words(0).dtype == np.int32
    check(collection, range(6), n_words=100_000)


def test_replace(collection):
    with collection.writing():
        append(collection, range(5))
        append(collection, [1003, 5, 1001])
        check(collection, [0, 2, 4, 1003, 5, 1001])
        assert lives(collection) == [(5, 3), (3, 3)]
        append(collection, [1005])
        append(collection, [5], root="/pictures")
    check(Collection.open(collection.path), [0, 2, 4, 1003, 1001, 5])
    assert collection.find([name(1), name(3), name(5)]).tolist() == [4, 3, 5]


def test_own_mistakes(collection):
    batch = Batch()
    for _ in range(2):
        batch.append(*picture(0))
    with collection.writing():
        with pytest.raises(AssertionError, match="a name stands twice in a batch"):
            append_batch(collection, batch)
        with pytest.raises(AssertionError, match="an empty batch is never committed"):
            append(collection, [])
    check(collection, [])


def test_remove(collection):
    with collection.writing():
        append(collection, range(6))
        append(collection, range(6, 9))
        generation = collection.manifest["generation"]
        assert collection.remove([]) == collection.remove(["none", ""]) == 0
        assert collection.manifest["generation"] == generation
        assert collection.remove([name(1), name(7), name(1), "none"]) == 2
        check(collection, [0, 2, 3, 4, 5, 6, 8])
        assert collection.remove([name(1)]) == 0
        assert collection.remove([name(0)]) == 1
        check(Collection.open(collection.path), [2, 3, 4, 5, 6, 8])
        append(collection, [1])
        check(collection, [2, 3, 4, 5, 6, 8, 1])
    assert collection.manifest["segments"][2]["deleted"] is None


def test_remove_all(collection):
    with collection.writing():
        append(collection, range(6))
        assert collection.remove([name(i) for i in range(6)]) == 6
        assert files_of(collection) == [] and collection.roots == {}
        check(collection, [])
        append(collection, [3])
    check(Collection.open(collection.path), [3])


def test_mostly_removed_segments_are_rewritten(collection):
    with collection.writing():
        append(collection, range(6))
        collection.remove([name(i) for i in (0, 2, 4)])
        assert lives(collection) == [(6, 3)]
        collection.remove([name(5)])
        assert lives(collection) == [(2, 2)]
    check(collection, [1, 3])


def test_removed_images_of_many(collection, monkeypatch):
    """Marks in several bytes, and the base 64 of them."""
    with collection.writing():
        append(collection, range(200))
        left = [i for i in range(200) if i % 3 and i not in (1, 199)]
        collection.remove([name(i) for i in set(range(200)) - set(left)])
        assert lives(collection) == [(200, len(left))]
    check(Collection.open(collection.path), left, ranked=False)


@pytest.mark.parametrize("deleted", ["", "!", "AAAA", "eJz7DwABAAD_", "eJxjAAAAAQAB"])
def test_marks_that_are_none(collection, deleted):
    with collection.writing():
        append(collection, range(9))
        entry = {**collection.manifest["segments"][0], "deleted": deleted}
        with pytest.raises(FormatError, match="00000001.h5 cannot be used: its deletion marks"):
            collection.commit(segments=[entry])
    damage = check_collection(collection.path).damages[0]
    assert "deletion marks" in damage.reason and damage.n_images == 9


def test_compact(collection, small_tiers):
    with collection.writing():
        for i in range(10):
            append(collection, [3 * i, 3 * i + 1, 3 * i + 2])
        collection.remove([name(4), name(17)])
        append(collection, [1000])
        left = [i for i in range(1, 30) if i not in (4, 17)] + [1000]
        check(collection, left)
        before, after = collection.compact()
        assert after < before
        assert after == sum(p.stat().st_size for p in collection.path.glob("segments/*"))
        assert [n for n, live in lives(collection) if n != live] == []
        assert len(collection.segments) <= 3 and len(files_of(collection)) <= 6
        check(collection, left)
        generation = collection.manifest["generation"]
        assert collection.compact() == (after, after)
        assert collection.manifest["generation"] == generation  # there was nothing to do
    check(Collection.open(collection.path), left)
    assert check_collection(collection.path).is_sound


def test_compact_of_nothing(collection):
    with collection.writing():
        assert collection.compact() == (0, 0)


def test_compact_stops_at_damage(collection):
    with collection.writing():
        append(collection, range(3))
        append(collection, range(3, 6))
        path = collection.path / "segments" / "00000001.h5"
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(FormatError, match="00000001.h5 is damaged: .*--repair"):
            collection.compact()


def test_merge_without_space_or_with_damage_waits(collection, small_tiers, monkeypatch, caplog):
    def refuse(*arguments):
        raise StorageError("no space left")

    with collection.writing():
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            patch.setattr("blcf.collection.rewriting.Segment.merge", refuse)
            for i in range(4):
                append(collection, [i])
            assert "small segments were not merged now, only searches suffer: no sp" in caplog.text
        assert len(collection.segments) == 4
        check(collection, range(4))
        collection.merge()
        assert len(collection.segments) == 1
    check(Collection.open(collection.path), range(4))


def test_snapshot_outlives_merges(collection, small_tiers):
    with collection.writing():
        append(collection, range(2))
        append(collection, range(2, 4))
        reader = Collection.open(collection.path)
        parts = reader.parts
        append(collection, range(4, 6))
        collection.remove([name(0)])
        assert "00000001.h5" not in files_of(collection)
        check(reader, range(4))
        assert all(a is b for one, two in zip(parts, reader.parts) for a, b in zip(one, two))
        reader.refresh()
        check(reader, range(1, 6))


def test_reader_that_comes_too_late(collection, small_tiers, monkeypatch):
    """It has read a manifest whose files a merge then deletes: it reads the next one."""
    with collection.writing():
        append(collection, range(2))
        append(collection, range(2, 4))
    read, n_reads = module.read_manifest, []

    def read_late(folder):
        manifest = read(folder)
        n_reads.append(1)
        if len(n_reads) == 1:
            monkeypatch.setattr(module, "read_manifest", read)
            with collection.writing():
                append(collection, range(4, 6))
            monkeypatch.setattr(module, "read_manifest", read_late)
        return manifest

    monkeypatch.setattr(module, "read_manifest", read_late)
    check(Collection.open(collection.path), range(6))
    assert len(n_reads) == 2


READER = """
import sys
from made_up import check
from blcf.collection import Collection
path, n_opened, seen = sys.argv[1], 0, set()
reader = Collection.open(path)
print("ready", flush=True)
while reader.n_images < 40:
    reader.refresh()
    opened = Collection.open(path)
    for one in (reader, opened):
        check(one, range(one.n_images), ranked=False)
        seen.add(one.n_images)
assert all(n % 2 == 0 for n in seen), seen
print(len(seen))
"""


def test_readers_while_a_writer_merges(collection, small_tiers):
    failures, done = [], threading.Event()

    def read():
        reader = Collection.open(collection.path)
        try:
            while not done.is_set():
                reader.refresh()
                check(reader, range(reader.n_images), ranked=False)
        except BaseException as error:
            failures.append(error)

    process, thread = start(READER, collection.path), threading.Thread(target=read)
    try:
        assert process.stdout.readline() == "ready\n"
        thread.start()
        with collection.writing():
            for i in range(0, 40, 2):
                append(collection, [i, i + 1])
        output, errors = process.communicate(timeout=60)
    finally:
        done.set()
        process.kill()
        thread.join()
    assert process.returncode == 0, errors
    assert not failures and int(output) > 1


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.integers(0, 25), min_size=1, unique=True)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 25), max_size=8)),
        st.tuples(st.just("compact"), st.just([])),
        st.tuples(st.just("reopen"), st.just([])),
    ),
    max_size=12,
)


@settings(max_examples=25, derandomize=True, database=None, deadline=None)
@given(steps=steps)
def test_any_sequence(tmp_path_factory, steps):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(merging, "FACTOR", 2)
        patch.setattr(merging, "TIERS", (3, 9))
        patch.setattr(merging, "LARGEST", 9)
        collection = Collection.create(tmp_path_factory.mktemp("any") / "a.blcf", DESCRIPTION)
        expected: list[int] = []
        for version, (what, numbers) in enumerate(steps):
            with collection.writing():
                if what == "append":
                    added = [1000 * version + number for number in numbers]
                    append(collection, added)
                    expected = [i for i in expected if i % 1000 not in numbers] + added
                elif what == "remove":
                    n_there = len([i for i in expected if i % 1000 in numbers])
                    assert collection.remove([name(i) for i in numbers]) == n_there
                    expected = [i for i in expected if i % 1000 not in numbers]
                elif what == "compact":
                    collection.compact()
                    assert all(live == n for n, live in lives(collection))
                else:
                    collection = Collection.open(collection.path)
            check(collection, expected, ranked=False)
        check(Collection.open(collection.path), expected)
        assert check_collection(collection.path).is_sound
