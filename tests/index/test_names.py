"""Names as one blob: any text comes back as it was."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.errors import FormatError
from blcf.index import names as module
from blcf.index.names import Names, hash_names
from blcf.storage import open_h5, write_h5

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
        return Names.read(file)


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


@pytest.mark.parametrize("written", [False, True])
def test_take(written, tmp_path):
    names = Names.from_list(STRANGE)
    if written:
        names = written_and_read(names, tmp_path)
    for positions in ([], [3], [6, 0, 6, 10], range(11)):
        wanted = [STRANGE[i] for i in positions]
        assert names.take(list(positions)) == wanted
        for dtype in (np.int64, np.int32, np.uint16):
            assert names.take(np.array(positions, dtype=dtype)) == wanted
    with pytest.raises(IndexError):
        names.take([0, 11])
    assert Names.from_list([]).take([]) == []


@pytest.mark.parametrize("written", [False, True])
def test_find(written, tmp_path):
    names = Names.from_list(STRANGE)
    if written:
        names = written_and_read(names, tmp_path)
    wanted = ["b.jpg", *STRANGE[::-1], "", "A.jpg"]
    positions, rows = names.find(wanted)
    pairs = [
        (i, j) for i, name in enumerate(STRANGE) for j, one in enumerate(wanted) if name == one
    ]
    assert sorted(zip(positions.tolist(), rows.tolist())) == sorted(pairs)
    assert rows.tolist() == sorted(rows.tolist())
    for asked in ([], ["none"]):
        positions, rows = names.find(asked)
        assert positions.tolist() == rows.tolist() == [] and positions.dtype == np.int64
    assert Names.from_list([]).find(["a"])[0].size == 0


@settings(max_examples=100, derandomize=True, database=None, deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=6), st.lists(st.sampled_from("abce"), max_size=6))
def test_find_like_a_loop(names, wanted):
    positions, rows = Names.from_list(names).find(wanted, hash_names(wanted))
    pairs = [(i, j) for i, name in enumerate(names) for j, one in enumerate(wanted) if name == one]
    assert sorted(zip(positions.tolist(), rows.tolist())) == pairs


def test_two_names_of_one_hash(monkeypatch):
    monkeypatch.setattr(module, "hash_names", lambda names: np.zeros(len(names), dtype=np.uint64))
    positions, rows = Names.from_list(["a", "b", "c"]).find(["c", "d", "a"])
    assert positions.tolist() == [2, 0] and rows.tolist() == [0, 2]


def test_hashes_are_the_same_on_every_machine():
    assert hash_names(["a.jpg", "é"]).tolist() == [9918916968011810814, 3394012004367669963]
    assert Names.from_list(["b", "a"]).hashes.tolist() == hash_names(["b", "a"]).tolist()


def test_check():
    sound = Names.from_list(STRANGE)
    sound.check()
    hashes, order = sound._lookup()
    blob, offsets = sound._blob, sound._offsets
    other = blob.copy()
    other[0] ^= 1
    far = order.copy()
    far[0] = 99
    for parts, message in [
        ((blob, offsets + 1, hashes, order), "one behind the other"),
        ((blob, offsets[::-1], hashes, order), "one behind the other"),
        ((blob, offsets, hashes[::-1], order), "ascending order"),
        ((blob, offsets, hashes, far), "one hash per name"),
        ((other, offsets, hashes, order), "agree with their hashes"),
    ]:
        with pytest.raises(FormatError, match=message):
            Names(*parts).check()
    assert Names(blob, offsets, hashes, far).find(STRANGE)[0].max() < len(STRANGE)


def test_damaged_text():
    names = Names(np.full(3, 255, dtype=np.uint8), np.array([0, 3]))
    with pytest.raises(FormatError, match="A name of the index is damaged .*Run `blcf check`"):
        names[0]
    with pytest.raises(FormatError, match="A name of the index is damaged"):
        names.take([0])
    for offsets in ([0, 99], [-9, 2], [2, 0], [5, 9]):  # no name, but nothing outside the blob
        damaged = Names(np.full(3, ord("a"), dtype=np.uint8), np.array(offsets))
        assert damaged.take([0])[0] in ("", "aa", "aaa")


def test_parts_that_do_not_fit(tmp_path):
    with write_h5(tmp_path / "names.h5", "names", 1) as file:
        Names.from_list(STRANGE).write(file)
        del file["name_order"]
        file["name_order"] = np.arange(3, dtype=np.int32)
    with pytest.raises(FormatError, match="names.h5 is damaged: its names do not fit together"):
        with open_h5(tmp_path / "names.h5", "names", 1) as file:
            Names.read(file)
