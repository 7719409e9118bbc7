"""A collection, or a sharded one, in a new folder that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from blcf.collection import Collection
from blcf.errors import CollectionLocked, StorageError
from blcf.storage import refusals

__all__ = ["new_folder"]


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a folder beside `path` to write to; on success it takes that name, on failure it goes.

    One that a killed process left is cleared first. Only one process at a time writes there.

    Raises
    ------
    CollectionExists
        There is something at `path`.
    CollectionLocked
        Another process makes the same folder.
    StorageError
    """
    final = Path(os.path.abspath(path))
    Collection.check_free(final)
    temporary = final.with_name(f".{final.name}.new")
    lock = FileLock(final.with_name(f".{final.name}.lock"), timeout=0)
    with refusals(final):
        final.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise CollectionLocked(
            f"Another process is making {final}. Wait for it to end, or stop it."
        ) from error
    except (OSError, NotImplementedError) as error:  # no permission; no locks on this mount
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Could not lock {final}: {reason}.") from error
    try:
        with refusals(temporary):
            if temporary.exists():
                shutil.rmtree(temporary)
            temporary.mkdir()
        yield temporary
        Collection.check_free(final)
        with refusals(final):
            if final.exists():
                shutil.rmtree(final)  # free: it is empty
            os.replace(temporary, final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
