"""The inverted file's ranking, with the pictures found by Qdrant."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput
from blcf.index import DocumentFrequencies, InvertedFile
from blcf.index.approximate import wanted_words
from blcf.index.checked import check_among, check_bags, check_k
from blcf.printing import counted
from blcf.qdrant.answers import Answers, Asked, State
from blcf.qdrant.head import Head
from blcf.qdrant.publishing import Pictures, publish, state_of, weight_changes
from blcf.qdrant.stores import PointStore
from blcf.records import Ranking

__all__ = ["QdrantIndex"]


class QdrantIndex:
    """Posting lists in Qdrant, with the promises of `blcf.InvertedFile`.

    Vectors in the store are weighed with the statistics of an earlier day, its epoch. The score of
    now follows from them: the query takes each word ``idf_now / idf_epoch`` times, and the dot
    product is multiplied by ``norm_epoch / norm_now`` of the picture, which the inverted file
    knows. Qdrant is asked for as many pictures as can be among the best k whatever that factor is,
    and whatever it has rounded in float32; these are scored in float64 from their bags, which
    Qdrant keeps as text beside the vectors. So nothing has to be sent again when pictures come and
    go, and the ranking is that of the inverted file, ties included.

    Parameters
    ----------
    store : the points, written by `blcf.qdrant.publish` (`blcf export --to qdrant`)
    lists : the inverted file of the same pictures
    ids : int64 (n_images,), the ids of its images in the store; None: 0, 1, 2 ...
    model : what the words were made with, see `blcf.qdrant.head.Head`

    Raises
    ------
    InvalidInput
        The store holds other pictures: an export is due, or under way.
    """

    def __init__(
        self,
        store: PointStore,
        lists: InvertedFile,
        ids: np.ndarray | None = None,
        model: Mapping[str, Any] | None = None,
    ):
        self.store = store
        self.model = dict(model or {})
        self._changing = threading.Lock()
        n_images = lists.n_images
        ids = np.arange(n_images, dtype=np.int64) if ids is None else ids
        self._next_id = int(ids.max(initial=-1)) + 1
        self._state = self._taken(lists, ids)

    def __repr__(self) -> str:
        return f"QdrantIndex({self.store.place!r}): {counted(self.n_images, 'image')}"

    def _taken(self, lists: InvertedFile, ids: np.ndarray) -> State:
        if not lists.n_images:
            return State(lists, ids, None, np.ones(lists.n_words), 1.0)
        said, place = self.store.head(), self.store.place
        head = None if said is None else Head.from_dict(said, place)
        if head is not None:
            head.check_model(self.model, place)
        if head is None or not head.is_whole or head.state != state_of(lists, ids, self.model):
            holds = "nothing" if head is None else "other pictures"
            if head is not None and not head.is_whole:
                holds = "a part of them: an export was interrupted, or is under way"
            raise InvalidInput(
                f"Expected {place} to hold the pictures of the collection as they are now, it "
                f"holds {holds}. Bring it up to date: blcf export COLLECTION --to qdrant {place}"
            )
        changes = weight_changes(lists, head.epoch)
        assert changes is not None, "such a store is never whole"
        weights = head.epoch.weighing(lists).idf_
        return State(lists, ids, head.epoch, weights, float(changes.max()))

    @property
    def n_words(self) -> int:
        """Size of the vocabulary."""
        return self._state.lists.n_words

    @property
    def idf(self) -> bool:
        """Whether words are weighed by their idf."""
        return self._state.lists.idf

    @property
    def sqrt(self) -> bool:
        """Whether counts count as their root."""
        return self._state.lists.sqrt

    @property
    def n_images(self) -> int:
        """How many images the index holds."""
        return self._state.lists.n_images

    @property
    def n_postings(self) -> int:
        """How many (image, word) pairs the inverted file stores."""
        return self._state.lists.n_postings

    def name(self, image_id: int) -> str:
        """The name of an image by its place in the order of insertion."""
        return self._state.lists.name(image_id)

    @property
    def frequencies(self) -> DocumentFrequencies:
        """See `InvertedFile.frequencies`."""
        return self._state.lists.frequencies

    @property
    def df(self) -> np.ndarray:
        """In how many images each word occurs: int64 (n_words,)."""
        return self._state.lists.df

    @property
    def idf_(self) -> np.ndarray:
        """Inverse document frequencies of the images: float64 (n_words,)."""
        return self._state.lists.idf_

    @property
    def norms_(self) -> np.ndarray:
        """L2 norm of every image's vector: float64 (n_images,)."""
        return self._state.lists.norms_

    def weigh(self, bags: sp.csr_matrix) -> sp.csr_matrix:
        """L2-normalised (rooted) tf-idf vectors of bags: CSR float64 (n, n_words)."""
        return self._state.lists.weigh(bags)

    def add(self, names: Sequence[str], bags: sp.csr_matrix) -> QdrantIndex:
        """Append images, here and in the store; see `InvertedFile.add`.

        Of a collection `blcf export` does it, which knows ids and facts of its pictures.
        """
        with self._changing:
            lists, ids = copy(self._state.lists), self._state.ids  # searches keep theirs
            lists.add(names, bags)
            new = np.arange(self._next_id, self._next_id + len(names), dtype=np.int64)
            self._next_id += len(names)
            self._publish(lists, np.concatenate([ids, new]))
        return self

    def remove(self, names: Sequence[str]) -> int:
        """Remove all images of some names, here and in the store; gives how many there were."""
        with self._changing:
            lists, ids = copy(self._state.lists), self._state.ids
            gone = {names} if isinstance(names, str) else set(names)
            left = [lists.name(place) not in gone for place in range(lists.n_images)]
            n_removed = lists.remove(names)
            if n_removed:
                self._publish(lists, ids[np.array(left)])
        return n_removed

    def _publish(self, lists: InvertedFile, ids: np.ndarray) -> None:
        rows: Iterator[dict[str, Any]] = (
            {"name": lists.name(place).encode("utf-8", "replace").decode()}
            for place in range(lists.n_images)
        )
        publish(self.store, Pictures(lists, ids, rows, self.model))
        self._state = self._taken(lists, ids)

    def close(self) -> None:
        """Give the memory maps of the inverted file back; the store is its owner's to close."""
        self._state.lists.close()

    def search(
        self,
        bag: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        approximate: float | None = None,
        among: np.ndarray | None = None,
    ) -> Ranking:
        """The k images most similar to a bag; see `InvertedFile.search`.

        Raises
        ------
        InvalidInput, VocabularyMismatch
        StorageError
            Qdrant cannot be reached.
        """
        checked = check_bags(bag, self.n_words, weighed=weighed)
        if checked.shape[0] != 1:
            raise InvalidInput(
                f"Expected one bag of shape (1, {self.n_words}), got shape {checked.shape}. "
                "Use search_many for several."
            )
        how: dict[str, Any] = {"weighed": weighed, "approximate": approximate, "among": among}
        return self.search_many(checked, k, **how)[0]

    def search_many(
        self,
        bags: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        approximate: float | None = None,
        among: np.ndarray | None = None,
        n_threads: int | None = None,
    ) -> list[Ranking]:
        """`search` for every row, several in a request; threads are Qdrant's to have."""
        state = self._state
        lists, k = state.lists, check_k(k)
        if n_threads is not None:
            check_k(n_threads, "n_threads, the number of threads,")
        vectors = check_bags(bags, lists.n_words, weighed=True) if weighed else lists.weigh(bags)
        arrays = vectors.indices, vectors.data, vectors.indptr
        words, weights, ends = wanted_words(lists.df, lists.idf_, arrays, approximate)
        mask = None if among is None else check_among(among, lists.n_images)
        n_chosen = lists.n_images if mask is None else int(np.count_nonzero(mask))
        in_vectors = state.weights[words]
        values = np.divide(weights, in_vectors, out=np.zeros_like(weights), where=in_vectors != 0)
        asked = []
        for first, last in zip(ends, ends[1:]):
            used = np.flatnonzero(values[first:last]) + first
            asked.append(Asked(words[used].astype(np.int64), weights[used], values[used]))
        answers = Answers(self.store, state, mask, min(k, n_chosen))
        return [answers.ranking(one) for one in answers.find(asked)]
