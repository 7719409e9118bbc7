"""`Cluster`: machines of a Dask cluster, or processes of this one, that index and search."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from blcf.adding import AddReport
from blcf.bounds import check_bounds
from blcf.checks import needs
from blcf.distributed.indexing import Indexing
from blcf.distributed.jobs import Work, address_of
from blcf.distributed.remote import OnWorkers
from blcf.distributed.template import Options
from blcf.engine import SearchEngine
from blcf.errors import ClusterError, InvalidInput
from blcf.images import FrameChoice, as_sources
from blcf.images.sources import Added
from blcf.processor import n_cores

if TYPE_CHECKING:
    from distributed import Client
    from torch import nn

__all__ = ["Cluster"]


# What is no address is not asked for: Dask's thread may not end with the client that was not made.
_ADDRESS = re.compile(r"inproc://\S+|([a-z]+://)?[^\s/\x00]+:[0-9]{1,5}")


class Cluster:
    """The workers of a Dask cluster; with nothing given, processes of this machine.

    Use it in a ``with`` statement: what it started it ends, and what it was given goes on. Where
    processes are started from a script, that has to be guarded by ``if __name__ == "__main__"``.

    Parameters
    ----------
    where : address of a scheduler, or a `distributed.Client`; None starts processes
    n_workers : of the processes that are started, from 1 to 10,000; None: as many as there are
        cores for this process
    time_limit : s, in which a worker that has something to do must be heard of, from 0.1 to 86,400

    Examples
    --------
    >>> with Cluster("tcp://10.0.0.1:8786") as cluster:  # doctest: +SKIP
    ...     cluster.index("/archive/frames", "/archive/frames.blcf", n_shards=30)
    ...     with cluster.open("/archive/frames.blcf") as engine:
    ...         hits = engine.search("query.jpg", box=(120, 80, 420, 310))
    """

    def __init__(
        self, where: Any = None, *, n_workers: int | None = None, time_limit: float = 60.0
    ):
        if n_workers is not None:
            check_bounds("n_workers", n_workers)
            if where is not None:
                raise InvalidInput("Expected n_workers for processes that are started here only.")
        check_bounds("time_limit", time_limit)
        self.where, self.n_workers, self.time_limit = where, n_workers, float(time_limit)
        self._client: Client | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Cluster:
        with needs("'blcf[dask]'", "A cluster"):
            import dask
            from distributed import Client, LocalCluster

        with ExitStack() as stack:
            if isinstance(self.where, Client):
                self._client = self.where
            elif self.where is None:
                n_workers = self.n_workers or n_cores()
                cluster = stack.enter_context(
                    LocalCluster(
                        n_workers=n_workers,
                        threads_per_worker=1,
                        processes=True,
                        dashboard_address=":0",
                        silence_logs=50,
                    )
                )
                self._client = stack.enter_context(Client(cluster, set_as_default=False))
            else:
                self._client = stack.enter_context(_connected(str(self.where), self.time_limit))
            try:
                self._client.wait_for_workers(1, timeout=self.time_limit)
            except (TimeoutError, OSError, ValueError) as error:
                raise ClusterError(
                    f"The cluster at {address_of(self._client)} had no worker for "
                    f"{self.time_limit:g} s. Start workers (dask worker ADDRESS), and run the same "
                    "again."
                ) from error
            assert dask is not None
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._client = None
        self._stack.close()

    @property
    def client(self) -> Client:
        """The `distributed.Client`; `InvalidInput` outside of the ``with`` statement."""
        if self._client is None:
            raise InvalidInput("Expected a cluster that is open: with Cluster(...) as cluster.")
        return self._client

    @property
    def shards(self) -> OnWorkers:
        """What reaches shards on the workers, for `blcf.SearchEngine.open`."""
        return OnWorkers(self.client, self.time_limit)

    def open(self, path: str | os.PathLike[str], **how: Any) -> SearchEngine:
        """An engine over the shards of a collection, each of which a worker has open.

        It searches exactly as an engine of one collection. Where a worker dies, another one that
        sees the shard takes over; a shard that has not answered within the time limit is an error
        that names it, or done without.

        Parameters
        ----------
        path : folder of the sharded collection, which this process sees
        how : see `blcf.SearchEngine.open`: allow_partial, network, weights, ...

        Raises
        ------
        ShardUnavailable, CollectionNotFound, FormatError, InvalidInput, VocabularyMismatch
        """
        return SearchEngine.open(path, cluster=self.shards, **how)

    @property
    def work(self) -> Work:
        """What runs jobs on the workers, and watches them."""
        return Work(self.client, self.time_limit)

    def index(
        self,
        source: Added,
        path: str | os.PathLike[str],
        *,
        n_shards: int | None = None,
        folder: str | os.PathLike[str] | None = None,
        root: str | os.PathLike[str] | None = None,
        name: str | None = None,
        replace: bool = False,
        facts: Any = None,
        every: Any = 1,
        frames: str = "every",
        shot_threshold: float = 3.0,
        progress: bool = True,
        network: str | nn.Module | None = None,
        weights: str | os.PathLike[str] | None = None,
        device: str = "auto",
        dtype: str = "auto",
        saliency: Callable[[np.ndarray], Any] | None = None,
        **settings: Any,
    ) -> AddReport:
        """Index pictures into a sharded collection, or add them to one.

        Features and words are made on the workers, and so is the vocabulary, where there is none
        yet (`vocabulary="refined"` is refined here). Pictures that the collection holds are passed
        over; the same call resumes a run that was interrupted, and does not do again what is done.
        A picture that cannot be read is skipped and named; so are those of a part that fails on
        every worker.

        Parameters
        ----------
        source, root, name, replace, facts, every, frames, shot_threshold : see
            `blcf.SearchEngine.add`; workers read pictures by their paths, under which they must see
            them. A picture that is replaced stays in its shard
        path : folder of the sharded collection, which this process sees
        n_shards : from 1 to 10,000, of a new collection; None: as many as there are workers
        folder : where the shards of a new collection are, on each worker: its own disk. "{worker}"
            in it is the worker's name. None: in `path`, which all workers must see then
        progress : whether to draw progress bars on stderr
        network, weights, device, dtype, saliency, settings : see `blcf.SearchEngine.create`; of a
            collection that exists, a setting must be what it was made with

        Returns
        -------
        AddReport

        Raises
        ------
        ClusterError
            A worker is silent for longer than the time limit, or of another version of blcf; the
            scheduler is gone.
        CollectionLocked
            Another program indexes into the same collection.
        InvalidInput, VocabularyMismatch, WeightsError, StorageError
        """
        if n_shards is not None:
            check_bounds("n_shards", n_shards)
        options = Options(
            n_shards,
            None if folder is None else os.fspath(folder),
            network,
            None if weights is None else os.path.abspath(weights),
            device,
            dtype,
            {"saliency": saliency},
            settings,
            replace,
            progress,
        )
        choice = FrameChoice(every, frames, shot_threshold)
        sources = as_sources(source, root, name, choice)
        return Indexing(self.work, path, options).add(sources, facts)


def _connected(address: str, time_limit: float) -> Any:
    from distributed import Client

    if not _ADDRESS.fullmatch(address):
        raise InvalidInput(
            f"Expected the address of a Dask scheduler, such as tcp://HOST:8786, got {address!r}."
        )
    try:
        return Client(address, timeout=time_limit, set_as_default=False)
    except (OSError, ValueError, TypeError, AssertionError) as error:
        # The assertion: its thread had not begun after ten seconds of a machine that is very busy.
        reason = str(error) or type(error).__name__
        raise ClusterError(
            f"Could not reach a Dask scheduler at {address} ({reason}). Start one "
            "(dask scheduler), or look at its address."
        ) from error
