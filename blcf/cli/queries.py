"""What is searched for: pictures with boxes, from the arguments or from a CSV file."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from blcf.cli.values import picture
from blcf.errors import InvalidInput
from blcf.images import display_name
from blcf.storage import open_plain

__all__ = ["Asked", "find_queries", "read_queries"]

COLUMNS = ("picture", "x1", "y1", "x2", "y2")
_NAMED = 5  # lines of one message
_ONE_PICTURE = ("box", "polygon", "mask", "examples", "negatives", "plot", "sheet", "explain")
_FLAGS = {"examples": "--example", "negatives": "--not"}


@dataclass(frozen=True)
class Asked:
    """A query as it was given.

    Attributes
    ----------
    picture : path, or with ``--frame`` the name or path of a picture of the collection
    box : xyxy, pixels; None: all of it, or what ``--box``, ``--polygon`` or ``--mask`` say
    given : the picture as it was written
    line : of the file of queries; None for an argument
    """

    picture: str
    box: tuple[float, ...] | None
    given: str
    line: int | None = None

    @property
    def label(self) -> str:
        """The picture and its box, as an argument would give them."""
        if self.box is None:
            return self.given
        return f"{self.given}@{','.join(f'{edge:g}' for edge in self.box)}"

    @property
    def place(self) -> str:
        """What a message calls it."""
        where = "" if self.line is None else f"line {self.line}: "
        return f"{where}{display_name(self.label)}"


def find_queries(options: argparse.Namespace) -> list[Asked]:
    """The queries of a search: IMAGE arguments, then the rows of ``--queries``.

    Raises
    ------
    InvalidInput
        There is none; a row of the file is none; an option is of one picture, and there are more.
    """
    asked = []
    for text in getattr(options, "image", []):
        # A file of that very name is meant, whatever it looks like.
        file, box = (text, None) if Path(text).exists() else picture(text)
        asked.append(Asked(file, box, file))
    if hasattr(options, "queries"):
        asked += read_queries(options.queries, frames=hasattr(options, "frame"))
    if not asked:
        raise InvalidInput(
            "Expected the picture to search with, or a file of several: blcf search COLLECTION "
            "IMAGE, or --queries FILE.csv."
        )
    single = [name for name in _ONE_PICTURE if hasattr(options, name)]
    if len(asked) > 1 and single:
        flag = _FLAGS.get(single[0], f"--{single[0]}")
        instead = (
            "--html FILE shows the hits of all, and why they were found"
            if single[0] in ("plot", "sheet", "explain")
            else "a box of each is written IMAGE@X1,Y1,X2,Y2, or stands in the file of --queries"
        )
        raise InvalidInput(f"Expected one picture with {flag}, got {len(asked)}: {instead}.")
    if asked[0].box is not None and single:
        for name in single:
            if name in ("box", "polygon", "mask"):
                raise InvalidInput(
                    f"Expected one box, polygon or mask, got --{name} and the box of "
                    f"{display_name(asked[0].label)}."
                )
    return asked


def read_queries(path: str, *, frames: bool = False) -> list[Asked]:
    """The queries of a CSV file (- is standard input), in UTF-8.

    A row holds the picture and the four edges of its box, or the picture alone. A first row that
    names columns (picture, and x1, y1, x2, y2 where there are boxes) may have them in any order,
    and others, which are passed over. Empty rows are, too.

    Parameters
    ----------
    path : of the file
    frames : whether pictures are those of the collection; else their paths are relative to the
        folder of the file

    Raises
    ------
    InvalidInput
        The file cannot be read, holds no query, or rows that are none, which are named by line.
    """
    asked, wrong = [], []
    columns, has_header = list(range(len(COLUMNS))), False
    base = Path() if path == "-" else Path(path).parent
    for number, (line, row) in enumerate(_rows(path)):
        if number == 0 and "picture" in [cell.lower() for cell in row]:
            columns, has_header = _columns(row, path), True
            continue
        try:
            if not has_header and any(row[len(COLUMNS) :]):
                raise ValueError(f"expected {','.join(COLUMNS)}, got {len(row)} columns")
            given, box = _query(row, columns)
        except ValueError as error:
            wrong.append(f"line {line}: {error}")
            continue
        asked.append(Asked(given if frames else str(base / given), box, given, line))
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise InvalidInput(f"{display_name(path)}, {'; '.join(wrong[:_NAMED])}{more}.")
    if not asked:
        raise InvalidInput(
            f"{display_name(path)}: expected a query in each row, {','.join(COLUMNS)} (the box "
            "may be left out); it holds none."
        )
    return asked


def _rows(path: str) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of the rows that hold anything."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read()
        else:
            with open_plain(path) as file:
                data = file.read()
    except OSError as error:
        raise InvalidInput(
            f"{display_name(path)}: the queries cannot be read; {error.strerror or error}."
        ) from error
    if b"\0" in data:
        raise InvalidInput(f"{display_name(path)}: expected CSV in UTF-8, got binary data.")
    # surrogateescape: a name that is not UTF-8 means the same file here as in a folder.
    text = data.decode("utf-8-sig", errors="surrogateescape")
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise InvalidInput(
            f"{display_name(path)}, line {reader.line_num}: expected CSV ({error})."
        ) from error


def _columns(header: list[str], path: str) -> list[int]:
    """Where the cells of a query stand in a row."""
    names = [cell.lower() for cell in header]
    wanted = COLUMNS if set(COLUMNS[1:]) & set(names) else COLUMNS[:1]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise InvalidInput(
            f"{display_name(path)}: expected the columns {','.join(COLUMNS)}, or picture alone; "
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing."
        )
    return [names.index(name) for name in wanted]


def _query(row: list[str], columns: list[int]) -> tuple[str, tuple[float, ...] | None]:
    """Picture and box of a row; `ValueError` says what is wrong."""
    cells = [row[column] if column < len(row) else "" for column in columns]
    name, edges = cells[0], cells[1:]
    if not name:
        raise ValueError("expected the path of a picture, got none")
    if not any(edges):
        return name, None
    try:
        return name, tuple(float(edge) for edge in edges)
    except ValueError:
        raise ValueError(
            f"expected four numbers x1,y1,x2,y2 or none, got {','.join(edges)[:80]!r}"
        ) from None
