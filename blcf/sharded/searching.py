"""A search over shards: the flow of `blcf.searching`; pictures are looked into where they are.

A search ends with the epoch that it began with. Where a shard does not answer, and is to be done
without, it begins again with the others.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.collection import Model
from blcf.errors import InvalidInput, ShardUnavailable
from blcf.qdrant import PointStore
from blcf.records import Query
from blcf.searching.looking import Looks
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import Found
from blcf.searching.searchable import Searchable
from blcf.searching.searcher import Answer, Searcher
from blcf.sharded.collection import ShardedCollection
from blcf.sharded.coordinator import LostShard
from blcf.sharded.index import ShardedIndex

__all__ = ["ShardedSearchable", "ShardedSearcher", "open_searcher"]


def open_searcher(model: Model, store: PointStore | None = None) -> Searcher:
    """The search over what the collection of a model holds now, in one piece or in shards.

    Parameters
    ----------
    store : see `Searchable.of`; of a collection in one piece
    """
    collection = model.collection
    if not isinstance(collection, ShardedCollection):
        return Searcher(Searchable.of(model, store))
    if store is not None:
        raise InvalidInput(
            f"{collection.path} is in shards, which rank in their own inverted files. Leave the "
            "index out, or make one piece of it with `blcf merge`."
        )
    collection.lend(model)
    return ShardedSearcher(ShardedSearchable.over(model, copy(collection), ()))


@dataclass(frozen=True, eq=False)
class ShardedSearchable(Searchable):
    """What a search needs, of shards.

    Attributes
    ----------
    pictures : the snapshot
    ranks : the index
    """

    pictures: ShardedCollection
    ranks: ShardedIndex

    @classmethod
    def over(
        cls, model: Model, pictures: ShardedCollection, without: Sequence[int]
    ) -> ShardedSearchable:
        """A snapshot of shards, some of which are done without."""
        numbers = [one for one in pictures.epoch.numbers if one not in without]
        ranks = ShardedIndex(pictures, numbers, model.settings.sqrt)
        bags = model.bags_of_images, model.bags_of_parts
        return cls(ranks, pictures, model, *bags, pictures=pictures, ranks=ranks)

    def chosen(self, where: str) -> Any:
        """A condition goes to the shards as it is, with all columns that it may name."""
        return where, self.pictures.fact_columns

    def bags_of(self, ids: Sequence[int]) -> sp.csr_matrix:
        """Bags of pictures, made where these are."""

        def ask(shard: int, rows: np.ndarray, there: np.ndarray) -> sp.csr_matrix:
            return self.pictures.coordinator.ask_in(self.pictures.epoch, shard, "bags", there)

        parts = self.pictures.ask_of(ids, ask)
        order = np.argsort(np.concatenate([rows for rows, _ in parts]))
        return sp.vstack([bags for _, bags in parts], format="csr")[order]

    def last(self, vector: sp.csr_matrix, n: int, among: Any = None) -> np.ndarray:
        """The last pictures that share a word with a vector."""
        return self.ranks.last(vector, n, among)


class _ShardedLooker:
    """Looks into pictures where they are; each shard keeps what it has unpacked for the search."""

    def __init__(self, pictures: ShardedCollection, queries: Sequence[Query], options: Any):
        self._pictures = pictures
        # Boxes are refined here, from all shards: keypoints stay.
        sent = [replace(query, keypoints=None) for query in queries]
        self._search = uuid.uuid4().hex, sent, options

    def look(
        self,
        vector: sp.csr_matrix,
        quarters: sp.csr_matrix | None,
        ids: Sequence[int],
        whole_scores: np.ndarray,
    ) -> list[Found]:
        """See `blcf.searching.looking.Looker.look`."""
        pictures = self._pictures
        found: dict[int, Found] = {}

        def ask(shard: int, rows: np.ndarray, there: np.ndarray) -> list[Found]:
            sent = (*self._search, vector, quarters, there, whole_scores[rows])
            return pictures.coordinator.ask_in(pictures.epoch, shard, "look", *sent)

        for rows, answers in pictures.ask_of(ids, ask):
            found.update(zip(rows.tolist(), answers))
        return [found[row] for row in range(len(ids))]


class _Search(Searcher):
    """One search, over the shards that answer."""

    def __init__(self, searchable: ShardedSearchable):
        super().__init__(searchable)
        self._pictures = searchable.pictures

    def _looker(self, queries: Sequence[Query], options: SearchOptions) -> Looks:
        return _ShardedLooker(self._pictures, queries, options)


class ShardedSearcher(Searcher):
    """The search over an epoch of shards; safe to use from several threads.

    Parameters
    ----------
    searchable : the shards
    """

    def __init__(self, searchable: ShardedSearchable):
        super().__init__(searchable)
        self._shards = searchable

    def answer(
        self,
        query: Query | Sequence[Query],
        options: SearchOptions,
        negatives: Sequence[Query] = (),
    ) -> Answer:
        """See `Searcher.answer`; `Answer.missing` names shards that did not answer.

        Raises
        ------
        ShardUnavailable
            One does not answer, and is not to be done without; or none does.
        ShardChanged
            One was opened anew, and has changed since the search began.
        """
        pictures = self._shards.pictures
        coordinator, names = pictures.coordinator, set(pictures.missing)
        without = coordinator.absent & set(pictures.epoch.numbers)
        while True:
            if without >= set(pictures.epoch.numbers):
                raise ShardUnavailable(
                    f"No shard of {pictures.path} answers. Start their machines, and search again."
                )
            try:
                over = ShardedSearchable.over(self._shards.model, pictures, sorted(without))
                answer = _Search(over).answer(query, options, negatives)
            except LostShard as lost:
                without.add(lost.number)
            else:
                names |= {coordinator.name(number) for number in without}
                return replace(answer, missing=tuple(sorted(names)))
