"""The collection of several shards, as one: it is opened, followed, closed, and changed a little.

To whoever searches, names or describes it is a `Collection`, and a snapshot of one epoch as that is
of one commit.
"""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.collection import Batch, Collection
from blcf.collection.facts_view import FactsView
from blcf.collection.manifest_form import MODEL
from blcf.collection.model import Model
from blcf.collection.segment import Segment
from blcf.collection.shards import TEMPLATE, Shards, is_sharded
from blcf.errors import InvalidInput
from blcf.index.names import Names
from blcf.index.postings import Postings
from blcf.index.tiles import TileLists
from blcf.sharded.coordinator import Coordinator
from blcf.sharded.handles import InProcess, Opener
from blcf.sharded.manifests import joined_manifest
from blcf.sharded.pictures import ShardedPictures
from blcf.storage import Member

__all__ = ["ShardedCollection", "open_collection"]


def open_collection(
    path: str | os.PathLike[str], opener: Opener | None = None, allow_partial: bool = False
) -> Collection:
    """A collection, or the shards of one as one.

    Parameters
    ----------
    path : the folder
    opener : where its shards are reached; None: in this process
    allow_partial : whether shards that do not answer are done without

    Raises
    ------
    CollectionNotFound, FormatError, ShardUnavailable
    InvalidInput
        It has no shards, and a cluster is to search in them.
    """
    if is_sharded(path):
        return ShardedCollection.of(path, opener, allow_partial)
    if opener is not None:
        Collection.open(path).close()  # what is wrong with it comes first
        raise InvalidInput(
            f"Expected a collection in shards for a cluster, {path} is in one piece. Make shards "
            "of it with `blcf split`, or open it without the cluster."
        )
    return Collection.open(path)


class ShardedCollection(ShardedPictures):
    """The shards of a collection, asked as one; make it with `of`.

    Attributes
    ----------
    coordinator : asks them
    """

    def __init__(self, shards: Shards, opener: Opener | None, allow_partial: bool):
        self._reopened = opener, allow_partial
        opener = InProcess() if opener is None else opener
        self._lent = _Lent()
        handles = opener.handles(shards, self._lent)
        super().__init__(Path(shards.folder), Coordinator(handles, opener.n_threads, allow_partial))
        self._fetching = threading.Lock()
        self._fetched: list[tempfile.TemporaryDirectory[str]] = []  # one for all copies
        self._manifest: dict[str, Any] = {}
        self._is_copy = False

    def __copy__(self) -> ShardedCollection:
        """A snapshot: `refresh` of one changes none of the others."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, _is_copy=True)
        return other

    @classmethod
    def of(
        cls, path: str | os.PathLike[str], opener: Opener | None = None, allow_partial: bool = False
    ) -> ShardedCollection:
        """The collection of a folder that lists shards; see `open_collection`."""
        collection = cls(Shards.read(path), opener, allow_partial)
        try:
            collection.refresh()
        except BaseException:
            collection.coordinator.close()
            raise
        return collection

    def lend(self, model: Model) -> None:
        """Let shards of this process use the features of a model's words."""
        self._lent.model = weakref.ref(model)

    def reopening(self) -> tuple[Callable[..., Collection], tuple[Any, ...]]:
        """See `Collection.reopening`."""
        return open_collection, (self.path.absolute(), *self._reopened)

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the shards that did not answer."""
        states = enumerate(self.epoch.states)
        return tuple(self.coordinator.name(number) for number, one in states if one is None)

    def refresh(self) -> None:
        """Ask all shards what they hold now."""
        epoch = self.coordinator.epoch()
        self._manifest, self._films = joined_manifest(epoch)
        self._epoch = epoch

    def follow(self) -> None:
        """`refresh` where a shard has changed: statistics of all shards are never of before."""
        if self.coordinator.stamps(self.epoch) != self.epoch.stamps:
            self.refresh()

    def stamp(self) -> tuple[int, ...]:
        """Changes with each change of a shard."""
        stamps = self.coordinator.stamps(self.epoch)
        return tuple(number for stamp in stamps for number in (len(stamp), *stamp))

    def close(self) -> None:
        """Let go of the epoch; but for copies, of the shards as well."""
        self._epoch = None
        if not self._is_copy:
            self.coordinator.close()
            for folder in self._fetched:
                folder.cleanup()

    @property
    def manifest(self) -> dict[str, Any]:
        """What all manifests say; segments are none of ours."""
        self.epoch  # a closed one is said
        return self._manifest

    def _in_one_piece(self) -> InvalidInput:
        self.epoch  # a closed one is said first
        return InvalidInput(
            f"{self.path} is in shards, and a table of all pictures needs it in one piece: make "
            "one with `blcf merge`, or ask each shard by its own path."
        )

    @property
    def facts(self) -> FactsView:
        """Each shard has its own: see `fact_columns`, `facts_of` and `matching`."""
        raise self._in_one_piece()

    @property
    def parts(self) -> list[tuple[Names, Postings, np.ndarray | None, TileLists | None]]:
        """Each shard has its own."""
        raise self._in_one_piece()

    @property
    def segments(self) -> list[Segment]:
        """None: those of the shards are theirs."""
        return []

    def file(self, name: str) -> Member:
        """A file: the model's, of a shard; it is fetched where no shard is to be seen from here."""
        if name != MODEL:
            return super().file(name)
        own = self.path / TEMPLATE
        for folder in (own, *(handle.path for handle in self.coordinator.handles)):
            if os.path.isfile(folder / name):
                return Member(folder, name)
        with self._fetching:
            if not self._fetched:
                made = tempfile.TemporaryDirectory(prefix="blcf-")
                content = self.coordinator.ask(self.epoch.numbers[0], "model_file")
                (Path(made.name) / name).write_bytes(content)
                self._fetched.append(made)
            return Member(Path(self._fetched[0].name), name)

    # Beside the images, and changes

    def skipped(self) -> dict[str, str]:
        """Pictures that were skipped: {name: reason}."""
        numbers = self.epoch.numbers
        parts = self.coordinator.each(numbers, lambda one: self.coordinator.ask(one, "skipped"))
        return {name: reason for part in parts.values() for name, reason in part.items()}

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Each shard has a lock of its own, which a change of it takes."""
        self.refresh()
        yield

    def check_grows(self) -> None:
        """Raise `InvalidInput`: a picture is added to one shard, and to which is not said."""
        one = self.coordinator.handles[0].path
        raise InvalidInput(
            f"{self.path} is a collection in shards. Add to one of them, say {one}, or index with "
            "a cluster, which deals pictures to all."
        )

    def append(self, batch: Batch, bags: sp.csr_matrix, root: str, prefix: str = "") -> None:
        """See `check_grows`."""
        self.check_grows()

    def read_statistics(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Those of the epoch; norms are kept by the shards."""
        return self.epoch.frequencies.df, np.zeros(0), np.zeros(0)

    def _change(self, keys: Sequence[str], change: Callable[[int, list[str]], Any]) -> list[Any]:
        """Change each shard that has some of the named images, one after the other."""
        owners, _ = self.epoch.numbering.locate(self.find(keys))
        by_shard: dict[int, list[str]] = {}
        for owner, key in zip(owners.tolist(), keys):
            by_shard.setdefault(owner, []).append(key)
        try:
            return [change(shard, mine) for shard, mine in sorted(by_shard.items())]
        finally:
            self.refresh()

    def remove(self, names: Sequence[str]) -> int:
        """Remove images by name, of each shard in one step; gives how many there were."""
        ask = self.coordinator.ask
        return sum(self._change(names, lambda shard, mine: ask(shard, "remove", mine)))

    def annotate(self, facts: Mapping[str | int, Mapping[str, Any]]) -> None:
        """Write what the caller says of pictures, by name; of each shard in one step."""
        names = [str(name) for name in facts]
        missing = [name for name, place in zip(names, self.find(names)) if place < 0]
        if missing:
            raise InvalidInput(f"{self.path} holds no {missing[0]!r}: nothing was said of it.")

        def change(shard: int, mine: list[str]) -> None:
            self.coordinator.ask(shard, "annotate", {name: facts[name] for name in mine})

        self._change(names, change)

    def compact(self) -> tuple[int, int]:
        """Give the space of removed images back, shard after shard; bytes before and after."""
        done = [self.coordinator.ask(shard, "compact") for shard in self.epoch.numbers]
        self.refresh()
        return sum(before for before, _ in done), sum(after for _, after in done)


class _Lent:
    """Gives the features of the words of a model that is known later."""

    model: Callable[[], Model | None] = staticmethod(lambda: None)  # no circle holds the maps

    def __call__(self) -> np.ndarray:
        model = self.model()
        assert model is not None, "who searches holds the model"
        return model.centroids
