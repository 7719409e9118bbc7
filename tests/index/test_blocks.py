"""Blocks of a mapped file: verified with their first use, of old files not at all."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from blcf.errors import FormatError
from blcf.index.blocks import SUMS, Blocks, read_blocks, write_sums
from blcf.kernels.blocks import BLOCK
from blcf.storage import open_h5, write_dataset, write_h5

N_BLOCKS = -(-12_000 // BLOCK) + 1  # of the numbers and the letters below


def write(path):
    with write_h5(path, "arrays", 1) as file:
        write_dataset(file, "numbers", np.arange(3_000, dtype=np.int32).reshape(-1, 3))
        write_dataset(file, "none", np.empty(0, dtype=np.float32))
        write_dataset(file.create_group("group"), "letters", np.frombuffer(b"letters", np.uint8))
        write_sums(file)


def read(path):
    with open_h5(path, "arrays", 1) as file:
        return read_blocks(file)


def change(path, name, place):
    with h5py.File(path, "r+") as file:
        file[name][place] += 1


def test_sound(tmp_path):
    write(tmp_path / "a.h5")
    blocks = read(tmp_path / "a.h5")
    assert sorted(blocks) == ["group/letters", "none", "numbers"]
    for one in blocks.values():
        one.touch_all(), one.touch_all()
    blocks["numbers"].touch(np.array([5, 2_000]), np.array([7, 9_999_999]))
    blocks["none"].touch_one(0, 0)


def test_threads_that_verify_the_same_block_leave_out_no_other(tmp_path):
    """Each of them counts it; the last block must be looked at all the same."""
    write(tmp_path / "a.h5")
    change(tmp_path / "a.h5", "numbers", (999, 2))
    one, n = read(tmp_path / "a.h5")["numbers"], BLOCK // 4
    for _ in range(3_000 // n + 1):
        one._marks[0] = 0  # as another thread sees it, that began at the same time
        one.touch_one(0, 1)
    with pytest.raises(FormatError):
        one.touch_one(2_999, 3_000)


@pytest.mark.parametrize("how", ["one", "many", "all"])
def test_damage(tmp_path, how):
    write(tmp_path / "a.h5")
    n = BLOCK // 4
    change(tmp_path / "a.h5", "numbers", (2 * n // 3, 2))
    one = read(tmp_path / "a.h5")["numbers"]
    one.touch_one(0, 2 * n), one.touch(np.array([0]), np.array([2 * n]))  # what is needed is sound
    with pytest.raises(FormatError, match=r"a\.h5 is damaged: its numbers are not as they were"):
        if how == "one":
            one.touch_one(2 * n - 1, 2 * n + 1)
        elif how == "many":
            one.touch(np.array([0, 2 * n]), np.array([1, 2 * n + 1]))
        else:
            one.touch_all()


def test_what_was_touched_is_not_looked_at_again(tmp_path, monkeypatch):
    write(tmp_path / "a.h5")
    one = read(tmp_path / "a.h5")["numbers"]
    one.touch_one(0, 10)
    monkeypatch.setattr("blcf.index.blocks.verify_blocks", None)
    one.touch_one(0, 10), one.touch_one(5, BLOCK // 4), one.touch_one(9, 9)
    with pytest.raises(TypeError):
        one.touch_one(0, BLOCK // 4 + 1)


def test_a_file_without_sums_is_believed(tmp_path):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        del file[SUMS]
    assert read(tmp_path / "a.h5") == {}


@pytest.mark.parametrize(
    "sums",
    [np.zeros(N_BLOCKS - 1, np.uint64), np.zeros(N_BLOCKS + 1, np.uint64), np.zeros(N_BLOCKS)],
)
def test_other_sums_than_blocks(tmp_path, sums):
    write(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        assert file[SUMS].shape == (N_BLOCKS,)
        del file[SUMS]
        file[SUMS] = sums
    with pytest.raises(FormatError, match="it has other check sums than blocks"):
        read(tmp_path / "a.h5")


def test_arrays_of_other_sizes():
    for dtype in (np.uint8, np.uint16, np.float64):
        array = np.arange(200).astype(dtype)
        sums = np.zeros(-(-array.nbytes // BLOCK), np.uint64)
        blocks = Blocks(array, sums, "a.h5", "array")  # type: ignore[arg-type]
        with pytest.raises(FormatError):
            blocks.touch_one(199, 200)
