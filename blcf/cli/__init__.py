"""The command line: every command calls one function of the library, with the library's defaults.

Results go to stdout, messages and progress to stderr. Exit status: 0 done; 2 a mistake in the
call or its input, said in one sentence; 3 done, but some pictures were skipped or something is
damaged; 130 interrupted.

What a command needs is imported when it is typed: the help alone needs nothing.
"""

from __future__ import annotations

import argparse
import io
import logging
import shlex
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from blcf.cli.command import DONE, ROWS
from blcf.cli.parser import parse_arguments
from blcf.errors import BlcfError, FormatError

__all__ = ["main"]

MISTAKE, INTERRUPTED = 2, 130

_RESUMED = ("index", "add", "sync", "train")
_CHANGING = (*_RESUMED, "annotate", "remove", "compact", "check")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit status."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parse_arguments(_join_rows(given))
    _log_to_stderr(options.quiet)
    for stream in (sys.stdout, sys.stderr):  # a name that the terminal cannot show is no error
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # An application may filter warnings, the library must not: reading says what it refuses.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"torch(vision)?\b")
    warnings.filterwarnings("ignore", message=r"Image size .* exceeds limit")
    try:
        with ExitStack() as options.ends:  # what a command has started
            return int(options.run(options))
    except BlcfError as error:
        return _fail(_advised(error, options))
    except KeyboardInterrupt:
        kept = "; what was committed is kept" if options.command in _CHANGING else ""
        resumed = ", the same command continues" if options.command in _RESUMED else ""
        print(f"blcf: interrupted{kept}{resumed}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has had enough
        from blcf.cli.results import drop_output

        drop_output()
        return DONE
    except OSError as error:
        return _fail(f"{error.strerror or error}: {error.filename or 'input or output failed'}.")
    except MemoryError:
        return _fail("Not enough memory. Ask for fewer words (--words) or a smaller side (--side).")


def _join_rows(arguments: Sequence[str]) -> list[str]:
    """``--box -5,0,9,9`` as ``--box=-5,0,9,9``: argparse takes a leading minus for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in ROWS:
            joined[-1] = f"{joined[-1]}={argument}"
        else:
            joined.append(argument)
    return joined


def _advised(error: BlcfError, options: argparse.Namespace) -> str:
    """The message of an error; where a file of the collection is damaged, with what to type."""
    from blcf.collection.manifest import OtherVersion

    collection, message = getattr(options, "collection", None), str(error)
    if collection is None or not isinstance(error, FormatError) or "--repair" in message:
        return message
    shorter = message.replace(", or run `blcf check` on the collection.", ".")
    shorter = shorter.replace(" Run `blcf check` on the collection.", "")
    # Other files may be damaged, too: a ground truth, weights; another version is no damage.
    is_of_it = shorter != message or str(Path(collection)) in message
    if isinstance(error, OtherVersion) or not is_of_it:
        return message
    command = shlex.join(["blcf", "check", collection, "--repair"])
    return f"{shorter} `{command}` says what is damaged and repairs what it can."


def _fail(message: str) -> int:
    from blcf.images import display_name

    print(f"blcf: {' '.join(display_name(message).split())}", file=sys.stderr)
    return MISTAKE


def _log_to_stderr(quiet: bool) -> None:
    log = logging.getLogger("blcf")
    if not log.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("blcf: %(message)s"))
        log.addHandler(handler)
    log.setLevel(logging.WARNING if quiet else logging.INFO)
