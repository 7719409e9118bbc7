"""Shards on the workers of a Dask cluster: a question is a task that is pinned to a worker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blcf import __version__
from blcf.bounds import check_bounds
from blcf.checks import needs
from blcf.collection.shards import Shards
from blcf.distributed.answering import Call, Refused, answer
from blcf.distributed.placement import Placement
from blcf.errors import ShardUnavailable

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["TIME_LIMIT", "OnWorkers", "RemoteHandle"]

TIME_LIMIT = 60.0  # seconds
_POLL = 0.5  # seconds between two looks whether the worker is still there
_FETCH = 5.0  # seconds in which an answer that is ready comes over

_GONE = object()


class RemoteHandle:
    """A shard that workers of a cluster serve.

    Parameters
    ----------
    client : of the cluster
    placement : which worker serves which shard
    number : of the shard
    path, model, shift : see `blcf.sharded.Shard`
    time_limit : seconds until an answer must be there
    """

    def __init__(
        self,
        client: Client,
        placement: Placement,
        number: int,
        path: Path,
        model: str,
        shift: int,
        time_limit: float,
    ):
        self.path = path
        self._client, self._placement, self._number = client, placement, number
        self._given = path, model, shift, __version__
        self._time_limit = time_limit

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.path)

    def close(self) -> None:
        """Nothing: workers keep shards open for whoever asks next."""

    def ask(self, method: str, *arguments: Any) -> Any:
        """What a method of `Shard` answers, from another worker where one dies meanwhile.

        Raises
        ------
        ShardUnavailable
            There is no worker, or no answer within the time limit.
        """
        end = time.monotonic() + self._time_limit
        call = Call(*self._given, method, arguments)
        while True:
            worker = self._placement.worker_of(self._number, end)
            try:
                future = self._client.submit(
                    answer, call, workers=[worker], pure=False, priority=10
                )
            except (OSError, RuntimeError) as error:
                raise self._unavailable(worker, f"cannot be asked ({error})") from error
            try:
                found = self._wait(future, worker, end)
            finally:
                if not future.done():
                    future.cancel()  # on the worker as well, where it has not begun
            if isinstance(found, Refused):
                raise found.error
            if found is not _GONE:
                return found
            self._placement.lost(self._number, worker)
            if time.monotonic() > end:
                raise self._unavailable(worker, f"died within {self._time_limit:g} s")

    def _wait(self, future: Future, worker: str, end: float) -> Any:
        """The answer, or `_GONE` where the worker is lost."""
        from distributed import KilledWorker

        is_done = threading.Event()
        future.add_done_callback(lambda _: is_done.set())
        while True:
            left = end - time.monotonic()
            try:
                if is_done.wait(max(0.01, min(_POLL, left))):
                    return future.result(timeout=max(0.01, min(_FETCH, left)))
            # The second is what distributed (2026.8) makes of a fetch that it gave up itself, as
            # the worker died: its `sync` knows no result then.
            except (TimeoutError, UnboundLocalError):
                pass
            except (KilledWorker, CancelledError, OSError):
                return _GONE
            except Exception as error:  # a worker without blcf, out of memory, ...
                said = f"failed ({type(error).__name__}: {error})"
                raise self._unavailable(worker, said) from error
            if left <= 0:
                self._placement.lost(self._number, worker, hangs=True)
                said = f"did not answer within {self._time_limit:g} s"
                raise self._unavailable(worker, said)
            if worker not in self._placement.alive():
                return _GONE

    def _unavailable(self, worker: str, what: str) -> ShardUnavailable:
        return ShardUnavailable(
            f"The shard {self.path} on the worker {worker} {what}. Look after the worker, allow "
            "more time (time_limit, --time-limit), or leave the shard out with allow_partial "
            "(--allow-partial)."
        )


class OnWorkers:
    """Opens the shards of a collection on the workers of a cluster; see `blcf.sharded.Opener`.

    Pickled as the address of the scheduler.

    Parameters
    ----------
    client : of the cluster, which it does not close; or the address of the scheduler
    time_limit : seconds until a shard must have answered, from 0.1 to 86,400
    """

    n_threads: int | None = 64  # that wait

    def __init__(self, client: Client | str, time_limit: float = TIME_LIMIT):
        check_bounds("time_limit", time_limit)
        if isinstance(client, str):
            with needs("'blcf[dask]'", "A cluster"):
                from distributed import Client
            try:
                client = Client(client, set_as_default=False)
            except (OSError, ValueError, TimeoutError) as error:
                raise ShardUnavailable(
                    f"No scheduler of a cluster answers at {client}: {error}. Start it, or give "
                    "its address."
                ) from error
        self._client, self._time_limit = client, time_limit

    def __reduce__(self) -> tuple[Any, ...]:
        return OnWorkers, (self._client.scheduler.address, self._time_limit)

    def handles(
        self, shards: Shards, centroids: Callable[[], np.ndarray]
    ) -> Sequence[RemoteHandle]:
        """A handle of each shard; workers read the features of words from their shards."""
        placement = Placement(self._client, shards.paths)
        return [
            RemoteHandle(
                self._client, placement, number, path, shards.model, shift, self._time_limit
            )
            for number, (path, shift) in enumerate(zip(shards.paths, shards.shifts))
        ]
