"""Sums that do not depend on the number of threads.

A library that shares a product among threads adds in another order for another number of them. So
what a model or a score is made of is cut into parts whose size knows no number of threads, and each
part is computed by one thread alone, several parts at a time.

OpenBLAS's number of threads is of the whole process: it is 1 while any of ours computes, also for
others, and restored after the last. OpenMP's is of each thread.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

__all__ = [
    "computes_alone",
    "in_one_thread",
    "in_order",
    "one_blas_thread",
    "one_openmp_thread",
    "openmp_threads",
    "together",
]

T = TypeVar("T")
R = TypeVar("R")


class _Library:
    """A BLAS library, and how many threads it takes.

    threadpoolctl (3.8) lets one thread alone set OpenBLAS's number and does nothing for others, the
    one that would restore it among them: the library is asked itself.
    """

    def __init__(self, controller: Any):
        self.get = controller.get_num_threads
        names = (f"{prefix}openblas_set_num_threads{suffix}" for prefix, suffix in _AFFIXES)
        found = (getattr(controller.dynlib, name, None) for name in names)
        own = [each for each in found if each is not None]
        layer = getattr(controller, "threading_layer", "")
        # Else the number is of each thread: MKL's, and OpenBLAS's where it computes in OpenMP.
        self.is_shared = controller.internal_api in ("openblas", "blis") and layer != "openmp"
        self.set = own[0] if own and self.is_shared else controller.set_num_threads


_AFFIXES = [("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "_64"), ("", "")]

_lock = threading.Lock()
_n_inside = 0
_before: dict[_Library, int] = {}  # of the libraries whose number is of the process


@cache
def _blas(with_scipy: bool) -> list[_Library]:
    """The libraries that are loaded; scipy brings one of its own. Finding them takes 10 ms."""
    found = ThreadpoolController().select(user_api="blas")
    return [_Library(each) for each in found.lib_controllers]


@cache
def _openmp() -> Any:
    """torch's, which is loaded with it."""
    return ThreadpoolController().select(user_api="openmp")


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """Let numpy's and scipy's BLAS and LAPACK compute with one thread meanwhile.

    Most have one number for the whole process: several threads may be inside at once, and the last
    one that leaves restores it.

    Yields
    ------
    int, how many threads there were before
    """
    global _n_inside
    libraries = _blas("scipy.linalg" in sys.modules)
    mine = {each: each.get() for each in libraries if not each.is_shared}
    with _lock:
        for each in libraries:
            if each.is_shared:
                _before.setdefault(each, each.get())
            each.set(1)
        _n_inside += 1
        n_threads = max([*_before.values(), *mine.values()], default=1)
    try:
        yield n_threads
    finally:
        with _lock:
            _n_inside -= 1
            if not _n_inside:
                mine.update(_before)
                _before.clear()
            for each, n in mine.items():
                each.set(n)


@contextmanager
def openmp_threads(n: int) -> Iterator[None]:
    """Let the calling thread's work in OpenMP (torch, oneDNN) take so many threads, meanwhile.

    Other threads keep their numbers. torch sets that of a thread when it is first used there: ask
    it before. MKL takes no heed of it.
    """
    with _openmp().limit(limits=n):
        yield


def one_openmp_thread() -> AbstractContextManager[None]:
    """`openmp_threads` of one: work in OpenMP stays in the calling thread."""
    return openmp_threads(1)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, "one-thread-sums")


_this = threading.local()


def computes_alone() -> bool:
    """Whether the calling thread is within `in_one_thread`."""
    return getattr(_this, "computes_alone", False)


@contextmanager
def in_one_thread() -> Iterator[None]:
    """Let `in_order` compute in the calling thread itself, meanwhile: others have work too."""
    before = computes_alone()
    _this.computes_alone = True
    try:
        yield
    finally:
        _this.computes_alone = before


def in_order(call: Callable[[T], R], items: Iterable[T], n_threads: int) -> Iterator[R]:
    """The results of a call with each item, in the order of the items, each within one BLAS thread.

    Parameters
    ----------
    n_threads : how many items are computed at once, ahead of what is taken; the results are equal
    """
    items = list(items)

    def compute(item: T) -> R:
        with one_blas_thread():
            return call(item)

    def compute_in_pool(item: T) -> R:
        with in_one_thread():  # one of the pool that waited for others of it might wait for ever
            return compute(item)

    if n_threads == 1 or len(items) == 1 or computes_alone():
        yield from map(compute, items)
        return
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            if len(pending) == n_threads:
                yield pending.popleft().result()
            pending.append(_pool().submit(compute_in_pool, item))
        while pending:
            yield pending.popleft().result()
    finally:  # nobody writes into arrays of a caller that has gone on
        wait([each for each in pending if not each.cancel()])


@cache
def _leaves() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, "leaves")


def together(calls: Sequence[Callable[[], None]]) -> None:
    """Make calls at once, the first of them in the calling thread.

    They must not wait for others of ours: threads of `in_order` may call this, whose pool is
    another. How many are right is the caller's to know (`openmp_threads`).
    """
    others = [_leaves().submit(call) for call in calls[1:]]
    try:
        for call in calls[:1]:
            call()
    finally:  # nobody writes into arrays of a caller that has gone on
        wait(others)
    for each in others:
        each.result()


def _after_fork() -> None:
    """Threads do not survive a fork, and one of them may have held the lock."""
    global _lock
    _pool.cache_clear()
    _leaves.cache_clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
