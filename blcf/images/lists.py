"""A list of pictures as text: one path per line, in UTF-8."""

from __future__ import annotations

from blcf.errors import InvalidInput
from blcf.images.names import display_name
from blcf.storage import open_plain

__all__ = ["parse_list", "read_list", "why"]

_PROBE_BYTES = 8192  # enough to meet a NUL byte in any video, archive or picture


def read_list(path: str, expected: str) -> list[str]:
    """The paths of a list file; `expected` ends "Expected ..." where the file is no text.

    Raises
    ------
    InvalidInput
    """
    try:
        with open_plain(path) as file:
            data = file.read(_PROBE_BYTES)
            if b"\0" not in data:
                data += file.read()
    except OSError as error:
        raise InvalidInput(
            f"{display_name(path)}: the list of pictures cannot be read; {why(error)}."
        ) from error
    return parse_list(data, path, expected)


def parse_list(data: bytes, origin: str, expected: str) -> list[str]:
    """The paths of a list; the lines that hold none are left out.

    Parameters
    ----------
    data : of the list
    origin : what a message calls it
    expected : what a message says was expected where it is no text
    """
    if b"\0" in data:
        raise InvalidInput(
            f"{display_name(origin)}: expected {expected}; got binary data (or UTF-16 text)."
        )
    # surrogateescape: a name that is not UTF-8 means the same file here as in a folder.
    text = data.decode("utf-8-sig", errors="surrogateescape")
    # Not splitlines(), which also splits at U+2028 and others that a file name may contain.
    lines = (line.rstrip(" \t\r") for line in text.split("\n"))
    return [line for line in lines if line and not line.startswith("#")]


def why(error: Exception) -> str:
    """Why a path cannot be read, as a clause."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "there is no such file or folder"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error)
