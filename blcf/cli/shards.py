"""Commands of collections in shards: `blcf merge`, `blcf split`, and `blcf index --cluster`."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

from blcf.adding.indexer import AddReport
from blcf.bounds import BOUNDS
from blcf.cli.clusters import add_address, cluster_of
from blcf.cli.command import DONE, make_command
from blcf.cli.outputs import Changed, Read, check_new_folder
from blcf.cli.units import count
from blcf.cli.values import integer
from blcf.collection import Collection, Settings
from blcf.collection.shards import Shards, is_sharded
from blcf.errors import InvalidInput
from blcf.images import ImageList

__all__ = ["add_merge", "add_shards", "add_split", "check_whole", "index_on_cluster"]

_SHARDS = f"how many, {BOUNDS['n_shards'].span}"


def add_merge(commands: Any) -> None:
    """The arguments of `blcf merge`."""
    command = make_command(commands, "merge", _merge, {"out": "folder of the new collection"})
    command.set_defaults(several="collections")
    command.add_argument(
        "collections",
        nargs="+",
        type=Read,
        metavar="COLLECTION",
        help="collections of one model, in this order, or collections in shards; they stay as "
        "they are",
    )
    command.usage = "blcf merge OUT COLLECTION ... [options]"


def add_split(commands: Any) -> None:
    """The arguments of `blcf split`."""
    arguments = {"collection": "that stays as it is", "out": "folder of the new collection"}
    command = make_command(commands, "split", _split, arguments)
    command.add_argument(
        "--shards", dest="n_shards", type=integer, required=True, metavar="N", help=_SHARDS
    )


def add_shards(command: Any) -> None:
    """The options of an index that a cluster makes."""
    group = command.add_argument_group("shards", "a collection in shards, that a cluster indexes")
    add_address(group, "read the pictures and index them")
    group.add_argument(
        "--shards",
        dest="n_shards",
        type=integer,
        metavar="N",
        help=f"{_SHARDS}, of a new collection (default: as many as there are workers)",
    )
    group.add_argument(
        "--disks",
        type=Changed,
        metavar="FOLDER",
        help="where each worker keeps its shards, on a disk of its own; {worker} in it is the "
        "worker's name (default: in COLLECTION, which all workers must see then)",
    )


def _merge(options: argparse.Namespace) -> int:
    """`blcf merge`."""
    from blcf.distributed.merging import merge

    check_new_folder(options.out)
    n_images = merge(options.out, options.collections, progress=not options.quiet)
    print(f"{count(n_images, 'picture')} in {options.out}")
    return DONE


def _split(options: argparse.Namespace) -> int:
    """`blcf split`."""
    from blcf.distributed.splitting import split

    check_new_folder(options.out)
    shards = split(options.collection, options.out, options.n_shards, progress=not options.quiet)
    print(f"{_held(shards)} in {count(len(shards), 'shard')} of {options.out}")
    return DONE


def _held(shards: Shards) -> str:
    """How many pictures shards hold, of those that this process sees."""
    n_images = 0
    for path in shards.paths:
        if not path.is_dir():
            return "pictures"
        with Collection.open(path) as one:
            n_images += one.n_images
    return count(n_images, "picture")


def check_whole(options: argparse.Namespace) -> None:
    """Raise `InvalidInput` for what needs a cluster, where none is named."""
    for name, option in (("n_shards", "--shards"), ("disks", "--disks")):
        if hasattr(options, name):
            raise InvalidInput(
                f"Expected --cluster with {option}: local:N starts N processes on this machine."
            )
    if is_sharded(options.collection):
        raise InvalidInput(
            f"{options.collection} is in shards. Say which machines index into it: --cluster "
            "ADDRESS, or --cluster local:N for processes of this one."
        )


def index_on_cluster(
    options: argparse.Namespace, images: ImageList, settings: dict[str, Any]
) -> tuple[AddReport, str]:
    """Index on a cluster; gives what was done, and how many pictures there are now, in words.

    Parameters
    ----------
    settings : fields of `Settings` that were given
    """
    known = {field.name for field in fields(Settings)}
    assert known.issuperset(settings)
    runtime = {
        name: getattr(options, name) for name in ("device", "dtype") if hasattr(options, name)
    }
    if hasattr(options, "n_shards"):
        runtime["n_shards"] = options.n_shards
    if hasattr(options, "disks"):
        runtime["folder"] = options.disks
    report = cluster_of(options).index(
        images, options.collection, progress=not options.quiet, **runtime, **settings
    )
    if not is_sharded(options.collection):  # there was no picture
        return report, count(0, "picture")
    shards = Shards.read(Path(options.collection))
    return report, f"{_held(shards)} in {count(len(shards), 'shard')}"
