"""The one writer of a collection: a lock of the operating system, and a note of who holds it."""

from __future__ import annotations

import logging
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from blcf.errors import CollectionLocked, FormatError, StorageError
from blcf.storage import Member, read_json, write_json

__all__ = ["LOCK", "LOCK_FILES", "writer_lock"]

LOCK_FILES = LOCK, NOTE = ("writer.lock", "writer.json")

logger = logging.getLogger(__name__)


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Be the one writer to a folder.

    The operating system holds the lock for a process: a dead owner holds none. ``writer.json``
    only says who, for the message; its time is shown and never compared, clocks jump.

    Raises
    ------
    CollectionLocked
        Another process is.
    StorageError
        No permission, or no locks on this file system.
    FormatError
        One of the two files is a link, or no plain file.
    """
    note = Member(folder, NOTE)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        for file in (Member(folder, LOCK), note):  # the lock would follow a link and empty its end
            file.check("a file")
        lock.acquire()
    except Timeout as error:
        owner = _owner(note)
        raise CollectionLocked(
            f"Another process{f' ({owner})' if owner else ''} is writing to {folder}. "
            "Wait for it to end, or stop it."
        ) from error
    except (OSError, NotImplementedError) as error:  # no permission; no locks on this mount
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Could not lock {folder} for writing: {reason}.") from error
    try:
        if note.exists():
            owner = _owner(note) or "that left no name"
            logger.info("recovered the lock of process %s, which ended without releasing it", owner)
        try:
            write_json(note, _describe())
        except StorageError as error:  # a full disk must not keep `compact` from making space
            logger.info("the lock says not who holds it: %s", error)
        yield
    finally:
        with suppress(OSError):
            note.unlink()
        lock.release()


def _describe() -> dict[str, str | int]:
    command = shlex.join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "started": time.strftime("%Y-%m-%d %H:%M"),
        "command": command if len(command) <= 200 else f"{command[:197]}...",
    }


def _owner(note: Member) -> str:
    """Who holds the lock, or "" where the note does not say: it is never a reason to fail."""
    try:
        said = read_json(note)
    except (FormatError, StorageError):
        return ""
    keys = ("pid", "host", "started", "command")
    if not isinstance(said, dict) or not all(isinstance(said.get(k), (str, int)) for k in keys):
        return ""
    # One line, whatever the names of files in the command.
    pid, host, started, command = (
        "".join(c if c.isprintable() else "?" for c in str(said[key])) for key in keys
    )
    return f"PID {pid} on {host}, since {started}, `{command}`"
