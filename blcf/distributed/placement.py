"""Which worker serves which shard: one that can see its folder, as few shards each as can be."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from blcf import __version__
from blcf.distributed.answering import held_shards
from blcf.errors import ShardUnavailable

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["Placement"]

_PING = 5.0  # seconds in which a worker that hangs by itself says what it can see
_PAUSE = 0.25  # until it is looked again whether a worker has come


class Placement:
    """Gives each shard a worker, and another one when that is lost.

    A worker is pinned: what it has opened stays warm. On a file system that machines share every
    worker can see every shard, and another takes over when one dies; a shard on the disk of one
    machine waits for a worker there.

    Parameters
    ----------
    client : of the cluster
    paths : the folders of the shards
    """

    def __init__(self, client: Client, paths: Sequence[Path]):
        self._client = client
        self._paths = list(paths)
        self._placing = threading.Lock()
        self._worker_of: dict[int, str] = {}
        self._hung: set[str] = set()
        self._others: dict[str, str] = {}  # workers of another version: which

    def alive(self) -> set[str]:
        """The addresses of the workers that the scheduler knows.

        Raises
        ------
        ShardUnavailable
            There is no scheduler any more.
        """
        try:
            if self._client.status not in ("running", "connecting"):
                raise OSError(f"the client is {self._client.status}")
            return set(self._client.nthreads())
        except (OSError, RuntimeError, TimeoutError) as error:
            raise ShardUnavailable(
                f"The scheduler of the cluster does not answer ({error}). Start it again, and open "
                "the collection anew."
            ) from error

    def worker_of(self, number: int, end: float) -> str:
        """The worker that serves a shard.

        Parameters
        ----------
        number : of the shard
        end : when waiting for one ends, on the clock of `time.monotonic`

        Raises
        ------
        ShardUnavailable
            No worker can see it.
        """
        worker = self._worker_of.get(number)
        if worker is not None:  # whether it lives is seen where it does not answer
            return worker
        with self._placing:
            while True:
                alive = self.alive()
                self._place(alive, end)
                if number in self._worker_of:
                    return self._worker_of[number]
                if time.monotonic() > end:
                    raise ShardUnavailable(self._nobody(number, alive))
                time.sleep(_PAUSE)

    def lost(self, number: int, worker: str, hangs: bool = False) -> None:
        """A worker does not serve a shard any more: another one may."""
        with self._placing:
            if hangs:
                self._hung.add(worker)
            if self._worker_of.get(number) == worker:
                del self._worker_of[number]

    def _place(self, alive: set[str], end: float) -> None:
        """Give workers to the shards that have none."""
        seen = self._see(sorted(alive), end)
        self._hung -= {*seen}  # it answers again
        self._worker_of = {n: one for n, one in self._worker_of.items() if one in alive}
        n_of = Counter(self._worker_of.values())
        for number in range(len(self._paths)):
            if number not in self._worker_of:
                there = [worker for worker, held in seen.items() if held[number]]
                if there:
                    chosen = min(there, key=lambda worker: (n_of[worker], worker))
                    self._worker_of[number] = chosen
                    n_of[chosen] += 1

    def _see(self, workers: Sequence[str], end: float) -> dict[str, list[bool]]:
        """Which shards each worker can see, of those that answer."""
        futures = {
            worker: self._client.submit(
                held_shards, self._paths, workers=[worker], pure=False, priority=20
            )
            for worker in workers
        }
        seen: dict[str, list[bool]] = {}
        # Those that did not answer before are not waited for.
        until = {
            worker: time.monotonic() + (0.5 if worker in self._hung else _PING)
            for worker in workers
        }
        for worker in sorted(workers, key=lambda one: one in self._hung):
            left = min(until[worker], max(end, time.monotonic() + 0.5)) - time.monotonic()
            try:
                version, held = futures[worker].result(timeout=max(0.05, left))
            except Exception:  # of whatever kind: it is of no use now
                continue
            finally:
                if not futures[worker].done():
                    futures[worker].cancel()
            if version == __version__:
                seen[worker] = held
            else:
                self._others[worker] = version
        return seen

    def _nobody(self, number: int, alive: set[str]) -> str:
        others = {worker: version for worker, version in self._others.items() if worker in alive}
        why = f"of {len(alive)} workers none sees the folder, or none answers"
        if others:
            worker, version = next(iter(others.items()))
            why = f"the worker {worker} runs blcf {version}, this is {__version__}: install one"
        return (
            f"No worker serves the shard {self._paths[number]}: {why}. Start one on the machine "
            "that holds it, or leave it out with allow_partial (--allow-partial)."
        )
