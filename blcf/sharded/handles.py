"""How a coordinator reaches its shards: in this process, or by a protocol that others implement."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from blcf.collection.shards import Shards
from blcf.errors import InvalidInput
from blcf.sharded.shard import Shard

__all__ = ["Handle", "InProcess", "LocalHandle", "Opener"]


class Handle(Protocol):
    """A shard, wherever it is."""

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def path(self) -> Path:
        """Its folder, perhaps of another machine."""
        ...

    def ask(self, method: str, *arguments: Any) -> Any:
        """What a method of `Shard` answers.

        Raises
        ------
        ShardUnavailable
            There is no answer.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Opener(Protocol):
    """Opens the shards of a collection; it can be pickled."""

    @property
    def n_threads(self) -> int | None:
        """How many are asked at once; None: the cores of this machine, whose work it is."""
        ...

    def handles(self, shards: Shards, centroids: Callable[[], np.ndarray]) -> Sequence[Handle]:
        """A handle of each shard.

        Parameters
        ----------
        shards : where they are
        centroids : gives the features of the words, of which a process needs no more than one copy
        """
        ...


class LocalHandle:
    """A shard in this process, opened when it is first asked for."""

    def __init__(
        self, path: Path, model: str, shift: int, centroids: Callable[[], np.ndarray] | None
    ):
        self.path = path
        self._given = model, shift, centroids
        self._opening = threading.Lock()
        self._shard: Shard | None = None
        self._is_closed = False

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    def ask(self, method: str, *arguments: Any) -> Any:
        """What a method of `Shard` answers."""
        with self._opening:
            if self._is_closed:
                raise InvalidInput(f"{self.path} was closed. Open it again with SearchEngine.open.")
            if self._shard is None:
                self._shard = Shard(self.path, *self._given)
            shard = self._shard
        return getattr(shard, method)(*arguments)

    def close(self) -> None:
        """Give the memory maps back."""
        with self._opening:
            self._is_closed = True
            if self._shard is not None:
                self._shard.close()


class InProcess:
    """Opens all shards in this process."""

    n_threads: int | None = None

    def handles(self, shards: Shards, centroids: Callable[[], np.ndarray]) -> Sequence[Handle]:
        """A handle of each shard."""
        return [
            LocalHandle(path, shards.model, shift, centroids)
            for path, shift in zip(shards.paths, shards.shifts)
        ]
