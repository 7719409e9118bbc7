"""`blcf export`: a collection for other programs, or its hits for a file of queries."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blcf.bounds import BOUNDS, check_bounds
from blcf.checks import check_choice
from blcf.cli.command import COLLECTION, DONE, SKIPPED, WEIGHTS, make_command
from blcf.cli.commands import given, open_engine
from blcf.cli.outputs import STDOUT, Changed, Outputs, Read, Written, check_new_folder
from blcf.cli.queries import find_queries
from blcf.cli.search_options import add_device
from blcf.cli.searching import answers
from blcf.cli.units import count
from blcf.cli.values import integer
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput
from blcf.exporting import write_coco, write_parquet, write_picture_list, write_points
from blcf.exporting.exported import Exported
from blcf.exporting.parquet import is_parquet_file
from blcf.images import display_name
from blcf.measuring.run_file import RunFile
from blcf.qdrant import is_url
from blcf.searching import Hits, SearchOptions

__all__ = ["add_export", "export"]

FORMATS = ("parquet", "csv", "coco", "trec", "qdrant")
_OF_HITS = ("coco", "trec")


def add_export(commands: Any) -> None:
    """The arguments of `blcf export`."""
    place = (
        "what is written: a file; with parquet also a folder of files, with qdrant a folder of a "
        "shard or the URL of a server, http://HOST:PORT/NAME"
    )
    command = make_command(commands, "export", export, COLLECTION)
    add = command.add_argument
    add("place", metavar="PLACE", help=place)
    add(
        "--to",
        required=True,
        metavar="FORMAT",
        help="parquet: names, sizes, facts and bags; csv: the same without bags (- is standard "
        "output); qdrant: bags as sparse vectors, brought up to date where they are there; coco: "
        "pictures, and the boxes of hits for --queries; trec: the run file of --queries",
    )
    add(
        "--queries",
        type=Read,
        metavar="FILE",
        help="a CSV file of queries, as of blcf search, for coco and trec",
    )
    add("--frame", action="store_true", help="queries are pictures of the collection")
    add(
        "-k",
        type=integer,
        metavar="N",
        help=f"hits of a query, {BOUNDS['k'].span} (default: {SearchOptions().k})",
    )
    add("--weights", type=Read, metavar="FILE", help=WEIGHTS)
    add_device(command)


def export(options: argparse.Namespace) -> int:
    """`blcf export`: open, then write."""
    kind = options.to
    check_choice("the format, --to FORMAT,", kind, FORMATS)
    _check_options(options, kind)
    _take_place(options, kind)
    outputs = Outputs(options)
    if kind in _OF_HITS:
        return _export_hits(options, kind, outputs)
    with open_engine(options) as engine:
        outputs.spare_collection(engine.collection)
        if kind == "qdrant":
            return _export_points(engine, options)
        write: Callable[..., int] = write_parquet if kind == "parquet" else write_picture_list
        to_stdout = options.place == STDOUT
        n = write(engine, "/dev/stdout" if to_stdout else options.place)
    if not to_stdout:
        print(f"{count(n, 'picture')} of {options.collection} in {display_name(options.place)}")
    return DONE


def _check_options(options: argparse.Namespace, kind: str) -> None:
    """Raise `InvalidInput` for options that the format has no use for, or lacks."""
    if hasattr(options, "k"):
        check_bounds("k", options.k, "-k")
    if kind == "trec" and not hasattr(options, "queries"):
        raise InvalidInput("Expected the queries of the run file as well: --queries FILE.csv.")
    needless = [name for name in ("queries", "frame", "k") if hasattr(options, name)]
    if needless and kind not in _OF_HITS:
        raise InvalidInput(f"Expected queries with --to coco or --to trec, got --to {kind}.")
    if needless and not hasattr(options, "queries"):
        raise InvalidInput("Expected the queries as well: --queries FILE.csv.")


def _take_place(options: argparse.Namespace, kind: str) -> None:
    """Say what the command does with PLACE, for the check of outputs."""
    place = options.place
    if kind == "qdrant" and is_url(place):
        return
    is_folder = kind == "qdrant" or kind == "parquet" and not is_parquet_file(place)
    try:
        options.place = (Changed if is_folder else Written)(place)
    except argparse.ArgumentTypeError as error:
        raise InvalidInput(f"Expected PLACE as a path: {error}.") from error
    if place == STDOUT and kind != "csv":
        raise InvalidInput("Expected the path of a file: - is for --to csv only.")
    if is_folder:
        check_new_folder(place)
        if Path(place).is_file():
            hint = " (a Parquet file ends in .parquet)" if kind == "parquet" else ""
            raise InvalidInput(f"Expected a folder, got the file {display_name(place)}{hint}.")


def _export_points(engine: SearchEngine, options: argparse.Namespace) -> int:
    done = write_points(engine, options.place, progress=not options.quiet)
    print(
        f"{count(len(engine), 'picture')} of {options.collection} in "
        f"{display_name(options.place)}: {count(done.n_sent, 'vector')} sent ({done.n_new:,} new, "
        f"{done.n_changed:,} changed, {done.n_weighed:,} weighed anew), {done.n_described:,} "
        f"described anew, {done.n_removed:,} taken out, {done.n_kept:,} as they were"
    )
    return DONE


def _export_hits(options: argparse.Namespace, kind: str, outputs: Outputs) -> int:
    """COCO and run files, written as `blcf search` writes them."""
    queries = find_queries(options) if hasattr(options, "queries") else []
    if not hasattr(options, "frame"):
        outputs.spare(one.picture for one in queries)
    found: list[tuple[str, Hits]] = []
    n_skipped, run = 0, RunFile("LS")
    with open_engine(options) as engine:
        outputs.spare_collection(engine.collection)
        for asked, hits in answers(engine, queries, options, given(options, ["k"])):
            if isinstance(hits, str):
                n_skipped += 1
                print(f"blcf: skipped {asked.place}: {display_name(hits)}", file=sys.stderr)
                continue
            run.take(asked.label, hits)
            if kind == "coco":
                found.append((asked.label, hits))
        if queries and n_skipped == len(queries):
            raise InvalidInput(f"None of {n_skipped:,} queries could be searched with.")
        if kind == "trec":
            run.write(options.place)
            n_queries = len(queries) - n_skipped
            print(f"hits of {n_queries:,} queries in {display_name(options.place)}")
        else:
            n_images = write_coco(options.place, found, Exported.of(engine).rows())
            print(f"{count(n_images, 'picture')} in {display_name(options.place)}")
    return SKIPPED if n_skipped else DONE
