"""The way over HTTP: requests and answers of Qdrant's REST protocol, to an imitated server."""

from __future__ import annotations

import socket

import numpy as np
import pytest

pytest.importorskip("qdrant_client", reason="a server needs qdrant-client (blcf[qdrant])")

import scipy.sparse as sp  # noqa: E402
from imitated_server import imitated_server  # noqa: E402

from blcf.errors import InvalidInput, StorageError  # noqa: E402
from blcf.index import InvertedFile  # noqa: E402
from blcf.qdrant import Pictures, QdrantIndex, open_store, publish, publishing  # noqa: E402

MODEL = {"vocabulary_digest": "abc"}


def pictures(ids, camera="A"):
    rng = np.random.default_rng(3)
    tf = rng.integers(1, 4, (60, 20)) * (rng.random((60, 20)) < 0.4)
    bags = sp.csr_matrix(tf.astype(np.float32))[list(ids)]
    lists = InvertedFile(20, idf=True, sqrt=True).add([f"{i}" for i in ids], bags)
    rows = [{"name": f"{i}", "camera": camera} for i in ids]
    return Pictures(lists, np.array(ids, dtype=np.int64), rows, MODEL), bags


@pytest.fixture
def server():
    with imitated_server() as made:
        yield made


def test_all_of_it_over_http(server, monkeypatch):
    address, imitated = server
    monkeypatch.setattr(publishing, "BATCH", 16)
    store = open_store(f"{address}/frames", make=True)
    some, _ = pictures(range(40))
    assert publish(store, some).n_new == 40
    some, bags = pictures(range(5, 50))
    done = publish(store, some)
    assert (done.n_new, done.n_removed) == (10, 5)
    some, _ = pictures(range(5, 50), camera="B")
    assert publish(store, some).n_described == 45
    store.close()
    store = open_store(f"{address}/frames")
    index = QdrantIndex(store, some.lists, some.ids, MODEL)
    mask = np.arange(45) % 3 > 0
    for k, among in ((1, None), (7, mask), (1000, ~mask), (45, None)):
        mine = index.search_many(bags[:5], k, among=among)
        for one, other in zip(mine, some.lists.search_many(bags[:5], k, among=among)):
            assert one.ids.tolist() == other.ids.tolist() and one.names == other.names
            np.testing.assert_array_equal(one.scores, other.scores)
    points, _ = imitated.client.scroll("frames", limit=2)
    assert points[0].payload["camera"] == "B" and points[0].payload["blcf"]["epoch"] > 0
    assert {path.split("/")[1] for _, path in imitated.requests} == {"collections"}
    store.close()


def test_a_key_is_sent_and_asked_for(monkeypatch):
    with imitated_server(key="secret") as (address, _):
        with pytest.raises(StorageError, match="refused.*QDRANT_API_KEY"):
            open_store(f"{address}/frames", make=True)
        monkeypatch.setenv("QDRANT_API_KEY", "secret")
        with pytest.warns(UserWarning, match="insecure"):
            open_store(f"{address}/frames", make=True).close()


def test_places_that_are_none(server):
    address, imitated = server
    with pytest.raises(InvalidInput, match="there is no such collection in Qdrant"):
        open_store(f"{address}/frames")
    for url in (address, f"{address}/", "http:///frames", "http://localhost:99999999/frames"):
        with pytest.raises(InvalidInput, match="Expected (the|an) address"):
            open_store(url)
    imitated.client.create_collection("others", vectors_config={}, sparse_vectors_config={})
    with pytest.raises(InvalidInput, match="somebody else's: name another collection"):
        open_store(f"{address}/others", make=True)


def test_a_server_that_is_not_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(StorageError, match="Could not reach Qdrant at .*Start the server"):
        open_store(f"http://127.0.0.1:{port}/frames", make=True)
