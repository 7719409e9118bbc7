"""What numpy's arrays and numbers, and Python's bytes, are pickled with: made without numpy's own.

A pickle of arrays names a few functions and calls them. They stand here under those names; each
checks its arguments, which the file chooses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["Named", "Refused", "named", "set_state"]

MOST_LENGTH = 2**26  # of an axis


class Refused(Exception):
    """What the file asks for, as the end of a sentence."""


class Named:
    """One of the few functions and types that a pickle of arrays names."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make


def named(module: Any, attribute: Any) -> Named:
    """What a pickle calls by such a name; `Refused` where it is none of the few."""
    key = f"{_text(module)}.{_text(attribute)}"
    if key not in _NAMES:
        raise Refused(f"it asks for {key!r:.200}")
    return _NAMES[key]


def _text(value: Any) -> str:
    if not isinstance(value, str):  # a list that holds itself a million times has a long repr
        raise TypeError(f"{type(value).__name__} for a text")
    return value


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, str):  # a string of Python 2
        return value.encode("latin-1")
    if not isinstance(value, (bytes, bytearray)):
        raise Refused(f"it has an array of {type(value).__name__}")
    return bytes(value)


def _encode(text: str, encoding: str) -> bytes:
    if _text(encoding) not in ("latin1", "latin-1"):
        raise Refused(f"it encodes as {encoding!r:.40}")
    return _text(text).encode("latin-1")


def _dtype(text: str, *_: object) -> np.dtype:
    if not re.fullmatch("[<>=|]?(b1|[iu][1248]|f[248])", _text(text)):
        raise Refused(f"it has an array of type {text!r:.40}")
    return np.dtype(text, copy=True)  # its own: BUILD sets the byte order in place


def _array_of(data: Any, dtype: Any, shape: Any, order: Any = "C", *_: object) -> np.ndarray:
    if not isinstance(dtype, np.dtype):
        raise TypeError("an array without type")
    if _text(order) not in ("C", "F"):  # "K", since numpy 2.3
        raise Refused("it has an array with its axes in another order")
    values = np.frombuffer(_bytes_of(data), dtype)
    if not (
        isinstance(shape, tuple)
        and len(shape) <= 8
        and all(type(n) is int and 0 <= n <= MOST_LENGTH for n in shape)
    ):
        raise TypeError("an array without shape")
    return values.reshape(shape, order=order).copy()


def _number(dtype: Any, data: Any) -> Any:
    return _array_of(data, dtype, ())[()]


def set_state(target: Any, state: Any) -> None:
    """Give an array its values, or a type its byte order, as their ``__setstate__``."""
    if isinstance(target, np.dtype):
        if not isinstance(state, tuple) or state[1] not in ("<", ">", "=", "|"):
            raise TypeError("an array's type without byte order")
        if any(each is not None for each in state[2:5]):
            raise Refused("it has an array with fields")
        order = (3, state[1], None, None, None, -1, -1, 0)
        target.__setstate__(order)  # type: ignore[attr-defined]
    elif isinstance(target, np.ndarray):
        _, shape, dtype, is_fortran, data = state
        values = _array_of(data, dtype, shape, "F" if is_fortran else "C")
        content: Any = (1, shape, dtype, False, values.tobytes("C"))
        target.__setstate__(content)
    else:
        raise Refused(f"it sets the state of a {type(target).__name__}")


def _empty_array(*_: object) -> np.ndarray:
    return np.empty(0, np.int8)


def _no_bytes() -> bytes:
    return b""


def _type(*_: object) -> Any:
    raise Refused("it calls the type of arrays")


_NAMES = {
    "_codecs.encode": Named(_encode),
    "__builtin__.bytes": Named(_no_bytes),
    "numpy.dtype": Named(_dtype),
    "numpy.ndarray": Named(_type),
}
for _home in ("numpy.core", "numpy._core"):  # until and since numpy 2
    _NAMES[f"{_home}.multiarray._reconstruct"] = Named(_empty_array)
    _NAMES[f"{_home}.multiarray.scalar"] = Named(_number)
    _NAMES[f"{_home}.numeric._frombuffer"] = Named(_array_of)
