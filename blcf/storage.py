"""Files that appear whole or not at all, and HDF5 datasets mapped into memory.

A reader never sees half a file: what is written goes to a temporary name in the same folder, is
flushed to the disk and renamed. A full disk leaves the old file as it was.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from blcf.errors import BlcfError, FormatError, StorageError

__all__ = [
    "array_digest",
    "file_digest",
    "map_file",
    "open_h5",
    "read_dataset",
    "read_json",
    "refusals",
    "replace_file",
    "write_dataset",
    "write_h5",
    "write_json",
]


# Datasets begin at multiples of 64 bytes: arrays over the mapped file are aligned.
_IN_MEMORY = {
    "driver": "core",
    "backing_store": False,
    "libver": "latest",
    "alignment_threshold": 0,
    "alignment_interval": 64,
}


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path`, on failure it goes.

    Raises
    ------
    StorageError
        The file system refused (disk full, no permission); `path` is as it was before.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with refusals(path):
            yield temporary
            with open(temporary, "r+b") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
            _flush_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def refusals(path: Path) -> Iterator[None]:
    """Turn what the file system refuses while `path` is written into a `StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Could not write {path}: {error.strerror or error}. What was there before is intact; "
            "free some space or mend the permissions and run the same command again."
        ) from error


def _flush_folder(path: Path) -> None:
    """Make a rename last; where folders cannot be flushed (Windows, some mounts) it is done."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file by `value`."""
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", "utf-8")


def read_json(path: Path) -> Any:
    """The content of a JSON file; `FormatError` where it is damaged."""
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"{path} is damaged ({error}). Restore it from a copy, or index into a new folder."
        ) from error


def array_digest(array: np.ndarray) -> str:
    """SHA-256 (first 16 hex digits) of an array's shape and bytes."""
    digest = hashlib.sha256(str(array.shape).encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def file_digest(path: Path) -> dict[str, Any]:
    """What a manifest says of a file: ``bytes`` (int) and ``digest`` (hex, BLAKE2b of 16 bytes)."""
    digest, n_bytes = hashlib.blake2b(digest_size=16), 0
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
                n_bytes += len(chunk)
    except FileNotFoundError as error:
        raise FormatError(f"{path} is missing. Restore it from a copy, or index again.") from error
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error
    return {"bytes": n_bytes, "digest": digest.hexdigest()}


@contextmanager
def write_h5(
    path: Path, kind: str, version: int, *, out: dict[str, Any] | None = None
) -> Iterator[h5py.File]:
    """Write an HDF5 file that appears whole or not at all; it is put together in memory.

    Parameters
    ----------
    path : where the file will be
    kind, version : what the file is, checked by `open_h5`
    out : gets what `file_digest` says, of the bytes that were meant to be written
    """
    # In memory first: when the disk is full, HDF5 fails at close and again when its objects are
    # freed, with errors that cannot be caught. A plain write fails once, and cleanly.
    with h5py.File(path.name, "w", **_IN_MEMORY) as file:
        # Fixed length: strings of variable length lie in a heap without check sums, where one
        # damaged byte makes HDF5 read for ever.
        file.attrs["kind"] = np.bytes_(kind)
        file.attrs["format_version"] = version
        yield file
        file.flush()
        image = file.id.get_file_image()
    with replace_file(path) as temporary:
        temporary.write_bytes(image)
    if out is not None:
        digest = hashlib.blake2b(image, digest_size=16).hexdigest()
        out.update({"bytes": len(image), "digest": digest})


@contextmanager
def open_h5(path: Path, kind: str, version: int) -> Iterator[h5py.File]:
    """Open an HDF5 file of ours for reading.

    Raises
    ------
    FormatError
        The file is missing, cut short, no HDF5 file, of another kind or another version.
    """
    try:
        file = h5py.File(path, "r")
    except FileNotFoundError as error:
        raise FormatError(f"{path} is missing. Restore it from a copy, or index again.") from error
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM):
            raise StorageError(f"Could not open {path}: {error.strerror or error}.") from error
        raise FormatError(
            f"{path} is damaged or cut short ({str(error).splitlines()[0]}). "
            "Restore it from a copy, or index again."
        ) from error
    with file:
        try:
            found_kind = file.attrs.get("kind")
            if isinstance(found_kind, bytes):
                found_kind = found_kind.decode("utf-8", "replace")
            found = (found_kind, file.attrs.get("format_version"))
            if found != (kind, version):
                raise FormatError(
                    f"Expected {path} to be a {kind} of format version {version}, got {found[0]} "
                    f"of version {found[1]}. Use the version of blcf that wrote it, or index again."
                )
            yield file
        except BlcfError:  # some are children of OSError too
            raise
        except (KeyError, OSError, RuntimeError) as error:
            raise FormatError(
                f"{path} is damaged ({error}). Restore it from a copy, or index again."
            ) from error


def write_dataset(group: h5py.Group, name: str, array: np.ndarray) -> None:
    """Write an array as a contiguous dataset, which `read_dataset` can map."""
    group.create_dataset(name, data=np.ascontiguousarray(array))


def map_file(path: str | os.PathLike[str]) -> np.ndarray:
    """Map a whole file into memory, read-only: uint8 (n_bytes,). It costs one file descriptor."""
    # A plain array over the map: np.memmap's own indexing costs microseconds at every slice.
    try:
        return np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    except OSError as error:
        raise StorageError(f"Could not map {path}: {error.strerror or error}.") from error


def read_dataset(group: h5py.Group, name: str, mapped: np.ndarray) -> np.ndarray:
    """A contiguous dataset over the mapped file: no byte is read before it is used.

    Parameters
    ----------
    group, name : where the dataset is
    mapped : the file of the group, from `map_file`
    """
    dataset = group[name]
    offset = dataset.id.get_offset()
    if dataset.size == 0:  # an empty dataset has no place in the file
        return np.empty(dataset.shape, dtype=dataset.dtype)
    if offset is None or dataset.dtype.hasobject:
        raise FormatError(
            f"{group.file.filename} is damaged: its {name} are no plain array. "
            "Restore it from a copy, or index again."
        )
    end = offset + dataset.size * dataset.dtype.itemsize
    if end > mapped.size:
        path = group.file.filename
        raise FormatError(f"{path} is cut short. Restore it from a copy, or index again.")
    return mapped[offset:end].view(dataset.dtype).reshape(dataset.shape)
