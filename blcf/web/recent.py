"""What was used last, as far as it has room: the least recently used goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

__all__ = ["Recent"]

T = TypeVar("T")


class Recent(Generic[T]):
    """Values by their keys; from any thread.

    Parameters
    ----------
    most : bytes (or whatever sizes are in) of all values together
    """

    def __init__(self, most: int):
        self._most = most
        self._held: OrderedDict[Hashable, tuple[int, T]] = OrderedDict()
        self._lock = threading.Lock()
        self._size = 0

    @property
    def size(self) -> int:
        """Of all values together."""
        return self._size

    def get(self, key: Hashable) -> T | None:
        """The value of a key, used now; None where it is not held (any more)."""
        with self._lock:
            if key not in self._held:
                return None
            self._held.move_to_end(key)
            return self._held[key][1]

    def drop(self, is_over: Callable[[Any], bool]) -> None:
        """Let go of the values of some keys."""
        with self._lock:
            for key in [key for key in self._held if is_over(key)]:
                self._size -= self._held.pop(key)[0]

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Hold a value; one that is larger than the room is not held."""
        with self._lock:
            if key in self._held:
                self._size -= self._held.pop(key)[0]
            if size > self._most:
                return
            self._held[key] = size, value
            self._size += size
            while self._size > self._most:
                self._size -= self._held.popitem(last=False)[1][0]
