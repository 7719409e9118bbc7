"""Files that appear whole or not at all, and what a file says of itself.

A reader never sees half a file: what is written goes to a temporary name in the same folder, is
flushed to the disk and renamed. A full disk leaves the old file as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from blcf.errors import BlcfError, FormatError, StorageError
from blcf.storage.members import Place, in_its_folder, open_plain

__all__ = [
    "array_digest",
    "file_digest",
    "missing_is_damage",
    "read_json",
    "read_text",
    "reading",
    "refusals",
    "replace_file",
    "write_file",
    "write_json",
]

# Bytes of a text that is read whole, unless the caller says more: a million pictures have a
# manifest of 200 kB, and JSON can take 25 times its bytes in memory.
LARGEST_TEXT = 16 << 20

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_NEW |= sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))


def write_file(path: Place, content: bytes | memoryview) -> None:
    """Replace a file by some bytes.

    Raises
    ------
    StorageError
        The file system refused (disk full, no permission); `path` is as it was before.
    FormatError
        On the way to a `Member` is a link.
    """
    temporary = _temporary(path)
    with refusals(path), in_its_folder(path) as (name, folder):
        new = os.path.join(os.path.dirname(name), temporary)
        try:
            with os.fdopen(_create(new, folder), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(new, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(new, dir_fd=folder)
            raise
        _flush_folder(os.path.dirname(name) or ".", folder)


def _temporary(path: Place) -> str:
    return f".{path.name}.{os.getpid()}.tmp"


def _create(name: str, folder: int | None) -> int:
    try:
        return os.open(name, _NEW, 0o666, dir_fd=folder)
    except FileExistsError:  # of a process that was killed, or put there for us to follow
        os.unlink(name, dir_fd=folder)
        return os.open(name, _NEW, 0o666, dir_fd=folder)


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path`, on failure it goes.

    Raises
    ------
    StorageError
        The file system refused (disk full, no permission); `path` is as it was before.
    """
    temporary = path.with_name(_temporary(path))
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
def refusals(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the file system refuses while `path` is written into a `StorageError`."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"Could not write {path}: {error.strerror or error}. What was there before is intact; "
            "free some space or mend the permissions and run the same command again."
        ) from error


def _flush_folder(path: str | os.PathLike[str], folder: int | None = None) -> None:
    """Make a rename last; where folders cannot be flushed (Windows, some mounts) it is done."""
    try:
        descriptor = os.open(path, os.O_RDONLY, dir_fd=folder)
    except OSError:
        return
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Place, value: Any) -> None:
    """Replace a JSON file by `value`."""
    write_file(path, (json.dumps(value, indent=1) + "\n").encode("utf-8"))


def read_json(path: Place) -> Any:
    """The content of a JSON file; `FormatError` where it is damaged."""
    try:
        return json.loads(read_text(path))
    except FormatError:
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(
            f"{path} is damaged ({error}). Restore it from a copy, or index into a new folder."
        ) from error


def read_text(path: Place, at_most: int = LARGEST_TEXT) -> str:
    """The content of a text file in UTF-8, new lines as they are.

    Raises
    ------
    FormatError, StorageError
        No plain file, or one of more than `at_most` bytes; cannot be read.
    UnicodeDecodeError
    """
    with reading(path), open_plain(path) as file:
        content = file.read(at_most + 1)
    if len(content) > at_most:
        raise FormatError(f"Expected {path} to be a text of at most {at_most:,} bytes.")
    return content.decode("utf-8")


@contextmanager
def reading(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the file system refuses while `path` is read into a `StorageError`.

    It says nothing of what is in the file: whoever looks for damage must not take it for any.
    """
    try:
        yield
    except BlcfError:
        raise
    except OSError as error:
        raise StorageError(f"Could not read {path}: {error.strerror or error}.") from error


@contextmanager
def missing_is_damage(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn the want of a file that must be there into a `FormatError`."""
    try:
        yield
    except FileNotFoundError as error:
        raise FormatError(f"{path} is missing. Restore it from a copy, or index again.") from error


def array_digest(array: np.ndarray) -> str:
    """SHA-256 (first 16 hex digits) of an array's shape and bytes."""
    digest = hashlib.sha256(str(array.shape).encode())
    digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:16]


def file_digest(path: Place) -> dict[str, Any]:
    """What a manifest says of a file: ``bytes`` (int) and ``digest`` (hex, BLAKE2b of 16 bytes).

    Raises
    ------
    FormatError
        It is missing, or no plain file.
    StorageError
        It cannot be read, which says nothing of what is in it.
    """
    digest, n_bytes = hashlib.blake2b(digest_size=16), 0
    with reading(path), missing_is_damage(path), open_plain(path) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            n_bytes += len(chunk)
    return {"bytes": n_bytes, "digest": digest.hexdigest()}
