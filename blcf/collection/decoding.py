"""Which large pictures are being decoded: a note each, in the folder ``decoding/``.

A picture can take more memory than the machine has, and the system then ends the process without
a word. Its note is what is left: the next writer passes the picture over and says why, instead of
being ended by it again. Small pictures leave none; a note costs two flushes to the disk.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blcf.errors import BlcfError, UnreadableImage
from blcf.storage import Member, read_json, write_json

__all__ = ["DecodingNotes"]

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
    folder : where the notes are, in a collection

    Raises
    ------
    FormatError
        Something else is there.
    """

    def __init__(self, folder: Member) -> None:
        self._folder = folder
        self._left = self._read()
        self._own: set[Member] = set()
        self._is_open = True
        self._changing = threading.Lock()

    def __enter__(self) -> DecodingNotes:
        return self

    def __exit__(self, *_: object) -> None:
        with self._changing:
            self._is_open = False  # a thread may still come to its end, unwatched
            for note in self._own:
                note.unlink()
        if not self._folder.names():
            self._folder.remove_folder()

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
                self._folder.make_folder()
                write_json(note, {"path": str(path), "state": _state_of(path)})
        try:
            yield
        finally:
            with self._changing:
                if self._is_open and note in self._own:
                    self._own.discard(note)
                    note.unlink()

    def forget(self, paths: Iterable[Path]) -> None:
        """Take away what earlier runs have left of these pictures: they are to be tried again."""
        if self._left:
            for note in map(self._note, paths):
                if self._left.pop(note, None) is not None:
                    note.unlink()

    def _note(self, path: Path) -> Member:
        name = hashlib.blake2b(os.fsencode(path), digest_size=16).hexdigest()
        return self._folder / f"{name}.json"

    def _read(self) -> dict[Member, list[int]]:
        """{note: state of its picture} of what is there; a note that was cut short is none."""
        left = {}
        for name in self._folder.names():
            with suppress(BlcfError, LookupError, TypeError):
                left[self._folder / name] = list(read_json(self._folder / name)["state"])
        return left


def _state_of(path: Path) -> list[int]:
    """What tells whether a file has changed."""
    state = os.stat(path)
    return [state.st_mtime_ns, state.st_size]
