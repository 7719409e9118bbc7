"""A command of the parser, and the arguments that several share."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = [
    "COLLECTION",
    "DONE",
    "EXIT",
    "FRAMES",
    "ROWS",
    "SKIPPED",
    "TEXTS",
    "WEIGHTS",
    "make_command",
]

DONE, SKIPPED = 0, 3

EXIT = (
    "exit status: 0 done; 2 a mistake in the call or its input; 3 done, but some pictures were "
    "skipped or something is damaged; 130 interrupted"
)

ROWS = ("--box", "--polygon", "--shares", "--query-scales")  # numbers between commas

WEIGHTS = "where the weights are now"

# What each command does, in the order of the help. Here, so that `blcf --help` imports none of
# them, which would take a second.
TEXTS = {
    "index": (
        "Index pictures into a collection (a new one, or one that exists: what it holds is passed"
        " over, so the same command resumes an interrupted run)."
    ),
    "search": (
        "Find the pictures that show the object in a picture: ranked by score (cosine similarity,"
        " 1 at most), with boxes in pixels."
    ),
    "add": "Add pictures to a collection; those that it holds are passed over.",
    "remove": "Remove pictures from a collection (not from the disk).",
    "annotate": (
        "Say something of pictures of a collection, in columns that --where can ask for: the "
        "cells of a table. What other columns say stays."
    ),
    "compact": "Give back the space of removed pictures and join small segments.",
    "sync": (
        "Make a collection follow a folder of pictures: new ones are indexed, changed ones again,"
        " moved ones renamed, deleted ones removed."
    ),
    "list": (
        "List the pictures of a collection: state (live; removed; skipped, with the reason), "
        "width and height in pixels, name."
    ),
    "info": "Say what a collection is: pictures, words, bytes.",
    "check": "Check every file of a collection and say what is damaged.",
    "merge": (
        "Make one collection of several of the same model, or of the shards of one; they are "
        "copied, no network is needed, and names must differ."
    ),
    "split": "Make a collection in shards of one in one piece, which is copied.",
    "evaluate": (
        "Measure rankings and boxes on a data set: average precision or what its protocol says, "
        "localisation, the worst queries."
    ),
    "export": (
        "Write a collection for other programs: its pictures and bags as tables, points of Qdrant, "
        "or its hits for a file of queries."
    ),
    "train": (
        "Learn from labelled photographs what tells things of your kind apart: a file of weights,"
        " with which an index finds them better. What was learned is kept after each epoch, so "
        "the same command goes on where it was stopped."
    ),
    "serve": (
        "Serve collections as a page in a browser, and in JSON for programs, until Ctrl-C. Only "
        "this machine reaches it, and only who knows the token that is printed."
    ),
    "demo": (
        "Show what the engine does, in less than a minute: index a small collection, search for "
        "objects in it, and write a page of what was found."
    ),
}

COLLECTION = {"collection": "folder of the collection"}
FRAMES = (
    "folders of pictures and films, list files (one path per line), pictures, films; - is a list "
    "on standard input"
)


def make_command(
    commands: Any,
    name: str,
    function: Any,
    arguments: dict[str, str],
    several: tuple[str, str, str, str] | None = None,
) -> Any:
    """A command of `TEXTS`; `several` may be repeated: dest, nargs, metavar, help."""
    from blcf.cli.outputs import Changed  # late: it knows collections

    text = TEXTS[name]
    command = commands.add_parser(
        name, help=text, description=text, epilog=EXIT, argument_default=argparse.SUPPRESS
    )
    command.set_defaults(
        run=function, command=name, quiet=False, several=None, refuse=command.error
    )
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
