"""The kinds of index that keep the contract, and what its tests share."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import oracle
import pytest
import scipy.sparse as sp

from blcf.index import FlatIndex, InvertedFile, merging
from blcf.qdrant import QdrantIndex, open_store
from blcf.qdrant.server import ServerStore
from blcf.records import Index


@dataclass(frozen=True)
class Kind:
    """A kind of index: how one is made of batches of (names, bags), and its weights."""

    make: Callable[..., Index]
    idf: bool
    sqrt: bool


def merge_early(monkeypatch):
    """Make a few images what tens of thousands are: parts are merged all the time."""
    monkeypatch.setattr(merging, "LARGEST", 9)
    monkeypatch.setattr(merging, "TIERS", (2, 4, 9))
    monkeypatch.setattr(merging, "FACTOR", 2)


def reopened(index):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.h5"
        index.save(path)
        return type(index).open(path)


def doomed(n_words, tf=7):
    """Images that are removed again: every word three times."""
    return ["doomed"] * 3, sp.csr_matrix(np.full((3, n_words), tf, dtype=np.float32))


def kinds():
    for idf in (False, True):
        for sqrt in (False, True):

            def in_memory(n_words, *batches, idf=idf, sqrt=sqrt):
                index = InvertedFile(n_words, idf=idf, sqrt=sqrt)
                for names, bags in batches:
                    assert index.add(names, bags) is index
                return index

            def opened(n_words, *batches, make=in_memory):
                return reopened(make(n_words, *batches))

            def shrunk(n_words, *batches, make=in_memory):
                """With images in between that were removed; some parts hold their marks."""
                mixed = [doomed(n_words, 300)]
                for batch in batches:
                    mixed += [batch, doomed(n_words)]
                index = make(n_words, *mixed)
                assert index.remove(["doomed"]) == 3 * (1 + len(batches))
                return index

            def merged(n_words, *batches, make=shrunk):
                with pytest.MonkeyPatch.context() as monkeypatch:
                    merge_early(monkeypatch)
                    return make(n_words, *batches)

            label = f"inverted-idf{idf:d}-sqrt{sqrt:d}"
            yield pytest.param(Kind(in_memory, idf, sqrt), id=label)
            yield pytest.param(Kind(opened, idf, sqrt), id=f"{label}-opened")
            if idf:
                yield pytest.param(Kind(shrunk, idf, sqrt), id=f"{label}-shrunk")
                yield pytest.param(Kind(merged, idf, sqrt), id=f"{label}-merged")


SHM = Path("/dev/shm")  # a shard syncs its files


def edge_store():
    folder = tempfile.TemporaryDirectory(dir=SHM if SHM.is_dir() else None)
    store = open_store(Path(folder.name) / "shard", make=True)
    store.folder = folder  # it goes with the store
    return store


def server_store():
    """By the client's own imitation of a server, in memory."""
    from qdrant_client import QdrantClient

    return ServerStore(QdrantClient(":memory:"), "images", make=True)


def qdrant_kinds():
    for label, make_store, idf, sqrt in [
        ("edge-idf0-sqrt0", edge_store, False, False),
        ("edge-idf1-sqrt1", edge_store, True, True),
        ("server-idf1-sqrt1", server_store, True, True),
    ]:

        def in_store(n_words, *batches, make_store=make_store, idf=idf, sqrt=sqrt):
            index = QdrantIndex(make_store(), InvertedFile(n_words, idf=idf, sqrt=sqrt))
            for names, bags in batches:
                assert index.add(names, bags) is index
            return index

        library = "qdrant_edge" if make_store is edge_store else "qdrant_client"
        missing = importlib.util.find_spec(library) is None
        marks = pytest.mark.skipif(missing, reason="Qdrant needs blcf[qdrant]")
        yield pytest.param(Kind(in_store, idf, sqrt), id=label, marks=marks)


every_kind = pytest.mark.parametrize("kind", [*kinds(), *qdrant_kinds()])


def csr(rows, n_words=None):
    return sp.csr_matrix(np.array(rows, dtype=np.float32).reshape(len(rows), n_words or -1))


def names_of(bags, first=0):
    return [f"{i}.jpg" for i in range(first, first + bags.shape[0])]


# What a frequency may be: counts, large counts, sums of weights in sixteenths, any float.
TF = {
    "counts": lambda rng, shape: rng.integers(1, 9, shape),
    "large": lambda rng, shape: rng.choice([1, 2, 255, 256, 1000, 70_000], shape),
    "sixteenths": lambda rng, shape: rng.integers(1, 200, shape) / 16,
    "floats": lambda rng, shape: rng.exponential(3, shape),
}


def random_bags(seed, n_images=40, n_words=30, density=0.25, tf="counts"):
    rng = np.random.default_rng(seed)
    shape = n_images, n_words
    return csr(TF[tf](rng, shape) * (rng.random(shape) < density))


def make(kind, *batches):
    """An index of batches of bags; images are named by their number."""
    starts = np.cumsum([0, *(bags.shape[0] for bags in batches)])
    named = [(names_of(bags, first), bags) for bags, first in zip(batches, starts)]
    return kind.make(batches[0].shape[1], *named)


def as_dict(row):
    return {int(word): float(tf) for word, tf in zip(row.indices, row.data) if tf}


def true_scores(kind, query, bags):
    """The oracle's score of every image."""
    rows = [as_dict(bags[i]) for i in range(bags.shape[0])]
    pairs = oracle.rank(
        as_dict(query), rows, bags.shape[1], use_idf=kind.idf, sqrt=kind.sqrt, k=len(rows)
    )
    scores = np.zeros(len(rows))
    for i, score in pairs:
        scores[i] = score
    return scores


def dense_scores(kind, query, bags):
    """The same by products of dense matrices."""
    tf = np.vstack([query.toarray(), bags.toarray()]).astype(np.float64)
    vectors = np.sqrt(tf) if kind.sqrt else tf
    if kind.idf:
        df = (tf[1:] > 0).sum(axis=0)
        vectors = vectors * np.where(df > 0, np.log(bags.shape[0] / np.maximum(df, 1)), 0)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return vectors[1:] @ vectors[0]


def check(ranking, scores, k):
    """The ranking is a right one for these scores: figures first, then the order of ties."""
    n = min(k, len(scores))
    assert len(ranking) == n == len(set(ranking.ids.tolist()))
    assert ranking.scores.dtype == np.float32 and ranking.boxes is None
    np.testing.assert_allclose(ranking.scores, np.sort(scores)[::-1][:n], atol=1e-6)
    np.testing.assert_allclose(ranking.scores, scores[ranking.ids], atol=1e-6)
    assert ranking.names == [f"{i}.jpg" for i in ranking.ids]
    pairs = [(-score, i) for score, i in zip(ranking.scores.tolist(), ranking.ids.tolist())]
    assert pairs == sorted(pairs)


def same(ranking, other):
    assert ranking.names == other.names
    np.testing.assert_array_equal(ranking.scores, other.scores)
    np.testing.assert_array_equal(ranking.ids, other.ids)


def dense_kinds():
    """Makers of a `FlatIndex` of batches of (names, vectors), as `kinds` makes inverted files."""

    def in_memory(n_components, *batches):
        index = FlatIndex(n_components)
        for names, vectors in batches:
            assert index.add(names, vectors) is index
        return index

    def opened(n_components, *batches):
        return reopened(in_memory(n_components, *batches))

    def shrunk(n_components, *batches):
        doomed = ["doomed"] * 3, np.ones((3, n_components), dtype=np.float32)
        mixed = [doomed]
        for batch in batches:
            mixed += [batch, doomed]
        index = in_memory(n_components, *mixed)
        assert index.remove(["doomed"]) == 3 * (1 + len(batches))
        return index

    def merged(n_components, *batches):
        with pytest.MonkeyPatch.context() as monkeypatch:
            merge_early(monkeypatch)
            return shrunk(n_components, *batches)

    makers = in_memory, opened, shrunk, merged
    return [pytest.param(make, id=f"flat-{make.__name__}") for make in makers]


every_dense_kind = pytest.mark.parametrize("make", dense_kinds())
