"""Checks that settings and options share; an unknown name is told the near one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from blcf.bounds import BOUNDS, check_bounds, is_integer
from blcf.errors import InvalidInput

__all__ = [
    "SIDES",
    "check_bool",
    "check_choice",
    "check_integer",
    "check_known",
    "check_numbers",
    "fields_among",
    "needs",
]

SIDES = int(BOUNDS["side"].least), int(BOUNDS["side"].most)  # pixels


def check_known(kind: type, given: dict[str, Any]) -> None:
    """Raise `InvalidInput` for a keyword that is no field of a dataclass."""
    known = [one.name for one in fields(kind)]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}."
            raise InvalidInput(f"There is no option {name!r} here. {hint}")


def fields_among(kind: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass among the arguments of a call, all of which are there."""
    return {one.name: arguments[one.name] for one in fields(kind)}


@contextmanager
def needs(library: str, what: str) -> Iterator[None]:
    """Raise `InvalidInput` where a library that only this needs cannot be imported."""
    try:
        yield
    except ImportError as error:
        raise InvalidInput(f"{what} needs {library}: pip install {library}.") from error


def check_numbers(options: Any) -> None:
    """Raise `InvalidInput` unless every number of a dataclass is within its `BOUNDS`."""
    for one in fields(options):
        if one.name in BOUNDS:
            check_bounds(one.name, getattr(options, one.name))


def check_integer(name: str, value: Any, least: int) -> None:
    """Raise `InvalidInput` unless the value is an integer that is large enough."""
    if not is_integer(value) or value < least:
        raise InvalidInput(f"Expected {name} to be {least} or more, got {value!r}.")


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Raise `InvalidInput` unless the value is one of several names."""
    if value not in choices:
        near = difflib.get_close_matches(str(value), choices, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(
            f"Expected {name} to be one of {', '.join(choices)}, got {value!r}.{hint}"
        )


def check_bool(name: str, value: Any) -> None:
    """Raise `InvalidInput` unless the value is True or False."""
    if not isinstance(value, bool):
        raise InvalidInput(f"Expected {name} to be True or False, got {value!r}.")
