"""What a stranger, or a bad disk, may make of a collection: seeded changes of a sound one."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
from contextlib import contextmanager, suppress
from pathlib import Path

import h5py
import numpy as np

from blcf.collection.manifest import names_file, swap_manifest
from blcf.index.blocks import SUMS, write_sums
from blcf.storage import file_digest

VALUES = [None, True, False, 0, -1, 7, 1 << 31, 1 << 62, 10**30, 0.5, -0.0, 1e308, float("inf")]
VALUES += [float("nan"), "", "a", "auto", "\0", "../x", "/dev/zero", "9" * 5000, "\ud800", [], {}]
VALUES += [[1], [[]], {"a": None}, ["\0"], [0.5] * 3, "vgg16", "module", "model.h5", "00000001.h5"]


def mutate(folder: Path, outside: Path, rng: random.Random) -> str:
    """Change a collection; gives what was done, in words."""
    changes = [manifest_value, in_the_place_of, flip, cut, array_values, odd_array, swap, training]
    done = []
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        change = rng.choice(changes)
        # One change may have left nothing to change for the next.
        with suppress(OSError, LookupError, ValueError, TypeError, RuntimeError, MemoryError):
            done.append(f"{change.__name__}: {change(folder, outside, rng)}")
    return "; ".join(done)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def h5_of(folder: Path, rng: random.Random) -> Path:
    return rng.choice([path for path in files_of(folder) if path.suffix == ".h5"])


def manifest_of(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


def seal(folder: Path, manifest: dict | None = None) -> None:
    """Digests that fit whatever the files are now: of files, of the manifest, and in its copy."""
    if manifest is None:
        manifest = manifest_of(folder)
        for entry in manifest["segments"]:
            entry.update(file_digest(folder / "segments" / entry["file"]))
            copy = folder / "segments" / names_file(entry["file"])
            entry["names_digest"] = file_digest(copy)["digest"]
        manifest["model"].update(file_digest(folder / "model.h5"))
    swap_manifest(folder, manifest)
    shutil.copy(folder / "manifest.json", folder / "manifest.backup.json")


def manifest_value(folder: Path, outside: Path, rng: random.Random) -> str:
    """Another value, or none, at some place of the manifest; its digest fits."""
    manifest = inner = manifest_of(folder)
    way = []
    while True:
        keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        key = rng.choice(keys)
        way.append(key)
        if isinstance(inner[key], (dict, list)) and inner[key] and rng.random() < 0.9:
            inner = inner[key]
            continue
        break
    value = rng.choice(VALUES)
    if rng.random() < 0.1 and isinstance(inner, dict):
        del inner[key]
        value = "deleted"
    else:
        inner[key] = value
    seal(folder, manifest)
    return f"{way} = {str(value)[:50]!r}"


def in_the_place_of(folder: Path, outside: Path, rng: random.Random) -> str:
    """A link, a pipe, a socket, a folder or a file in the place of a file or folder."""
    there = [*files_of(folder), folder / "segments", folder / "training", folder / "damaged"]
    path = rng.choice([*there, folder / "writer.lock", folder / "writer.json"])
    kinds = ["link", "link", "dead link", "loop", "zero", "pipe", "socket", "folder", "file"]
    kind = rng.choice(kinds)
    kept = outside / f"kept-{path.name}"
    if path.exists():
        path.rename(kept)
    if kind in ("link", "dead link", "loop", "zero"):
        inside = rng.choice([outside, kept, outside / "file"])
        to = {"link": inside, "dead link": outside / "none", "loop": path, "zero": "/dev/zero"}
        path.symlink_to(to[kind])
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as one, in_folder(path.parent):
            one.bind(path.name)
    elif kind == "folder":
        path.mkdir()
        (path / "inner").write_text("x")
    else:
        path.write_text(rng.choice(["", "x", "{}", "[]", "[" * 50_000, "nul\0"]))
    return f"{kind} as {path.name}"


@contextmanager
def in_folder(folder: Path):
    """The name of a socket has a hundred letters at most."""
    here = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)


def flip(folder: Path, outside: Path, rng: random.Random) -> str:
    """Some changed bytes; half of the time with digests that fit."""
    path = rng.choice(files_of(folder))
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice([1, 1, 2, 30])):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data)
    return f"{path.name}{sealed(folder, rng)}"


def cut(folder: Path, outside: Path, rng: random.Random) -> str:
    path = rng.choice(files_of(folder))
    data = path.read_bytes()
    how = rng.choice(["empty", "cut", "longer", "zeros", "sparse"])
    place = rng.randrange(len(data))
    parts = {"empty": b"", "cut": data[:place], "longer": data + b"x" * 100}
    path.write_bytes(parts.get(how, data[:place] + bytes(len(data) - place)))
    if how == "sparse":
        os.truncate(path, 1 << 28)  # with digests that fit it is read whole, like any long file
    return f"{path.name} {how}{sealed(folder, rng) if how != 'sparse' else ''}"


def sealed(folder: Path, rng: random.Random) -> str:
    if rng.random() < 0.5:
        return ""
    seal(folder)
    return ", sealed"


def is_large(member) -> bool:
    """Whether a data set is one that must not be read: of a change before."""
    return (getattr(member, "size", 0) or 0) > 1 << 22


def datasets_of(file: h5py.File) -> list[str]:
    names: list[str] = []

    def take(name: str, member) -> None:
        if hasattr(member, "dtype") and name != SUMS and not is_large(member):
            names.append(name)

    file.visititems(take)
    return names


@contextmanager
def forging(folder: Path, path: Path, rng: random.Random):
    """A file of a collection, to be changed; check sums and digests fit afterwards."""
    with h5py.File(path, "r+") as file:
        had_sums, large = SUMS in file, []
        yield file
        file.visititems(lambda _, one: large.append(one) if is_large(one) else None)
        if had_sums and not large:  # which is refused whatever the sums
            del file[SUMS]
            with suppress(TypeError, ValueError):  # of what has no bytes
                write_sums(file)
    seal(folder)


def array_values(folder: Path, outside: Path, rng: random.Random) -> str:
    """Extreme numbers in an array."""
    path = h5_of(folder, rng)
    with forging(folder, path, rng) as file:
        name = rng.choice(datasets_of(file))
        array = file[name][()]
        flat, n = array.reshape(-1), rng.choice([1, 1, 3, array.size])
        info = np.finfo(array.dtype) if array.dtype.kind == "f" else np.iinfo(array.dtype)
        some = [0, 1, -1, info.max, info.min, info.max // 2]
        some += [np.nan, np.inf] if array.dtype.kind == "f" else []
        for _ in range(min(n, 100)):
            with suppress(OverflowError):
                flat[rng.randrange(flat.size)] = rng.choice(some)
        file[name][...] = array
    return f"{path.name} {name}"


def odd_array(folder: Path, outside: Path, rng: random.Random) -> str:
    """An array of another shape, type or kind, none, or an odd value beside it."""
    path = h5_of(folder, rng)
    with forging(folder, path, rng) as file:
        name = rng.choice(datasets_of(file))
        array, how = file[name][()], rng.choice(sorted(ODD))
        if how == "value":
            place = rng.choice([file, file[name].parent])
            key = rng.choice([*place.attrs, "odd"])
            place.attrs[key] = rng.choice([0, -1, 2**62, 0.5, "text", np.bytes_("x"), [1, 2], True])
            return f"{path.name} {key} {how}"
        del file[name]
        ODD[how](file, name, array, outside)
    return f"{path.name} {name} {how}"


def never_written(file, name, array, outside):
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    space, kind = h5py.h5s.create_simple((1 << 33,)), h5py.h5t.py_create(array.dtype)
    group, _, last = name.rpartition("/")
    h5py.h5d.create(file[group or "/"].id, last.encode(), kind, space, how)


def compressed(file, name, array, outside):
    shape = (1 << 23, *array.shape[1:])
    file.create_dataset(name, shape, array.dtype, chunks=True, compression="gzip", fillvalue=1)


def put(file, name, value):
    file[name] = value


ODD = {
    "none": lambda file, name, array, outside: None,
    "empty": lambda file, name, array, outside: put(file, name, array[:0]),
    "shorter": lambda file, name, array, outside: put(file, name, array[:-1]),
    "longer": lambda file, name, array, outside: put(file, name, np.concatenate([array, array])),
    "column": lambda file, name, array, outside: put(file, name, array[..., None]),
    "wide": lambda file, name, array, outside: put(file, name, array.astype(np.int64)),
    "float": lambda file, name, array, outside: put(file, name, array.astype(np.float64)),
    "bytes": lambda file, name, array, outside: put(file, name, array.astype(np.uint8)),
    "big end first": lambda file, name, array, outside: put(
        file, name, array.astype(array.dtype.newbyteorder(">"))
    ),
    "text": lambda file, name, array, outside: put(file, name, ["a", "b"]),
    "number": lambda file, name, array, outside: put(file, name, 5),
    "group": lambda file, name, array, outside: file.create_group(name),
    "link": lambda file, name, array, outside: put(
        file, name, h5py.ExternalLink(str(outside / "other.h5"), name)
    ),
    "soft link": lambda file, name, array, outside: put(file, name, h5py.SoftLink("/names")),
    "never written": never_written,
    "compressed": compressed,
    "value": lambda file, name, array, outside: None,
}


def swap(folder: Path, outside: Path, rng: random.Random) -> str:
    """One file's bytes in another."""
    one, other = rng.sample(files_of(folder), 2)
    other.write_bytes(one.read_bytes())
    return f"{one.name} over {other.name}{sealed(folder, rng)}"


def training(folder: Path, outside: Path, rng: random.Random) -> str:
    """What an interrupted run could have left, and did not."""
    place = folder / "training"
    place.mkdir(exist_ok=True)
    facts = {"images": rng.choice(VALUES), "n_done": rng.choice(VALUES)}
    facts |= {name: rng.choice(VALUES) for name in ("n_cells", "n_rows", "n_channels")}
    (place / "sample.json").write_text(json.dumps(facts))
    (place / "sample.f16").write_bytes(b"x" * rng.choice([0, 1, 5000]))
    entry = {"name": "00.png", "start": rng.choice(VALUES), "shape": rng.choice(VALUES), "crc": 0}
    (place / "maps.jsonl").write_text(json.dumps(entry) + "\n" + "[" * 10_000)
    (place / "maps.raw").write_bytes(b"x")
    if rng.random() < 0.3:
        (place / "inner").symlink_to(outside)
    return "odd"
