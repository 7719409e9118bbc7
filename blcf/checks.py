"""Checks that settings and options share; an unknown name is told the near one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np

from blcf.bounds import BOUNDS, check_bounds, is_integer
from blcf.errors import InvalidInput, VocabularyMismatch

__all__ = [
    "SIDES",
    "as_assignment_map",
    "as_cell_weights",
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
    """Raise `InvalidInput` for a keyword that is no field of a dataclass.

    Of one that was, the class may say in ``REMOVED`` what to do, by its name.
    """
    known, removed = [one.name for one in fields(kind)], getattr(kind, "REMOVED", {})
    for name in given:
        if name in removed:
            raise InvalidInput(removed[name])
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


def check_choice(name: str, value: Any, choices: Sequence[str | None]) -> None:
    """Raise `InvalidInput` unless the value is one of several names, or None where that is one."""
    if value not in choices:
        near = difflib.get_close_matches(str(value), list(filter(None, choices)), n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidInput(
            f"Expected {name} to be one of {', '.join(map(str, choices))}, got {value!r}.{hint}"
        )


def as_assignment_map(words: Any, n_words: int | None = None, of: str = "") -> np.ndarray:
    """Check an assignment map: the one check of it everywhere.

    Parameters
    ----------
    words : int (h, w), a visual word per cell
    n_words : of the vocabulary; None: not known
    of : what it is of, for messages: "the query" for instance

    Returns
    -------
    the same array, of any integer type

    Raises
    ------
    InvalidInput
        No integers, or another shape.
    VocabularyMismatch
        Words that the vocabulary has not.
    """
    found = np.asarray(words)
    if found.ndim != 2 or not found.size or found.dtype.kind not in "iu":
        raise InvalidInput(
            f"Expected an assignment map of integers of shape (h, w){of and f' of {of}'}, got "
            f"{found.dtype} of shape {found.shape}. `Vocabulary.assign_map` makes one."
        )
    if n_words is not None:
        least, most = int(found.min()), int(found.max())
        if least < 0 or most >= n_words:
            raise VocabularyMismatch(
                f"Expected words from 0 to {n_words - 1}{of and f' in {of}'}, got {least} to "
                f"{most}. Use the vocabulary that made the assignment map."
            )
    return found


def as_cell_weights(weights: Any, shape: tuple[int, ...], of: str = "") -> np.ndarray:
    """Check the weights of a map's cells: float (h, w) of its shape, finite and >= 0.

    Raises
    ------
    InvalidInput
    """
    found = np.asarray(weights)
    if found.shape != tuple(shape) or found.dtype.kind not in "biuf":
        raise InvalidInput(
            f"Expected finite weights >= 0 of shape {tuple(shape)}{of and f' of {of}'}, as the "
            f"assignment map, got {found.dtype} of shape {found.shape}."
        )
    if not (found.min(initial=0) >= 0 and found.max(initial=0) < np.inf):  # NaN is neither
        raise InvalidInput(
            f"Expected finite weights >= 0{of and f' of {of}'}, got {found.min()} to "
            f"{found.max()}."
        )
    return found


def check_bool(name: str, value: Any) -> None:
    """Raise `InvalidInput` unless the value is True or False."""
    if not isinstance(value, bool):
        raise InvalidInput(f"Expected {name} to be True or False, got {value!r}.")
