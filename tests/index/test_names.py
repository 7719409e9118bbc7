"""Names as one blob: any text comes back as it was."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.index.names import Names
from blcf.storage import map_file, open_h5, write_h5

STRANGE = [
    "a.jpg",
    "",
    "folder/b c.jpg",
    "new\nline\r\n.jpg",
    "nul\0.jpg",
    "é e\u0301 ß",
    "北京/\U0001f600.jpg",  # 3 and 4 bytes each
    os.fsdecode(b"latin-\xe9.jpg"),  # no UTF-8: a surrogate stands for the byte
    "\ud800 \udcc3\udca9",
    "a.jpg",
    "\u2028",
]


def written_and_read(names, folder):
    with write_h5(folder / "names.h5", "names", 1) as file:
        names.write(file)
    with open_h5(folder / "names.h5", "names", 1) as file:
        return Names.read(file, map_file(file.filename))


@pytest.mark.parametrize("names", [STRANGE, [], [""], ["", "", ""], ["one"]])
def test_round_trip(names, tmp_path):
    encoded = Names.from_list(names)
    assert list(encoded) == names and len(encoded) == len(names)
    assert list(written_and_read(encoded, tmp_path)) == names
    assert list(Names.from_list(encoded)) == names


def test_round_trip_of_many(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"{i}/" + "é" * int(rng.integers(0, 20)) for i in range(5000)]
    read = written_and_read(Names.from_list(names), tmp_path)
    assert list(read) == names and read[4321] == names[4321]


@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(st.lists(st.text(st.characters(), max_size=5), max_size=5))  # surrogates as well
def test_any_text(names):
    assert list(Names.from_list(names)) == names


def test_is_a_sequence():
    names = Names.from_list(STRANGE)
    n = len(STRANGE)
    for position in (0, 3, n - 1, -1, -n, np.int64(2)):
        assert names[position] == STRANGE[position]
    for position in (n, -n - 1):
        with pytest.raises(IndexError):
            names[position]
    for part in (slice(None), slice(2, 5), slice(-3, None), slice(None, None, -2), slice(9, 2)):
        assert names[part] == STRANGE[part]
    assert "a.jpg" in names and "b.jpg" not in names
    assert names.index("a.jpg") == 0 and names.count("a.jpg") == 2
    assert list(reversed(names)) == STRANGE[::-1]
