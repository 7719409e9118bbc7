"""libtiff, silenced: it writes what it thinks of damaged data to standard error, from C.

Pillow has no switch for that. The library that Pillow decodes with has one (``TIFFSetErrorHandler``
and its like for warnings), of the whole process: it is turned off while one of our threads decodes
a TIFF, and put back when the last of them is done. Where Pillow contains libtiff instead of loading
it (its wheels for Windows), the switch is out of reach, and the complaints stay.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from PIL import Image

__all__ = ["without_complaints"]

_lock = threading.Lock()
_inside = 0  # threads of ours
_before: list[int | None] = []  # the handlers that were there


@cache
def _switches() -> tuple[ctypes._FuncPointer, ...]:
    """The functions that set what is called for errors and for warnings; none out of reach."""
    try:
        library = ctypes.CDLL(Image.core.__file__)  # names are looked for in what it loads, too
        switches = library.TIFFSetErrorHandler, library.TIFFSetWarningHandler
    except (AttributeError, OSError):
        return ()
    for switch in switches:
        switch.argtypes, switch.restype = [ctypes.c_void_p], ctypes.c_void_p
    return switches


@contextmanager
def without_complaints() -> Iterator[None]:
    """Within it, libtiff writes nothing to standard error, for whichever thread."""
    global _inside
    with _lock:
        if not _inside:
            _before[:] = [switch(None) for switch in _switches()]
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for switch, handler in zip(_switches(), _before):
                    switch(handler)
