"""Mapped files: no descriptor is kept, and the memory goes with the last array over it."""

from __future__ import annotations

import gc
import os

import numpy as np
import pytest

from blcf.errors import FormatError, StorageError
from blcf.storage import map_file

linux = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks /proc of Linux")


def n_maps(path):
    with open("/proc/self/maps") as file:
        return sum(str(path) in line for line in file)


def test_content(tmp_path):
    content = np.random.default_rng(0).integers(0, 256, 10_001).astype(np.uint8)
    (tmp_path / "file").write_bytes(content.tobytes())
    mapped = map_file(tmp_path / "file")
    np.testing.assert_array_equal(mapped, content)
    assert not mapped.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        mapped.flags.writeable = True


def test_empty_file(tmp_path):
    (tmp_path / "file").touch()
    assert map_file(tmp_path / "file").shape == (0,)


def test_what_cannot_be_mapped(tmp_path):
    with pytest.raises(StorageError, match="Could not map .*none: No such file"):
        map_file(tmp_path / "none")
    with pytest.raises(FormatError, match="to be a plain file, it is a folder"):
        map_file(tmp_path)


@linux
def test_no_descriptor_is_kept_and_the_map_goes_with_the_last_array(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345678" * 1_000)
    before = sorted(os.listdir("/proc/self/fd"))
    gc.disable()  # nothing waits for a collection of garbage
    try:
        whole = map_file(path)
        part = whole[8:16].view(np.uint64).reshape(1, 1)
        assert sorted(os.listdir("/proc/self/fd")) == before and n_maps(path) == 1
        del whole
        assert n_maps(path) == 1 and part.tobytes() == b"12345678"
        del part
        assert n_maps(path) == 0
    finally:
        gc.enable()
