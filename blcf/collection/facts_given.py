"""Facts as they are given: a mapping, a CSV file, or a pandas DataFrame, as one form.

A cell of a CSV file that looks like a number is one, unless it begins with a zero that a number
would not have ("007"): such are codes. An empty cell says None.
"""

from __future__ import annotations

import csv
import io
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from blcf.collection.facts import Fact, check_facts
from blcf.errors import FormatError, InvalidInput
from blcf.storage import read_text

__all__ = ["check_given", "facts_given"]

NAME = "name"
LARGEST = 256 << 20  # bytes of a CSV file
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_REAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")


def facts_given(table: Any) -> dict[str | int, dict[str, Any]]:
    """Facts by picture: {name: {column: value}}; columns and values are checked where they go.

    Parameters
    ----------
    table : {name: {column: value}}; the path of a CSV file (UTF-8; commas, semicolons or tabs),
        whose column ``name``, or else the first, holds names of pictures; or a DataFrame with a
        column ``name``, or names as its index, where NaN is None

    Raises
    ------
    InvalidInput, FormatError, StorageError
    """
    if isinstance(table, (str, os.PathLike)):
        return _of_file(Path(table))
    if isinstance(table, Mapping):
        return {
            os.fspath(one) if isinstance(one, os.PathLike) else one: table[one] for one in table
        }
    if hasattr(table, "columns") and hasattr(table, "index"):
        return _of_frame(table)
    raise InvalidInput(
        "Expected facts as {name: {column: value}}, the path of a CSV file, or a DataFrame, got "
        f"{type(table).__name__}."
    )


def check_given(
    table: Any, names: Sequence[str], outcome: str = "Nothing was added."
) -> dict[str, dict[str, Fact]]:
    """Facts of pictures that are about to be added, in the form of `facts_given`, checked.

    Parameters
    ----------
    outcome : ends the message of an error

    Raises
    ------
    InvalidInput
        They are of other pictures, or a column or a value cannot be stored.
    """
    facts, those = facts_given(table), set(names)
    others = [key for key in facts if key not in those]
    if others:
        shown = ", ".join(str(one)[:200] for one in others[:3])
        more = f" and {len(others) - 3:,} more" if len(others) > 3 else ""
        raise InvalidInput(
            f"Expected facts of pictures that are added, by their names in the collection, got "
            f"{shown}{more}. {outcome}"
        )
    return {str(key): check_facts(one, of=str(key)) for key, one in facts.items()}


def _of_file(path: Path) -> dict[str | int, dict[str, Any]]:
    try:
        text = read_text(path, at_most=LARGEST).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise FormatError(
            f"Expected {path} to be a CSV file in UTF-8: {error.reason} at byte {error.start}. "
            "Save it as UTF-8."
        ) from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    between = max(",;\t", key=lambda one: len(next(csv.reader([first], delimiter=one), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=between)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise FormatError(f"{path}, line {reader.line_num}: {error}.") from error
    if not rows:
        raise InvalidInput(f"Expected {path} to name its columns in the first row, it is empty.")
    header = [cell.strip() for cell in rows[0][1]]
    place = _place_of_names(header, str(path))
    facts: dict[str | int, dict[str, Any]] = {}
    for line, row in rows[1:]:
        if len(row) != len(header):
            raise InvalidInput(
                f"Expected {len(header)} cells in line {line} of {path}, as in its first row, got "
                f"{len(row)}."
            )
        _put(facts, row[place], header, map(_value, row), place, f"line {line} of {path}")
    return facts


def _place_of_names(header: Sequence[Any], where: str) -> int:
    place = list(header).index(NAME) if NAME in header else 0
    others = [one for number, one in enumerate(header) if number != place]
    if len(set(others)) < len(others):
        doubled = next(one for one in others if others.count(one) > 1)
        raise InvalidInput(f"Expected different columns in {where}, {doubled!r} stands twice.")
    return place


def _put(
    facts: dict[str | int, dict[str, Any]],
    name: Any,
    header: Sequence[Any],
    values: Iterable[Any],
    place: int | None,
    where: str,
) -> None:
    if name in facts:
        raise InvalidInput(f"{where} is the second of the picture {str(name)[:200]}. Take one out.")
    cells = zip(header, values)
    facts[name] = {one: value for i, (one, value) in enumerate(cells) if i != place}


def _value(cell: str) -> Any:
    if not cell:
        return None
    if _INTEGER.fullmatch(cell) and -(1 << 63) <= int(cell) < 1 << 63:
        return int(cell)
    if _REAL.fullmatch(cell) and not _INTEGER.fullmatch(cell) and math.isfinite(float(cell)):
        return float(cell)
    return cell


def _of_frame(frame: Any) -> dict[str | int, dict[str, Any]]:
    header = [str(one) for one in frame.columns]
    place = header.index(NAME) if NAME in header else None
    if place is None:
        header, where = [NAME, *header], "the index"
    else:
        where = "the column name"
    _place_of_names(header, "the table")
    facts: dict[str | int, dict[str, Any]] = {}
    names = frame.index.tolist() if place is None else frame[NAME].tolist()
    columns = [
        [None if _is_missing(value) else value for value in frame.iloc[:, number].tolist()]
        for number in range(len(frame.columns))
    ]
    own = header[1:] if place is None else header
    for row, name in enumerate(names):
        if not isinstance(name, str):
            raise InvalidInput(
                f"Expected names of pictures in {where} of the table, got {name!r} in row {row}."
            )
        values = [column[row] for column in columns]
        _put(facts, name, own, values, place, f"row {row} of the table")
    return facts


def _is_missing(value: Any) -> bool:
    """Whether a value of a DataFrame stands for none: None, NaN, NaT or NA."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and math.isnan(value)
