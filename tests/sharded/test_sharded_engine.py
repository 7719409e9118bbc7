"""An engine of shards: it follows them, changes them, closes, is pickled, does without some."""

from __future__ import annotations

import copy
import gc
import pickle
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import archive
import numpy as np
import pytest
import tiles
from archive import append, same
from made_up import mapped

from blcf import SearchEngine
from blcf.collection import Collection
from blcf.collection.shards import Shards
from blcf.datasets import GroundTruth, TrueExample, TrueQuery
from blcf.distributed import split
from blcf.errors import (
    CollectionNotFound,
    FormatError,
    InvalidInput,
    ShardChanged,
    ShardUnavailable,
    VocabularyMismatch,
)
from blcf.searching import SearchOptions
from blcf.searching.hits import Hits
from blcf.searching.queries import Asked

PICTURE = tiles.paint(archive.maps_of([0])[0])
ALL = {"k": 1000, "rerank": False}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return archive.make_source(tmp_path_factory.mktemp("source") / "a.blcf", 30)


@pytest.fixture
def made(source, tmp_path):
    return archive.make_archive(source, tmp_path, 3)


def names_of(path):
    with Collection.open(path) as one:
        return list(one.names())


def test_the_next_search_takes_up_what_somebody_changed(made):
    with made.open() as engine:
        hits = engine.search(PICTURE)
        before = hits[0].evidence().score
        append(made.shards[1], [50, 51])
        with made.merge() as whole:
            same(engine.search(PICTURE), whole.search(PICTURE))
            assert len(engine) == len(whole)
        with Collection.open(made.shards[0]) as one, one.writing():
            one.remove(list(one.names())[1:3])
        append(made.shards[1], [5], seed=3)  # replaced
        with made.merge() as whole:
            same(engine.search(PICTURE, **ALL), whole.search(PICTURE, **ALL))
            assert list(engine.names) == list(whole.names)
        assert hits[0].evidence().score == before, "hits keep what they were found in"


def test_who_holds_a_searcher_goes_on_in_its_epoch(made):
    """As on a collection in one piece: a page that is open numbers pictures as they were."""
    with made.open() as engine:
        searcher, options = engine.searcher, SearchOptions()
        query = engine.describe(PICTURE)
        before = searcher.search(query, options)
        append(made.shards[0], [60, 61, 62])
        after = engine.search(PICTURE)
        again = searcher.search(query, options)
        assert again.names == before.names and again.scores.tolist() == before.scores.tolist()
        snapshot = searcher.searchable.snapshot
        assert [snapshot.name(int(i)) for i in again.ids] == again.names
        assert len(engine.searcher.searchable.snapshot.names_of(after.ids)) == len(after)


def test_a_shard_that_cannot_go_back_refuses(made):
    """Another process serves it by now: what it held when the search began is not there."""
    with made.open() as engine:
        searcher = engine.searcher
        query = engine.describe(PICTURE)
        searcher.search(query, SearchOptions())
        append(made.shards[1], [70])
        engine.collection.coordinator.handles[1]._shard = None
        with pytest.raises(ShardChanged, match="shard-0001.blcf has changed .* Search again"):
            searcher.search(query, SearchOptions())
        with made.merge() as whole:
            same(engine.search(PICTURE), whole.search(PICTURE))


def test_old_epochs_are_let_go(made):
    with made.open() as engine:
        hits = engine.search(PICTURE)
        for number in range(5):
            append(made.shards[0], [80 + number])
            engine.search(PICTURE)
        shard = engine.collection.coordinator.handles[0]._shard
        assert len(shard._epochs) == 4
        with pytest.raises(ShardChanged, match="has changed"):
            hits[0].evidence()


def test_it_changes_its_shards(made):
    with made.open() as engine:
        n = len(engine)
        gone = [engine.names[0], engine.names[n - 1], engine.names[n // 2]]
        assert engine.remove(gone) == 3 and len(engine) == n - 3
        assert not [one for one in gone if one in engine]
        said = {name: {"seen": place} for place, name in enumerate(engine.names)}
        assert engine.annotate(said) == n - 3
        assert engine.facts(engine.names[7])["seen"] == 7
        before, after = engine.compact()
        assert before > after
        with made.merge() as whole:
            where = {"where": "seen % 3 = 1", **ALL}
            same(engine.search(PICTURE, **where), whole.search(PICTURE, **where))
        with pytest.raises(InvalidInput, match="holds no 'x.png'. Nothing was removed"):
            engine.remove(["x.png"])
        with pytest.raises(InvalidInput, match="holds no 'x.png'"):
            engine.annotate({"x.png": {"a": 1}})
        for use in (lambda: engine.add({"a": PICTURE}), lambda: engine.sync(made.path)):
            with pytest.raises(
                InvalidInput, match="in shards. Add to one of them, say .*0000.blcf"
            ):
                use()
        assert engine.remove(["film1.mkv"]) > 1 and not [n for n in engine.names if "film1" in n]
    for path in made.shards:
        with Collection.open(path) as one:
            assert one.read_statistics() is not None, "kept with each change"


def test_what_only_one_shard_knows_is_asked_of_all(made):
    with SearchEngine.open(made.shards[1]) as one:
        one.annotate({one.names[0]: {"Mood": "glad"}})
    with made.open() as engine, made.merge() as whole:
        for where in ("mood = 'glad'", "mood IS NULL", "rating > 1 AND mood IS NULL"):
            found = engine.search(PICTURE, where=where, **ALL)
            same(found, whole.search(PICTURE, where=where, **ALL))
            assert len(found)
        assert engine.facts(engine.names[0])["Mood"] is None
        engine.annotate({engine.names[0]: {"mood": "sad"}})
        assert engine.search(PICTURE, where="mood = 'sad'").names == [engine.names[0]]


@pytest.mark.parametrize("n_shards", [45, 3])
def test_empty_shards_change_nothing(source, tmp_path, n_shards):
    made = archive.make_archive(source, tmp_path, n_shards)
    with made.open() as engine, tiles.reopen(source) as whole:
        if n_shards == 3:
            for path in made.shards[1:]:
                with Collection.open(path) as one, one.writing():
                    one.remove(list(one.names()))
            whole = made.merge()
        same(engine.search(PICTURE), whole.search(PICTURE))
        same(engine.search(PICTURE, **ALL), whole.search(PICTURE, **ALL))
    with made.open() as engine:
        engine.remove(list(engine.names)[1:])
        with made.merge() as whole:
            same(engine.search(PICTURE), whole.search(PICTURE))  # idf is left off
        engine.remove(list(engine.names))
        assert len(engine) == 0 and len(engine.search(PICTURE)) == 0
        assert repr(engine.names) == "no names" and engine.info()["n_images"] == 0


def test_an_evaluation_is_that_of_one_collection(made, tmp_path):
    file = tmp_path / "q.png"
    tiles.save(file, archive.maps_of([0])[0])
    positives = frozenset(archive.name_of(n) for n in range(0, 30, 3))
    truth = GroundTruth(tmp_path, [TrueQuery("1", "x", (TrueExample(file),), positives)])
    with made.open() as engine, made.merge() as whole:
        mine, other = (one.evaluate(truth, progress=False)[0] for one in (engine, whole))
    assert mine.mean_average_precision == other.mean_average_precision > 0.3
    assert mine.results[0].hits.names == other.results[0].hits.names
    assert {*mine.places.values()} == {*other.places.values()}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc")
def test_closed_it_holds_no_files(made):
    engine = made.open()
    hits, names = engine.search(PICTURE), engine.names
    assert mapped(made.path)
    engine.close()
    gc.collect()
    assert mapped(made.path) == []
    engine.close()
    for use in (hits[0].evidence, names.__len__, lambda: names[0]):
        with pytest.raises(InvalidInput, match="was closed"):
            use()
    for use in (lambda: engine.search(PICTURE), lambda: len(engine), engine.info):
        with pytest.raises(InvalidInput, match="is closed"):
            use()
    other = made.open()
    other.search(PICTURE)
    gc.disable()
    try:
        del other
        assert mapped(made.path) == [], "no circle holds it"
    finally:
        gc.enable()


def test_it_is_pickled_as_its_path(made):
    with made.open(allow_partial=True) as engine:
        found = engine.search(PICTURE)
        for other in (pickle.loads(pickle.dumps(engine)), copy.deepcopy(engine)):
            same(other.search(PICTURE), found)
            assert other.collection.coordinator.allow_partial
        assert pickle.loads(pickle.dumps(found)).names == found.names


def test_the_model_is_fetched_where_no_shard_is_to_be_seen(made):
    with made.open() as engine:
        expected = engine.collection.file("model.h5")
        content = Path(expected).read_bytes()
        for handle in engine.collection.coordinator.handles:
            handle.path = Path("/nowhere/on/this/machine")
        fetched = Path(engine.collection.file("model.h5"))
        assert fetched.read_bytes() == content and fetched != Path(expected)
        assert len(engine.search(PICTURE)) == len(engine)
    assert not fetched.exists()


def test_threads_search_while_shards_change(made):
    with made.open() as engine:

        def some(number):
            if number % 4 == 0:
                append(made.shards[number % 3], [100 + number])
            hits = engine.search(PICTURE, k=5)
            return len(hits)

        with ThreadPoolExecutor(4) as pool:
            assert set(pool.map(some, range(16))) == {5}
        with made.merge() as whole:
            same(engine.search(PICTURE), whole.search(PICTURE))


def test_a_shard_that_is_gone_is_named_or_done_without(made):
    with made.open() as strict, made.open(allow_partial=True) as lenient:
        strict.search(PICTURE), lenient.search(PICTURE)
        lost = made.shards[1]
        lost.rename(lost.with_suffix(".away"))
        with pytest.raises(CollectionNotFound, match="No collection at .*shard-0001.blcf"):
            strict.search(PICTURE)
        found = lenient.search(PICTURE, **ALL)
        assert found.missing_shards == (str(lost),) and found.names
        assert not {*found.names} & {*names_of(lost.with_suffix(".away"))}
        with made.open(allow_partial=True) as afresh:
            again = afresh.search(PICTURE, **ALL)
            assert again.missing_shards == (str(lost),)
            assert {*again.names} == {*found.names}
        with pytest.raises(CollectionNotFound, match="shard-0001.blcf"):
            made.open()
        lost.with_suffix(".away").rename(lost)
        lenient.collection.coordinator._absent.clear()  # the time has passed
        assert lenient.search(PICTURE).missing_shards == ()
        for path in made.shards:
            shutil.rmtree(path)
        with pytest.raises(
            ShardUnavailable, match="None of the 3 shards of the collection answers"
        ):
            made.open(allow_partial=True)


def test_what_is_no_shard_of_it_is_refused(made, source, tmp_path):
    with pytest.raises(InvalidInput, match="in one piece. Make shards of it with `blcf split`"):
        SearchEngine.open(source, cluster=object())
    other = archive.make_source(tmp_path / "other.blcf", 4, n_components=4)
    shutil.rmtree(made.shards[1])
    shutil.copytree(other, made.shards[1])
    with pytest.raises(VocabularyMismatch, match="shard-0001.blcf"):
        made.open()
    shutil.rmtree(made.shards[1])
    shutil.copytree(made.shards[0], made.shards[1])
    with pytest.raises(FormatError, match="two pictures came at one place"):
        made.open()


def test_collections_that_were_not_made_together(made, source, tmp_path):
    """Any of one model are shards, one behind the other."""
    parts = split(source, tmp_path / "parts.blcf", 2, progress=False).paths
    folder = tmp_path / "both.blcf"
    folder.mkdir()
    Shards.of(folder, parts[::-1]).write()
    with tiles.reopen(folder) as engine:
        assert list(engine.names) == [*names_of(parts[1]), *names_of(parts[0])]
        hits = engine.search(PICTURE, **ALL)
        assert (np.diff(hits.scores) <= 0).all() and len(hits) == len(engine)
        assert isinstance(hits, Hits) and isinstance(hits.asked, Asked)
    assert Path(folder).is_dir()
