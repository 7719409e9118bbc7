"""How a stage prints: the parameters that are not the default, and what it holds or has learned."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

__all__ = ["counted", "shown"]

_LONGEST = 60  # letters of a parameter


def shown(stage: Any, state: str = "") -> str:
    """``Vocabulary(n_words=100): 100 words of 64 components``.

    Parameters
    ----------
    stage : keeps each parameter of its constructor in an attribute of that name
    state : what it holds or has learned; "" leaves it out
    """
    parameters = inspect.signature(type(stage)).parameters.values()
    values = [(one, getattr(stage, one.name)) for one in parameters]
    listed = [f"{one.name}={_value(value)}" for one, value in values if not _is_default(value, one)]
    return f"{type(stage).__name__}({', '.join(listed)}){f': {state}' if state else ''}"


def counted(n: int, noun: str) -> str:
    """``1 image``, ``2,000 images``."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _is_default(value: Any, parameter: inspect.Parameter) -> bool:
    default = parameter.default
    return value is default or (type(value) is type(default) and bool(np.all(value == default)))


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    text = repr(value)
    if len(text) <= _LONGEST and "\n" not in text:
        return text
    if isinstance(value, (str, bytes)):
        return f"{text[:_LONGEST]}..."
    return f"<{type(value).__name__}>"
