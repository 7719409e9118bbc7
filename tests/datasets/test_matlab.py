"""MATLAB files: what scipy reads of plain values, and no byte that ends the process."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from blcf.datasets import matlab
from blcf.datasets.matlab import read_matlab
from blcf.errors import FormatError

Read = Callable[..., dict[str, Any]]
ORDERS = {"<": b"IM", ">": b"MI"}


def saved(values: dict[str, Any], **options: Any) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, values, **options)
    return buffer.getvalue()


def cells(*values: Any) -> np.ndarray:
    row = np.empty((1, len(values)), dtype=object)
    row[0, :] = values
    return row


def truth() -> dict[str, Any]:
    """What INSTRE's truth is made of."""
    gnd = np.zeros((1, 3), dtype=[("ok", object), ("bbx", object)])
    for place in range(3):
        gnd[0, place] = (np.arange(1.0, 4 + place)[None], np.array([[0.5, 1, 20, 30]]))
    names = cells(*(f"INSTRE-S1/01a_book/{number:03d}.jpg" for number in range(5)))
    return {"imlist": names, "qimlist": cells("a/1.jpg", "a/2.jpg", "b/3.jpg"), "gnd": gnd}


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def some(data: bytes, *wanted: str) -> dict[str, Any]:
        path = tmp_path / "some.mat"
        path.write_bytes(data)
        return read_matlab(path, wanted or ("imlist", "qimlist", "gnd"))

    return some


def element(kind: int, content: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(
    kind: int, shape: list[int], *content: bytes, name: str = "a", order: str = "<"
) -> bytes:
    parts = [
        element(6, struct.pack(order + "II", kind, 0), order),
        element(5, struct.pack(f"{order}{len(shape)}i", *shape), order),
        element(1, name.encode(), order),
        *content,
    ]
    return element(14, b"".join(parts), order)


def file(*elements: bytes, order: str = "<") -> bytes:
    return (
        b"MATLAB 5.0".ljust(124)
        + struct.pack(order + "H", 0x100)
        + ORDERS[order]
        + b"".join(elements)
    )


@pytest.mark.parametrize("do_compression", [False, True])
def test_plain_values(read: Read, do_compression: bool) -> None:
    found = read(saved(truth() | {"more": np.ones(9)}, do_compression=do_compression))
    assert sorted(found) == ["gnd", "imlist", "qimlist"]
    assert found["qimlist"] == ["a/1.jpg", "a/2.jpg", "b/3.jpg"] and len(found["imlist"]) == 5
    assert [row["ok"].tolist() for row in found["gnd"]] == [
        [1, 2, 3],
        [1, 2, 3, 4],
        [1, 2, 3, 4, 5],
    ]
    assert all(row["bbx"].tolist() == [0.5, 1, 20, 30] for row in found["gnd"])


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "b1"])
def test_numbers(read: Read, kind: str) -> None:
    values = np.arange(6).reshape(2, 3).astype(kind)
    found = read(saved({"a": values, "b": values[:0], "c": values[:1, :1]}), "a", "b", "c")
    np.testing.assert_array_equal(found["a"], values.ravel(order="F"))
    assert found["b"].size == 0 and found["c"].tolist() == [values[0, 0]]


def test_texts_and_nesting(read: Read) -> None:
    nested = cells("", "é", "日本", "a" * 300, cells("inside", np.array([[7.0]])))
    found = read(saved({"a": nested}), "a")["a"]
    assert [one for one in found[:4] if len(one)] == ["é", "日本", "a" * 300]
    assert found[4][0] == "inside" and found[4][1].tolist() == [7]


def test_the_other_byte_order(read: Read) -> None:
    numbers = element(9, struct.pack(">3d", 1, 2, 3), ">")
    text = element(4, "ab".encode("utf-16-be"), ">")
    data = file(
        matrix(6, [1, 3], numbers, order=">"),
        matrix(1, [1, 1], matrix(4, [1, 2], text, name="", order=">"), name="b", order=">"),
        order=">",
    )
    found = read(data, "a", "b")
    assert found["a"].tolist() == [1, 2, 3] and found["b"] == ["ab"]


DOUBLE = element(9, struct.pack("<d", 1))
REFUSED = {
    "nothing": (b"", "none of MATLAB"),
    "text": (b"<html>" * 30, "none of MATLAB"),
    "version 7.3": (file()[:124] + b"\0\2IM", "version 7.3, which is HDF5"),
    "more numbers": (file(matrix(6, [1, 2], DOUBLE)), "2 numbers with 1"),
    "a negative shape": (file(matrix(6, [-1, -1], DOUBLE)), "without shape"),
    "many axes": (file(matrix(6, [1] * 9, DOUBLE)), "without shape"),
    "overflow": (file(matrix(1, [2**31 - 1] * 8)), "matrices in 0 bytes"),
    "cells that are not there": (
        file(matrix(1, [1, 1000], element(14, b""))),
        "1000 matrices in 8",
    ),
    "an object": (file(matrix(3, [1, 1])), "class 3"),
    "a sparse one": (file(matrix(5, [1, 1])), "class 5"),
    "a function": (file(matrix(16, [1, 1])), "class 16"),
    "complex": (file(matrix(6 | 0x800, [1, 1], DOUBLE)), "class 6"),
    "no cell": (file(matrix(1, [1, 1], DOUBLE)), "a cell without matrix"),
    "characters": (file(matrix(4, [1, 1], DOUBLE)), "characters of kind 9"),
    "too many characters": (file(matrix(4, [1, 1], element(16, b"abc"))), "1 characters with 3"),
    "no UTF-16": (file(matrix(4, [1, 1], element(4, b"\0\xdc"))), "utf-16"),
    "no names": (file(matrix(2, [1, 1], element(5, bytes(4)), element(1, b"ok"))), "without names"),
    "cut short": (file(matrix(6, [1, 1], DOUBLE))[:-8], "cut short"),
    "damaged zlib": (file(element(15, b"\xff" * 16)), "zlib|incorrect header|Error"),
    "a short element": (file(struct.pack("<HH", 6, 9) + bytes(4)), "longer than its place"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(read: Read, case: str) -> None:
    data, message = REFUSED[case]
    with pytest.raises(FormatError, match=f"some.mat to be a MATLAB file .*{message}"):
        read(data, "a")


def test_depth(read: Read) -> None:
    data = matrix(6, [1, 1], DOUBLE)
    for _ in range(10_000):
        data = matrix(1, [1, 1], data)
        if len(data) > 500_000:
            break
    with pytest.raises(FormatError, match="too deep"):
        read(file(data), "a")


def compressed(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    return struct.pack("<II", 15, len(packed)) + packed  # these are not padded


def test_a_bomb(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    """486 kB of this, of 500 MB, took 4.9 GB."""
    monkeypatch.setattr(matlab, "MOST_BYTES", 2**20)
    bomb = file(compressed(struct.pack("<II", 14, 2**25) + bytes(2**25)))
    tracemalloc.start()
    with pytest.raises(FormatError, match="it holds more than 1,048,576 bytes"):
        read(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(bomb) < 40_000 and peak < 4 * matlab.MOST_BYTES
    small = compressed(matrix(6, [1, 2**18], element(2, bytes(2**18)), name="other"))
    assert read(file(*[small] * 3)) == {}
    with pytest.raises(FormatError, match="it holds more than"):  # together
        read(file(*[small] * 5))


def test_many_small_matrices(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matlab, "MOST_MATRICES", 1000)
    assert len(read(file(matrix(1, [1, 999], element(14, b"") * 999)), "a")["a"]) == 999
    with pytest.raises(FormatError, match="more than 1,000 matrices"):
        read(file(matrix(1, [1, 1000], element(14, b"") * 1000)), "a")


@pytest.mark.filterwarnings("error")
def test_damaged_bytes(read: Read) -> None:
    """Four of 800 such files ended the process, within scipy's reader."""
    generator, n_refused = random.Random(0), 0
    for do_compression in (False, True):
        whole = saved(truth(), do_compression=do_compression)
        for _ in range(300):
            data = bytearray(whole)
            data[generator.randrange(len(data))] = generator.randrange(256)
            try:
                read(bytes(data))
            except FormatError:
                n_refused += 1
    assert n_refused > 150
