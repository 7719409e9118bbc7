"""Files that appear whole or not at all: failures leave what was there, damage is named."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest

from blcf.errors import FormatError, InvalidInput, StorageError
from blcf.storage import (
    file_digest,
    map_file,
    open_h5,
    read_json,
    replace_file,
    write_dataset,
    write_h5,
    write_json,
)

ROOT = Path(__file__).resolve().parents[1]


def write_numbers(path, n=1000, version=1):
    with write_h5(path, "numbers", version) as file:
        write_dataset(file, "numbers", np.arange(n, dtype=np.int32))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_replace_file(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("old", "new"):
        with replace_file(path) as temporary:
            assert temporary.parent == tmp_path and temporary != path
            temporary.write_text(text)
        assert path.read_text() == text
    assert names_in(tmp_path) == ["a.txt"]


def test_threads_replace_one_file(tmp_path):
    path = tmp_path / "a.txt"

    def replace(text):
        with replace_file(path) as temporary:
            temporary.write_text(text)

    with replace_file(path) as temporary:
        temporary.write_text("first")
        other = threading.Thread(target=replace, args=("second",))
        other.start()
        other.join(60)
        assert path.read_text() == "second"
    assert path.read_text() == "first" and names_in(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("raised", [KeyError, InvalidInput, KeyboardInterrupt])
def test_failure_leaves_the_old_file(tmp_path, raised):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(raised):
        with replace_file(path) as temporary:
            temporary.write_text("half")
            raise raised("stop")
    assert path.read_text() == "old" and names_in(tmp_path) == ["a.txt"]


def test_refusal_of_the_file_system(tmp_path):
    path = tmp_path / "none" / "a.txt"
    with pytest.raises(StorageError, match="Could not write .*none/a.txt: No such file"):
        with replace_file(path) as temporary:
            temporary.write_text("text")
    with pytest.raises(StorageError, match="run the same command again"):
        with replace_file(tmp_path / "never written"):
            pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="Could not write .*folder"):
        with replace_file(tmp_path / "folder") as temporary:
            temporary.write_text("text")
    assert names_in(tmp_path) == ["folder"]


def test_json_round_trip_and_damage(tmp_path):
    path = tmp_path / "a.json"
    value = {"name": "é\n\udcff", "numbers": [1, 2.5, None]}
    write_json(path, value)
    assert read_json(path) == value
    whole = path.read_bytes()
    for damaged in (b"", whole[:-5], b"\xff\xfe", b"{'a': 1}"):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match=r"a\.json is damaged .*Restore it"):
            read_json(path)


def test_json_that_cannot_be_written(tmp_path):
    write_json(tmp_path / "a.json", 1)
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": tmp_path})
    assert read_json(tmp_path / "a.json") == 1 and names_in(tmp_path) == ["a.json"]


@pytest.mark.parametrize("shape", [(1000,), (7, 3), (1,), (2, 3, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64", "float32", "float64"])
def test_dataset_is_mapped(tmp_path, shape, dtype):
    array = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    with write_h5(tmp_path / "a.h5", "arrays", 1) as file:
        write_dataset(file.create_group("group"), "array", array)
    with open_h5(tmp_path / "a.h5", "arrays", 1) as file:
        mapped = file.group("group").array("array")
    # The file is closed by now.
    assert mapped.dtype == array.dtype
    np.testing.assert_array_equal(mapped, array)
    assert not mapped.flags.owndata and not mapped.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 1


def test_dataset_of_a_transposed_array(tmp_path):
    array = np.arange(6, dtype=np.int32).reshape(2, 3).T
    with write_h5(tmp_path / "a.h5", "arrays", 1) as file:
        write_dataset(file, "array", array)
    with open_h5(tmp_path / "a.h5", "arrays", 1) as file:
        np.testing.assert_array_equal(file.array("array"), array)


@pytest.mark.parametrize("shape", [(0,), (0, 4)])
def test_empty_dataset(tmp_path, shape):
    with write_h5(tmp_path / "a.h5", "arrays", 1) as file:
        write_dataset(file, "array", np.empty(shape, dtype=np.float32))
    with open_h5(tmp_path / "a.h5", "arrays", 1) as file:
        array = file.array("array")
    assert array.shape == shape and array.dtype == np.float32


def test_mapped_dataset_outlives_its_replacement(tmp_path):
    write_numbers(tmp_path / "a.h5", 1000)
    with open_h5(tmp_path / "a.h5", "numbers", 1) as file:
        mapped = file.array("numbers")
    write_numbers(tmp_path / "a.h5", 10)
    np.testing.assert_array_equal(mapped, np.arange(1000))


def test_other_kind_or_version(tmp_path):
    path = tmp_path / "a.h5"
    write_numbers(path, version=1)
    with pytest.raises(FormatError, match="numbers of format version 2, got numbers of version 1"):
        with open_h5(path, "numbers", 2):
            pass
    with pytest.raises(FormatError, match="a segment of format version 1, got numbers of"):
        with open_h5(path, "segment", 1):
            pass
    with h5py.File(path, "w"):
        pass
    with pytest.raises(FormatError, match="got None of version None"):
        with open_h5(path, "numbers", 1):
            pass


def test_missing_or_not_hdf5(tmp_path):
    with pytest.raises(FormatError, match=r"none\.h5 is missing"):
        with open_h5(tmp_path / "none.h5", "numbers", 1):
            pass
    for content in (b"", b"hello", b"\x89HDF\r\n\x1a\n"):
        (tmp_path / "a.h5").write_bytes(content)
        with pytest.raises(FormatError, match=r"a\.h5 is damaged or cut short"):
            with open_h5(tmp_path / "a.h5", "numbers", 1):
                pass


def test_cut_short_anywhere(tmp_path):
    path = tmp_path / "a.h5"
    write_numbers(path, 300)
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(FormatError):
            with open_h5(path, "numbers", 1) as file:
                file.array("numbers")


def test_missing_dataset(tmp_path):
    write_numbers(tmp_path / "a.h5")
    with pytest.raises(FormatError, match=r"a\.h5 is damaged .*letters"):
        with open_h5(tmp_path / "a.h5", "numbers", 1) as file:
            file.array("letters")


def test_failure_while_writing_leaves_the_old_file(tmp_path):
    write_numbers(tmp_path / "a.h5", 10)
    before = (tmp_path / "a.h5").read_bytes()
    with pytest.raises(InvalidInput):
        with write_h5(tmp_path / "a.h5", "numbers", 1) as file:
            write_dataset(file, "numbers", np.arange(5))
            raise InvalidInput("stop")
    assert (tmp_path / "a.h5").read_bytes() == before and names_in(tmp_path) == ["a.h5"]


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from blcf.errors import StorageError
from blcf.storage import write_dataset, write_h5, write_json
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
path = Path(sys.argv[1])
try:
    if path.suffix == ".json":
        write_json(path, "x" * 100_000)
    else:
        with write_h5(path, "numbers", 1) as file:
            for i in range(int(sys.argv[2])):
                write_dataset(file, f"numbers{i}", np.zeros(int(sys.argv[3]), dtype=np.int32))
except StorageError as error:
    print(error)
else:
    sys.exit("written all the same")
"""


@pytest.mark.parametrize(
    ("name", "n_datasets", "n_numbers"), [("a.json", 0, 0), ("a.h5", 1, 100_000), ("a.h5", 99, 100)]
)
def test_full_disk(tmp_path, name, n_datasets, n_numbers):
    pytest.importorskip("resource", reason="no limits on this system")
    path = tmp_path / name
    write_json(path, "old") if name == "a.json" else write_numbers(path)
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path), str(n_datasets), str(n_numbers)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Could not write" in done.stdout and "free some space" in done.stdout
    assert path.read_bytes() == before and names_in(tmp_path) == [name]


def test_digest_of_a_file(tmp_path):
    stamp: dict = {}
    with write_h5(tmp_path / "a.h5", "numbers", 1, out=stamp) as file:
        write_dataset(file, "numbers", np.arange(1_000_000))
    assert stamp == file_digest(tmp_path / "a.h5") and stamp["bytes"] > 8_000_000
    (tmp_path / "b").write_bytes(b"")
    empty = "cae66941d9efbd404e4d88758ea67670"  # b2sum -l 128 /dev/null
    assert file_digest(tmp_path / "b") == {"bytes": 0, "digest": empty}
    with pytest.raises(FormatError, match="none is missing"):
        file_digest(tmp_path / "none")
    with pytest.raises(FormatError, match="to be a plain file, it is a folder"):
        file_digest(tmp_path)


def test_failure_gives_no_digest(tmp_path):
    stamp: dict = {}
    with pytest.raises(InvalidInput):
        with write_h5(tmp_path / "a.h5", "numbers", 1, out=stamp):
            raise InvalidInput("stop")
    assert stamp == {}


@pytest.mark.parametrize("name", ["chunked", "text"])
def test_dataset_that_is_no_plain_array(tmp_path, name):
    path = tmp_path / "a.h5"
    with write_h5(path, "numbers", 1) as file:
        if name == "chunked":
            file.create_dataset("chunked", data=np.arange(100), chunks=(10,))
        else:
            file["text"] = ["variable", "length"]
    with pytest.raises(FormatError, match=f"its {name} are no plain array"):
        with open_h5(path, "numbers", 1) as stored:
            stored.array(name)


def test_refusal_is_no_damage(tmp_path):
    write_numbers(tmp_path / "a.h5")
    with pytest.raises(StorageError, match="Could not map"):
        with open_h5(tmp_path / "a.h5", "numbers", 1):
            map_file(tmp_path / "none")
    with pytest.raises(FormatError, match="to be a plain file, it is a folder"):
        read_json(tmp_path)
    with pytest.raises(StorageError, match="Could not read"):
        read_json(tmp_path / "none")


def test_two_files_are_written_at_once(tmp_path):
    """HDF5 took them for one: the second was "already open"."""
    with write_h5(tmp_path / "a.h5", "a", 1) as one, write_h5(tmp_path / "b.h5", "b", 1) as other:
        write_dataset(one, "x", np.arange(3))
        write_dataset(other, "x", np.arange(4))
    assert [len(read(tmp_path / f"{name}.h5", name)) for name in "ab"] == [3, 4]


def read(path, kind):
    with open_h5(path, kind, 1) as file:
        return file.array("x").copy()
