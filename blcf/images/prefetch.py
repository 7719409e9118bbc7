"""Pictures read in threads while the network is busy with earlier ones, handed over in order."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from blcf.errors import InvalidInput, UnreadableImage

__all__ = ["read_ahead"]

P = TypeVar("P")
R = TypeVar("R")

_NAME = "blcf-read-ahead"


def read_ahead(
    paths: Iterable[P],
    load: Callable[[P], R],
    n_workers: int = 2,
    ahead: int | None = None,
    patience: float | None = 1.0,
) -> Generator[tuple[int, R | UnreadableImage], None, None]:
    """Yield `(index, load(path))` for each path, in order, loading the next ones in threads.

    Threads, not processes: Pillow decodes and resizes without holding the interpreter lock.

    While item i is with the caller, `load` has been started for no item beyond i + `ahead`: at
    most `ahead` + 1 pictures are in memory, the caller's included, however slow the caller is.
    No thread is started before the first item is asked for, and when the generator has ended, been
    closed, or raised, none goes on with another item: what waits is cancelled, what runs is waited
    for, `patience` at most. Nothing stops a decoder; what takes longer comes to its end in a thread
    that nobody waits for, not even the interpreter when it ends, and is thrown away.

    Parameters
    ----------
    paths : iterable
        What to load; taken one by one, so it may be a generator.
    load : callable
        `load(path)`, called in threads; usually `read_image`, alone or with a resize.
    n_workers : int
        Threads. Two are enough beside a network on the CPU, which needs the cores itself; beside
        a GPU, give as many as there are cores to spare.
    ahead : int, optional
        How many items to load ahead; `2 * n_workers` by default, so that a worker that finishes
        early finds its next file waiting.
    patience : float, optional
        Seconds to wait for what runs at the end; None waits as long as it takes.

    Yields
    ------
    index : int
        Position in `paths`, from 0, without gaps.
    result : object
        What `load` returned, or the `UnreadableImage` it raised, as a value.

    Raises
    ------
    InvalidInput
        At the call, if `n_workers` or `ahead` is below 1.
    Exception
        Any other error of `load`, at its place in the order; an error of `paths` itself at once.

    Examples
    --------
    >>> for index, length in read_ahead(["a", "bbb"], len):
    ...     print(index, length)
    0 1
    1 3
    """
    if n_workers < 1:
        raise InvalidInput(f"n_workers: expected at least 1 thread, got {n_workers}.")
    if ahead is None:
        ahead = 2 * n_workers
    if ahead < 1:
        raise InvalidInput(f"ahead: expected at least 1 item, got {ahead}.")
    return _results(paths, load, n_workers, ahead, patience)


def _results(
    paths: Iterable[P], load: Callable[[P], R], n_workers: int, ahead: int, patience: float | None
) -> Generator[tuple[int, R | UnreadableImage], None, None]:
    waiting: SimpleQueue[tuple[Future[R | UnreadableImage], P] | None] = SimpleQueue()
    pending: deque[Future[R | UnreadableImage]] = deque()
    # Daemons: an interpreter that ends waits for all others, and a decoder that is at work for a
    # minute cannot be told to stop.
    threads = [
        Thread(target=_work, args=(waiting, load), name=f"{_NAME}-{number}", daemon=True)
        for number in range(n_workers)
    ]
    index = 0
    try:
        for thread in threads:
            thread.start()
        # No local variable keeps a future or a result across a yield: it would hold one more
        # picture than promised.
        for path in paths:
            pending.append(Future())
            waiting.put((pending[-1], path))
            if len(pending) > ahead:
                yield index, pending.popleft().result()
                index += 1
        while pending:
            yield index, pending.popleft().result()
            index += 1
    finally:
        for future in pending:
            future.cancel()
        for _ in threads:
            waiting.put(None)
        end = None if patience is None else time.monotonic() + patience
        for thread in threads:
            if thread.ident is not None:  # an interrupt may come before it was started
                thread.join(None if end is None else max(0.0, end - time.monotonic()))


def _work(
    waiting: SimpleQueue[tuple[Future[R | UnreadableImage], P] | None], load: Callable[[P], R]
) -> None:
    """Load what is waiting, until there is None."""
    while (task := waiting.get()) is not None:
        _settle(*task, load)
        del task  # nothing of a picture is kept while the thread waits


def _settle(future: Future[R | UnreadableImage], path: P, load: Callable[[P], R]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = _load(load, path)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _load(load: Callable[[P], R], path: P) -> R | UnreadableImage:
    try:
        return load(path)
    except UnreadableImage as error:
        # A run keeps these errors for its report. Their tracebacks hold the half-decoded pictures
        # as local variables: thousands of bad files would fill the memory.
        chained: BaseException | None = error
        while chained is not None:
            traceback.clear_frames(chained.__traceback__)
            chained = chained.__cause__ or chained.__context__
        return error
