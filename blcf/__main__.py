"""The command line as a process, which Ctrl-C ends within three seconds, whatever it is at.

The interpreter passes an interrupt on between two steps of its main thread, and waits for its other
threads when it ends. A decoder or a product of matrices is one step, and may take a minute. So
a thread of its own hears of the interrupt: where the main thread has not ended by then, it ends the
process. That is no worse than a kill: what was committed is kept.
"""

import os
import signal
import socket
import sys
import threading
from typing import NoReturn

PATIENCE = 2.5
"""Seconds that a command has to end by itself, which commits the pictures that are finished."""

INTERRUPTED = 130


def run() -> NoReturn:
    """Run the command that the arguments of the process say, and end the process."""
    try:
        _watch()
        from blcf.cli import main

        status = main()
    except KeyboardInterrupt:  # while the libraries were loaded, or again while it was said
        sys.stderr.write("blcf: interrupted\n")
        status = INTERRUPTED
    if status == INTERRUPTED:
        _end(status)
    sys.exit(status)


def _watch() -> None:
    """Let a thread hear of interrupts, which Python's own handler does not get through to."""
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after_an_interrupt, args=(heard,), daemon=True).start()


def _end_after_an_interrupt(heard: socket.socket) -> None:
    _wait_for_an_interrupt(heard)
    heard.settimeout(PATIENCE)
    try:
        _wait_for_an_interrupt(heard)  # a second one is not to be waited for
    except TimeoutError:
        pass
    os.write(2, b"\nblcf: interrupted, in the middle of a step; what was committed is kept\n")
    _end(INTERRUPTED)


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
    run()
