"""Which large pictures are being decoded: a note each, in the folder ``decoding/``.

A picture can take more memory than the machine has, and the system then ends the process without
a word. Its note is what is left: the next writer passes the picture over and says why, instead of
being ended by it again. Small pictures leave none; a note costs two flushes to the disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blcf.errors import FormatError, UnreadableImage
from blcf.storage import open_plain, write_json

__all__ = ["DecodingNotes"]

_FOLDER = "decoding"
_MOST_BYTES = 1 << 16  # of a note
_REASON = (
    "a run was ended while it was being decoded, and it may have been the cause; it is tried again "
    "when it has changed, or is added with replace (--replace)"
)


class DecodingNotes:
    """The notes of one writer, who has the collection to itself.

    Called with a path it is a context in which that picture is decoded; `UnreadableImage` where an
    earlier run was ended in the same place. Leaving the whole takes its own notes away.

    Parameters
    ----------
    collection : folder of the collection
    """

    def __init__(self, collection: Path) -> None:
        self._folder = collection / _FOLDER
        if self._folder.is_symlink():
            raise FormatError(f"Expected {self._folder} to be a folder, it is a link. Delete it.")
        self._left = self._read()
        self._own: set[Path] = set()
        self._is_open = True
        self._changing = threading.Lock()

    def __enter__(self) -> DecodingNotes:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changing:
            self._is_open = False  # a thread may still come to its end, unwatched
            for note in self._own:
                note.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder.rmdir()

    @contextmanager
    def __call__(self, path: Path) -> Iterator[None]:
        """Hold a note while a picture is decoded."""
        note = self._note(path)
        if self._left.get(note) == _state_of(path):
            error = UnreadableImage(f"{path}: {_REASON}")
            error.reason = _REASON
            raise error
        with self._changing:
            if self._is_open:
                self._own.add(note)
                self._folder.mkdir(exist_ok=True)
                write_json(note, {"path": str(path), "state": _state_of(path)})
        try:
            yield
        finally:
            with self._changing:
                self._own.discard(note)
                note.unlink(missing_ok=True)

    def forget(self, paths: Iterable[Path]) -> None:
        """Take away what earlier runs have left of these pictures: they are to be tried again."""
        if self._left:
            for note in map(self._note, paths):
                if self._left.pop(note, None) is not None:
                    note.unlink(missing_ok=True)

    def _note(self, path: Path) -> Path:
        name = hashlib.blake2b(os.fsencode(path), digest_size=16).hexdigest()
        return self._folder / f"{name}.json"

    def _read(self) -> dict[Path, list[int]]:
        """{note: state of its picture} of what is there; a note that was cut short is none."""
        left = {}
        for note in self._folder.glob("*.json"):
            with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
                with open_plain(note) as file:
                    left[note] = list(json.loads(file.read(_MOST_BYTES))["state"])
        return left


def _state_of(path: Path) -> list[int]:
    """What tells whether a file has changed."""
    state = os.stat(path)
    return [state.st_mtime_ns, state.st_size]
