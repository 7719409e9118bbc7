"""The pictures of a collection as CSV: names, sizes, facts."""

from __future__ import annotations

import csv
import io
import os

from blcf.exporting.exported import Engine, Exported
from blcf.outputs import open_output

__all__ = ["write_picture_list"]


def write_picture_list(engine: Engine, path: str | os.PathLike[str]) -> int:
    """Write a CSV file with a row per picture, in the order of insertion; gives how many.

    The columns are ``id`` (kept for ever), name, width, height, mtime, bytes, video, time, shot,
    those of `SearchEngine.annotate`, and path; a cell is empty where nothing is known. UTF-8; a
    name that is none keeps its bytes. The file appears whole or not at all.

    Raises
    ------
    InvalidInput, FormatError, StorageError
    """
    exported = Exported.of(engine)
    columns, n_rows = list(exported.columns), 0
    with open_output(path) as file:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for row in exported.rows():
            writer.writerow("" if row[name] is None else row[name] for name in columns)
            n_rows += 1
            if text.tell() > 1 << 20:
                file.write(_taken(text))
        file.write(_taken(text))
    return n_rows


def _taken(text: io.StringIO) -> bytes:
    """What was written so far, which is written anew from here."""
    taken = text.getvalue().encode("utf-8", "surrogateescape")
    text.seek(0)
    text.truncate()
    return taken
