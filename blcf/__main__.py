"""``blcf ...`` and ``python -m blcf``: the command line, which can be interrupted from the start.

Importing it takes a second or more, with torch and numba. An interrupt in this time would end in a
traceback, or in some other library's error: it ends the process at once, with one line. Nothing
has been begun yet.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> int:
    """Import the command line and run it; gives the exit status."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not where the caller ignores interrupts
        signal.signal(signal.SIGINT, _leave)
    from blcf.cli import main as run

    signal.signal(signal.SIGINT, before)
    return run()


def _leave(*_: Any) -> None:
    os.write(2, b"blcf: interrupted\n")
    os._exit(_INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
