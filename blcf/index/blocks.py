"""Arrays of a file that are verified block by block, each when it is first touched.

Opening a collection reads next to nothing of it, and a search a small part: to verify all would
cost more than either. A block of a kilobyte is verified with the first use of a byte of it, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import h5py
import numpy as np

from blcf.errors import FormatError
from blcf.kernels.blocks import BLOCK, sum_blocks, verify_blocks
from blcf.storage import Place, StoredGroup, write_dataset

__all__ = ["SUMS", "Blocks", "blocks_below", "read_blocks", "sums_of", "write_sums"]

SUMS = "sums"


class Blocks:
    """The blocks of an array over a mapped file, and which of them were verified.

    Parameters
    ----------
    array : contiguous
    sums : uint64 (n_blocks,), their check sums
    path, name : for the message
    """

    def __init__(self, array: np.ndarray, sums: np.ndarray, path: Place, name: str):
        self._words, self._tail = _split(array)
        self._size, self._n_elements = array.dtype.itemsize, array.size
        self._sums = sums
        self._seen = bytearray(sums.size)
        self._marks = np.frombuffer(self._seen, dtype=np.uint8)  # writes to the same bytes
        self._n_left = sums.size
        self._what = path, name

    def touch(self, firsts: np.ndarray, lasts: np.ndarray) -> None:
        """Verify what half-open spans of elements need, int (n,) each.

        Raises
        ------
        FormatError
            A block is not as it was written.
        """
        if self._n_left:
            begins, ends = (np.asarray(one, np.int64) * self._size for one in (firsts, lasts))
            n = verify_blocks(self._words, self._tail, self._sums, begins, ends, self._marks)
            if n < 0:
                raise FormatError(
                    f"{self._what[0]} is damaged: its {self._what[1]} are not as they were "
                    "written. Run `blcf check` on the collection."
                )
            if n:  # counted afresh: threads may have verified the same blocks at once
                self._n_left = self._sums.size - int(np.count_nonzero(self._marks))

    def touch_one(self, first: int, last: int) -> None:
        """`touch` for one span; for one that was touched before it takes some 0.2 microseconds."""
        if self._n_left and first < last:
            begin, end = first * self._size // BLOCK, (last * self._size - 1) // BLOCK + 1
            if self._seen.find(0, begin, end) >= 0:
                self.touch(np.array([first]), np.array([last]))

    def touch_all(self) -> None:
        """`touch` for the whole array."""
        self.touch_one(0, self._n_elements)


def write_sums(file: h5py.File) -> None:
    """Add the check sums of all arrays that a file holds."""
    write_dataset(file, SUMS, sums_of(file))


def sums_of(file: h5py.File) -> np.ndarray:
    """Check sums of all arrays of a file, in order of their names: uint64 (n_blocks,)."""
    arrays: dict[str, np.ndarray] = {}

    def take(name: str, member: h5py.Group | h5py.Dataset) -> None:
        if isinstance(member, h5py.Dataset) and name != SUMS:
            arrays[name] = member[()]

    file.visititems(take)
    sums = [np.empty(0, dtype=np.uint64)]
    for _, array in sorted(arrays.items()):
        sums.append(np.empty(_n_blocks(array), dtype=np.uint64))
        sum_blocks(*_split(array), sums[-1])
    return np.concatenate(sums)


def read_blocks(file: StoredGroup) -> dict[str, Blocks]:
    """The blocks of all arrays of a file by their names; none of a file without check sums.

    Raises
    ------
    FormatError
        There are fewer sums than blocks, or more.
    """
    if SUMS not in file:  # of an earlier version
        return {}
    sums, blocks, first = file.array(SUMS), {}, 0
    arrays = {name: array for name, array in _arrays(file) if name != SUMS}
    counts = [_n_blocks(arrays[name]) for name in sorted(arrays)]
    if (sums.dtype, sums.shape) != (np.uint64, (sum(counts),)):
        raise file.damaged("it has other check sums than blocks")
    for name, count in zip(sorted(arrays), counts):
        blocks[name] = Blocks(arrays[name], sums[first : first + count], file.path, name)
        first += count
    return blocks


def blocks_below(group: str, blocks: Mapping[str, Blocks]) -> dict[str, Blocks]:
    """The blocks of the arrays of a group, by their names in it."""
    start = f"{group}/"
    return {name[len(start) :]: one for name, one in blocks.items() if name.startswith(start)}


def _arrays(group: StoredGroup) -> Iterable[tuple[str, np.ndarray]]:
    for name in group.array_names:
        yield f"{group.name}/{name}".lstrip("/"), group.array(name)
    for name in group.group_names:
        yield from _arrays(group.group(name))


def _n_blocks(array: np.ndarray) -> int:
    return -(-array.nbytes // BLOCK)


def _split(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The bytes of an array, eight at a time, and those behind: uint64 and uint8."""
    content = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    n_whole = content.size // 8 * 8
    return content[:n_whole].view(np.uint64), content[n_whole:]
