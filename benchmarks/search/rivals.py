"""What the inverted file is measured against: scipy, bm25s and qdrant on the same vectors.

Every rival gets vectors that are weighed and normalised beforehand, rows of float32, and gives
ids and scores of the best k images.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

Top = tuple[np.ndarray, np.ndarray]  # ids, scores

TOLERANCE = 1e-5


def normalise(counts: sp.csr_matrix) -> None:
    """Rooted tf-idf vectors of unit length in place of counts, as `blcf.InvertedFile` has them."""
    n_images, n_words = counts.shape
    df = np.bincount(counts.indices, minlength=n_words)
    idf = np.log(n_images / np.maximum(df, 1))
    for first in range(0, n_images, 8_192):
        ends = counts.indptr[first : first + 8_193]
        cells = slice(ends[0], ends[-1])
        values = np.sqrt(counts.data[cells].astype(np.float64)) * idf[counts.indices[cells]]
        squared = np.add.reduceat(values * values, ends[:-1] - ends[0])
        counts.data[cells] = values / np.repeat(np.sqrt(squared), np.diff(ends))


def best(ids: np.ndarray | None, scores: np.ndarray, k: int) -> Top:
    """The best k of some scores; ids where they are not the places of the scores."""
    kept = np.arange(scores.size)
    if k < scores.size:
        kept = np.argpartition(scores, scores.size - k)[scores.size - k :]
    order = kept[np.argsort(-scores[kept])]
    return order if ids is None else ids[order], scores[order]


def by_product(by_word: sp.csr_matrix, query: sp.csr_matrix, k: int) -> Top:
    """``q @ X.T`` with X.T kept as CSR (n_words, n_images)."""
    product = query @ by_word
    return best(product.indices, product.data, k)


def by_whole_product(by_word: sp.csr_matrix, queries: sp.csr_matrix, k: int) -> list[Top]:
    """``Q @ X.T`` for all queries at once."""
    product = queries @ by_word
    rows = [slice(*ends) for ends in zip(product.indptr, product.indptr[1:])]
    return [best(product.indices[row], product.data[row], k) for row in rows]


def by_dense_query(by_image: sp.csr_matrix, query: np.ndarray, k: int) -> Top:
    """``X @ q`` with X kept as CSR (n_images, n_words)."""
    return best(None, by_image @ query, k)


class Bm25s:
    """bm25s with its numba backend on precomputed scores: X.T, which is what its index holds.

    It sums the scores of a query's words and knows no weights: a word counts as often as it is
    named.
    """

    def __init__(self, by_word: sp.csr_matrix):
        import bm25s

        self._index = bm25s.BM25(backend="numba", auto_compile=False)
        self._index.scores = {
            "data": by_word.data,
            "indices": by_word.indices,
            "indptr": by_word.indptr,
            "num_docs": by_word.shape[1],
        }
        self._index.nonoccurrence_array = None
        self._index.unique_token_ids_set = set(range(by_word.shape[0]))

    def search(self, words: list[int], k: int) -> Top:
        """The best k images for some words."""
        ids, scores = self._index.retrieve([words], k=k, show_progress=False)
        return ids[0], scores[0]


class Qdrant:
    """The in-process shard of qdrant with a sparse index in memory, exact, one search thread."""

    def __init__(self, by_image: sp.csr_matrix, folder: Path):
        import qdrant_edge

        self._library = qdrant_edge
        self._folder = tempfile.TemporaryDirectory(dir=folder)
        pinned = qdrant_edge.EdgeSparseVectorParams(
            full_scan_threshold=0, memory=qdrant_edge.Memory.Pinned
        )
        config = qdrant_edge.EdgeConfig(
            sparse_vectors={"bag": pinned}, max_search_threads=1, wal_enabled=False
        )
        self._shard = qdrant_edge.EdgeShard.create(self._folder.name, config)
        for first in range(0, by_image.shape[0], 1_000):
            points = list(self._points(by_image, first))
            self._shard.update(qdrant_edge.UpdateOperation.upsert_points(points))
        self._shard.optimize()

    def _points(self, by_image: sp.csr_matrix, first: int) -> Iterator[Any]:
        for row in range(first, min(first + 1_000, by_image.shape[0])):
            cells = slice(by_image.indptr[row], by_image.indptr[row + 1])
            vector = self.vector(by_image.indices[cells], by_image.data[cells])
            yield self._library.Point(row, {"bag": vector})

    def vector(self, words: np.ndarray, values: np.ndarray) -> Any:
        """A sparse vector."""
        return self._library.SparseVector(words.tolist(), values.tolist())

    def search(self, vector: Any, k: int) -> Top:
        """The best k images for a vector."""
        library = self._library
        request = library.QueryRequest(
            limit=k,
            query=library.Query.Nearest(vector, using="bag"),
            params=library.SearchParams(exact=True),
        )
        hits = self._shard.query(request)
        return np.array([hit.id for hit in hits]), np.array([hit.score for hit in hits])

    def close(self) -> None:
        """Give back memory and folder."""
        self._shard.close()
        self._folder.cleanup()


def check_equal(name: str, ours: Top, theirs: Top) -> None:
    """Raise `AssertionError` unless two rankings are the same but for ties within `TOLERANCE`."""
    (ids, scores), (other_ids, other_scores) = ours, theirs
    gap = np.abs(scores - other_scores).max(initial=0)
    assert scores.size == other_scores.size and gap <= TOLERANCE, f"{name}: scores differ by {gap}"
    for found, those, others in ((ids, scores, other_ids), (other_ids, other_scores, ids)):
        # What only one of the two shows must be tied with the last place.
        lone = those[~np.isin(found, others)]
        assert (lone <= those[-1] + TOLERANCE).all(), f"{name}: other images"
    order, other_order = np.argsort(ids), np.argsort(other_ids)
    shared = np.intersect1d(ids, other_ids)
    one = scores[order][np.searchsorted(ids[order], shared)]
    other = other_scores[other_order][np.searchsorted(other_ids[other_order], shared)]
    assert np.abs(one - other).max(initial=0) <= TOLERANCE, f"{name}: other scores"
