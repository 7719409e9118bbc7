"""Some threads for one kind of work, and a queue that ends: who comes then is told to come again.

Searches, pictures and lists have workers each, so that none waits for another kind. The threads
are no hindrance to the end of the process.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from blcf.web.refusals import busy

__all__ = ["Workers"]

T = TypeVar("T")
Gone = Callable[[], Awaitable[object]]


class Workers:
    """Threads that are begun when they are first needed.

    Parameters
    ----------
    what : they do, for messages: "searches"
    n : how many
    queue : how much may wait for them
    seconds : that somebody waits at most
    """

    def __init__(self, what: str, n: int, queue: int, seconds: float):
        self._what, self._n, self._queue, self._seconds = what, n, queue, seconds
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._n_threads = self._n_held = 0

    @property
    def n_held(self) -> int:
        """What is done or waits."""
        return self._n_held

    async def run(self, work: Callable[[], T], gone: Gone | None = None) -> T:
        """What `work` gives, or raises, in one of the threads.

        Parameters
        ----------
        work : needs no arguments
        gone : what ends where nobody waits for it any more

        Raises
        ------
        Refusal
            503: too much waits already, it took too long, or nobody waits for it. What has begun is
            done all the same.
        """
        submitted = self._submit(work)
        job = asyncio.wrap_future(submitted)
        leaving = None if gone is None else asyncio.ensure_future(gone())
        waited: set[asyncio.Future[Any]] = {job} if leaving is None else {job, leaving}
        try:
            done, _ = await asyncio.wait(
                waited, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if job in done:
                return job.result()
            if done:
                raise busy("Whoever asked for this went away.")
            raise busy(
                f"It took longer than the {self._seconds:g} seconds that a request may wait; the "
                "server has much to do, or too much was asked of it. Ask for less, or later.",
                5,
            )
        finally:
            submitted.cancel()  # at once: that of `job` is passed on with the loop's next turn
            job.cancel()
            if leaving is not None:
                leaving.cancel()

    def _submit(self, work: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._n_held >= self._n + self._queue:
                raise busy(
                    f"{self._n:,} {self._what} are under way and {self._queue:,} wait, as many as "
                    "may. Send the request again."
                )
            self._n_held += 1
            is_short = self._n_threads < min(self._n, self._n_held)
            if is_short:
                self._n_threads += 1
                name = f"blcf {self._what} {self._n_threads}"
        self._jobs.put((future, work))
        if is_short:
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        return future

    def _serve(self) -> None:
        while True:
            future, work = self._jobs.get()
            try:
                if future.set_running_or_notify_cancel():
                    try:
                        future.set_result(work())
                    except BaseException as error:  # the one who waits gets it
                        future.set_exception(error)
            finally:
                with self._lock:
                    self._n_held -= 1
                del future, work

    def is_idle_within(self, seconds: float) -> bool:
        """Whether all of it is done some seconds from now."""
        end = time.monotonic() + seconds
        while self._n_held and time.monotonic() < end:
            time.sleep(0.01)
        return not self._n_held
