"""The index of several shards: each ranks its own pictures, the best of all are put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput
from blcf.index.checked import check_bags, check_k
from blcf.index.scoring import unit_values
from blcf.records import Ranking
from blcf.sharded.pictures import ShardedPictures

__all__ = ["ShardedIndex"]

Chosen = tuple[str, Sequence[str]]  # a condition, and all columns that it may name


class ShardedIndex:
    """What `InvertedFile` is to a search, over shards; the ranking is that of one of all pictures.

    Every shard weighs by the statistics of all, so that its scores are those of the whole; its
    pictures come in the order of insertion of all. The first k of all are among the first k of
    each, and merge by score, then by order of insertion.

    Parameters
    ----------
    pictures : of the shards, as of one epoch
    numbers : the shards that are asked
    sqrt : see `InvertedFile`
    """

    def __init__(self, pictures: ShardedPictures, numbers: Sequence[int], sqrt: bool):
        self._pictures = pictures
        self._numbers = list(numbers)
        self._epoch = epoch = pictures.epoch
        self.sqrt = sqrt
        self.n_words = epoch.frequencies.df.size
        self._idf = epoch.frequencies.idf if epoch.idf else np.ones(self.n_words)

    @property
    def n_images(self) -> int:
        """How many pictures the shards hold that are asked."""
        states = (self._epoch.states[number] for number in self._numbers)
        return sum(one.runs.n_images for one in states if one is not None)

    @property
    def df(self) -> np.ndarray:
        """In how many pictures of all shards each word occurs: int64 (n_words,)."""
        return self._epoch.frequencies.df

    @property
    def idf_(self) -> np.ndarray:
        """Inverse document frequencies of all shards (ones where off): float64 (n_words,)."""
        return self._idf

    def weigh(self, bags: sp.csr_matrix) -> sp.csr_matrix:
        """See `InvertedFile.weigh`."""
        bags = check_bags(bags, self.n_words)
        values = unit_values(bags, self._idf, self.sqrt)
        return sp.csr_matrix((values, bags.indices, bags.indptr), bags.shape)

    def search(
        self,
        bag: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        approximate: float | None = None,
        among: Chosen | None = None,
    ) -> Ranking:
        """See `InvertedFile.search`; `among` is a condition and all columns that it may name."""
        bag = check_bags(bag, self.n_words, weighed=weighed)
        if bag.shape[0] != 1:
            raise InvalidInput(
                f"Expected one bag of shape (1, {self.n_words}), got shape {bag.shape}. "
                "Use search_many for several."
            )
        how: dict[str, Any] = {"weighed": weighed, "approximate": approximate, "among": among}
        return self.search_many(bag, k, **how)[0]

    def search_many(
        self,
        bags: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        approximate: float | None = None,
        among: Chosen | None = None,
        n_threads: int | None = None,
    ) -> list[Ranking]:
        """`search` for every row; each shard is asked once, and has threads of its own."""
        bags, k = check_bags(bags, self.n_words, weighed=weighed), check_k(k)
        vectors = bags if weighed else self.weigh(bags)
        answers = self._each("rank", vectors, k, approximate, among, n_threads)
        return [
            self._merged({shard: found[row] for shard, found in answers.items()}, k)
            for row in range(vectors.shape[0])
        ]

    def _merged(
        self, answers: dict[int, tuple[np.ndarray, np.ndarray, list[str]]], k: int
    ) -> Ranking:
        """The best k of what the shards found for one vector."""
        scores = np.concatenate([np.empty(0, np.float32), *(one[0] for one in answers.values())])
        ids = self._ids({shard: one[1] for shard, one in answers.items()})
        names = [name for one in answers.values() for name in one[2]]
        best = np.lexsort((ids, -scores))[:k]
        return Ranking([names[row] for row in best.tolist()], scores[best], ids[best])

    def last(self, vector: sp.csr_matrix, n: int, among: Chosen | None) -> np.ndarray:
        """The last n that share a word with a vector, the best first: int64."""
        answers = self._each("last", vector, n, among)
        scores = np.concatenate([np.empty(0, np.float32), *(one[0] for one in answers.values())])
        ids = self._ids({shard: one[1] for shard, one in answers.items()})
        return ids[np.lexsort((ids, -scores))][-n:]

    def _each(self, method: str, *arguments: Any) -> dict[int, Any]:
        coordinator, epoch = self._pictures.coordinator, self._epoch
        return coordinator.each(
            self._numbers,
            lambda shard: coordinator.ask_in(epoch, shard, method, *arguments),
        )

    def _ids(self, there: dict[int, np.ndarray]) -> np.ndarray:
        numbering = self._epoch.numbering
        parts = [numbering.ids(shard, ids) for shard, ids in there.items()]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def close(self) -> None:
        """The shards are closed by who opened them."""
