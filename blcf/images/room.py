"""Memory for pictures that are being decoded: those that need much wait for each other.

Threads read ahead two at a time or more. Ordinary pictures never meet the bound; of those that
together would pass it, some wait, and one that alone needs more is decoded alone.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["DECODING_BYTES", "Room", "give_back"]

DECODING_BYTES = 1 << 30
"""What pictures may take together while they are decoded, by what their headers say."""


class Room:
    """A number of bytes that several threads share.

    Attributes
    ----------
    n_bytes : how many there are
    """

    def __init__(self, n_bytes: int = DECODING_BYTES) -> None:
        self.n_bytes = n_bytes
        self._begin()
        if hasattr(os, "register_at_fork"):  # a child has none of the threads that hold some
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._held = 0
        self._turn = threading.Lock()  # one waits, the others behind it: no large one starves
        self._freed = threading.Condition()

    @contextmanager
    def held(self, n_bytes: int) -> Iterator[None]:
        """Wait until there is room for so many bytes, and hold it; what is too large holds all."""
        wanted = min(n_bytes, self.n_bytes)
        with self._turn, self._freed:
            while self._held + wanted > self.n_bytes:
                self._freed.wait()
            self._held += wanted
        try:
            yield
        finally:
            with self._freed:
                self._held -= wanted
                self._freed.notify_all()


def give_back() -> None:
    """Give the system what is free, after a large picture.

    glibc keeps the memory of each thread for that thread: three PNG of 715 MB, decoded one after
    the other by two threads, took 1,478 MB, and 773 with this.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # not glibc
        return None
