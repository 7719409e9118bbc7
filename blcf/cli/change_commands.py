"""The arguments of the commands that make, change and mend a collection."""

from __future__ import annotations

from typing import Any

from blcf.bounds import BOUNDS
from blcf.cli import commands as run
from blcf.cli import syncing
from blcf.cli.command import COLLECTION, FRAMES, WEIGHTS, make_command
from blcf.cli.outputs import Read
from blcf.cli.search_options import add_device
from blcf.cli.settings_options import add_settings
from blcf.cli.shards import add_shards
from blcf.cli.values import number, seconds
from blcf.images.films import CHOICES

__all__ = [
    "add_add",
    "add_annotate",
    "add_check",
    "add_compact",
    "add_films",
    "add_index",
    "add_remove",
    "add_root",
    "add_sync",
]


def add_index(commands: Any) -> None:
    """The arguments of `blcf index`."""
    command = _with_frames(commands, "index", run.index)
    add_settings(command)
    add_shards(command)


def add_add(commands: Any) -> None:
    """The arguments of `blcf add`."""
    command = _with_frames(commands, "add", run.add)
    command.add_argument(
        "--replace", action="store_true", help="index pictures that it holds again (they changed)"
    )
    command.add_argument("--weights", type=Read, metavar="FILE", help=WEIGHTS)
    add_device(command)


def _with_frames(commands: Any, name: str, function: Any) -> Any:
    """A command that takes a collection, and pictures to index however they are named."""
    command = make_command(commands, name, function, COLLECTION, ("frames", "+", "FRAMES", FRAMES))
    command.usage = f"blcf {name} COLLECTION FRAMES ... [options]"
    add_root(command)
    add_films(command)
    return command


def add_remove(commands: Any) -> None:
    """The arguments of `blcf remove`."""
    command = make_command(
        commands,
        "remove",
        run.remove,
        COLLECTION,
        ("pictures", "*", "PICTURE", "name or path"),
    )
    command.add_argument(
        "--list", type=Read, metavar="FILE", help="more of them, one per line (-: stdin)"
    )


def add_annotate(commands: Any) -> None:
    """The arguments of `blcf annotate`."""
    command = make_command(commands, "annotate", run.annotate, COLLECTION)
    command.add_argument(
        "table",
        type=Read,
        metavar="FILE",
        help="a CSV file in UTF-8 (commas, semicolons or tabs): the column name, or else the "
        "first, holds names or paths of pictures; numbers become numbers, an empty cell is none",
    )


def add_compact(commands: Any) -> None:
    """The arguments of `blcf compact`."""
    make_command(commands, "compact", run.compact, COLLECTION)


def add_sync(commands: Any) -> None:
    """The arguments of `blcf sync`."""
    command = make_command(commands, "sync", syncing.sync, COLLECTION)
    command.add_argument("folder", type=Read, metavar="FOLDER", help="that was indexed")
    command.add_argument(
        "--dry-run", action="store_true", help="only list what would be done (TYPE NAME in a line)"
    )
    command.add_argument("--json", action="store_true", help="what was done as JSON")
    _add_name(command)
    add_films(command, "as those of the film that are held were taken")
    command.add_argument("--weights", type=Read, metavar="FILE", help=WEIGHTS)
    add_device(command)


def _add_name(command: Any) -> None:
    command.add_argument(
        "--as",
        dest="name",
        metavar="NAME",
        help="stands before the names, like a folder's: two memory cards that both hold "
        "DSC_0001.jpg are --as A and --as B",
    )


def add_films(command: Any, default: str = "") -> None:
    """Which frames of films are taken; `default` is what is done without, in words."""
    command.add_argument(
        "--every",
        type=seconds,
        metavar="SECONDS",
        help="of a film a frame is taken each so many seconds, by its time stamps, "
        f"{BOUNDS['every'].span} (default: {default or 1})",
    )
    command.add_argument(
        "--frames",
        dest="choose",
        choices=CHOICES,
        help="which frames of a film: every, one each --every SECONDS; shots, the middle of each "
        f"shot and one each --every SECONDS from there (default: {default or 'every'})",
    )
    command.add_argument(
        "--shot-threshold",
        type=number,
        metavar="N",
        help="how much a frame differs from the one before, relative to those around it, where a "
        f"shot begins, {BOUNDS['shot_threshold'].span} (default: {default or 3})",
    )


def add_root(command: Any) -> None:
    """What says how pictures are named."""
    _add_name(command)
    command.add_argument(
        "--root",
        type=Read,
        metavar="FOLDER",
        help="pictures are named by their paths below it (default: the folder that FRAMES is; of "
        "several the deepest that holds them all)",
    )


def add_check(commands: Any) -> None:
    """The arguments of `blcf check`."""
    command = make_command(commands, "check", run.check, COLLECTION)
    command.add_argument(
        "--repair",
        action="store_true",
        help="move what is damaged to COLLECTION/damaged and list the pictures to add again",
    )
    command.add_argument("--json", action="store_true", help="as JSON")
