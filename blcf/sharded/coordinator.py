"""The coordinator: asks shards, sums their statistics for an epoch, and knows which are missing.

N and df of the live pictures of all shards are summed, and every shard weighs by the sums: a score
is then what it is in one collection of all pictures, to the last bit. They hold for one *epoch*,
whose name follows from what each shard held; a shard that holds something else refuses it.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from blcf.collection.manifest import digest_of
from blcf.errors import CollectionNotFound, FormatError, ShardUnavailable, StorageError
from blcf.index.statistics import DocumentFrequencies
from blcf.sharded.handles import Handle
from blcf.sharded.held import ShardState, UnknownEpoch
from blcf.sharded.numbering import Runs, ShardNumbering
from blcf.threads import in_order

__all__ = ["Coordinator", "Epoch", "LostShard"]

T = TypeVar("T")

logger = logging.getLogger(__name__)

AGAIN = 30.0  # seconds until a shard that did not answer is asked again

_LOST = (ShardUnavailable, CollectionNotFound, FormatError, StorageError)


class LostShard(ShardUnavailable):
    """A shard that is done without.

    Attributes
    ----------
    number : which
    """

    number: int = -1


@dataclass(frozen=True, eq=False)
class Epoch:
    """What all shards hold at one moment.

    Attributes
    ----------
    name : the same for whoever finds the shards so
    states : of each shard; None of one that does not answer
    numbering : of their pictures
    frequencies : the sum of theirs
    idf : whether words weigh by them
    """

    name: str
    states: tuple[ShardState | None, ...]
    numbering: ShardNumbering
    frequencies: DocumentFrequencies
    idf: bool

    @property
    def numbers(self) -> list[int]:
        """The shards that take part."""
        return [number for number, state in enumerate(self.states) if state is not None]

    @property
    def first(self) -> ShardState:
        """The state of the first shard that takes part."""
        return next(state for state in self.states if state is not None)

    @property
    def stamps(self) -> tuple[tuple[int, ...], ...]:
        """Those of the shards, () of one that does not answer."""
        return tuple(() if state is None else state.stamp for state in self.states)


class Coordinator:
    """Asks shards, several at once.

    Parameters
    ----------
    handles : of the shards
    n_threads : how many are asked at once; None: as many as this machine has cores
    allow_partial : whether a shard that does not answer is done without
    """

    def __init__(self, handles: Sequence[Handle], n_threads: int | None, allow_partial: bool):
        self.handles = list(handles)
        self.allow_partial = allow_partial
        self._n_threads = n_threads
        self._absent: dict[int, float] = {}  # when they are asked again
        self._pool: ThreadPoolExecutor | None = None
        self._making = threading.Lock()

    def close(self) -> None:
        """Let go of the shards."""
        with self._making:
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = None
        for handle in self.handles:
            handle.close()

    def name(self, number: int) -> str:
        """What messages call a shard."""
        return self.handles[number].name

    @property
    def absent(self) -> set[int]:
        """The shards that did not answer, and are not asked again yet."""
        now = time.monotonic()
        return {number for number, until in dict(self._absent).items() if until > now}

    def ask(self, number: int, method: str, *arguments: Any) -> Any:
        """What a shard answers.

        Raises
        ------
        ShardUnavailable
            It does not.
        LostShard
            It does not, and is done without.
        """
        try:
            answer = self.handles[number].ask(method, *arguments)
        except _LOST as error:
            if not self.allow_partial:
                raise
            logger.warning("%s is done without: %s", self.name(number), error)
            self._absent[number] = time.monotonic() + AGAIN
            lost = LostShard(str(error))
            lost.number = number
            raise lost from error
        self._absent.pop(number, None)
        return answer

    def ask_in(self, epoch: Epoch, number: int, method: str, *arguments: Any) -> Any:
        """What a shard answers for an epoch, which it is told of where it does not know it.

        Raises
        ------
        ShardChanged
            It holds something else by now.
        """
        try:
            return self.ask(number, method, epoch.name, *arguments)
        except UnknownEpoch:
            state = epoch.states[number]
            assert state is not None, "pictures of a shard that takes no part have no numbers"
            self.ask(number, "enter", epoch.name, state.digest, epoch.frequencies, epoch.idf)
            return self.ask(number, method, epoch.name, *arguments)

    def each(self, numbers: Iterable[int], call: Callable[[int], T]) -> dict[int, T]:
        """A call for each of some shards, several at once."""
        wanted = list(numbers)
        if self._n_threads is None:
            return dict(zip(wanted, in_order(call, wanted, os.cpu_count() or 1)))
        if len(wanted) == 1:
            return {wanted[0]: call(wanted[0])}
        with self._making:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._n_threads, thread_name_prefix="blcf shards")
            futures = {number: self._pool.submit(call, number) for number in wanted}
        try:
            return {number: future.result() for number, future in futures.items()}
        finally:
            for future in futures.values():
                future.cancel()

    def stamps(self, epoch: Epoch) -> tuple[tuple[int, ...], ...]:
        """What changes with each change of a shard, as of now; see `Epoch.stamps`."""
        return tuple(self._present("stamp", epoch.stamps, ()))

    def _present(self, method: str, before: Sequence[T], nothing: T) -> list[T]:
        """An answer of each shard; `nothing` of one that gives none and is done without."""
        absent = self.absent

        def call(number: int) -> T:
            if number in absent:  # as it was found, until it is time to look again
                return before[number] if before else nothing
            try:
                return self.ask(number, method)
            except LostShard:
                return before[number] if before else nothing

        return list(self.each(range(len(self.handles)), call).values())

    def epoch(self) -> Epoch:
        """What all shards hold now.

        Raises
        ------
        ShardUnavailable
            One does not answer; or none does.
        FormatError
            They are not shards of one collection.
        """
        states: list[ShardState | None] = self._present("state", [], None)
        there = [one for one in states if one is not None]
        if not there:
            raise ShardUnavailable(
                f"None of the {len(self.handles)} shards of the collection answers; the first is "
                f"{self.name(0)}. Start their machines, or look where the folders are."
            )
        nothing = Runs.of(np.zeros(0, dtype=np.int64))
        runs = [nothing if one is None else one.runs for one in states]
        numbering = ShardNumbering(runs, [one.name for one in self.handles])
        n_words = there[0].frequencies.df.size
        total = sum((one.frequencies for one in there), DocumentFrequencies.of_none(n_words))
        idf = bool(there[0].manifest["settings"]["idf"])
        if idf and total.n_images and not total.idf.any():
            logger.info("every word stands in every picture: idf is left off")
            idf = False
        name = digest_of([None if one is None else one.digest for one in states])
        return Epoch(name, tuple(states), numbering, total, idf)
