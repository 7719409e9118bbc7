"""Files mapped into memory: arrays whose bytes are read when they are used."""

from __future__ import annotations

import ctypes
import mmap
import os
from typing import Any, BinaryIO

import numpy as np

from blcf.errors import StorageError
from blcf.storage.members import open_plain

__all__ = ["map_file", "map_opened"]


def map_file(path: str | os.PathLike[str]) -> np.ndarray:
    """Map a whole plain file into memory, read-only: uint8 (n_bytes,).

    The file is closed again: a map takes no file descriptor, and goes with the last array over it.
    Whoever cuts a file short that is mapped ends the process that reads behind its new end (SIGBUS)
    on most systems; blcf never does, it only replaces files.

    Raises
    ------
    FormatError, StorageError
    """
    try:
        with open_plain(path) as file:
            return map_opened(file)
    except OSError as error:
        raise StorageError(f"Could not map {path}: {error.strerror or error}.") from error


def map_opened(file: BinaryIO) -> np.ndarray:
    """`map_file` of a file that is open; raises OSError."""
    n_bytes = os.fstat(file.fileno()).st_size
    if not n_bytes:  # nothing can be mapped
        return np.empty(0, dtype=np.uint8)
    if os.name == "posix":
        return np.asarray(_Map(file.fileno(), n_bytes))
    return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)


class _Map:
    """Memory over a file, given back when the object goes.

    `mmap.mmap` keeps a descriptor of its own for as long as it lives (until Python 3.13): a
    collection of a thousand segments could not be opened.
    """

    def __init__(self, descriptor: int, n_bytes: int):
        library = _library()
        address = library.mmap(None, n_bytes, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
        if address in (None, ctypes.c_void_p(-1).value):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._unmap, self._address, self._n_bytes = library.munmap, address, n_bytes
        # What numpy asks for: where the bytes are, and that they are not to be written to.
        self.__array_interface__: dict[str, Any] = {
            "shape": (n_bytes,),
            "typestr": "|u1",
            "data": (address, True),
            "version": 3,
        }

    def __del__(self) -> None:
        if hasattr(self, "_address"):
            self._unmap(self._address, self._n_bytes)


def _library() -> Any:
    """The C library's mmap and munmap."""
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,  # off_t of mmap
    )
    library.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    return library
