"""A file that a caller names: it appears whole or not at all, and a device is written into."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from blcf.errors import StorageError
from blcf.storage import replace_file

__all__ = ["is_device", "open_output"]


@contextmanager
def open_output(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file to write; it takes its place when all is written.

    Until then, and for ever where that fails (a full disk, an interrupt), what was there before
    stays as it was. Behind a link the file is replaced and the link stays; permissions stay, too.
    A device, an open descriptor (``/dev/stdout``) or a named pipe cannot be replaced: it gets the
    bytes as they come.

    Raises
    ------
    StorageError
        The file system refused, or nobody reads the pipe.
    """
    if is_device(path):
        with _open_device(path) as file:
            yield file
        return
    target = Path(os.path.realpath(path))
    with replace_file(target) as temporary:
        with open(temporary, "wb") as file:
            yield file
        with suppress(FileNotFoundError):
            shutil.copymode(target, temporary)


def is_device(path: str | os.PathLike[str]) -> bool:
    """Whether something is there that is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # ValueError: a NUL character
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextmanager
def _open_device(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    try:
        # A pipe that nobody reads is an error at once; opened as usual it would wait for ever.
        at_once = getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, os.O_WRONLY | at_once)
        if at_once:
            os.set_blocking(descriptor, True)
        with open(descriptor, "wb") as file:
            yield file
    except BrokenPipeError:  # the reader has had enough, as of standard output
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        if stat.S_ISFIFO(os.stat(path).st_mode):
            reason = f"nobody reads this pipe ({reason})"
        raise StorageError(f"Could not write {path}: {reason}.") from error
