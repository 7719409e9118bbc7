"""`kernel`: numba's compiler, with compiled code kept in the user's cache folder.

Compiled code never lies beside the source: in the place of installation it would outlive the
package that is removed there, and the folder left behind would hide the one installed next.

The folder is ``BLCF_CACHE_DIR``, else numba's own ``NUMBA_CACHE_DIR``, else ``blcf/kernels`` in the
user's cache folder (``~/.cache`` on Linux). Where none can be written, and whenever keeping or
taking back fails (a full disk, a damaged file), kernels are compiled in each process, and nothing
is said: that costs seconds, no result.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from numba import config, njit
from platformdirs import user_cache_path

__all__ = ["VARIABLE", "cache_folder", "kernel"]

VARIABLE = "BLCF_CACHE_DIR"

_settings: Any = config  # numba sets its attributes one by one: no type checker sees them
_choosing = threading.Lock()  # they are of the whole process


def cache_folder() -> Path | None:
    """Where compiled kernels are kept, made if it is missing; None where that cannot be."""
    given = os.environ.get(VARIABLE) or _settings.CACHE_DIR
    try:
        folder = Path(given).absolute() if given else user_cache_path("blcf", False) / "kernels"
    except (OSError, RuntimeError):  # there is no home, nor a working folder
        return None
    return folder if _is_writable(folder) else None


@cache
def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def kernel(function: Callable | None = None, **options: Any) -> Any:
    """Compile a function at its first call: ``numba.njit(nogil=True)``, cached in `cache_folder`.

    Parameters
    ----------
    function : what to compile, for ``@kernel`` without options
    **options : further ones of ``numba.njit``
    """
    if function is None:
        return lambda given: kernel(given, **options)
    folder = cache_folder()
    if folder is None:
        return njit(nogil=True, **options)(function)
    with _choosing:
        before = _settings.CACHE_DIR
        _settings.CACHE_DIR = str(folder)  # numba asks for it here only
        try:
            compiled = njit(nogil=True, cache=True, **options)(function)
        except RuntimeError:  # "cannot cache function"
            return njit(nogil=True, **options)(function)
        finally:
            _settings.CACHE_DIR = before
    kept = getattr(compiled, "_cache", None)  # none where NUMBA_DISABLE_JIT is set
    if kept is not None and folder not in Path(kept.cache_path).parents:
        return njit(nogil=True, **options)(function)  # the folder has gone since
    _forgive(kept)
    return compiled


def _forgive(kept: Any) -> None:
    """Let a cache that cannot be read or written be as if there were none.

    numba lets errors through elsewhere than on Windows: a disk that is full, or a file of the
    cache that is damaged, would end a search.
    """
    if hasattr(kept, "_guard_against_spurious_io_errors"):
        kept._guard_against_spurious_io_errors = lambda: suppress(Exception)
