"""``blcf ...`` and ``python -m blcf``: the command line, which Ctrl-C ends at any time.

Importing it takes a second or more, with torch and numba. An interrupt in this time would end in a
traceback, or in some other library's error: it ends the process at once, with one line. Nothing
has been begun yet.

Later it is a KeyboardInterrupt, which commits what is finished. The interpreter raises that between
two steps of its main thread, and waits for its other threads when it ends; but a decoder or a
product of matrices is one step, and may take a minute. So a thread of its own hears of interrupts:
where the main thread has not ended 2.5 s later, it ends the process. That is no worse than a kill.
"""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
from typing import Any, NoReturn

__all__ = ["main", "program"]

_INTERRUPTED = 130
_PATIENCE = 2.5  # seconds that a command has to end by itself

# Threads of OpenMP that wait for one another sleep, and do not keep their cores busy with waiting.
# On two cores that eight other programs wanted as well, blcf-lite took 8 to 28 pictures a second
# without it and 50 to 177 with it, in turn; on quiet ones 139 and 142. Said before torch is loaded.
_WAITING = "OMP_WAIT_POLICY", "passive"


def main() -> int:
    """Import the command line and run it; gives the exit status."""
    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # not where the caller ignores interrupts
        signal.signal(signal.SIGINT, _leave)
    os.environ.setdefault(*_WAITING)
    from blcf.cli import main as run
    from blcf.cli.parser import import_command

    import_command(sys.argv[1:])
    if before is signal.default_int_handler:
        _watch()
    try:
        signal.signal(signal.SIGINT, before)
        status = run()
    except KeyboardInterrupt:  # before it began, or another one while the first was being said
        status = _INTERRUPTED
    if status == _INTERRUPTED:
        _end(status)
    return status


def program() -> int:
    """`main` in a process that ends with it.

    What was registered for its end is done (libraries close their files, temporary ones go), but
    nothing is taken apart, which takes torch and numba a second.
    """
    status: list[int] = []
    atexit.register(_end_with, status)  # the first: called last
    status.append(main())
    return status[0]


def _end_with(status: list[int]) -> None:
    """End the process, if it is known with what, and all was said."""
    if not status:
        return
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError, AttributeError):  # the interpreter says what is wrong
        return
    os._exit(status[0])


def _leave(*_: Any) -> None:
    os.write(2, b"blcf: interrupted\n")
    os._exit(_INTERRUPTED)


def _watch() -> None:
    """Let a thread hear of interrupts that do not get through to the main one."""
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after_an_interrupt, args=(heard,), daemon=True).start()


def _end_after_an_interrupt(heard: socket.socket) -> None:
    _wait_for_an_interrupt(heard)
    heard.settimeout(_PATIENCE)
    try:
        _wait_for_an_interrupt(heard)  # a second one is not to be waited for
    except TimeoutError:
        pass
    os.write(2, b"\nblcf: interrupted, in the middle of a step; what was committed is kept\n")
    _end(_INTERRUPTED)


def _wait_for_an_interrupt(heard: socket.socket) -> None:
    while signal.SIGINT not in heard.recv(64):  # the numbers of signals, a byte each
        pass


def _end(status: int) -> NoReturn:
    """End the process without waiting for its threads."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody reads it any more
            pass
    os._exit(status)


if __name__ == "__main__":
    sys.exit(program())
