"""Plain values out of a pickle file, without running anything that the file asks for.

A pickle is a program for a stack machine; the standard reader calls whatever functions it names.
This one goes through the same instructions (pickle_instructions.py) but knows only values, lists,
dicts, tuples, and numpy arrays and numbers of plain types (pickled_arrays.py). Every other
instruction or name is refused.

Invariant: whatever the bytes, `read_pickle` returns plain values or raises `FormatError`; it
imports nothing and calls nothing the file names. Beside the values that stand in the file itself it
makes an object for each of at most `MOST_INSTRUCTIONS`, some 130 MB, and 32 MiB of arrays.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from blcf.datasets.finding import plain_bytes
from blcf.datasets.pickle_instructions import instructions
from blcf.datasets.pickled_arrays import Named, Refused, named, set_state
from blcf.errors import DatasetNotFound, FormatError
from blcf.images import display_name

__all__ = ["read_pickle"]

MAX_BYTES = 16 * 2**20  # that of revisited Paris has well under one MiB
MAX_DEPTH = 50

_LITERALS = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING "
    "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 "
    "BYTEARRAY8".split()
)
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_SHORT_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = ("PUT", "BINPUT", "LONG_BINPUT")
_GETS = ("GET", "BINGET", "LONG_BINGET")


def read_pickle(path: str | os.PathLike[str]) -> Any:
    """Read a pickle that holds plain values.

    Returns
    -------
    None, bool, int, float, str, bytes, list, tuple, dict (keys are str), numpy arrays and numbers
    of bool, int or float type. Strings of Python 2 become str, Latin-1.

    Raises
    ------
    DatasetNotFound
        No such file.
    FormatError
        Damaged, too large, too deep, or something else than plain values is asked for: the
        message names it.
    """
    try:
        data = plain_bytes(path, MAX_BYTES)
    except OSError as error:
        raise DatasetNotFound(f"No file at {display_name(path)} ({error.strerror}).") from error
    try:
        return _read(data)
    except Refused as error:
        raise FormatError(
            f"{display_name(path)}: expected a pickle of plain values, {error}. "
            "Nothing of it was run; get the file from its publisher again."
        ) from error
    except (ArithmeticError, LookupError, MemoryError, TypeError, ValueError) as error:
        # Stacks that are empty, numbers and texts that cannot be read, lengths beyond the end:
        # pickletools says ValueError, indexing and numpy the others (test: damaged bytes).
        raise FormatError(
            f"{display_name(path)}: the pickle is damaged or cut short "
            f"({type(error).__name__}: {error!s:.200})."
        ) from error


def _read(data: bytes) -> Any:
    machine = _Machine()
    for name, argument in instructions(data):
        machine.step(name, argument)
    (value,) = machine.stack
    if machine.marks:
        raise ValueError("a group is not closed")
    _check(value)
    return value


class _Machine:
    """The stack, the groups that were begun, and what was put aside to be used again."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.room = 2 * MAX_BYTES  # what may still be made out of bytes that are used again

    def step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name == "MARK":
            self.marks.append(stack)
            self.stack = []
        elif name in _SHORT_TUPLES:
            stack.append(tuple([stack.pop() for _ in range(_SHORT_TUPLES[name])][::-1]))
        elif name == "TUPLE":
            self._close(tuple)
        elif name == "LIST":
            self._close(list)
        elif name == "DICT":
            self._close(lambda items: _fill({}, items))
        elif name in ("APPEND", "SETITEM"):
            items = [stack.pop() for _ in range(1 if name == "APPEND" else 2)][::-1]
            _extend(stack[-1], items, name)
        elif name in ("APPENDS", "SETITEMS"):
            self.stack = self.marks.pop()
            _extend(self.stack[-1], stack, name)
        elif name in _PUTS or name == "MEMOIZE":
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in _GETS:
            stack.append(self.memo[argument])
        elif name == "GLOBAL":
            stack.append(named(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(named(module, attribute))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, Named) or not isinstance(arguments, tuple):
                raise Refused(f"it calls a {type(function).__name__}")
            stack.append(self._spend(function.make(*arguments)))
        elif name == "BUILD":
            state = stack.pop()
            set_state(stack[-1], state)
            self._spend(stack[-1])
        elif name == "INST":
            raise Refused(f"it asks for {argument!r:.100}")
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise Refused(f"it has the instruction {name}")

    def _close(self, make: Callable[[list[Any]], Any]) -> None:
        group, self.stack = self.stack, self.marks.pop()
        self.stack.append(make(group))

    def _spend(self, value: Any) -> Any:
        """Count what was made: bytes that are put aside can be made arrays any number of times."""
        self.room -= value.nbytes if isinstance(value, np.ndarray) else 0
        self.room -= len(value) if isinstance(value, bytes) else 0
        if self.room < 0:
            raise Refused(f"it makes more than {2 * MAX_BYTES // 2**20} MiB")
        return value


def _extend(target: Any, items: list[Any], name: str) -> None:
    if name.startswith("APPEND") and type(target) is list:
        target.extend(items)
    elif name.startswith("SETITEM") and type(target) is dict:
        _fill(target, items)
    else:
        raise TypeError(f"{name} on {type(target).__name__}")


def _fill(target: dict[str, Any], items: list[Any]) -> dict[str, Any]:
    for key, value in zip(items[::2], items[1::2], strict=True):
        # Other keys can be chosen to have one hash, or a hash that takes for ever (tuples).
        if not isinstance(key, str):
            raise Refused(f"it has a dict with a key of type {type(key).__name__}")
        target[key] = value
    return target


def _check(value: Any) -> None:
    """Refuse names that were left where a value should be, and what is too deep."""
    level, seen = [value], set()
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, (Named, np.dtype)):
                raise Refused("it holds a function or a type")
            if isinstance(each, (list, tuple, dict)) and id(each) not in seen:
                seen.add(id(each))
                below.extend(each.values() if isinstance(each, dict) else each)
        level = below
    if level:
        raise Refused(f"it is more than {MAX_DEPTH} levels deep")
