"""A query's best pictures from a store: asked for until no other can be among them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from blcf.errors import InvalidInput
from blcf.index import InvertedFile
from blcf.qdrant.head import Epoch
from blcf.qdrant.packing import unpack_bags
from blcf.qdrant.stores import Chosen, Found, PointStore
from blcf.records import Ranking

__all__ = ["Answers", "Asked", "State"]

_MORE = 16  # candidates beyond k
_TOGETHER = 32  # queries of one request
_UNIT = 2.0**-24  # of float32


@dataclass(frozen=True, eq=False)
class State:
    """What a search needs, as of one state of the store.

    Attributes
    ----------
    lists : the inverted file, for df, idf, norms and names; its posting lists are not walked
    ids : int64 (n_images,), of the points, in its order
    epoch : of the store; None where it was not asked for yet
    weights : float64 (n_words,), of words in the vectors
    most : how many times its score of now is that of a vector, at most, see `weight_changes`
    """

    lists: InvertedFile
    ids: np.ndarray
    epoch: Epoch | None
    weights: np.ndarray
    most: float

    @cached_property
    def scale(self) -> np.ndarray:
        """One over the norm of each image, 0 where that is 0: float64 (n_images,)."""
        norms = self.lists.norms_
        return np.divide(1, norms, out=np.zeros_like(norms), where=norms > 0)

    @cached_property
    def order(self) -> np.ndarray:
        """The numbers of the images by ascending ids: int64 (n_images,)."""
        return np.argsort(self.ids, kind="stable")

    @cached_property
    def sorted_ids(self) -> np.ndarray:
        """The ids, ascending."""
        return self.ids[self.order]


@dataclass(frozen=True, eq=False)
class Asked:
    """A query.

    Attributes
    ----------
    words : int64 (n,), ascending
    weights : float64 (n,), what a unit of (root of) tf adds to the score, before it is divided by
        the image's norm
    values : float64 (n,), of the words in what Qdrant is asked for
    """

    words: np.ndarray
    weights: np.ndarray
    values: np.ndarray


class Answers:
    """The answers to some queries.

    Parameters
    ----------
    store : the points
    state : of it
    mask : bool (n_images,), which images are ranked; None for all
    k : how many of them, at most as many as there are
    """

    def __init__(self, store: PointStore, state: State, mask: np.ndarray | None, k: int):
        self._store, self._state, self._mask, self._k = store, state, mask, k
        self._only = None
        if mask is not None:
            are_in = 2 * np.count_nonzero(mask) <= mask.size
            self._only = Chosen(state.ids[mask if are_in else ~mask], bool(are_in))

    def find(self, asked: Sequence[Asked]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Numbers and float32 scores of the best k images of each query."""
        for first in range(0, len(asked), _TOGETHER):
            some = asked[first : first + _TOGETHER]
            limit = self._k + _MORE
            head = [self._head(*one, limit) for one in zip(some, self._query(some, limit))]
            rest = [row for row, one in enumerate(head) if isinstance(one, float)]
            least = [float(head[row]) for row in rest]
            wanted = self._all_above([some[row] for row in rest], least)
            by_row = dict(zip(rest, wanted))
            yield from (by_row.get(row, one) for row, one in enumerate(head))

    def _head(self, query: Asked, found: Found, limit: int) -> Any:
        """The best k of the first points; or what others that may be among them score in Qdrant.

        Every point has been seen where there are fewer than were asked for.
        """
        numbers, scores = self._scored(query, found)
        if found.ids.size < limit:
            return self._complete(numbers, scores)
        order = np.lexsort((numbers, -scores))[: self._k]
        if order.size < self._k or scores[order[-1]] <= 0:
            return -math.inf  # images that share nothing with the query may be among them
        # What Qdrant adds up in float32 is off by less (Higham, section 3.1); a vector's length
        # is one.
        slack = (query.words.size + 5) * _UNIT * float(np.linalg.norm(query.values))
        least = float(np.nextafter(scores[order[-1]], np.float32(0))) / self._state.most - slack
        return (numbers[order], scores[order]) if found.scores[-1] < least else least

    def _all_above(
        self, asked: Sequence[Asked], least: Sequence[float]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The best k of all points that score so much in Qdrant."""
        limit = self._state.ids.size + _MORE
        answers = self._query(asked, limit, least)
        while any(one.ids.size >= limit for one in answers):  # there are points of others
            limit *= 2
            answers = self._query(asked, limit, least)
        for query, found, bound in zip(asked, answers, least):
            numbers, scores = self._scored(query, found)
            if bound == -math.inf:
                yield self._complete(numbers, scores)
            else:
                order = np.lexsort((numbers, -scores))[: self._k]
                yield numbers[order], scores[order]

    def _query(
        self, asked: Sequence[Asked], limit: int, least: Sequence[float] | None = None
    ) -> list[Found]:
        """What the store finds; nothing for a query without words."""
        none = np.empty(0, dtype=np.int64)
        nothing = Found(none, np.empty(0), none, [])
        rows = [row for row, one in enumerate(asked) if one.words.size and self._k]
        vectors = [(asked[row].words, asked[row].values) for row in rows]
        bounds = None if least is None else [least[row] for row in rows]
        answers = self._store.query(vectors, limit, self._only, bounds) if rows else []
        by_row = dict(zip(rows, answers))
        return [by_row.get(row, nothing) for row in range(len(asked))]

    def _scored(self, query: Asked, found: Found) -> tuple[np.ndarray, np.ndarray]:
        """Numbers and float32 scores of the points that are images here.

        Added up word by word, as the inverted file does.
        """
        numbers, rows = self._known(found)
        lists = self._state.lists
        bags = unpack_bags([found.bags[row] for row in rows], lists.n_words)
        if lists.sqrt:
            bags.data = np.sqrt(bags.data)
        dense = np.zeros(lists.n_words)
        dense[query.words] = query.weights
        return numbers, (bags @ dense * self._state.scale[numbers]).astype(np.float32)

    def _complete(self, numbers: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The best k where all images are known that share a word; the others score 0."""
        n_images = self._state.ids.size
        every = np.zeros(n_images, dtype=np.float32)
        every[numbers] = scores
        chosen = np.arange(n_images) if self._mask is None else np.flatnonzero(self._mask)
        order = chosen[np.lexsort((chosen, -every[chosen]))[: self._k]]
        return order, every[order]

    def _known(self, found: Found) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the points that are images here, and their rows."""
        epoch, ids = self._state.epoch, self._state.sorted_ids
        places = np.minimum(np.searchsorted(ids, found.ids), max(ids.size - 1, 0))
        rows = np.flatnonzero(ids[places] == found.ids) if ids.size else places[:0]
        if epoch is not None and (found.epochs[rows] != epoch.number).any():
            raise InvalidInput(
                f"{self._store.place} was exported to anew while it was open, and its vectors are "
                "weighed in another way. Open it again."
            )
        return self._state.order[places[rows]], rows

    def ranking(self, best: tuple[np.ndarray, np.ndarray]) -> Ranking:
        """With names."""
        numbers, scores = best
        names = [self._state.lists.name(int(number)) for number in numbers]
        return Ranking(names, scores, numbers.astype(np.int64))
