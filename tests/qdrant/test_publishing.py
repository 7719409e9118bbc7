"""A store is brought up to date: what is sent, what is kept, what is refused, what goes on."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from blcf.errors import FormatError, InvalidInput, StorageError, VocabularyMismatch
from blcf.index import InvertedFile
from blcf.qdrant import Pictures, QdrantIndex, open_store, publish, publishing, store_of
from blcf.qdrant.head import Head
from blcf.qdrant.packing import pack_bag, unpack_bags

pytest.importorskip("qdrant_edge", reason="a shard needs qdrant-edge-py (blcf[qdrant])")

N_WORDS = 60
MODEL = {"network": "net", "layer": "conv", "vocabulary_digest": "abc"}


def bags_of(n, seed=0):
    rng = np.random.default_rng(seed)
    share = 0.4 / np.sqrt(1 + np.arange(N_WORDS))  # some words are in many, others in few
    tf = rng.integers(1, 5, (n, N_WORDS)) * (rng.random((n, N_WORDS)) < share + 0.05)
    return sp.csr_matrix(tf.astype(np.float32))


BAGS = bags_of(300)


def pictures(ids, facts="", model=MODEL, bags=BAGS, idf=True):
    """Images of a collection by their permanent ids, which are rows of the bags."""
    names = [f"{i}.jpg" for i in ids]
    lists = InvertedFile(N_WORDS, idf=idf, sqrt=True)
    lists.add(names, bags[list(ids)])
    rows = [{"name": name, "width": 4, "camera": facts} for name in names]
    return Pictures(lists, np.array(ids, dtype=np.int64), rows, model)


def counts(done):
    return done.n_new, done.n_weighed, done.n_changed, done.n_described, done.n_removed, done.n_kept


def check(store, some):
    """The ranking is that of the inverted file."""
    index = QdrantIndex(store, some.lists, some.ids, some.model)
    queries = bags_of(6, seed=1)
    for k in (1, 7, 1000):
        for one, other in zip(index.search_many(queries, k), some.lists.search_many(queries, k)):
            assert one.ids.tolist() == other.ids.tolist() and one.names == other.names
            np.testing.assert_array_equal(one.scores, other.scores)


@pytest.fixture
def store(tmp_path):
    made = open_store(tmp_path / "shard", make=True)
    yield made
    made.close()


def test_what_comes_and_goes_is_all_that_is_sent(store):
    some = pictures(range(200))
    assert counts(publish(store, some)) == (200, 0, 0, 0, 0, 0)
    check(store, some)
    assert counts(publish(store, some)) == (0, 0, 0, 0, 0, 200)
    some = pictures([*range(10, 200), *range(210, 230)])
    assert counts(publish(store, some)) == (20, 0, 0, 0, 10, 190)
    check(store, some)  # by the statistics of now, in vectors of the first day
    assert Head.from_dict(store.head(), "here").epoch.number == 1
    assert publish(store, pictures(some.ids.tolist(), facts="B")).n_described == 210
    (point,) = store._shard.retrieve([17], True, False)
    assert point.payload["name"] == "17.jpg" and point.payload["camera"] == "B"
    check(store, some)


def test_vectors_are_unit_ones_of_idf(store):
    some = pictures(range(50))
    publish(store, some)
    unit = some.lists.weigh(BAGS[:50]).astype(np.float32)
    for number, point in enumerate(store._shard.retrieve(list(range(50)), False, True)):
        vector = point.vector["words"]
        dense = np.zeros(N_WORDS, dtype=np.float32)
        dense[vector.indices] = vector.values
        np.testing.assert_array_equal(dense, unit[number].toarray()[0])
        assert np.linalg.norm(dense) == pytest.approx(1, abs=1e-6)


def test_a_picture_with_other_words_is_sent_again(store):
    publish(store, pictures(range(200)))
    other = BAGS.copy()
    other.data[other.indptr[7]] += 1
    some = pictures(range(200), bags=other)
    assert counts(publish(store, some)) == (0, 0, 1, 0, 0, 199)
    check(store, some)


def test_weights_that_drift_too_far_are_sent_anew(store):
    publish(store, pictures(range(200)))
    rare = sp.csr_matrix(np.eye(N_WORDS, dtype=np.float32)[40:] * 3)
    bags = sp.vstack([BAGS[:200], *[rare] * 5], format="csr")
    some = pictures(range(300), bags=bags)  # words that were rare are no longer
    assert counts(publish(store, some)) == (100, 200, 0, 0, 0, 0)
    assert Head.from_dict(store.head(), "here").epoch.number == 2
    check(store, some)


def test_a_word_of_every_picture_that_is_no_longer(store):
    everywhere = BAGS.tolil()
    everywhere[:100, 3] = 1
    bags = everywhere.tocsr()
    publish(store, pictures(range(100), bags=bags))
    some = pictures(range(130), bags=bags)
    assert counts(publish(store, some))[:2] == (30, 100)  # it had no weight in the vectors
    check(store, some)


def test_an_index_that_leaves_idf_off_and_one_that_does_not(store):
    publish(store, pictures(range(40), idf=False))
    some = pictures(range(40))
    assert counts(publish(store, some))[:2] == (0, 40)
    check(store, some)


def test_where_it_was_interrupted_it_goes_on(store, monkeypatch):
    monkeypatch.setattr(publishing, "BATCH", 16)
    some, put, n_put = pictures(range(200)), store.put, [0]

    def dies(ids, vectors, payloads):
        n_put[0] += 1
        if n_put[0] == 6:
            raise KeyboardInterrupt
        put(ids, vectors, payloads)

    store.put = dies
    with pytest.raises(KeyboardInterrupt):
        publish(store, some)
    with pytest.raises(InvalidInput, match="a part of them: an export was interrupted"):
        QdrantIndex(store, some.lists, some.ids, MODEL)
    assert counts(publish(store, some)) == (120, 0, 0, 0, 0, 80)
    check(store, some)


def test_while_all_is_weighed_anew_an_open_index_says_so(store, monkeypatch):
    some = pictures(range(200))
    publish(store, some)
    index = QdrantIndex(store, some.lists, some.ids, MODEL)
    monkeypatch.setattr(publishing, "DRIFT", 0.5)
    publish(store, pictures(range(210)))
    with pytest.raises(InvalidInput, match="was exported to anew while it was open"):
        index.search(BAGS[0])


def test_a_store_of_other_pictures_is_refused(store):
    some = pictures(range(20))
    with pytest.raises(InvalidInput, match="holds nothing. Bring it up to date: blcf export"):
        QdrantIndex(store, some.lists, some.ids, MODEL)
    publish(store, some)
    for ids in (range(19), range(1, 21)):
        other = pictures(ids)
        with pytest.raises(InvalidInput, match="holds other pictures. Bring it up to date"):
            QdrantIndex(store, other.lists, other.ids, MODEL)
    with pytest.raises(VocabularyMismatch, match="made with vocabulary digest abc.*made with xyz"):
        publish(store, pictures(range(20), model={**MODEL, "vocabulary_digest": "xyz"}))
    check(store, some)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format_version": 2}, "of format version 2, this blcf reads 1"),
        ({"format": "else"}, "damaged .it is of another form"),
        ({"n_words": -1}, "damaged"),
        ({"n_words": True}, "damaged .it says no n_words"),
        ({"epoch": None}, "damaged"),
        ({"state": 3}, "damaged .it says no state"),
        ({"n_words": 61}, "damaged .its statistics do not fit"),
        ({"epoch": {"number": 1, "n_images": 2, "df": "!", "idf": True, "sqrt": True}}, "damaged"),
        ({"epoch": {"number": 1, "n_images": 2, "df": "aaaa", "idf": True, "sqrt": True}}, "damag"),
    ],
)
def test_what_a_stranger_wrote_is_refused(store, change, message):
    some = pictures(range(20))
    publish(store, some)
    store.write_head({**store.head(), **change})
    for call in (
        lambda: publish(store, some),
        lambda: QdrantIndex(store, some.lists, some.ids, MODEL),
    ):
        with pytest.raises(FormatError, match=message):
            call()


@pytest.mark.parametrize("bag", [None, 3, "x", "AAAA", "eJxjYGBgAAAABAAB", "é"])
def test_a_bag_that_a_stranger_wrote_is_refused(store, bag):
    some = pictures(range(20))
    publish(store, some)
    (point,) = store._shard.retrieve([7], True, False)
    store.describe([7], [{**point.payload, "blcf": {**point.payload["blcf"], "bag": bag}}])
    with pytest.raises(FormatError, match="The bag of a picture in Qdrant is damaged"):
        QdrantIndex(store, some.lists, some.ids, MODEL).search(BAGS[7])


def test_packed_bags_are_the_bags():
    rng = np.random.default_rng(5)
    bags, packed = [], []
    for n in (0, 1, 2, 500, 0, 1000, 0):
        words = np.sort(rng.permutation(1000)[:n]).astype(np.int32)
        tf = rng.exponential(3, n).astype(np.float32) + np.float32(1e-20)
        bags.append(sp.csr_matrix((tf, words, [0, n]), shape=(1, 1000)))
        packed.append(pack_bag(words, tf))
    found, expected = unpack_bags(packed, 1000), sp.vstack(bags, format="csr")
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert unpack_bags([], 1000).shape == (0, 1000)
    for bad in (pack_bag(np.array([3, 2]), np.ones(2)), pack_bag(np.array([-1]), np.ones(1))):
        with pytest.raises(FormatError):
            unpack_bags([*packed, bad], 1000)
    for tf in (0, np.nan, -1, np.inf):
        with pytest.raises(FormatError):
            unpack_bags([pack_bag(np.array([3]), np.array([tf]))], 1000)
    with pytest.raises(FormatError):
        unpack_bags(packed, 999)


def test_points_of_others_change_nothing(store):
    some = pictures(range(50))
    publish(store, some)
    edge = store._edge
    vector = edge.SparseVector(indices=[0, 1, 2], values=[9.0, 9.0, 9.0])
    points = [edge.Point(7_000, {"words": vector}, {"blcf": "x"})]
    points.append(edge.Point("5c56c793-69f3-4fbf-87e6-c4bf54c28c26", {"words": vector}, {}))
    store._shard.update(edge.UpdateOperation.upsert_points(points))
    check(store, some)
    assert publish(store, some).n_removed == 1  # one of the form of ours


def test_places_that_are_none(tmp_path, store):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file.txt").write_text("mine")
    for make in (False, True):
        with pytest.raises(InvalidInput):
            open_store(tmp_path / "other", make=make)
    with pytest.raises(InvalidInput, match="has written; there is no shard of Qdrant"):
        open_store(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "edge_config.json").write_text(json.dumps([1]))
    with pytest.raises(StorageError, match="Qdrant could not use"):
        open_store(tmp_path / "broken")
    for index in ("", "qdrant:", "faiss:x", "qdrant", "qdrant:a\0b"):
        with pytest.raises(InvalidInput, match="Expected qdrant:FOLDER or qdrant:URL"):
            store_of(index)
    with pytest.raises(StorageError, match="Another process has"):
        open_store(tmp_path / "shard")


def test_it_is_kept_on_the_disk(tmp_path):
    some = pictures(range(30))
    store = open_store(tmp_path / "shard", make=True)
    publish(store, some)
    store.close()
    store.close()
    code = """
import sys
from blcf.qdrant import open_store
store = open_store(sys.argv[1])
print(len(list(store.held())), store.head()["is_whole"])
"""
    command = [sys.executable, "-c", code, str(tmp_path / "shard")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["30", "True"], done.stderr


@pytest.mark.parametrize("library, place", [("qdrant_edge", "s"), ("qdrant_client", "http://a/b")])
def test_a_missing_library_is_said(tmp_path, monkeypatch, library, place):
    monkeypatch.setitem(sys.modules, library, None)
    place = place if ":" in place else tmp_path / place
    with pytest.raises(InvalidInput, match=r"needs 'blcf\[qdrant\]': pip install"):
        open_store(place, make=True)
