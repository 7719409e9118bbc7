"""HDF5 files of plain arrays: written whole, and checked whole before an array of one is read.

HDF5 can say much more than we write: links into other files, compressed blocks that stand for
gigabytes, arrays put together of other files. A file is believed to hold plain arrays that lie in
it, one place each, as long as they say, and nothing else; the library that reads it is given the
file, not its name, and not more reads than such a file needs.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import h5py
import numpy as np
from h5py import h5f, h5fd, h5p

from blcf.errors import BlcfError, FormatError
from blcf.storage.files import missing_is_damage, reading, write_file
from blcf.storage.layout import StoredGroup, layout_of_plain, read_layout
from blcf.storage.mapping import map_opened
from blcf.storage.members import Place, open_plain

__all__ = ["StoredGroup", "open_h5", "write_dataset", "write_h5"]

# Datasets begin at multiples of 64 bytes: arrays over the mapped file are aligned.
_IN_MEMORY = {
    "driver": "core",
    "backing_store": False,
    "libver": "latest",
    "alignment_threshold": 0,
    "alignment_interval": 64,
}

_SEAL = 16  # bytes of the digest behind a sealed file

# The largest file of ours, a saved index of a million images, takes some 3,000 reads of a kilobyte.
MOST_READS, MOST_BYTES = 100_000, 64 << 20
MOST_OF_OTHER = 1 << 20  # bytes of a sealed file beside its arrays


@contextmanager
def write_h5(
    path: Place,
    kind: str,
    version: int,
    *,
    out: dict[str, Any] | None = None,
    sealed: bool = False,
) -> Iterator[h5py.File]:
    """Write an HDF5 file that appears whole or not at all; it is put together in memory.

    Parameters
    ----------
    path : where the file will be
    kind, version : what the file is, checked by `open_h5`
    out : gets what `file_digest` says, of the bytes that were meant to be written
    sealed : whether a digest of all bytes stands behind them, which HDF5 does not look at; for
        files that no other file holds a digest of
    """
    # In memory first: when the disk is full, HDF5 fails at close and again when its objects are
    # freed, with errors that cannot be caught. A plain write fails once, and cleanly.
    # HDF5 tells files in memory apart by their names: two threads may write at once.
    with h5py.File(f"in memory {secrets.token_hex(8)}", "w", **_IN_MEMORY) as file:
        # Fixed length: strings of variable length lie in a heap without check sums, where one
        # damaged byte makes HDF5 read for ever.
        file.attrs["kind"] = np.bytes_(kind)
        file.attrs["format_version"] = version
        yield file
        file.flush()
        image = file.id.get_file_image()
    if sealed:
        image += _digest(image)
    write_file(path, image)
    if out is not None:
        out.update({"bytes": len(image), "digest": _digest(image).hex()})


def _digest(content: Any) -> bytes:
    return hashlib.blake2b(content, digest_size=_SEAL).digest()


def write_dataset(group: h5py.Group, name: str, array: np.ndarray) -> None:
    """Write an array as a contiguous dataset, the one form that is read again."""
    group.create_dataset(name, data=np.ascontiguousarray(array))


@contextmanager
def open_h5(
    path: Place,
    kind: str,
    version: int,
    *,
    n_bytes: int | None = None,
    sealed: bool = False,
    before: int | None = None,
    layout: Any = None,
) -> Iterator[StoredGroup]:
    """Open an HDF5 file of ours for reading: its values, and arrays over the mapped file.

    No byte of an array is read before it is used. The file is closed again when this returns.

    Parameters
    ----------
    n_bytes : how long the file must be, where that is known: of a file that was cut short an array
        could lead behind its end
    sealed : whether a digest of all bytes must stand behind them; it is verified, at some 1 GB/s
    before : an earlier version that is read as well, and is not sealed
    layout : what `plain_layout` made of this very file, which HDF5 is not asked then

    Raises
    ------
    FormatError
        The file is missing, cut short, no HDF5 file or no plain one, of another kind or another
        version, or has anything in it that we do not write.
    StorageError
        It cannot be read, which says nothing of what is in it.
    """
    with reading(path), missing_is_damage(path), open_plain(path) as file:
        mapped = map_opened(file)
        root = (
            _layout_of(path, file, mapped)
            if layout is None
            else layout_of_plain(layout, path, mapped)
        )
    found = root.values.get("kind"), root.values.get("format_version")
    if found not in ((kind.encode(), version), (kind.encode(), before or version)):
        name = found[0].decode("utf-8", "replace") if isinstance(found[0], bytes) else found[0]
        raise FormatError(
            f"Expected {path} to be a {kind} of format version {version}, got {name} "
            f"of version {found[1]}. Use the version of blcf that wrote it, or index again."
        )
    if n_bytes is not None and mapped.size != n_bytes:
        raise FormatError(
            f"{path} is damaged or cut short: expected {n_bytes} bytes, got {mapped.size}. "
            "Restore it from a copy, or run `blcf check` on the collection."
        )
    if sealed and mapped.size > root.n_bytes + MOST_OF_OTHER:
        raise FormatError(f"{path} is damaged: expected some {root.n_bytes} bytes.")
    if sealed and found[1] == version and mapped[-_SEAL:].tobytes() != _digest(mapped[:-_SEAL]):
        raise FormatError(f"{path} is damaged (its digest is of other bytes).")
    yield root


def _layout_of(path: Place, file: BinaryIO, mapped: np.ndarray) -> StoredGroup:
    source = _Source(file)
    try:
        with _opened(source) as opened:
            return read_layout(opened, path, mapped)
    except BlcfError:
        raise
    except Exception as error:  # whatever HDF5 and h5py say of bytes that are not as they should
        if source.error is not None:
            raise source.error from error
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise FormatError(
            f"{path} is damaged or cut short ({reason}). Restore it from a copy, or index again."
        ) from error


@contextmanager
def _opened(source: _Source) -> Iterator[h5py.File]:
    """A file of HDF5 over a file of Python, which nothing outlives.

    h5py.File would leave the list of properties that holds the source to whoever still holds its
    error. HDF5 gives that list back when the process ends, by a call into an interpreter that is
    no more: a segmentation fault in place of the exit status.
    """
    properties = h5p.create(h5p.FILE_ACCESS)
    try:
        properties.set_fclose_degree(h5f.CLOSE_STRONG)
        properties.set_fileobj_driver(h5fd.fileobj_driver, source)
        with h5py.File(h5f.open(b"a file of Python", h5f.ACC_RDONLY, fapl=properties)) as opened:
            yield opened
    finally:
        properties.close()


class _Source:
    """A file as HDF5 reads it.

    Attributes
    ----------
    error : what the system said where it could not be read; HDF5 would call that damage
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        self._n_reads = self._n_bytes = 0
        self.error: OSError | None = None

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, out: memoryview) -> int:
        """Fill a buffer; a read that goes behind the end, or one too many, is an error."""
        self._n_reads, self._n_bytes = self._n_reads + 1, self._n_bytes + len(out)
        if self._n_reads > MOST_READS or self._n_bytes > MOST_BYTES:
            raise ValueError("it does not come to an end")
        try:
            n_read = self._file.readinto(out)  # type: ignore[attr-defined]
        except OSError as error:
            self.error = error
            raise
        if n_read < len(out):
            raise ValueError("it ends too early")
        return n_read

    def read(self, n_bytes: int = -1) -> bytes:
        raise NotImplementedError("HDF5 reads into its own buffers.")

    def write(self, content: bytes) -> int:
        raise NotImplementedError("Nothing is written.")

    def truncate(self, n_bytes: int | None = None) -> int:
        raise NotImplementedError("Nothing is written.")

    def flush(self) -> None:
        """Nothing was written."""
