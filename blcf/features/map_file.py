"""Arrays by name in a file that only grows, and a list of what it holds."""

from __future__ import annotations

import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["MapFile"]


class MapFile:
    """Feature maps (or codes) of pictures, in the arithmetic of the network that made them.

    A process that is killed loses the array it was writing: bytes are written first, then their
    line of the list. Lines and arrays have check sums: a line that was cut short or damaged is
    passed over when the list is read, an array when it is; what comes back is what was put in.

    Parameters
    ----------
    folder : where the two files are, or will be; a missing or unreadable one holds nothing

    Attributes
    ----------
    entries : by name, what the list says: ``start``, ``shape``, ``dtype``, ``crc`` and the facts
        that came with the array; of one name the last line holds
    n_bytes : int, length of the file
    """

    FILES = ("maps.raw", "maps.jsonl")

    def __init__(self, folder: Path):
        self._raw, self._list = (folder / name for name in self.FILES)
        self.entries: dict[str, dict[str, Any]] = {}
        self.n_bytes = 0
        with suppress(OSError):
            for line in self._list.read_text("ascii", "replace").splitlines():
                with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    entry = json.loads(line)
                    if entry.pop("sum") == _sum_of(entry):
                        self.entries[entry["name"]] = entry
            self.n_bytes = self._raw.stat().st_size

    def append(self, name: str, array: np.ndarray, dtype: str, **facts: Any) -> None:
        """Keep a float32 array, whose values are of an arithmetic, and facts (for JSON) of it.

        Raises
        ------
        OSError
            The file system refused; nothing is kept then.
        """
        content, dtype = _pack(array, dtype)
        with open(self._raw, "ab") as file:
            start = file.tell()
            file.write(content)
        self.n_bytes = start + len(content)  # first: a thread may read what the list names
        place = {"start": start, "shape": array.shape, "dtype": dtype, "crc": zlib.crc32(content)}
        self.note(name, **place, **facts)

    def note(self, name: str, **facts: Any) -> None:
        """Add a line to the list: facts of a picture. Raises OSError."""
        entry = {"name": name, **facts}
        with open(self._list, "a", encoding="ascii") as lines:  # the line before may have no end
            lines.write("\n" + json.dumps({**entry, "sum": _sum_of(entry)}))
        self.entries[name] = entry

    def read(self, name: str) -> np.ndarray | None:
        """An array, float32 and the caller's own; None where it is not kept or damaged."""
        try:
            entry = self.entries[name]
            dtype, shape = entry["dtype"], tuple(entry["shape"])
            n_bytes = int(np.prod(shape, dtype=np.int64)) * (4 if dtype == "float32" else 2)
            # Read, not mapped: each array is checked and converted anyway, and a mapped file that
            # somebody cuts short ends the process. 440 kB take .16 ms, mapped .14.
            with open(self._raw, "rb") as file:
                file.seek(entry["start"])
                content = file.read(n_bytes) if 0 <= n_bytes <= self.n_bytes else b""
            if len(content) != n_bytes or zlib.crc32(content) != entry["crc"]:
                return None
            return _unpack(content, dtype).reshape(shape)
        except (ArithmeticError, OSError, KeyError, TypeError, ValueError):
            return None


def _sum_of(entry: dict[str, Any]) -> int:
    """Check sum of a line: tuples and lists have the same."""
    return zlib.crc32(json.dumps(entry).encode("ascii"))


def _pack(array: np.ndarray, dtype: str) -> tuple[bytes, str]:
    """The bytes of a float32 array, and their arithmetic: float32 where another would lose."""
    array = np.ascontiguousarray(array, np.float32)
    if dtype == "bfloat16":  # the upper half of a float32
        bits = array.view(np.uint32)
        if not (bits & 0xFFFF).any():
            return (bits >> 16).astype(np.uint16).tobytes(), dtype
    elif dtype == "float16":
        with np.errstate(over="ignore"):
            short = array.astype(np.float16)
        if np.array_equal(short, array):
            return short.tobytes(), dtype
    return array.tobytes(), "float32"


def _unpack(content: bytes, dtype: str) -> np.ndarray:
    if dtype == "bfloat16":
        return (np.frombuffer(content, np.uint16).astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(content, np.dtype(dtype)).astype(np.float32)
