"""Plain values out of a MATLAB file of version 5 to 7: what the truth of a data set is made of.

A file is a sequence of variables, most of them compressed (zlib). A variable is a matrix of numbers
or characters, or cells or a struct that hold matrices again ("MAT-File Format", MathWorks, chapter
1). scipy reads more kinds than that, and trusts what it reads: one byte in two hundred of
INSTRE's truth, when it is changed, ended the process.

Invariant: whatever the bytes, `read_matlab` returns plain values or raises `FormatError`. It never
inflates more than `MOST_BYTES`, makes no more than `MOST_MATRICES`, and takes no number of a
file for a length before it has been held against the bytes that are there.
"""

from __future__ import annotations

import math
import os
import struct
import zlib
from collections.abc import Collection
from typing import Any

import numpy as np

from blcf.datasets.finding import plain_bytes
from blcf.errors import FormatError
from blcf.images import display_name

__all__ = ["MOST_BYTES", "MOST_MATRICES", "read_matlab"]

MOST_BYTES = 64 * 2**20  # of a file, and of all that is compressed in it; INSTRE's truth has 6
MOST_MATRICES = 500_000  # INSTRE's truth has some 35,000
MOST_DEPTH = 8  # of cells in cells

# Kinds of data elements: their numpy types; 14 is a matrix, 15 compressed, 16 text in UTF-8.
_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_CODES = {1: "u1", 2: "u1", 4: "u2", 17: "u2"}  # those of characters
_MATRIX, _COMPRESSED, _UTF8 = 14, 15, 16
_CELLS, _STRUCT, _CHARACTERS = 1, 2, 4  # classes of matrices; numbers have 6 to 15
_NUMBERS = range(6, 16)
_COMPLEX = 0x0800


def read_matlab(path: str | os.PathLike[str], wanted: Collection[str]) -> dict[str, Any]:
    """Read some variables of a MATLAB file.

    Parameters
    ----------
    path : the file
    wanted : names of variables; others are passed over, those that are not there are missing

    Returns
    -------
    {name: value}, a value being
        numbers: an array of one axis, of the type that they are stored in, columns first;
        characters: a str, rows joined;
        cells: a list, columns first; a struct: a list of dicts.

    Raises
    ------
    FormatError
        Damaged, of another version or kind, or larger than the bounds.
    OSError
        It cannot be read.
    """
    data = plain_bytes(path, MOST_BYTES)
    try:
        return _Reader(data).variables(wanted)
    except (ArithmeticError, LookupError, ValueError, struct.error, zlib.error) as error:
        raise FormatError(
            f"Expected {display_name(path)} to be a MATLAB file of version 5 to 7 with plain "
            f"values, it cannot be read ({error!s:.200}). Fetch it again."
        ) from error


class _Reader:
    """A file, its byte order, and what may still be made out of it."""

    def __init__(self, data: bytes) -> None:
        self.data = memoryview(data)
        mark = data[126:128]
        if data.startswith(b"MATLAB 7.3") or data[124:126] in (b"\0\2", b"\2\0"):
            raise ValueError(
                "it is of version 7.3, which is HDF5: save it in MATLAB with the option -v7"
            )
        if mark not in (b"IM", b"MI"):
            raise ValueError("its header is none of MATLAB")
        self.order = "<" if mark == b"IM" else ">"
        self.n_bytes, self.n_matrices = MOST_BYTES, MOST_MATRICES

    def variables(self, wanted: Collection[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        at = 128
        while at < len(self.data):
            kind, content, at = self.element(self.data, at, is_padded=False)
            if kind == _COMPRESSED:
                content = memoryview(self.inflate(content))
                kind, content, _ = self.element(content, 0)
            if kind == _MATRIX and len(content):
                _, _, name, _ = self.header(content)
                if name in wanted:
                    found[name] = self.matrix(content)
        return found

    def element(
        self, data: memoryview, at: int, *, is_padded: bool = True
    ) -> tuple[int, memoryview, int]:
        """The kind and the content of the data element at a place, and where the next one is."""
        kind, n_bytes = struct.unpack_from(self.order + "II", data, at)
        start = at + 8
        if kind >> 16:  # a short one: its length and kind are halves of one number
            kind, n_bytes, start = kind & 0xFFFF, kind >> 16, at + 4
            if n_bytes > 4:
                raise ValueError("an element is longer than its place")
        end = start + n_bytes
        if end > len(data):
            raise ValueError("it is cut short")
        next_one = at + 8 if start == at + 4 else end + (-n_bytes % 8 if is_padded else 0)
        return kind, memoryview(data)[start:end], next_one

    def inflate(self, content: memoryview) -> bytes:
        """What is compressed, unless it is more than may still be made."""
        inflater = zlib.decompressobj()
        data = inflater.decompress(content, self.n_bytes + 1)
        self.n_bytes -= len(data)
        if self.n_bytes < 0:
            raise ValueError(f"it holds more than {MOST_BYTES:,} bytes")
        return data  # cut short, it is too short for what it says of itself

    def header(self, content: memoryview) -> tuple[int, int, str, int]:
        """The class of a matrix with its flags, how many elements, its name, where these begin."""
        _, flags, at = self.element(content, 0)
        (class_and_flags,) = struct.unpack_from(self.order + "I", flags)
        kind, sizes, at = self.element(content, at)
        shape = self.numbers(kind, sizes)
        if shape.dtype.kind not in "iu" or len(shape) > 8 or (shape < 0).any():
            raise ValueError("a matrix without shape")
        _, name, at = self.element(content, at)
        return class_and_flags, math.prod(shape.tolist()), bytes(name).decode("latin-1"), at

    def matrix(self, content: memoryview, depth: int = 0) -> Any:
        """The value of a matrix."""
        self.n_matrices -= 1
        if self.n_matrices < 0 or depth > MOST_DEPTH:
            raise ValueError(f"it has more than {MOST_MATRICES:,} matrices, or they are too deep")
        if not len(content):  # an empty one may be left out
            return np.empty(0)
        class_and_flags, n, _, at = self.header(content)
        kind = class_and_flags & 0xFF
        if kind == _CELLS:
            return self.matrices(content, at, n, depth)
        if kind == _STRUCT:
            return self.struct(content, at, n, depth)
        if kind == _CHARACTERS:
            return self.characters(*self.element(content, at)[:2], n)
        if kind not in _NUMBERS or class_and_flags & _COMPLEX:
            raise ValueError(f"a matrix of class {kind}, which is no plain value")
        values = self.numbers(*self.element(content, at)[:2])
        if len(values) != n:
            raise ValueError(f"a matrix of {n} numbers with {len(values)}")
        return values.copy()

    def matrices(self, content: memoryview, at: int, n: int, depth: int) -> list[Any]:
        """So many matrices, one behind the other."""
        if 8 * n > len(content) - at:
            raise ValueError(f"{n} matrices in {len(content) - at} bytes")
        values = []
        for _ in range(n):
            kind, inner, at = self.element(content, at)
            if kind != _MATRIX:
                raise ValueError("a cell without matrix")
            values.append(self.matrix(inner, depth + 1))
        return values

    def struct(self, content: memoryview, at: int, n: int, depth: int) -> list[dict[str, Any]]:
        """The elements of a struct: its fields' names, then the fields of one after the other."""
        kind, length, at = self.element(content, at)
        width = int(self.numbers(kind, length)[0])
        _, names, at = self.element(content, at)
        if not 0 < width <= 64 or len(names) % width:
            raise ValueError("a struct without names")
        texts = [
            bytes(names[i : i + width]).split(b"\0")[0].decode("latin-1")
            for i in range(0, len(names), width)
        ]
        values = self.matrices(content, at, n * len(texts), depth)
        step = len(texts)
        return [dict(zip(texts, values[i : i + step])) for i in range(0, n * step, step or 1)]

    def characters(self, kind: int, content: memoryview, n: int) -> str:
        if kind == _UTF8:
            text = bytes(content).decode("utf-8")
        else:
            if kind not in _CODES:
                raise ValueError(f"characters of kind {kind}")
            codes = np.frombuffer(content, dtype=self.order + _CODES[kind])
            text = codes.astype("<u2").tobytes().decode("utf-16-le")
        if len(text) > n:
            raise ValueError(f"{n} characters with {len(text)}")
        return text

    def numbers(self, kind: int, content: memoryview) -> np.ndarray:
        """The numbers of a data element."""
        if kind not in _TYPES:
            raise ValueError(f"numbers of kind {kind}")
        return np.frombuffer(content, dtype=self.order + _TYPES[kind])
