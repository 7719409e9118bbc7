"""The files that a call writes: none of them is one that it reads, nor lies in a collection.

`Read`, `Written` and `Changed` are types of arguments: what an option does with its path is said
where it is declared, and `Outputs` sees every path of a call, those of options to come as well. It
is made before anything is computed.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from blcf.collection import Collection
from blcf.collection.manifest import BACKUP, FORMAT, MANIFEST
from blcf.collection.shards import is_sharded
from blcf.errors import InvalidInput
from blcf.images import display_name, file_of
from blcf.outputs import is_device

__all__ = [
    "STDOUT",
    "Changed",
    "Outputs",
    "Read",
    "Written",
    "check_new_folder",
    "why_unreadable",
]

STDOUT = "-"
_HEAD = 4096  # bytes of a manifest that say what it is
_OPENED = ("/proc/", "/dev/fd/", os.devnull)
_Path = str | os.PathLike[str]


class Read(str):
    """The path of a file or folder that the call reads."""

    def __new__(cls, text: str) -> Read:
        reason = why_unreadable(text)
        if reason:
            raise argparse.ArgumentTypeError(reason)
        return super().__new__(cls, text)


class Written(str):
    """The path of a file that the call writes; - is standard output where the option says so."""

    def __new__(cls, text: str) -> Written:
        _check_name(text, "file")
        return super().__new__(cls, text)


class Changed(str):
    """The path of a folder that the call makes, or changes what is in it."""

    def __new__(cls, text: str) -> Changed:
        _check_name(text, "folder")
        return super().__new__(cls, text)


def _check_name(text: str, what: str) -> None:
    if _is_no_name(text):
        raise argparse.ArgumentTypeError(f"expected the name of a {what}, got {text!r:.80}")


def why_unreadable(text: str) -> str:
    """What is wrong with a path to read, a clause; "" for nothing.

    It is none, or it is a pipe or a device, which would be waited for: for ever, where nobody
    writes. What the shell opened (standard input, <(command)) has a writer.
    """
    if _is_no_name(text):
        return f"expected the path of a file, got {text!r:.80}"
    if is_device(text) and not os.path.realpath(text).startswith(_OPENED):
        what = f"{display_name(text)} is a named pipe or a device"
        return f"expected a file, {what}: write what it gives to a file"
    return ""


def _is_no_name(text: str) -> bool:
    return not text or "\0" in text


class Outputs:
    """The files that a call writes.

    Raises
    ------
    InvalidInput
        One of them cannot be written, is read by the same call, is named twice, or lies in a
        collection.
    """

    def __init__(self, options: argparse.Namespace):
        values = list(vars(options).values())
        paths = [path for path in _those(Written, values) if path != STDOUT]
        self._there: dict[tuple[int, int], str] = {}  # those that exist, by what they are
        seen: dict[str, str] = {}
        for path in paths:
            if is_device(path):
                continue
            _check_place(path)
            key = _folded(path)
            status = _status(path)
            same = seen.get(key) if status is None else self._there.get(_identity(status))
            if same is not None or key in seen:
                raise _refused(path, f"it is named twice in this call ({same or seen[key]})")
            seen[key] = path
            if status is not None:
                self._there[_identity(status)] = path
        self._spare_streams()
        reads = list(_those(Read, values))
        self.spare(reads)
        for folder in filter(os.path.isdir, reads):
            self._spare_folder(folder)

    def spare(self, paths: Iterable[_Path]) -> None:
        """Raise `InvalidInput` where one of them is among files that the call reads.

        By whatever path: a link, hard or symbolic, and upper or lower case where the file system
        does not tell them apart, lead to the same file.
        """
        if not self._there:  # a file that is new is none of them
            return
        for path in paths:
            status = _status(file_of(path))
            written = None if status is None else self._there.get(_identity(status))
            if written is not None:
                as_path = "" if os.fspath(path) == written else f", as {path}"
                raise _refused(written, f"this call reads it{as_path}")

    def spare_collection(self, collection: Collection) -> None:
        """Raise `InvalidInput` where one of them is a picture of a collection, or its weights."""
        weights = collection.manifest["settings"].get("weights")
        self.spare(filter(None, [weights]))
        for path in self._there.values():
            real = _real(path)
            for root in map(os.path.realpath, filter(None, collection.roots)):
                if not real.is_relative_to(root):
                    continue
                name = real.relative_to(root).as_posix()
                if name in collection.manifest["videos"]:
                    raise _refused(path, f"it is a film of {collection.path}")
                (image_id,) = collection.find([name]).tolist()
                there = collection.image_path(image_id) if image_id >= 0 else None
                if there is not None and real == _real(there):
                    raise _refused(path, f"it is a picture of {collection.path}")

    def _spare_folder(self, folder: str) -> None:
        """What is new there is read by no one; of what is there nobody can tell."""
        inside = os.path.realpath(folder)
        for path in self._there.values():
            if _real(path).is_relative_to(inside):
                raise _refused(path, f"it is there already, in {folder}, which this call reads")

    def _spare_streams(self) -> None:
        for name, stream in (("output", sys.stdout), ("error", sys.stderr)):
            try:
                status = os.fstat(stream.fileno())
            except (AttributeError, OSError, ValueError):  # a stream without a file
                continue
            path = self._there.get(_identity(status))
            if path is not None:
                raise _refused(path, f"standard {name} goes there, and one would replace the other")


def check_new_folder(path: _Path) -> None:
    """Raise `InvalidInput` for a folder in a collection."""
    _check_outside(path)


def _check_place(path: str) -> None:
    """Raise `InvalidInput` unless a file can be written there."""
    if os.path.isdir(path):
        raise _refused(path, "it is a folder")
    folder = os.path.dirname(os.path.realpath(path))
    if path.endswith(("/", os.sep)):
        raise _refused(path, "it names a folder")
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise _refused(path, f"{folder} is no folder that can be written")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise _refused(path, "it is write-protected")
    try:
        os.stat(os.path.join(folder, f".{os.path.basename(path)}.0123456789.tmp"))
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # of the temporary file, see `replace_file`
            raise _refused(path, "its name is too long") from error
    _check_outside(path)


def _check_outside(path: _Path) -> None:
    for folder in _real(path).parents:
        if _is_collection(folder):
            raise _refused(path, f"{folder} is a collection, which holds nothing else")


def _is_collection(folder: Path) -> bool:
    """Whether a folder is a collection; other programs call files ``manifest.json``, too."""
    if is_sharded(folder):
        return True
    for name in (MANIFEST, BACKUP):
        file = folder / name
        try:
            if file.is_file():
                with open(file, "rb") as opened:
                    if FORMAT.encode() in opened.read(_HEAD):
                        return True
        except OSError:
            continue
    return (folder / MANIFEST).is_file() and (folder / "segments").is_dir()  # a damaged one


def _those(kind: type, values: Iterable[Any]) -> Iterator[str]:
    """The paths of a kind among values of options, also those in rows of them."""
    for value in values:
        if isinstance(value, kind):
            yield str(value)
        elif isinstance(value, (list, tuple)):
            yield from _those(kind, value)


def _status(path: _Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _real(path: _Path) -> Path:
    return Path(os.path.realpath(path))


def _folded(path: str) -> str:
    """Where a file is; names that some file systems take for one are one."""
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def _refused(path: _Path, reason: str) -> InvalidInput:
    return InvalidInput(
        f"Could not write {display_name(path)}: {display_name(reason)}. Name another place."
    )
