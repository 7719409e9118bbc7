"""What does not survive a fork: the threads of compiled libraries.

A forked process has only the thread that forked. torch's pool of threads is gone in it and not
known to be: the first product of matrices would wait for ever. So whatever runs in that pool says
so here, and is refused in a process that was forked after it ran.
"""

from __future__ import annotations

import os

from blcf.errors import InvalidInput

__all__ = ["use_threads"]

_ran = False
_is_forked = False


def use_threads() -> None:
    """Note that threads of a compiled library run in this process from now on.

    Raises
    ------
    InvalidInput
        They ran in the process that this one was forked from.
    """
    global _ran
    if _is_forked:
        raise InvalidInput(
            "Expected a process with threads of its own, got one that was forked from a process in "
            "which a network or a vocabulary had run: it would wait for ever. Start processes with "
            "multiprocessing.get_context('spawn'), or fork before the first search."
        )
    _ran = True


def _after_fork() -> None:
    global _is_forked
    _is_forked = _ran


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
