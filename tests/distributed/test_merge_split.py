"""Collections made one and one made shards: names, order, facts, films, skipped, rankings."""

import numpy as np
import pytest
import scipy.sparse as sp
from made_up import append, append_batch, check, name, picture
from test_shards import make

from blcf.collection import Batch, Collection, check_collection
from blcf.collection.shards import LANE
from blcf.distributed import Shards, merge, split
from blcf.errors import (
    CollectionExists,
    CollectionLocked,
    FormatError,
    InvalidInput,
    VocabularyMismatch,
)
from blcf.images import FrameChoice, PictureFacts
from blcf.index import InvertedFile, merging

N = 50


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(merging, "FACTOR", 3)
    monkeypatch.setattr(merging, "TIERS", (3, 9, 24))
    monkeypatch.setattr(merging, "LARGEST", 24)


def filled(path, numbers, root="/pictures"):
    collection = make(path)
    with collection.writing():
        for first in range(0, len(numbers), 7):
            append(collection, numbers[first : first + 7], root=root)
    return collection


def in_order(sharded):
    """Names of all shards' pictures in the order of all."""
    shards = Shards.read(sharded)
    rows = []
    for number, path in enumerate(shards.paths):
        one = Collection.open(path)
        shards.check(one)
        rows += zip(shards.order_of(one).tolist(), one.names())
    return [name for _, name in sorted(rows)]


@pytest.mark.parametrize("n_shards", [1, 3, 17])
def test_split_and_merged_again_it_is_as_it_was(tmp_path, small, n_shards):
    source = filled(tmp_path / "a.blcf", range(N))
    with source.writing():
        source.remove([name(3), name(40)])
        append(source, [5])  # replaced: it is last now
    numbers = [n for n in range(N) if n not in (3, 40, 5)] + [5]
    shards = split(source.path, tmp_path / "s.blcf", n_shards, progress=False)
    assert len(shards) == n_shards and shards.shifts == [0] * n_shards
    assert in_order(tmp_path / "s.blcf") == [name(number) for number in numbers]
    sizes = [Collection.open(path).n_images for path in shards.paths]
    assert max(sizes) - min(sizes) <= 1
    assert merge(tmp_path / "m.blcf", tmp_path / "s.blcf", progress=False) == len(numbers)
    merged = Collection.open(tmp_path / "m.blcf")
    check(merged, numbers)
    assert check_collection(merged.path).is_sound
    assert all(check_collection(path).is_sound for path in shards.paths)
    check(Collection.open(source.path), numbers)


def test_what_was_added_to_a_shard_comes_last(tmp_path, small):
    source = filled(tmp_path / "a.blcf", range(9))
    shards = split(source.path, tmp_path / "s.blcf", 3, progress=False)
    opened = [Collection.open(path) for path in shards.paths]
    for number, numbers in ((1, [20]), (0, [21, 1]), (1, [22])):
        with opened[number].writing():
            append(opened[number], numbers)
    expected = [0, 2, 3, 4, 5, 6, 7, 8, 21, 1, 20, 22]
    assert in_order(tmp_path / "s.blcf") == [name(number) for number in expected]
    assert shards.order_of(opened[1]).max() >= LANE
    merge(tmp_path / "m.blcf", [tmp_path / "s.blcf"], progress=False)
    check(Collection.open(tmp_path / "m.blcf"), expected)


def test_collections_come_one_behind_the_other(tmp_path, small):
    one = filled(tmp_path / "a.blcf", range(30))
    other = filled(tmp_path / "b.blcf", range(30, 50), root="/elsewhere")
    split(one.path, tmp_path / "s.blcf", 2, progress=False)
    merge(tmp_path / "m.blcf", [tmp_path / "s.blcf", other.path], progress=False)
    merged = Collection.open(tmp_path / "m.blcf")
    assert list(merged.names()) == [name(number) for number in range(50)]
    assert merged.roots == {"/pictures": 30, "/elsewhere": 20}
    assert str(merged.image_path(49)) == f"/elsewhere/{name(49)}"
    merge(tmp_path / "n.blcf", [other.path, one.path], progress=False)
    assert list(Collection.open(tmp_path / "n.blcf").names())[0] == name(30)


def test_facts_films_and_skipped_come_along(tmp_path, small):
    made = []
    for number in range(2):
        one = filled(tmp_path / f"{number}.blcf", range(10 * number, 10 * number + 10))
        with one.writing():
            batch = Batch()
            for second in range(3):
                film = f"film{number}.mp4"
                frame = picture(500 + 10 * number + second)
                facts = PictureFacts(7, 8, 9, film, float(second), second)
                batch.append(f"{film}@00:00:0{second}", *frame[1:], facts=facts)
                batch.choices[film] = FrameChoice(0.5)
            append_batch(one, batch)
            one.annotate({name(10 * number + 2): {"camera": f"C{number}", "n": number}})
            one.record_skipped({f"bad{number}.jpg": "why"}, [], "/pictures")
        made.append(one)
    with made[0].writing():  # skipped there, and held by the other: it is held
        made[0].record_skipped({name(15): "later it was well"}, [], "/pictures")
    merge(tmp_path / "m.blcf", [one.path for one in made], progress=False)
    merged = Collection.open(tmp_path / "m.blcf")
    assert merged.n_images == 26 and check_collection(merged.path).is_sound
    assert np.flatnonzero(merged.matching("camera = 'C1'")).tolist() == [15]
    assert merged.facts_of(2)["n"] == 0 and merged.facts_of(25)["time"] == 2.0
    assert merged.facts_of(25)["video"] == "film1.mp4" and merged.facts_of(0)["video"] is None
    assert np.flatnonzero(merged.matching("video = 'film1.mp4'")).tolist() == [23, 24, 25]
    assert set(merged.manifest["choices"]) == {"film0.mp4", "film1.mp4"}
    assert merged.skipped()["bad1.jpg"] == "why" and "bad0.jpg" in merged.skipped()
    shards = split(merged.path, tmp_path / "s.blcf", 4, progress=False)
    opened = [Collection.open(path) for path in shards.paths]
    assert [one.facts.columns for one in opened] == [["camera", "n"]] * 4
    assert [int(one.matching("n >= 0").sum()) for one in opened] == [1, 0, 1, 0]
    assert opened[0].skipped() == merged.skipped()
    merge(tmp_path / "again.blcf", tmp_path / "s.blcf", progress=False)
    again = Collection.open(tmp_path / "again.blcf")
    assert list(again.names()) == list(merged.names())
    assert [again.facts_of(i) for i in range(26)] == [merged.facts_of(i) for i in range(26)]


def test_it_ranks_as_one_that_was_built_at_once(tmp_path, small):
    parts = [filled(tmp_path / f"{n}.blcf", range(20 * n, 20 * n + 20)) for n in range(3)]
    merge(tmp_path / "m.blcf", [one.path for one in parts], progress=False)
    at_once = filled(tmp_path / "all.blcf", range(60))
    rankings = []
    for one in (Collection.open(tmp_path / "m.blcf"), at_once):
        index = InvertedFile(20, idf=True)
        for part in one.parts:
            index.add_part(*part)
        bags = one.parts[0][1]
        query = np.zeros((1, 20), np.float32)
        query[0, [1, 5, 9]] = 1, 2, 1
        rankings.append(index.search(sp.csr_matrix(query), 60))
        assert bags.n_words == 20
    assert rankings[0].names == rankings[1].names
    np.testing.assert_array_equal(rankings[0].scores, rankings[1].scores)


def test_names_that_collide_are_told(tmp_path):
    one, other = filled(tmp_path / "a.blcf", range(5)), filled(tmp_path / "b.blcf", range(4, 8))
    with pytest.raises(InvalidInput, match=r"'folder/4.jpg' is in .*a.blcf and in .*b.blcf"):
        merge(tmp_path / "m.blcf", [one.path, other.path], progress=False)
    assert not (tmp_path / "m.blcf").exists()
    with one.writing():
        one.remove([name(4)])
    assert merge(tmp_path / "m.blcf", [one.path, other.path], progress=False) == 8


def test_what_cannot_be_merged_leaves_nothing(tmp_path):
    one, other = filled(tmp_path / "a.blcf", range(5)), make(tmp_path / "b.blcf", "other")
    with pytest.raises(VocabularyMismatch):
        merge(tmp_path / "m.blcf", [one.path, other.path], progress=False)
    with pytest.raises(InvalidInput, match="got none"):
        merge(tmp_path / "m.blcf", [], progress=False)
    with pytest.raises(CollectionExists):
        merge(one.path, [other.path], progress=False)
    for wrong in (0, 10_001, 1.5, True):
        with pytest.raises(InvalidInput, match="n_shards"):
            split(one.path, tmp_path / "s.blcf", wrong, progress=False)
    segment = next((one.path / "segments").glob("0*1.h5"))
    content = bytearray(segment.read_bytes())
    content[-40] ^= 1
    segment.write_bytes(content)
    for make_one in (
        lambda: merge(tmp_path / "m.blcf", [one.path], progress=False),
        lambda: split(one.path, tmp_path / "m.blcf", 2, progress=False),
    ):
        with pytest.raises(FormatError, match="damaged"):
            make_one()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.blcf", "b.blcf"]


def test_only_one_makes_a_folder_and_a_killed_one_leaves_no_harm(tmp_path):
    from filelock import FileLock

    one = filled(tmp_path / "a.blcf", range(5))
    (tmp_path / ".m.blcf.new").mkdir()
    (tmp_path / ".m.blcf.new" / "half").write_text("of a killed process")
    with FileLock(tmp_path / ".m.blcf.lock"), pytest.raises(CollectionLocked, match="making"):
        merge(tmp_path / "m.blcf", [one.path], progress=False)
    merge(tmp_path / "m.blcf", [one.path], progress=False)
    assert not (tmp_path / "m.blcf" / "half").exists()
    check(Collection.open(tmp_path / "m.blcf"), range(5))


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    one = filled(tmp_path / "a.blcf", range(5))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("blcf.distributed.merging.join_runs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        merge(tmp_path / "m.blcf", [one.path], progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["a.blcf"]
