"""A shard, opened: what it holds, and what it held in the epochs that are still asked for.

It is searched by the statistics of all shards, under the name of an *epoch*: what all of them held
at one moment. What was opened for an epoch is a snapshot, which stays while the collection changes;
what is gone (another process serves the shard by now, and the collection has changed) is refused.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection import Collection, Model
from blcf.collection.opening import check_tiles, open_index
from blcf.collection.shards import model_digest
from blcf.errors import InvalidInput, ShardChanged, VocabularyMismatch
from blcf.index import InvertedFile
from blcf.index.statistics import DocumentFrequencies
from blcf.searching.searchable import Searchable
from blcf.sharded.numbering import Runs

__all__ = ["HeldShard", "ShardState", "UnknownEpoch"]

_EPOCHS = 4  # that are kept, the last used: somebody may still ask why a hit was found

_SAID = ("format_version", "generation", "extractor", "settings", "model", "roots", "videos")


class UnknownEpoch(Exception):
    """The shard was not told of an epoch, or has forgotten it: `Shard.enter` tells it."""


@dataclass(frozen=True, eq=False)
class ShardState:
    """What a shard holds at one moment.

    Attributes
    ----------
    digest : of its manifest
    stamp : see `Snapshot.stamp`
    runs : the places of its pictures in the order of insertion of all shards
    frequencies : of its pictures
    manifest : what it says of network, settings, model, folders, films
    """

    digest: str
    stamp: tuple[int, ...]
    runs: Runs
    frequencies: DocumentFrequencies
    manifest: dict[str, Any]


class HeldShard:
    """One shard, opened; threads may use it at once.

    Parameters
    ----------
    path : of the collection
    model : its `model_digest`
    shift : what is added to the ids of its pictures
    centroids : gives the features of the words where they are held already; None reads the shard's

    Raises
    ------
    CollectionNotFound, FormatError
    VocabularyMismatch
        It is of another model.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        model: str,
        shift: int,
        centroids: Callable[[], np.ndarray] | None = None,
    ):
        self._shift = shift
        self._digest = model
        self._collection = Collection.open(path)
        self._check()
        self._model: Model = _Borrowing(self._collection, centroids)
        self._changing = threading.RLock()
        self._state: ShardState | None = None
        self._epochs: OrderedDict[str, Searchable] = OrderedDict()
        self._is_closed = False

    def _check(self) -> None:
        found = model_digest(self._collection.manifest)
        if found != self._digest:
            raise VocabularyMismatch(
                f"Expected {self._collection.path} to be of the network, vocabulary and weighting "
                f"of the other shards (model {self._digest[:8]}), it is of others (model "
                f"{found[:8]}). Put the shard back that was there, or index again."
            )

    @property
    def path(self) -> Path:
        """The folder."""
        return self._collection.path

    @property
    def centroids(self) -> np.ndarray:
        """The features of the words: float32 (n_words, n_components)."""
        return self._model.centroids

    def close(self) -> None:
        """Give the memory maps back."""
        with self._changing:
            self._is_closed = True
            for one in self._epochs.values():
                one.close()
            self._epochs.clear()
            self._collection.close()

    def stamp(self) -> tuple[int, ...]:
        """What changes with each change of the collection, see `Snapshot.stamp`."""
        return self._collection.stamp()

    def state(self) -> ShardState:
        """What the shard holds now."""
        with self._changing:
            stamp = self._collection.stamp()
            if self._state is None or self._state.stamp != stamp:
                self._collection.refresh()
                self._check()
                self._state = self._state_now(stamp)
            return self._state

    def _state_now(self, stamp: tuple[int, ...]) -> ShardState:
        snapshot, model = copy(self._collection), self._model
        # A repair may have moved pictures: they keep their order, which is that of ties.
        places = np.sort(snapshot.column("ids")) + np.int64(self._shift)
        index = open_index(snapshot, model.n_words, model.settings)
        said = {name: snapshot.manifest[name] for name in _SAID}
        said["prefixes"] = snapshot.manifest.get("prefixes", {})
        digest = str(snapshot.manifest["digest"])
        return ShardState(digest, stamp, Runs.of(places), index.frequencies, said)

    def enter(self, epoch: str, digest: str, frequencies: DocumentFrequencies, idf: bool) -> None:
        """Weigh by the statistics of an epoch from now on, whenever that is named.

        Parameters
        ----------
        epoch : its name
        digest : of the state of this shard that it is of
        frequencies : the sum of those of all shards
        idf : whether words weigh by them

        Raises
        ------
        ShardChanged
            The shard holds something else by now.
        """
        with self._changing:
            if epoch in self._epochs:
                return
            if self.state().digest != digest:
                raise ShardChanged(
                    f"The shard {self.path} has changed since all shards were asked what they "
                    "hold. Search again."
                )
            snapshot, model = copy(self._collection), self._model
            check_tiles(snapshot, model.settings)
            index = InvertedFile(model.n_words, idf=idf, sqrt=model.settings.sqrt)
            for part in snapshot.parts:
                index.add_part(*part)
            index.rank_by(frequencies)
            index.idf_  # with the norms, before the first search needs them
            bags = model.bags_of_images, model.bags_of_parts
            self._epochs[epoch] = Searchable(index, snapshot, model, *bags)
            while len(self._epochs) > _EPOCHS:
                self._epochs.popitem(last=False)

    def _of(self, epoch: str) -> Searchable:
        with self._changing:
            if self._is_closed:
                raise InvalidInput(f"{self.path} was closed. Open it again with SearchEngine.open.")
            if epoch not in self._epochs:
                raise UnknownEpoch(epoch)
            self._epochs.move_to_end(epoch)
            return self._epochs[epoch]


class _Borrowing(Model):
    """A model whose centroids are those of another one: shards of a process hold them once."""

    def __init__(self, collection: Collection, centroids: Callable[[], np.ndarray] | None):
        super().__init__(collection)
        self._borrowed = centroids

    @property
    def centroids(self) -> np.ndarray:
        return super().centroids if self._borrowed is None else self._borrowed()
