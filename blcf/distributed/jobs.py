"""Jobs on a Dask cluster: sent a few at a time, told as they end, and never waited for for ever.

What is running is watched by the heartbeats of the workers: one that is silent for longer than the
time limit is named in an error, as a process that is stopped, or a machine that is off the network,
would otherwise be waited for. How long a job takes does not matter. A worker that dies is Dask's to
care for: its jobs go to others, three times at most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from blcf.errors import BlcfError, ClusterError

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Done", "Job", "Work", "address_of", "ask"]

T = TypeVar("T")

_AHEAD = 2  # jobs for each thread: one more than it can do, so that it does not wait for the next
_ANSWER = 30.0  # s, that a scheduler has at least: it may share a process with who asks
_LOOK = 1.0  # s, between two looks at the workers


@dataclass(frozen=True, eq=False)
class Job:
    """A call of a function on a worker.

    Attributes
    ----------
    function : of a module, which workers import
    arguments : its own; futures among them are replaced by their results
    what : it is called in messages
    workers : addresses, one of which does it; None: any
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    what: Any = None
    workers: list[str] | None = None


@dataclass(frozen=True, eq=False)
class Done:
    """A job that has ended.

    Attributes
    ----------
    job : that was given
    value : what the function gave
    error : what it raised, or how often it killed its worker; None where it went well
    """

    job: Job
    value: Any = None
    error: BaseException | None = None

    def refuse(self, what: str) -> NoReturn:
        """Raise its error as one of ours; `what` says what was to be done."""
        if isinstance(self.error, BlcfError):
            raise self.error
        raise ClusterError(
            f"Could not do {what} ({type(self.error).__name__}: {self.error}). Look at the "
            "workers, and run the same again; what is done stays done."
        ) from self.error


@dataclass(frozen=True, eq=False)
class Work:
    """Where jobs run: a client of a cluster.

    Attributes
    ----------
    client : of `distributed`
    time_limit : s, in which a worker that has a job must be heard of
    """

    client: Client
    time_limit: float

    def run(self, jobs: Iterable[Job]) -> Iterator[Done]:
        """See `_run_jobs`."""
        return _run_jobs(self.client, jobs, self.time_limit)

    def all_of(self, jobs: Iterable[Job]) -> list[Any]:
        """The values of jobs by their numbers, `what`; the first error is raised."""
        values: dict[int, Any] = {}
        for done in self.run(jobs):
            if done.error is not None:
                done.refuse(f"what was to be done with number {done.job.what}")
            values[done.job.what] = done.value
        return [values[number] for number in sorted(values)]

    def keep(self, value: Any) -> Any:
        """A future of a value, which is sent to a worker once, and again where that dies."""
        import dask

        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            return self.client.submit(keep, value, pure=False)

    def workers(self) -> dict[str, Any]:
        """What the scheduler says of each worker, by address."""
        return dict(ask(self.client, "identity", self.time_limit, n_workers=-1)["workers"])


def keep(value: T) -> T:
    """A value, as the result of a job."""
    return value


def _run_jobs(client: Client, jobs: Iterable[Job], time_limit: float) -> Iterator[Done]:
    """Run jobs, and tell each as it ends, in no order; the iterator of jobs is taken as needed.

    When the generator is closed, or an error ends it, jobs that wait are taken back; those that run
    come to their end on their workers.

    Parameters
    ----------
    time_limit : s, in which a worker that has a job must be heard of

    Raises
    ------
    ClusterError
        A worker that has a job is silent, there is no worker, or the scheduler is gone.
    """
    with closing(_Running(client, time_limit)) as running:
        rest = iter(jobs)
        is_over = False
        while True:
            while not is_over and len(running.futures) < running.room:
                job = next(rest, None)
                if job is None:
                    is_over = True
                else:
                    running.start(job)
            if not running.futures:
                return
            yield from running.ended()


@dataclass(eq=False)
class _Running:
    """The jobs that are on the cluster."""

    client: Client
    time_limit: float
    futures: dict[Future, Job] = field(default_factory=dict)
    room: int = 1

    def __post_init__(self) -> None:
        self._heard: dict[str, tuple[float, float]] = {}  # last seen, by its clock and by ours
        self._had_workers = time.monotonic()
        self._look()

    def start(self, job: Job) -> None:
        import dask

        how: dict[str, Any] = {"pure": False}
        if job.workers is not None:
            how |= {"workers": job.workers, "allow_other_workers": False}
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            self.futures[self.client.submit(job.function, *job.arguments, **how)] = job

    def ended(self) -> Iterator[Done]:
        """The jobs that have ended, at least one."""
        from distributed import wait

        while True:
            over = [one for one in self.futures if one.status != "pending"]
            if over:
                break
            with suppress(Exception):  # in time or not, what became of them is asked next
                wait(list(self.futures), timeout=_LOOK, return_when="FIRST_COMPLETED")
            if all(one.status == "pending" for one in self.futures):
                self._look()
        for future in over:
            job = self.futures.pop(future)
            yield self._outcome(job, future)

    def _outcome(self, job: Job, future: Future) -> Done:
        if future.status == "finished":
            try:
                return Done(job, future.result(timeout=self.time_limit))
            except Exception as error:  # it was lost on its way here
                self._look()
                return Done(job, error=error)
        if future.status == "error":
            return Done(job, error=future.exception(timeout=self.time_limit))
        self._look()
        what = f"The result of {job.what} was lost." if job.what else "A result was lost."
        return Done(job, error=ClusterError(f"{what} Run the same again."))

    def _look(self) -> None:
        """Raise `ClusterError` where waiting is of no use."""
        workers = ask(self.client, "identity", self.time_limit, n_workers=-1)["workers"]
        now = time.monotonic()
        self.room = max(1, _AHEAD * sum(one["nthreads"] for one in workers.values()))
        if workers:
            self._had_workers = now
        elif now - self._had_workers > self.time_limit:
            raise ClusterError(
                f"The cluster at {address_of(self.client)} has had no worker for "
                f"{self.time_limit:g} s. Start workers, and run the same again."
            )
        silent = []
        for address, one in workers.items():
            seen, heard = one["last_seen"], self._heard.get(address, (None, now))[1]
            self._heard[address] = (seen, heard if self._seen(address) == seen else now)
            if now - self._heard[address][1] > self.time_limit:
                silent.append(address)
        if not silent:
            return
        busy = ask(self.client, "processing", self.time_limit, workers=silent)
        held = ask(self.client, "has_what", self.time_limit, workers=silent)
        mine = {one.key for one in self.futures}
        for job in self.futures.values():  # what a job on another worker waits for counts as well
            mine |= {one.key for one in job.arguments if hasattr(one, "key")}
        for address in silent:
            if mine.intersection([*busy.get(address, ()), *held.get(address, ())]):
                one = workers[address]
                raise ClusterError(
                    f"Worker {one.get('name', address)} ({address}) is needed and was not heard of "
                    f"for {self.time_limit:g} s: it is stopped, or cut off. End or restart it, and "
                    "run the same again; what is done stays done."
                )

    def _seen(self, address: str) -> float | None:
        return self._heard.get(address, (None, 0.0))[0]

    def close(self) -> None:
        """Take back what has not ended."""
        if self.futures and self.client.status == "running":
            with suppress(Exception):  # the scheduler may be gone by now
                self.client.cancel(list(self.futures))
        self.futures.clear()


def ask(client: Client, what: str, time_limit: float, **arguments: Any) -> Any:
    """What the scheduler says of itself or its workers; `ClusterError` where it does not."""
    if client.status == "running":
        try:
            return client.sync(
                getattr(client.scheduler, what),
                **arguments,
                callback_timeout=max(time_limit, _ANSWER),
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
    else:
        reason = client.status
    raise ClusterError(
        f"The scheduler at {address_of(client)} is gone, or does not answer ({reason}). Start it, "
        "and run the same again; what is done stays done."
    )


def address_of(client: Client) -> str:
    """Where the scheduler of a client is."""
    scheduler = getattr(client, "scheduler", None)
    return str(getattr(scheduler, "address", "an unknown address"))
