"""The arguments of every command. Defaults are the library's: an option not given stays unset."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from blcf import __version__
from blcf.cli.command import EXIT, TEXTS

__all__ = ["build_parser", "import_command", "parse_arguments"]

# Where the arguments of a command are: a module is imported when its command is typed.
_HOMES = {
    "index": "blcf.cli.change_commands",
    "search": "blcf.cli.searching",
    "add": "blcf.cli.change_commands",
    "remove": "blcf.cli.change_commands",
    "annotate": "blcf.cli.change_commands",
    "compact": "blcf.cli.change_commands",
    "sync": "blcf.cli.change_commands",
    "list": "blcf.cli.describing",
    "info": "blcf.cli.describing",
    "check": "blcf.cli.change_commands",
    "merge": "blcf.cli.shards",
    "split": "blcf.cli.shards",
    "evaluate": "blcf.cli.evaluating",
    "train": "blcf.cli.training",
    "export": "blcf.cli.exporting",
    "serve": "blcf.cli.serving",
    "demo": "blcf.cli.demo",
}


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The parser of all commands; or of one, and of others no more than their names."""
    parser = argparse.ArgumentParser(
        prog="blcf",
        description="Find a particular object in a collection of pictures, and where it is.",
        epilog=EXIT,
    )
    parser.add_argument("--version", action="version", version=f"blcf {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for name, text in TEXTS.items():
        if only in (None, name):
            getattr(import_module(_HOMES[name]), f"add_{name}")(commands)
        else:
            commands.add_parser(name, help=text)
    return parser


def import_command(arguments: Sequence[str]) -> None:
    """Import what the command that is typed needs; what is wrong with it is said later."""
    name = _command(arguments)
    if name:
        import_module(_HOMES[name])


def _command(arguments: Sequence[str]) -> str:
    """The command that is typed, or "" where there is none."""
    first = next((one for one in arguments if not one.startswith("-")), "")
    return first if first in TEXTS else ""


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command; FRAMES, IMAGEs and PICTUREs may stand between other options.

    argparse takes the first of them only, up to an option, and leaves the others over.
    """
    options, rest = build_parser(_command(arguments)).parse_known_args(arguments)
    words = rest
    if "--" in rest:
        place = rest.index("--")
        words, after = rest[:place], rest[place + 1 :]
    else:
        after = []
    if rest:
        name = options.several
        if name is None or any(len(word) > 1 and word.startswith("-") for word in words):
            options.refuse(f"unrecognized arguments: {' '.join(rest)}")
        setattr(options, name, [*getattr(options, name, []), *words, *after])
    return options
