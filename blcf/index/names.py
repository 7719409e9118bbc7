"""Names of many images as one blob of UTF-8 and offsets: opened at once, decoded when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import h5py
import numpy as np

from blcf.storage import read_dataset, write_dataset

__all__ = ["Names"]

# File names that are no valid UTF-8 hold surrogates, which survive the round trip: all of them,
# where "surrogateescape" turns "\udcc3\udca9" into "\xe9" and refuses "\ud800".
_ERRORS = "surrogatepass"


class Names(Sequence[str]):
    """A sequence of names over ``blob`` (uint8) and ``offsets`` (int64, n + 1)."""

    def __init__(self, blob: np.ndarray, offsets: np.ndarray):
        self._blob = blob
        self._offsets = offsets

    @classmethod
    def from_list(cls, names: Sequence[str]) -> Names:
        """Encode names; any text will do, new lines included."""
        encoded = [name.encode("utf-8", _ERRORS) for name in names]
        offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
        np.cumsum([len(name) for name in encoded], out=offsets[1:])
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)

    def __len__(self) -> int:
        return self._offsets.size - 1

    @overload
    def __getitem__(self, position: int) -> str: ...

    @overload
    def __getitem__(self, position: slice) -> list[str]: ...

    def __getitem__(self, position: int | slice) -> str | list[str]:
        if isinstance(position, slice):
            return [self[i] for i in range(*position.indices(len(self)))]
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        position %= len(self)
        first, last = self._offsets[position], self._offsets[position + 1]
        return self._blob[first:last].tobytes().decode("utf-8", _ERRORS)

    def write(self, group: h5py.Group) -> None:
        """Write the names into an HDF5 group."""
        write_dataset(group, "names", self._blob)
        write_dataset(group, "name_offsets", self._offsets)

    @classmethod
    def read(cls, group: h5py.Group, mapped: np.ndarray) -> Names:
        """The names of an HDF5 group, over its mapped file."""
        return cls(
            read_dataset(group, "names", mapped), read_dataset(group, "name_offsets", mapped)
        )
