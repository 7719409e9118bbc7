"""HDF5 files of strangers: what we do not write is refused before an array of it is read."""

from __future__ import annotations

import errno
import json
import os
import re

import h5py
import numpy as np
import pytest

from blcf.errors import FormatError, StorageError
from blcf.storage import files, h5, open_h5, plain_layout, write_dataset, write_h5


def write(path, add=None, **how):
    """A file of ours with an array, a group of one more, and something added."""
    with write_h5(path, "numbers", 1, **how) as file:
        write_dataset(file, "numbers", np.arange(5, dtype=np.int32))
        write_dataset(file.create_group("group"), "more", np.arange(3.0))
        file.attrs.update(n=5, half=0.5, yes=True, text=np.bytes_("word"), many=[1, 2])
        if add is not None:
            add(file)


def read(path, **how):
    with open_h5(path, "numbers", 1, **how) as file:
        return file


def test_content(tmp_path):
    write(tmp_path / "a.h5")
    file = read(tmp_path / "a.h5")
    assert list(file) == ["group", "numbers"] and "group" in file and "n" not in file
    assert (file.array_names, file.group_names) == (["numbers"], ["group"])
    assert file.array("numbers").tolist() == [0, 1, 2, 3, 4]
    assert file.group("group").array("more").tolist() == [0, 1, 2]
    kinds = {"n": int, "half": float, "yes": bool, "text": str}
    found = {name: file.value(name, kind) for name, kind in kinds.items()}
    assert found == {"n": 5, "half": 0.5, "yes": True, "text": "word"}
    assert file.values["many"].tolist() == [1, 2]
    for ask in (
        lambda: file.array("group"),
        lambda: file.group("numbers"),
        lambda: file.group("group").array("less"),
        lambda: file.value("none", int),
        lambda: file.value("text", int),
        lambda: file.value("n", str),
    ):
        with pytest.raises(FormatError, match=r"a\.h5 is damaged \(it"):
            ask()


def outside(tmp_path):
    """A file with numbers that are not to be read."""
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file["numbers"] = np.arange(9, dtype=np.int32)
    return str(tmp_path / "outside.h5")


def add_virtual(file, path):
    layout = h5py.VirtualLayout(shape=(9,), dtype=np.int32)
    layout[:] = h5py.VirtualSource(path, "numbers", shape=(9,))
    file.create_virtual_dataset("odd", layout)


def add_never_written(file, path):
    """Contiguous, without a byte: HDF5 makes 16 GB of fill values up."""
    space, how = h5py.h5s.create_simple((1 << 32,)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    h5py.h5d.create(file.id, b"odd", h5py.h5t.STD_I32LE, space, how)


def add_compact(file, path):
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file.id, b"odd", h5py.h5t.STD_I32LE, h5py.h5s.create_simple((4,)), how)


def add_odd_float(file, path):
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_ebias(100)
    h5py.h5d.create(file.id, b"odd", kind, h5py.h5s.create_simple((4,)))


def add_deep(file, path):
    for _ in range(9):
        file = file.create_group("odd")


def add_circle(file, path):
    file["odd"] = file["/"]


ODD = {
    "external link": lambda file, path: file.__setitem__("odd", h5py.ExternalLink(path, "numbers")),
    "external group": lambda file, path: file.__setitem__("odd", h5py.ExternalLink(path, "/")),
    "soft link": lambda file, path: file.__setitem__("odd", h5py.SoftLink("/numbers")),
    "dead link": lambda file, path: file.__setitem__("odd", h5py.SoftLink("/none")),
    "data elsewhere": lambda file, path: file.create_dataset(
        "odd", (9,), np.int32, external=[(path, 0, h5py.h5f.UNLIMITED)]
    ),
    "virtual": add_virtual,
    "never written": add_never_written,
    "in the header": add_compact,
    "chunks": lambda file, path: file.create_dataset("odd", data=np.arange(9), chunks=(3,)),
    "compressed": lambda file, path: file.create_dataset(
        "odd", (1 << 34,), np.float32, chunks=(1 << 20,), compression="gzip", fillvalue=1
    ),
    "text": lambda file, path: file.__setitem__("odd", ["of", "any length"]),
    "references": lambda file, path: file.create_dataset("odd", (1,), dtype=h5py.ref_dtype),
    "records": lambda file, path: file.__setitem__("odd", np.zeros(3, [("a", "i4"), ("b", "f4")])),
    "rows of one type": lambda file, path: file.create_dataset("odd", (3,), np.dtype("(2,)i4")),
    "one number": lambda file, path: file.__setitem__("odd", 5),
    "nothing": lambda file, path: file.__setitem__("odd", h5py.Empty("f4")),
    "an enumeration": lambda file, path: file.create_dataset(
        "odd", (3,), h5py.enum_dtype({"a": 1, "b": 2}, basetype="i4")
    ),
    "other bytes first": lambda file, path: file.__setitem__("odd", np.zeros(3, ">i4")),
    "odd floats": add_odd_float,
    "a type": lambda file, path: file.__setitem__("odd", np.dtype("i4")),
    "text as a value": lambda file, path: file.attrs.__setitem__("odd", "of any length"),
    "a large value": lambda file, path: file.attrs.__setitem__("odd", np.zeros(70_000)),
    "deep groups": add_deep,
    "a circle": add_circle,
}


@pytest.mark.parametrize("odd", ODD)
def test_what_we_do_not_write(tmp_path, odd):
    other = outside(tmp_path)
    if odd == "a large value":
        with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
            file.attrs.update(kind=np.bytes_("numbers"), format_version=1)
            ODD[odd](file, other)
    else:
        write(tmp_path / "a.h5", lambda file: ODD[odd](file, other))
    message = r"a\.h5 is damaged(: its odd are no plain array| \(its odd is| \(it holds more than)"
    with pytest.raises(FormatError, match=message):
        read(tmp_path / "a.h5")


def test_empty_arrays_need_no_place(tmp_path):
    write(tmp_path / "a.h5", lambda file: write_dataset(file, "none", np.empty((0, 3), np.float32)))
    assert read(tmp_path / "a.h5").array("none").shape == (0, 3)


def test_too_many_members(tmp_path, monkeypatch):
    monkeypatch.setattr("blcf.storage.layout.MOST_MEMBERS", 2)
    write(tmp_path / "a.h5")
    with pytest.raises(FormatError, match="it holds more than we write"):
        read(tmp_path / "a.h5")


def test_a_file_whose_reading_comes_to_no_end(tmp_path, monkeypatch):
    write(tmp_path / "a.h5")
    for limit in ("MOST_READS", "MOST_BYTES"):
        with monkeypatch.context() as patch:
            patch.setattr(h5, limit, 3)
            with pytest.raises(FormatError, match="it does not come to an end"):
                read(tmp_path / "a.h5")


def test_an_array_that_is_not_aligned(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update(kind=np.bytes_("numbers"), format_version=1)
        for name, n in (("a", 3), ("b", 5), ("c", 1)):
            file[name] = np.arange(n, dtype=np.uint8)
            file[f"{name}-numbers"] = np.arange(4, dtype=np.int64)
    file = read(tmp_path / "a.h5")
    for name in "abc":
        array = file.array(f"{name}-numbers")
        assert array.flags.aligned and array.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("after", [0, 1, 2, 4])
def test_a_disk_that_cannot_be_read_is_no_damage(tmp_path, monkeypatch, after):
    """HDF5 would call it damage: here it is what the system says."""
    write(tmp_path / "a.h5")
    opened = files.open_plain

    class Broken:
        def __init__(self, file):
            self.file, self.n_reads = file, 0

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def readinto(self, out):
            self.n_reads += 1
            if self.n_reads > after:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            return self.file.readinto(out)

    monkeypatch.setattr(h5, "open_plain", lambda path: Broken(opened(path)))
    with pytest.raises(StorageError, match=r"Could not read .*a\.h5: Input/output error"):
        read(tmp_path / "a.h5")


def test_sealed(tmp_path):
    """Of a sealed file every byte counts."""
    path, stamp = tmp_path / "a.h5", {}
    write(path, sealed=True, out=stamp)
    assert stamp == files.file_digest(path)
    assert read(path, sealed=True).array("numbers").tolist() == [0, 1, 2, 3, 4]
    with h5py.File(path) as file:  # nothing to HDF5
        assert file["numbers"][:].tolist() == [0, 1, 2, 3, 4]
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(FormatError):
            read(path, sealed=True)
    write(path)
    with pytest.raises(FormatError, match="its digest is of other bytes"):
        read(path, sealed=True)


def test_length(tmp_path):
    write(tmp_path / "a.h5")
    n_bytes = (tmp_path / "a.h5").stat().st_size
    read(tmp_path / "a.h5", n_bytes=n_bytes)
    with pytest.raises(FormatError, match=f"expected {n_bytes + 1} bytes, got {n_bytes}"):
        read(tmp_path / "a.h5", n_bytes=n_bytes + 1)


def test_an_earlier_version(tmp_path):
    write(tmp_path / "a.h5")
    with pytest.raises(FormatError, match="numbers of format version 2, got numbers of version 1"):
        with open_h5(tmp_path / "a.h5", "numbers", 2, sealed=True):
            pass
    with open_h5(tmp_path / "a.h5", "numbers", 2, sealed=True, before=1) as file:
        assert file.value("format_version", int) == 1


def test_a_path_with_other_letters(tmp_path):
    folder = tmp_path / "Fön"
    folder.mkdir()
    write(folder / "a.h5")
    (folder / "a.h5").write_bytes((folder / "a.h5").read_bytes()[:-40])
    with pytest.raises(FormatError, match=re.escape(str(folder))):
        read(folder / "a.h5")


def test_a_kept_layout_says_the_same_without_hdf5(tmp_path, monkeypatch):
    write(tmp_path / "a.h5")
    file = read(tmp_path / "a.h5")
    plain = json.loads(json.dumps(plain_layout(file)))
    monkeypatch.setattr(h5, "_layout_of", None)  # not asked
    kept = read(tmp_path / "a.h5", layout=plain)
    assert list(kept) == list(file) and kept.n_bytes == file.n_bytes
    assert plain_layout(kept) == plain
    for name, value in file.values.items():
        assert type(kept.values[name]) is type(value)
        np.testing.assert_array_equal(kept.values[name], value)
    for one, other in ((kept, file), (kept.group("group"), file.group("group"))):
        for name in one.array_names:
            assert one.array(name).dtype == other.array(name).dtype
            np.testing.assert_array_equal(one.array(name), other.array(name))


def forged_layouts():
    """What a kept layout must not say, and what is said of it."""
    values = {"kind": ["S", "numbers"], "format_version": ["<i8", 1]}
    array = ["<i4", [5], 0]

    def one(values=values, arrays=None, groups=None):
        return {"values": values, "arrays": arrays or {}, "groups": groups or {}}

    deep = one()
    for _ in range(9):
        deep = one(groups={"g": deep})
    return {
        "behind": one(arrays={"a": ["<i4", [5], 1 << 40]}),
        "too long": one(arrays={"a": ["<i4", [1 << 40], 0]}),
        "before": one(arrays={"a": ["<i4", [5], -8]}),
        "negative": one(arrays={"a": ["<i4", [-5], 0]}),
        "no number": one(arrays={"a": ["<i4", [5.0], 0]}),
        "objects": one(arrays={"a": ["O", [5], 0]}),
        "text": one(arrays={"a": ["S4", [5], 0]}),
        "no type": one(arrays={"a": ["pickle", [5], 0]}),
        "no array": one(arrays={"a": 5}),
        "deep": deep,
        "a list": [],
        "nothing": {},
        "other kind": one({**values, "kind": ["S", "names"]}, {"a": array}),
        "no value": one({**values, "n": ["<i8", "x"]}, {"a": array}),
        "no kind": one({}, {"a": array}),
    }


@pytest.mark.parametrize("name", forged_layouts())
def test_a_forged_layout_leads_nowhere(tmp_path, name):
    write(tmp_path / "a.h5")
    with pytest.raises(FormatError, match=r"a\.h5"):
        read(tmp_path / "a.h5", layout=forged_layouts()[name])
