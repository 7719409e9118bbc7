"""The arguments of every command. Defaults are the library's: an option not given stays unset."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from blcf import __version__
from blcf.cli import commands as run
from blcf.cli import describing, evaluating, searching
from blcf.cli.change_commands import add_changes, add_films, add_root, add_sync
from blcf.cli.command import COLLECTION, EXIT, FRAMES, WEIGHTS, make_command
from blcf.cli.demo import demo
from blcf.cli.evaluation_options import add_data_set, add_measures
from blcf.cli.exports import add_exports
from blcf.cli.outputs import Changed, Read
from blcf.cli.search_options import add_device, add_object, add_output, add_search_options
from blcf.cli.serving import add_serve
from blcf.cli.settings_options import add_settings
from blcf.cli.training import add_train
from blcf.collection.settings import Settings

__all__ = ["build_parser", "parse_arguments"]


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="blcf",
        description="Find a particular object in a collection of pictures, and where it is.",
        epilog=EXIT,
    )
    parser.add_argument("--version", action="version", version=f"blcf {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (
        *(
            _add_index,
            _add_search,
            add_changes,
            add_sync,
            _add_list,
            _add_info,
            _add_check,
            _add_evaluate,
            add_train,
        ),
        *(add_serve, _add_demo),
    ):
        add(commands)
    return parser


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command; FRAMES, IMAGEs and PICTUREs may stand between other options.

    argparse takes the first of them only, up to an option, and leaves the others over.
    """
    options, rest = build_parser().parse_known_args(arguments)
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


def _add_index(commands: Any) -> None:
    command = make_command(
        commands,
        "index",
        run.index,
        "Index pictures into a collection (a new one, or one that exists: what it holds is passed "
        "over, so the same command resumes an interrupted run).",
        COLLECTION,
        ("frames", "+", "FRAMES", FRAMES),
    )
    command.usage = "blcf index COLLECTION FRAMES ... [options]"
    add_root(command)
    add_films(command)
    add_settings(command)


def _add_search(commands: Any) -> None:
    command = make_command(
        commands,
        "search",
        searching.search,
        "Find the pictures that show the object in a picture: ranked by score (cosine similarity, "
        "1 at most), with boxes in pixels.",
        COLLECTION,
        (
            *("image", "*", "IMAGE[@X1,Y1,X2,Y2]"),
            "picture that shows the object, and the box around it; several are searched with one "
            "after the other",
        ),
    )
    # The list of all options would bury the sentence that says what is wrong.
    command.usage = "blcf search COLLECTION IMAGE ... [--box X1,Y1,X2,Y2] [options]"
    command.add_argument(
        "--queries",
        type=Read,
        metavar="FILE",
        help="a CSV file of more of them (-: standard input): picture,x1,y1,x2,y2 in a row, or the "
        "picture alone; paths are relative to its folder; a first row that names the columns may "
        "have them in any order",
    )
    command.add_argument("--weights", type=Read, metavar="FILE", help=WEIGHTS)
    add_object(command)
    add_output(command)
    add_exports(command)
    add_search_options(command)


def _add_list(commands: Any) -> None:
    command = make_command(
        commands,
        "list",
        describing.list_collection,
        "List the pictures of a collection: state (live; removed; skipped, with the reason), width "
        "and height in pixels, name.",
        COLLECTION,
    )
    command.add_argument(
        "--csv", action="store_true", help="as CSV: name,width,height,state,reason,path"
    )
    command.add_argument("--json", action="store_true", help="as JSON")


def _add_check(commands: Any) -> None:
    command = make_command(
        commands,
        "check",
        run.check,
        "Check every file of a collection and say what is damaged.",
        COLLECTION,
    )
    command.add_argument(
        "--repair",
        action="store_true",
        help="move what is damaged to COLLECTION/damaged and list the pictures to add again",
    )
    command.add_argument("--json", action="store_true", help="as JSON")


def _add_info(commands: Any) -> None:
    text = "Say what a collection is: pictures, words, bytes."
    command = make_command(commands, "info", describing.info, text, COLLECTION)
    command.add_argument(
        "--verbose",
        action="store_true",
        help="how it is stored, and everything that it was made with, too",
    )
    command.add_argument("--json", action="store_true", help="all of it as JSON")


def _add_evaluate(commands: Any) -> None:
    command = make_command(
        commands,
        "evaluate",
        evaluating.evaluate,
        "Measure rankings and boxes on a data set: average precision or what its protocol says, "
        "localisation, the worst queries.",
        COLLECTION,
    )
    command.add_argument(
        "truth", type=Read, metavar="TRUTH", help="gt.json, or the folder of a known data set"
    )
    command.usage = "blcf evaluate COLLECTION TRUTH [options]"
    command.add_argument("--weights", type=Read, metavar="FILE", help=WEIGHTS)
    add_data_set(command)
    add_measures(command)
    add_search_options(command)


def _add_demo(commands: Any) -> None:
    command = make_command(
        commands,
        "demo",
        demo,
        "Show what the engine does, in less than a minute: index a small collection, search for "
        "objects in it, and write a page of what was found.",
        {},
    )
    add = command.add_argument
    add(
        "pictures",
        nargs="?",
        default=None,  # not SUPPRESS, which argparse would hand to the type
        type=Read,
        metavar="FOLDER",
        help="your own pictures (some of them are indexed); default: scenes composed from "
        "photographs that installed libraries carry, where it is known what is right",
    )
    add(
        "--out",
        type=Changed,
        metavar="FOLDER",
        help="where everything is written; an earlier demo there is replaced (default: blcf-demo)",
    )
    add("--network", help=f"as of blcf index (default: {Settings.network})")
    add("--weights", type=Read, metavar="FILE", help="as of blcf index")
    add("--json", action="store_true", help="results as JSON")
    add_device(command)
