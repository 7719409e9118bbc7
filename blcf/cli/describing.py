"""`blcf info` and `blcf list`: what a collection is, and what it holds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, astuple, fields
from typing import Any

from blcf.cli.clusters import add_cluster, shards_of
from blcf.cli.command import COLLECTION, DONE, make_command
from blcf.cli.units import bytes_text, count
from blcf.collection.description import ListedPicture
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput
from blcf.images import display_name
from blcf.searching.hit_rows import csv_text
from blcf.sharded.describing import listed

__all__ = ["add_info", "add_list", "info", "list_collection"]

_LABEL = 14  # letters


def info(options: argparse.Namespace) -> int:
    """`blcf info`: open, then say what it is."""
    facts = SearchEngine.open(options.collection, **shards_of(options)).info()
    if hasattr(options, "json"):
        print(json.dumps(facts, indent=1))
        return DONE
    _print_rows(_facts(facts, options.collection))
    if hasattr(options, "verbose"):
        _print_rows(_internals(facts))
        for part in ("settings", "extractor", "model"):
            print(f"{part}:")
            for name, value in (facts[part] or {}).items():
                print(f"  {name:22s} {value}")
    return DONE


def _print_rows(rows: Iterator[tuple[str, str]]) -> None:
    for label, text in rows:
        print(f"{label:{_LABEL}s} {display_name(text)}")


def _facts(facts: Mapping[str, Any], collection: str) -> Iterator[tuple[str, str]]:
    """What a person wants to know."""
    yield "collection", facts["path"]
    held = f"{facts['n_images']:,}"
    if facts["n_removed"]:
        held += f", {facts['n_removed']:,} removed (blcf compact gives their space back)"
    if facts["n_skipped"]:
        held += f", {facts['n_skipped']:,} skipped (blcf list says why)"
    yield "pictures", held
    if "n_shards" in facts:
        yield "shards", f"{facts['n_shards']:,}"
    if not facts["model"]:
        yield "words", "none yet: the first pictures make the vocabulary"
    else:
        began = str(facts["model"].get("vocabulary"))
        kinds = {"generic": "the package's", "refined": "the package's, refined"}
        kind = kinds.get(began, "its own")
        words = f"{facts['model']['n_words']:,} in the vocabulary ({kind})"
        if facts["n_images"]:
            n_a_picture = facts["n_postings"] / (facts["n_images"] + facts["n_removed"])
            words += f", {facts['words_used']:,} in use, {n_a_picture:,.0f} different a picture"
        yield "words", words
    extractor, settings = facts["extractor"], facts["settings"]
    made = (
        f"network {extractor['network']}, layer {extractor['layer']}, pictures of "
        f"{settings['side']:,} pixels (the longer side)"
    )
    if n := settings.get("tiles"):
        made += f", {n} x {n} tiles"
        if side := settings.get("tile_side"):
            made += f" of pictures of {side:,}"
    yield "made with", made
    if facts["fact_columns"]:
        yield "facts", ", ".join(facts["fact_columns"])
    size = bytes_text(facts["bytes"])
    if facts["bytes_per_image"] is not None:
        size += f", {bytes_text(facts['bytes_per_image'])} a picture"
    yield "on disk", size


def _internals(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """How it is stored."""
    yield "format", f"version {facts['format_version']}, {count(facts['n_segments'], 'segment')}"
    yield "cells", f"{count(facts['n_cells'], 'cell')} of assignment maps"
    if "n_words" in facts:
        yield (
            "posting lists",
            f"{count(facts['n_postings'], 'posting')} of {facts['bytes_per_posting']:.2f} bytes",
        )
        lengths = ", ".join(f"{part} {n:,}" for part, n in facts["list_lengths"].items())
        yield "list lengths", f"pictures of a word, quantiles: {lengths}"
        yield (
            "imbalance",
            f"{facts['imbalance']:,.2f} times the cost of lists that are all equally long",
        )


def list_collection(options: argparse.Namespace) -> int:
    """`blcf list`: every picture with its state and size, or the reason why it was skipped."""
    if hasattr(options, "csv") and hasattr(options, "json"):
        raise InvalidInput("Expected one of --csv and --json, got both.")
    pictures = listed(SearchEngine.open(options.collection, **shards_of(options)).collection)
    if hasattr(options, "csv"):
        columns = [field.name for field in fields(ListedPicture)]
        rows = (["" if cell is None else cell for cell in astuple(one)] for one in pictures)
        print(csv_text(columns, rows), end="")
    elif hasattr(options, "json"):
        print(json.dumps([asdict(one) for one in pictures], indent=1))
    else:
        _print_pictures(pictures, options)
    return DONE


def _print_pictures(pictures: Iterator[ListedPicture], options: argparse.Namespace) -> None:
    if sys.stdout.isatty():
        print(f"{'state':7s}  {'size (px)':>11s}  name")
    counts: dict[str, int] = {}
    for one in pictures:
        counts[one.state] = counts.get(one.state, 0) + 1
        size = "-" if one.width is None else f"{one.width}x{one.height}"
        reason = f": {display_name(one.reason)}" if one.reason else ""
        print(f"{one.state:7s}  {size:>11s}  {display_name(one.name)}{reason}")
    if not options.quiet:
        said = ", ".join(f"{n:,} {state}" for state, n in counts.items())
        print(f"blcf: {said or 'no pictures'}", file=sys.stderr)


def add_info(commands: Any) -> None:
    """The arguments of `blcf info`."""
    command = make_command(commands, "info", info, COLLECTION)
    command.add_argument(
        "--verbose",
        action="store_true",
        help="how it is stored, and everything that it was made with, too",
    )
    command.add_argument("--json", action="store_true", help="all of it as JSON")
    add_cluster(command)


def add_list(commands: Any) -> None:
    """The arguments of `blcf list`."""
    command = make_command(
        commands,
        "list",
        list_collection,
        COLLECTION,
    )
    command.add_argument(
        "--csv", action="store_true", help="as CSV: name,width,height,state,reason,path"
    )
    command.add_argument("--json", action="store_true", help="as JSON")
    add_cluster(command)
