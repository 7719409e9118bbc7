"""Which pictures a condition chooses: one expression of SQLite over the table of facts.

The expression is a stranger's text. It is read letter by letter before SQLite sees it, so that it
cannot end the statement that it stands in; SQLite asks for each thing that it names whether it may
be used; and it has some seconds.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence

import numpy as np

from blcf.collection.facts_table import FactsTable
from blcf.errors import InvalidInput

__all__ = ["LONGEST", "check_where", "matching_ids"]

LONGEST = 10_000  # characters
SECONDS = 30  # ten million rows and a LIKE take four
_STEPS = 1_000  # of SQLite's machine, between two looks at the clock

FUNCTIONS = frozenset(
    "abs coalesce date datetime glob ifnull iif instr julianday length like lower ltrim max min "
    "nullif round rtrim strftime substr substring time trim typeof unixepoch upper".split()
)

_LIMITS = {"LENGTH": 20_000_000, "EXPR_DEPTH": 200, "LIKE_PATTERN_LENGTH": 1_000, "ATTACHED": 0}
_TOGETHER = 500_000  # ids: as text they stay below LENGTH
_WORD = re.compile(r"[\w$]+")
_ENDS = {"'": "'", '"': '"', "`": "`", "[": "]"}


def check_where(where: object, columns: Sequence[str] | None = None) -> str:
    """Give back a condition that is one expression, or raise `InvalidInput`.

    Parameters
    ----------
    where : text in the SQL of SQLite, say ``camera = 'A' AND time > 60``
    columns : a word in double quotes must be one of these; None does not look
    """
    if not isinstance(where, str) or not where.strip():
        raise InvalidInput(
            "Expected where to be a condition over facts, \"camera = 'A' AND time > 60\" say, got "
            f"{str(where)[:80]!r}."
        )
    if len(where) > LONGEST:
        raise InvalidInput(f"Expected where of at most {LONGEST:,} characters, got {len(where):,}.")
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in where):
        raise _wrong(where, "it holds a NUL, or half of a letter")
    known = None if columns is None else {column.lower() for column in columns}
    depth = place = 0
    while place < len(where):
        letter = where[place]
        if letter in _ENDS:
            end = _end_of(where, place)
            word = where[place + 1 : end].replace('""', '"')
            if letter == '"' and known is not None and word.lower() not in known:
                raise _wrong(where, f'"{word}" is no column; text stands in single quotes')
            place = end
        elif found := _WORD.match(where, place):
            word = found[0]
            if word.lower() in ("select", "values", "with"):  # SQLite may not ask for each
                raise _wrong(where, f"it is one condition, with no {word.upper()} within it")
            place += len(word) - 1
        elif letter == ";":
            raise _wrong(where, "it holds a semicolon: one condition is expected")
        elif where[place : place + 2] in ("--", "/*"):
            raise _wrong(where, f"it holds a comment ({where[place : place + 2]})")
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            raise _wrong(where, "a bracket is closed that was not opened")
        place += 1
    if depth:
        raise _wrong(where, "a bracket is not closed")
    return where


def _end_of(where: str, place: int) -> int:
    """Where the quotes that are opened at a place are closed; doubled ones stand for themselves."""
    end = _ENDS[where[place]]
    place += 1
    while True:
        place = where.find(end, place)
        if place < 0:
            raise _wrong(where, "quotes are not closed")
        if end == "]" or where[place + 1 : place + 2] != end:
            return place
        place += 2


def matching_ids(table: FactsTable, where: str) -> np.ndarray:
    """The ids of the rows for which a condition holds: int64 (n,), ascending.

    Raises
    ------
    InvalidInput
        It is no condition, names what there is not, or what it may not, or takes too long.
    """
    where = check_where(where, table.columns)
    connection, end = table.connection, time.monotonic() + SECONDS
    if hasattr(connection, "setlimit"):  # Python 3.11
        for name, most in _LIMITS.items():
            connection.setlimit(getattr(sqlite3, f"SQLITE_LIMIT_{name}"), most)
    parts, last, n_last = [np.zeros(0, dtype=np.int64)], -1, _TOGETHER
    connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
    try:
        while n_last == _TOGETHER:
            connection.set_authorizer(_Authorizer())
            # As text: a million ids take 125 ms, a row of Python for each takes 390.
            ((text,),) = connection.execute(
                f"SELECT group_concat(id) FROM (SELECT id FROM pictures WHERE id > {last} AND "
                f"(\n{where}\n) ORDER BY id LIMIT {_TOGETHER})"
            )
            parts.append(np.fromstring(text or "", dtype=np.int64, sep=","))
            n_last = parts[-1].size
            last = int(parts[-1].max(initial=last))
    except (sqlite3.Error, sqlite3.Warning) as error:
        if _is_of_the_file(error):
            raise
        raise _wrong(where, _reason(error, table)) from error
    finally:
        connection.set_authorizer(_allow)
        connection.set_progress_handler(None, 0)
    return np.sort(np.concatenate(parts), kind="stable")


class _Authorizer:
    """What one condition may name: the columns of the table, and harmless functions."""

    def __init__(self) -> None:
        self._n_selects = 0

    def __call__(
        self, action: int, first: str | None, second: str | None, *place: str | None
    ) -> int:
        is_right = action == sqlite3.SQLITE_READ and first == "pictures"
        if action == sqlite3.SQLITE_SELECT:
            self._n_selects += 1
            is_right = self._n_selects <= 2  # both are ours
        elif action == sqlite3.SQLITE_FUNCTION:
            # The last is ours; within a condition SQLite refuses it.
            is_right = (second or "").lower() in {*FUNCTIONS, "group_concat"}
        return sqlite3.SQLITE_OK if is_right else sqlite3.SQLITE_DENY


def _allow(*arguments: object) -> int:
    # Python 3.10 cannot take an authorizer back.
    return sqlite3.SQLITE_OK


def _is_of_the_file(error: Exception) -> bool:
    said = str(error).lower()
    return any(
        one in said for one in ("malformed", "not a database", "disk i/o", "locked", "unable to")
    )


def _reason(error: Exception, table: FactsTable) -> str:
    said = str(error)
    if said == "interrupted":
        return f"it takes longer than {SECONDS:g} seconds. Ask for less in it"
    if "not authorized" in said or "prohibited" in said:
        return "it may use columns, and the functions " f"{', '.join(sorted(FUNCTIONS))}"
    if "no such column" in said:
        shown = ", ".join(table.columns[:40]) + (", ..." if len(table.columns) > 40 else "")
        return f"{said.removesuffix('.')}. The columns are {shown}"
    return said.removesuffix(".")


def _wrong(where: str, reason: str) -> InvalidInput:
    shown = where if len(where) <= 200 else f"{where[:197]}..."
    shown = "".join(letter if letter.isprintable() else "?" for letter in shown)
    return InvalidInput(f"Cannot use where, {shown}: {reason}.")
