"""From the text of an argument to its value; a text that is none is a mistake in the call."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from blcf.cli.outputs import Read

__all__ = [
    "integer",
    "integer_or",
    "number",
    "numbers",
    "picture",
    "points",
    "read_picture",
    "seconds",
]


def integer(text: str) -> int:
    """An integer, of any size: what an option allows the library says."""
    return _parsed(int, text, "an integer")


def number(text: str) -> float:
    """A number."""
    return _parsed(float, text, "a number")


def seconds(text: str) -> str:
    """A number of seconds, left as it is written: 0.04 is exact so."""
    _parsed(float, text, "seconds, a number")
    return text


def numbers(kind: type, expected: str) -> Callable[[str], tuple]:
    """A reader of numbers between commas; `expected` says what they are."""

    def parse(text: str) -> tuple:
        return _parsed(lambda row: tuple(kind(part) for part in row.split(",")), text, expected)

    return parse


def points(text: str) -> tuple[tuple[float, float], ...]:
    """The corners of a polygon, ``X1,Y1,X2,Y2,...``: their x and y."""
    expected = "an x and a y for each corner, X1,Y1,X2,Y2,X3,Y3,..."
    row = numbers(float, expected)(text)
    if len(row) % 2:
        raise argparse.ArgumentTypeError(f"expected {expected}, got {len(row)} numbers")
    return tuple(zip(row[::2], row[1::2]))


def picture(text: str) -> tuple[str, tuple[float, ...] | None]:
    """``FILE@X1,Y1,X2,Y2``, or ``FILE`` alone: the file, and the box or None.

    A file's name may hold an @: only four numbers after the last one are a box.
    """
    file, _, after = text.rpartition("@")
    try:
        box = tuple(float(part) for part in after.split(","))
    except ValueError:
        return text, None
    return (file, box) if file and len(box) == 4 else (text, None)


def read_picture(text: str) -> tuple[Read, tuple[float, ...] | None]:
    """`picture`, whose file the call reads."""
    file, box = picture(text)
    return Read(file), box


def integer_or(word: str, value: Any) -> Callable[[str], Any]:
    """A reader of an integer, or of a word that stands for a value."""

    def parse(text: str) -> Any:
        return value if text == word else _parsed(int, text, f"an integer or {word!r}")

    return parse


def _parsed(read: Callable[[str], Any], text: str, expected: str) -> Any:
    try:
        return read(text)
    except ValueError:  # also of more digits than Python reads
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text[:80]!r}") from None
