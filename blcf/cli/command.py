"""A command of the parser, and the arguments that several share."""

from __future__ import annotations

import argparse
from typing import Any

from blcf.cli.outputs import Changed

__all__ = ["COLLECTION", "EXIT", "FRAMES", "WEIGHTS", "make_command"]

EXIT = (
    "exit status: 0 done; 2 a mistake in the call or its input; 3 done, but some pictures were "
    "skipped or something is damaged; 130 interrupted"
)

WEIGHTS = "where the weights are now"

COLLECTION = {"collection": "folder of the collection"}
FRAMES = (
    "folders of pictures and films, list files (one path per line), pictures, films; - is a list "
    "on standard input"
)


def make_command(
    commands: Any,
    name: str,
    function: Any,
    text: str,
    arguments: dict[str, str],
    several: tuple[str, str, str, str] | None = None,
) -> Any:
    """A command; `several` is an argument that may be repeated: dest, nargs, metavar, help."""
    command = commands.add_parser(
        name, help=text, description=text, epilog=EXIT, argument_default=argparse.SUPPRESS
    )
    command.set_defaults(run=function, quiet=False, several=None, refuse=command.error)
    for argument, meaning in arguments.items():
        command.add_argument(argument, type=Changed, metavar=argument.upper(), help=meaning)
    if several is not None:
        dest, nargs, metavar, meaning = several
        command.add_argument(dest, nargs=nargs, metavar=metavar, help=meaning)
        command.set_defaults(several=dest)
    command.add_argument(
        "--quiet", action="store_true", help="only results, errors and skipped pictures"
    )
    return command
