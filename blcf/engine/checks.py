"""Checks that settings and options share; an unknown name is told the near one."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from blcf.errors import InvalidInput

__all__ = [
    "SIDES",
    "check_bool",
    "check_choice",
    "check_integer",
    "check_known",
    "check_number",
    "fields_among",
    "needs",
]

SIDES = 32, 8192  # pixels


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


def check_integer(
    name: str, value: Any, least: int, most: int | None = None, or_else: str = ""
) -> None:
    """Raise `InvalidInput` unless the value is an integer of a span."""
    if not is_integer(value) or value < least or (most is not None and value > most):
        span = f"from {least} to {most}" if most is not None else f"{least} or more"
        raise InvalidInput(f"Expected {name} to be {span}{or_else}, got {value!r}.")


def check_number(name: str, value: Any, least: float, most: float = math.inf) -> None:
    """Raise `InvalidInput` unless the value is a finite number of a span."""
    try:
        is_inside = not isinstance(value, (bool, str)) and least <= float(value) <= most
        is_inside = is_inside and math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        is_inside = False
    if not is_inside:
        span = f"from {least:g} to {most:g}" if most < math.inf else f"of {least:g} or more"
        raise InvalidInput(f"Expected {name} to be a number {span}, got {value!r}.")


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


def is_integer(value: Any) -> bool:
    """Whether a value is an integer of any kind, and no truth value."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)
