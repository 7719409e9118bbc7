"""The table of facts over a connection to SQLite: a row per picture, one table and nothing else.

The first columns follow from the segments; those of the caller are only here. What a file of a
stranger says of its tables is compared with what we write, letter by letter: no view, trigger,
virtual table, check or default of theirs is ever run.
"""

from __future__ import annotations

import math
import re
import secrets
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from blcf.collection.columns import Columns
from blcf.collection.facts import FIXED, MOST_COLUMNS, Fact, new_columns
from blcf.errors import FormatError

__all__ = ["FactsTable", "Row", "rows_of"]

Row = tuple[Fact, ...]  # a value per column of FIXED

MOST_TOUCHED = 20_000  # rows of a transaction; with more, all are summed afresh
_SUMS = 1 << 32

_MADE = "CREATE TABLE pictures(" + ", ".join(f"{name} {kind}" for name, kind in FIXED.items())


def rows_of(names: Iterable[str], columns: Columns, videos: Sequence[str]) -> Iterator[Row]:
    """The rows of pictures, without what a caller says of them.

    Parameters
    ----------
    names : one per picture
    columns : as a segment has them, see `blcf.collection.columns`
    videos : those of the manifest
    """
    mtimes, n_bytes = columns["mtimes"], columns["n_bytes"]
    numbers, times, shots = columns["videos"], columns["times"], columns["shots"]
    is_frame = (numbers >= 0) & (numbers < len(videos))
    names_of_videos = [
        videos[number] if known else None
        for number, known in zip(numbers.tolist(), is_frame.tolist())
    ]
    return zip(
        columns["ids"].tolist(),
        map(_shown, names),
        columns["sizes"][:, 0].tolist(),
        columns["sizes"][:, 1].tolist(),
        _where_known(mtimes / 1e9, mtimes != 0),
        _where_known(n_bytes, n_bytes >= 0),
        names_of_videos,
        _where_known(times, ~np.isnan(times)),
        _where_known(shots, shots >= 0),
    )


def _where_known(values: np.ndarray, is_known: np.ndarray) -> list[Any]:
    """Plain numbers, None where they are not known."""
    found: list[Any] = values.tolist()
    for place in np.flatnonzero(~is_known).tolist():
        found[place] = None
    return found


def _shown(name: str) -> str:
    """A name as UTF-8 can write it: a byte that is of no text becomes U+FFFD."""
    return name if name.isascii() else re.sub("[\ud800-\udfff]", "\ufffd", name)


class FactsTable:
    """The table of a connection, whose form is checked.

    Attributes
    ----------
    connection : in autocommit
    given : names of the columns of the caller, as they were first spelled

    Notes
    -----
    What the caller said has a check sum in the head of the file (``application_id``): the sum of
    one of each row, so that a change of some rows needs no other. The segments say the rest.
    """

    def __init__(self, connection: sqlite3.Connection):
        self.connection = connection
        self.given = self._read_form()
        self._sum = 0  # of the rows that a transaction does not touch
        self._touched: set[int] = set()

    @classmethod
    def make(cls, connection: sqlite3.Connection, rows: Iterable[Row]) -> FactsTable:
        """Make the table in an empty database."""
        connection.execute(f"{_MADE})")
        # From a number that no other file begins with: masks are kept by it.
        connection.execute(f"PRAGMA user_version = {secrets.randbits(30)}")
        table = cls(connection)
        connection.execute("BEGIN")
        table.insert(rows)
        connection.execute("COMMIT")
        return table

    def _read_form(self) -> list[str]:
        found = self.connection.execute(
            "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 2"
        ).fetchall()
        if len(found) != 1 or found[0][:3] != ("table", "pictures", "pictures"):
            raise FormatError("Expected the one table of facts in it.")
        made = str(found[0][3])
        given = re.findall(r', "([A-Za-z_][A-Za-z0-9_]{0,62})"', made[len(_MADE) :])
        expected = _MADE + "".join(f', "{name}"' for name in given) + ")"
        if made != expected or len(given) > MOST_COLUMNS:
            raise FormatError("Expected a table of facts as blcf makes it.")
        return given

    @property
    def columns(self) -> list[str]:
        """Names of all columns."""
        return [*FIXED, *self.given]

    @property
    def version(self) -> int:
        """A number that changes with every change of the table."""
        return int(self.connection.execute("PRAGMA user_version").fetchone()[0])

    @property
    def extent(self) -> tuple[int, int]:
        """How many rows there are, and the last id; -1 where there is none."""
        n_rows, last = self.connection.execute("SELECT count(*), max(id) FROM pictures").fetchone()
        return int(n_rows), -1 if last is None else int(last)

    def check(self) -> None:
        """Raise `FormatError` where SQLite finds the file damaged."""
        (said,) = self.connection.execute("PRAGMA integrity_check(1)").fetchone()
        if said != "ok":
            raise FormatError(f"The table of facts is damaged: {str(said).splitlines()[0]}.")
        (expected,) = self.connection.execute("PRAGMA application_id").fetchone()
        if self._sum_of_all() != expected % _SUMS:
            raise FormatError("What was said of pictures is not as it was written.")

    def ids(self) -> np.ndarray:
        """The ids of all rows: int64 (n,), ascending."""
        found = self.connection.execute("SELECT id FROM pictures ORDER BY id")
        return np.fromiter(chain.from_iterable(found), dtype=np.int64)

    def rows(self) -> Iterator[Row]:
        """All rows as `rows_of` gives them, by id."""
        return iter(self.connection.execute(f"SELECT {', '.join(FIXED)} FROM pictures ORDER BY id"))

    def facts(self, number: int) -> dict[str, Fact]:
        """What the caller said of a picture, None where nothing."""
        found = None
        if self.given:
            found = self.connection.execute(
                f"SELECT {_quoted(self.given)} FROM pictures WHERE id = ?", (number,)
            ).fetchone()
        return dict(zip(self.given, map(_plain, found or [None] * len(self.given))))

    def said(self, first: int = 0, last: int = (1 << 63) - 1) -> dict[int, dict[str, Fact]]:
        """What the caller said of pictures, by id: {column: value}, where there is one.

        Of those with ids from `first` to `last`, by default of all.
        """
        if not self.given:
            return {}
        found = self.connection.execute(
            f"SELECT id, {_quoted(self.given)} FROM pictures WHERE id BETWEEN ? AND ?",
            (first, last),
        )
        said: dict[int, dict[str, Fact]] = {}
        for number, *values in found:
            plain = zip(self.given, map(_plain, values))
            said[int(number)] = {name: one for name, one in plain if one is not None}
        return said

    def kinds(self) -> dict[str, set[str]]:
        """What kinds of values each column of the caller holds: "integer", "real", "text"."""
        kinds = {}
        for name in self.given:
            found = self.connection.execute(f'SELECT DISTINCT typeof("{name}") FROM pictures')
            kinds[name] = {kind for (kind,) in found} & {"integer", "real", "text"}
        return kinds

    def begin(self) -> None:
        """Begin a transaction as the one writer."""
        self.connection.execute("BEGIN IMMEDIATE")
        self._touched = set()
        self._sum = int(self.connection.execute("PRAGMA application_id").fetchone()[0])

    def commit(self) -> None:
        """End it, under another `version`."""
        if len(self._touched) > MOST_TOUCHED:
            total = self._sum_of_all()
        else:
            total = self._sum + sum(map(self._sum_of, self._touched))
        # As a signed number of 32 bits, which is what the head of the file has room for.
        signed = (total + _SUMS // 2) % _SUMS - _SUMS // 2
        self.connection.execute(f"PRAGMA application_id = {signed}")
        self.connection.execute(f"PRAGMA user_version = {(self.version + 1) % (1 << 31)}")
        self.connection.execute("COMMIT")

    def _touch(self, ids: Iterable[int]) -> None:
        """Take the sums of rows off, before they are changed for the first time."""
        for number in ids:
            if number not in self._touched:
                self._touched.add(number)
                if len(self._touched) <= MOST_TOUCHED:
                    self._sum -= self._sum_of(number)

    def _sum_of(self, number: int) -> int:
        if not self.given:
            return 0
        found = self.connection.execute(
            f"SELECT id, {_quoted(self.given)} FROM pictures WHERE id = ?", (number,)
        ).fetchone()
        return 0 if found is None else _sum_of_row(self.given, found)

    def _sum_of_all(self) -> int:
        if not self.given:
            return 0
        found = self.connection.execute(f"SELECT id, {_quoted(self.given)} FROM pictures")
        return sum(_sum_of_row(self.given, row) for row in found) % _SUMS

    def insert(self, rows: Iterable[Row]) -> None:
        """Add rows of pictures that have none."""
        self.connection.executemany(
            f"INSERT INTO pictures({', '.join(FIXED)}) " f"VALUES ({', '.join('?' * len(FIXED))})",
            rows,
        )

    def copy(self, new_of_old: Mapping[int, int]) -> None:
        """Give rows what the caller said of others: {old id: new id}."""
        if self.given:
            self._touch(new_of_old.values())
            names = _quoted(self.given)
            self.connection.executemany(
                f"UPDATE pictures SET ({names}) = (SELECT {names} FROM pictures WHERE id = ?) "
                "WHERE id = ?",
                new_of_old.items(),
            )

    def update(self, facts: Mapping[int, Mapping[str, Fact]]) -> None:
        """Write what the caller says of pictures, by id; new columns are added.

        Raises
        ------
        InvalidInput
            There would be more columns than there may.
        """
        self._touch(facts)
        self.add_columns(dict.fromkeys(name for one in facts.values() for name in one))
        by_names: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
        for number, one in facts.items():
            if one:
                by_names.setdefault(tuple(one), []).append((*one.values(), number))
        for names, values in by_names.items():
            changes = ", ".join(f'"{name}" = ?' for name in names)
            self.connection.executemany(f"UPDATE pictures SET {changes} WHERE id = ?", values)

    def add_columns(self, names: Iterable[str]) -> None:
        """Add the columns that are not there; `InvalidInput` where they would be too many."""
        for name in new_columns(self.given, names):
            self.connection.execute(f'ALTER TABLE pictures ADD COLUMN "{name}"')
            self.given.append(name)

    def delete(self, ids: Iterable[int]) -> None:
        """Delete rows by id."""
        gone = [int(one) for one in ids]
        self._touch(gone)
        self.connection.executemany("DELETE FROM pictures WHERE id = ?", ((one,) for one in gone))

    def delete_from(self, next_id: int) -> None:
        """Delete the rows of a writer that was killed before its pictures were committed."""
        found = self.connection.execute("SELECT id FROM pictures WHERE id >= ?", (next_id,))
        self.delete([number for (number,) in found])


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _sum_of_row(names: Sequence[str], row: Sequence[Any]) -> int:
    """The check sum of what the caller said of a picture, 0 where nothing; an id comes first."""
    said = [(name, value) for name, value in zip(names, row[1:]) if value is not None]
    return zlib.crc32(repr((row[0], said)).encode("utf-8", "replace")) if said else 0


def _plain(value: Any) -> Fact:
    """A value as we write it; None for others, which only a stranger wrote."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, (int, str)) else None
