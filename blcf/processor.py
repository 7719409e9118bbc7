"""What the processor can do."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

__all__ = ["multiplies_bfloat16", "n_cores"]


@cache
def multiplies_bfloat16() -> bool:
    """Whether the processor has instructions for bfloat16; elsewhere it is emulated, and slow."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text("utf-8", "replace").split())
    except OSError:  # no Linux
        return False
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def n_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # no Linux
