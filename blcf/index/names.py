"""Names of many images as one blob of UTF-8 and offsets: decoded, and looked up, when asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import overload

import h5py
import numpy as np

from blcf.errors import FormatError
from blcf.storage import StoredGroup, write_dataset

__all__ = ["Names", "hash_names"]

# File names that are no valid UTF-8 hold surrogates, which survive the round trip: all of them,
# where "surrogateescape" turns "\udcc3\udca9" into "\xe9" and refuses "\ud800".
_ERRORS = "surrogatepass"


class Names(Sequence[str]):
    """A sequence of names over ``blob`` (uint8) and ``offsets`` (int64, n + 1).

    ``hashes`` (uint64, ascending) and ``order`` (int32, the position of each hash's name) find
    names among millions without a dictionary in memory; they are made when they are first needed.
    """

    def __init__(
        self,
        blob: np.ndarray,
        offsets: np.ndarray,
        hashes: np.ndarray | None = None,
        order: np.ndarray | None = None,
    ):
        self._blob = blob
        self._offsets = offsets
        self._hashes = hashes
        self._order = order

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
            return self.take(np.arange(*position.indices(len(self))))
        if not -len(self) <= position < len(self):
            raise IndexError(position)
        return self.take([position % len(self)])[0]

    def take(self, positions: Sequence[int] | np.ndarray) -> list[str]:
        """The names at some positions, 0 .. n - 1."""
        places = np.asarray(positions, dtype=np.int64)
        firsts, lasts = self._offsets[places].tolist(), self._offsets[places + 1].tolist()
        blob = self._blob.data
        try:
            return [str(blob[first:last], "utf-8", _ERRORS) for first, last in zip(firsts, lasts)]
        except UnicodeDecodeError as error:
            raise FormatError(
                f"A name of the index is damaged ({error.reason}). Run `blcf check` on the "
                "collection, or index again."
            ) from error

    def find(
        self, wanted: Sequence[str], asked: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where names stand: every pair of a position here and a row of ``wanted`` that agree.

        Parameters
        ----------
        wanted : names to look up
        asked : their `hash_names`, where they are looked up in several `Names`

        Returns
        -------
        positions : int64 (n,), places in these names
        rows : int64 (n,), ``self[positions[i]] == wanted[rows[i]]``, ascending
        """
        hashes, order = self._lookup()
        if asked is None:
            asked = hash_names(wanted)
        first = np.searchsorted(hashes, asked, side="left")
        last = np.searchsorted(hashes, asked, side="right")
        pairs = [
            (int(order[place]), int(row))
            for row in np.flatnonzero(last > first)
            for place in range(first[row], last[row])
            # Two names may share a hash, and a damaged file may name a place that it has not.
            if 0 <= order[place] < len(self) and self[int(order[place])] == wanted[int(row)]
        ]
        positions, rows = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return positions, rows

    def _lookup(self) -> tuple[np.ndarray, np.ndarray]:
        if self._hashes is None or self._order is None:
            hashes = hash_names(self[:])
            order = np.argsort(hashes, kind="stable").astype(np.int32)
            self._hashes, self._order = hashes[order], order
        return self._hashes, self._order

    @property
    def hashes(self) -> np.ndarray:
        """`hash_names` of these names, in their order: uint64 (n,)."""
        ascending, order = self._lookup()
        hashes = np.empty_like(ascending)
        hashes[order] = ascending
        return hashes

    def check(self) -> None:
        """Raise `FormatError` where names or their hashes are damaged; reads everything."""
        ends = self._offsets
        if ends[0] != 0 or ends[-1] != self._blob.size or (ends[1:] < ends[:-1]).any():
            raise FormatError("Expected names one behind the other.")
        hashes, order = self._lookup()
        if (hashes[1:] < hashes[:-1]).any() or not np.array_equal(
            np.sort(order), np.arange(len(self))
        ):
            raise FormatError("Expected one hash per name, in ascending order.")
        if not np.array_equal(hash_names(self[:]), self.hashes):
            raise FormatError("Expected names that agree with their hashes.")

    def write(self, group: h5py.Group) -> None:
        """Write the names into an HDF5 group."""
        hashes, order = self._lookup()
        write_dataset(group, "names", self._blob)
        write_dataset(group, "name_offsets", self._offsets)
        write_dataset(group, "name_hashes", hashes)
        write_dataset(group, "name_order", order)

    @classmethod
    def read(cls, group: StoredGroup) -> Names:
        """The names of a stored group, over its mapped file."""
        parts = ("names", "name_offsets", "name_hashes", "name_order")
        blob, offsets, hashes, order = (group.array(part) for part in parts)
        kinds = tuple((array.dtype, array.ndim) for array in (blob, offsets, hashes, order))
        expected = ((np.uint8, 1), (np.int64, 1), (np.uint64, 1), (np.int32, 1))
        if kinds != expected or not offsets.size == hashes.size + 1 == order.size + 1:
            raise FormatError(
                f"{group.path} is damaged: its names do not fit together. "
                "Restore it from a copy, or index again."
            )
        return cls(blob, offsets, hashes, order)


def hash_names(names: Iterable[str]) -> np.ndarray:
    """A number per name, the same on every machine: uint64 (n,)."""
    digests = (blake2b(name.encode("utf-8", _ERRORS), digest_size=8).digest() for name in names)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)
