"""The instructions of a pickle, one by one, with their arguments: nothing is made of them here.

The names, the codes and the forms of arguments are those of the standard ``pickletools``, protocols
0 to 5. How many instructions a file may have is bounded: one byte of it can make a list of 56.
"""

from __future__ import annotations

import codecs
import io
import pickletools
import re
from collections.abc import Iterator
from typing import Any

__all__ = ["MOST_INSTRUCTIONS", "instructions"]

MOST_INSTRUCTIONS = 1_000_000
"""A file of revisited Paris's size has some 200,000."""

_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}

# Escapes that Python knows; of others it warns.
_ESCAPES = re.compile(
    rb"""(?:[^\\]|\\(?:[\\'"abfnrtv]|x[0-9a-fA-F]{2}|[0-3][0-7]{2}|[0-7]{1,2}(?![0-7])))*"""
)


def instructions(data: bytes) -> Iterator[tuple[str, Any]]:
    """Name and argument of each instruction, to the one that ends the pickle.

    Raises
    ------
    ValueError
        An unknown instruction, a damaged argument, no end, or more than `MOST_INSTRUCTIONS`.
    """
    file = io.BytesIO(data)
    for _ in range(MOST_INSTRUCTIONS):
        code = file.read(1)
        opcode = _OPCODES.get(code.decode("latin-1"))
        if opcode is None:
            raise ValueError("it has no end" if not code else f"an unknown instruction {code!r}")
        if opcode.name == "STRING":
            argument: Any = _string(file.readline())
        elif opcode.name in ("GLOBAL", "INST"):  # pickletools reads escapes, of which Python warns
            argument = f"{_line(file)} {_line(file)}"
        elif opcode.name == "PERSID":
            argument = _line(file)
        else:
            argument = opcode.arg.reader(file) if opcode.arg is not None else None
        yield opcode.name, argument
        if opcode.name == "STOP":
            return
    raise ValueError(f"it has more than {MOST_INSTRUCTIONS:,} instructions")


def _line(file: io.BytesIO) -> str:
    """A name, as it stands; Latin-1."""
    line = file.readline()
    if not line.endswith(b"\n"):
        raise ValueError("a name without end")
    return line[:-1].decode("latin-1")


def _string(line: bytes) -> str:
    """The argument of STRING: a text between quotes, as Python 2 writes it; Latin-1."""
    text = line[:-1]
    if not line.endswith(b"\n") or len(text) < 2 or text[0] not in b"'\"" or text[0] != text[-1]:
        raise ValueError("a string without its quotes")
    if not _ESCAPES.fullmatch(text, 1, len(text) - 1):
        raise ValueError("a string with unknown escapes")
    return codecs.escape_decode(text[1:-1])[0].decode("latin-1")
