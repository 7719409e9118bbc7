"""Plain values out of a pickle file, without running anything that the file asks for.

A pickle is a program for a stack machine; the standard reader calls whatever functions it names.
This one goes through the same instructions (as the standard ``pickletools`` lists them, protocols
0 to 5) but knows only values, lists, dicts, tuples, and numpy arrays and numbers of plain types.
Every other instruction or name is refused.

Invariant: whatever the bytes, `read_pickle` returns plain values or raises `FormatError`; it
imports nothing, calls nothing the file names, and makes no more than a few times the file's size.
"""

from __future__ import annotations

import os
import pickletools
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from blcf.errors import DatasetNotFound, FormatError
from blcf.images import display_name

__all__ = ["read_pickle"]

MAX_BYTES = 64 * 2**20  # that of revisited Paris has well under one MiB
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
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DatasetNotFound(f"No file at {display_name(path)} ({error.strerror}).") from error
    try:
        return _read(data)
    except _Refused as error:
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


class _Refused(Exception):
    """What the file asks for, as the end of a sentence."""


class _Named:
    """One of the few functions and types that a pickle of arrays names."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


def _read(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise _Refused(f"it is larger than {MAX_BYTES // 2**20} MiB")
    machine = _Machine()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # escapes of damaged strings
        for opcode, argument, _ in pickletools.genops(data):
            machine.step(opcode.name, argument)
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
            stack.append(_named(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.append(_named(module, attribute))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            if not isinstance(function, _Named) or not isinstance(arguments, tuple):
                raise _Refused(f"it calls a {type(function).__name__}")
            stack.append(self._spend(function.make(*arguments)))
        elif name == "BUILD":
            state = stack.pop()
            _set_state(stack[-1], state)
            self._spend(stack[-1])
        elif name == "INST":
            raise _Refused(f"it asks for {argument!r:.100}")
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise _Refused(f"it has the instruction {name}")

    def _close(self, make: Callable[[list[Any]], Any]) -> None:
        group, self.stack = self.stack, self.marks.pop()
        self.stack.append(make(group))

    def _spend(self, value: Any) -> Any:
        """Count what was made: bytes that are put aside can be made arrays any number of times."""
        self.room -= value.nbytes if isinstance(value, np.ndarray) else 0
        self.room -= len(value) if isinstance(value, bytes) else 0
        if self.room < 0:
            raise _Refused(f"it makes more than {2 * MAX_BYTES // 2**20} MiB")
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
            raise _Refused(f"it has a dict with a key of type {type(key).__name__}")
        target[key] = value
    return target


def _check(value: Any) -> None:
    """Refuse names that were left where a value should be, and what is too deep."""
    level, seen = [value], set()
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for each in level:
            if isinstance(each, (_Named, np.dtype)):
                raise _Refused("it holds a function or a type")
            if isinstance(each, (list, tuple, dict)) and id(each) not in seen:
                seen.add(id(each))
                below.extend(each.values() if isinstance(each, dict) else each)
        level = below
    if level:
        raise _Refused(f"it is more than {MAX_DEPTH} levels deep")


# What numpy's arrays and numbers, and Python's bytes, are written with.


def _named(module: Any, attribute: Any) -> _Named:
    key = f"{_text(module)}.{_text(attribute)}"
    if key not in _NAMES:
        raise _Refused(f"it asks for {key!r:.200}")
    return _NAMES[key]


def _text(value: Any) -> str:
    if not isinstance(value, str):  # a list that holds itself a million times has a long repr
        raise TypeError(f"{type(value).__name__} for a text")
    return value


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, str):  # a string of Python 2
        return value.encode("latin-1")
    if not isinstance(value, (bytes, bytearray)):
        raise _Refused(f"it has an array of {type(value).__name__}")
    return bytes(value)


def _encode(text: str, encoding: str) -> bytes:
    if _text(encoding) not in ("latin1", "latin-1"):
        raise _Refused(f"it encodes as {encoding!r:.40}")
    return _text(text).encode("latin-1")


def _dtype(text: str, *_: object) -> np.dtype:
    if not re.fullmatch("[<>=|]?(b1|[iu][1248]|f[248])", _text(text)):
        raise _Refused(f"it has an array of type {text!r:.40}")
    return np.dtype(text, copy=True)  # its own: BUILD sets the byte order in place


def _array_of(data: Any, dtype: Any, shape: Any, order: Any = "C", *_: object) -> np.ndarray:
    if not isinstance(dtype, np.dtype):
        raise TypeError("an array without type")
    if _text(order) not in ("C", "F"):  # "K", since numpy 2.3
        raise _Refused("it has an array with its axes in another order")
    values = np.frombuffer(_bytes_of(data), dtype)
    if not (
        isinstance(shape, tuple)
        and len(shape) <= 8
        and all(type(n) is int and 0 <= n <= MAX_BYTES for n in shape)
    ):
        raise TypeError("an array without shape")
    return values.reshape(shape, order=order).copy()


def _number(dtype: Any, data: Any) -> Any:
    return _array_of(data, dtype, ())[()]


def _set_state(target: Any, state: Any) -> None:
    """Give an array its values, or a type its byte order, as their ``__setstate__``."""
    if isinstance(target, np.dtype):
        if not isinstance(state, tuple) or state[1] not in ("<", ">", "=", "|"):
            raise TypeError("an array's type without byte order")
        if any(each is not None for each in state[2:5]):
            raise _Refused("it has an array with fields")
        order = (3, state[1], None, None, None, -1, -1, 0)
        target.__setstate__(order)  # type: ignore[attr-defined]
    elif isinstance(target, np.ndarray):
        _, shape, dtype, is_fortran, data = state
        values = _array_of(data, dtype, shape, "F" if is_fortran else "C")
        content: Any = (1, shape, dtype, False, values.tobytes("C"))
        target.__setstate__(content)
    else:
        raise _Refused(f"it sets the state of a {type(target).__name__}")


def _empty_array(*_: object) -> np.ndarray:
    return np.empty(0, np.int8)


def _no_bytes() -> bytes:
    return b""


def _type(*_: object) -> Any:
    raise _Refused("it calls the type of arrays")


_NAMES = {
    "_codecs.encode": _Named(_encode),
    "__builtin__.bytes": _Named(_no_bytes),
    "numpy.dtype": _Named(_dtype),
    "numpy.ndarray": _Named(_type),
}
for _home in ("numpy.core", "numpy._core"):  # until and since numpy 2
    _NAMES[f"{_home}.multiarray._reconstruct"] = _Named(_empty_array)
    _NAMES[f"{_home}.multiarray.scalar"] = _Named(_number)
    _NAMES[f"{_home}.numeric._frombuffer"] = _Named(_array_of)
