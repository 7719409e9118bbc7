"""Facts: what a caller says of pictures, by columns; names and values are checked here.

A name that SQLite can take unquoted, a value that it gives back as it came: whoever reads facts
gets what was written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Union

import numpy as np

from blcf.errors import InvalidInput

__all__ = [
    "FIXED",
    "MOST_COLUMNS",
    "Fact",
    "check_column",
    "check_facts",
    "known_facts",
    "new_columns",
]

Fact = Union[None, int, float, str]

# The columns of the table that follow from the segments, with their types in SQLite.
FIXED = {
    "id": "INTEGER PRIMARY KEY",
    "name": "TEXT",
    "width": "INTEGER",
    "height": "INTEGER",
    "mtime": "REAL",
    "bytes": "INTEGER",
    "video": "TEXT",
    "time": "REAL",
    "shot": "INTEGER",
}
_TAKEN = {*FIXED, "rowid", "oid", "_rowid_"}  # the last three are other names of the id

MOST_COLUMNS, LONGEST = 100, 100_000


def check_column(name: Any) -> str:
    """Give back the name of a column of facts, or raise `InvalidInput`."""
    if not isinstance(name, str) or re.fullmatch("[A-Za-z_][A-Za-z0-9_]{0,62}", name) is None:
        raise InvalidInput(
            "Expected the name of a column of facts of letters, digits and _, at most 63 and no "
            f"digit first, got {str(name)[:80]!r}. Rename the column."
        )
    if name.lower() in _TAKEN:
        raise InvalidInput(
            f"The column {name} is taken: {', '.join(FIXED)} follow from the pictures themselves, "
            "and rowid, oid and _rowid_ are names of the id. Rename the column."
        )
    return name


def check_facts(facts: Mapping[str, Any], of: str) -> dict[str, Fact]:
    """The facts of one picture as they are stored, or raise `InvalidInput`.

    Parameters
    ----------
    facts : {column: value}; a value is None, bool (stored as 0 or 1), int of 64 bits, finite
        float, or str
    of : the picture, for the message
    """
    if not isinstance(facts, Mapping):
        raise InvalidInput(
            f"Expected the facts of {of} as {{column: value}}, got {type(facts).__name__}."
        )
    checked: dict[str, Fact] = {}
    spelled: dict[str, str] = {}
    for name, value in facts.items():
        column = check_column(name)
        if spelled.setdefault(column.lower(), column) != column:
            raise InvalidInput(
                f"The facts of {of} name {spelled[column.lower()]} and {column}: large and small "
                "letters are one. Leave out one of them."
            )
        checked[column] = _check_value(value, column, of)
    return checked


def new_columns(there: Iterable[str], names: Iterable[str]) -> list[str]:
    """Those of some names that are no column yet; `InvalidInput` where there would be too many."""
    there = {name.lower() for name in there}
    new = {name.lower(): name for name in names if name.lower() not in there}
    if len(there) + len(new) > MOST_COLUMNS:
        raise InvalidInput(
            f"Expected at most {MOST_COLUMNS} columns of facts, got {len(there) + len(new)}. "
            "Leave some out."
        )
    return list(new.values())


def _check_value(value: Any, column: str, of: str) -> Fact:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int)) and -(1 << 63) <= value < 1 << 63:
        return None if value is None else int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, str) and len(value) <= LONGEST and _is_plain(value):
        return str(value)
    raise InvalidInput(
        f"Expected {column} of {of} to be None, a number (64 bits, finite) or a text (without NUL, "
        f"at most {LONGEST:,} characters), got {str(value)[:80]!r} of type {type(value).__name__}."
    )


def _is_plain(text: str) -> bool:
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False


def known_facts(
    size: tuple[int, int], mtime: int, n_bytes: int, video: str | None, time: float, shot: int
) -> dict[str, Fact]:
    """The facts of a picture that follow from its segment, None where they are not known.

    ``mtime`` is in nanoseconds as it is stored; it is given in seconds.
    """
    return {
        "width": size[0],
        "height": size[1],
        "mtime": mtime / 1e9 if mtime else None,
        "bytes": n_bytes if n_bytes >= 0 else None,
        "video": video,
        "time": None if math.isnan(time) else time,
        "shot": shot if shot >= 0 else None,
    }
