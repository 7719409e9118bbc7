"""Commands that make and change a collection: one call of the library each, and what it did."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from blcf.adding.indexer import AddReport
from blcf.cli.clusters import shards_of
from blcf.cli.command import DONE, SKIPPED
from blcf.cli.outputs import check_new_folder
from blcf.cli.shards import check_whole, index_on_cluster
from blcf.cli.sources import check_order, find_frames
from blcf.cli.units import bytes_text, count
from blcf.collection import Settings, check_collection
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.images import ImageList, display_name
from blcf.storage import open_plain

__all__ = [
    "add",
    "annotate",
    "check",
    "compact",
    "given",
    "index",
    "open_engine",
    "remove",
    "say_skipped",
]

_RUNTIME = ("device", "dtype", "weights", "index")


def given(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """The options that were given; the library knows the defaults of the others."""
    return {name: getattr(options, name) for name in names if hasattr(options, name)}


def open_engine(options: argparse.Namespace) -> SearchEngine:
    """Open the collection."""
    return SearchEngine.open(options.collection, **given(options, _RUNTIME), **shards_of(options))


def index(options: argparse.Namespace) -> int:
    """`blcf index`: create or open, then add."""
    settings = given(options, [field.name for field in fields(Settings)])
    _take_network(settings)
    Settings(**settings)  # what is wrong with a number, before anything is looked for
    check_order(options, "index")
    check_new_folder(options.collection)
    if not hasattr(options, "cluster"):
        check_whole(options)
    images = find_frames(options)  # before a collection is made for nothing
    if hasattr(options, "cluster"):
        return _say_added(*index_on_cluster(options, images, settings), images, options)
    exists = (Path(options.collection) / "manifest.json").exists()
    if exists:
        engine = open_engine(options)
        _check_same(engine, settings)
    else:
        runtime = given(options, ("device", "dtype"))
        engine = SearchEngine.create(options.collection, **settings, **runtime)
        if "network" not in settings and not options.quiet:
            print(
                f"blcf: network {Settings.network}, which the package carries (none was named; "
                "the paper's is --network vgg16)",
                file=sys.stderr,
            )
    try:
        return _add(engine, images, options)
    except InvalidInput:
        if not exists and not engine.model.is_learned:  # these settings or pictures never do
            engine.collection.discard()
        raise


def _take_network(settings: dict[str, Any]) -> None:
    """Take the network from weights that say whose they are, where none was named."""
    if "weights" not in settings or "network" in settings:
        return
    from blcf.features.network_file import is_network_file, read_network_file

    if is_network_file(settings["weights"]):
        settings["network"] = read_network_file(settings["weights"]).network


def add(options: argparse.Namespace) -> int:
    """`blcf add`: open, then add."""
    check_order(options, "add")
    engine = open_engine(options)
    return _add(engine, find_frames(options), options, **given(options, ["replace"]))


def _add(engine: SearchEngine, images: ImageList, options: argparse.Namespace, **how: Any) -> int:
    """Add, and say what was done."""
    report = engine.add(images, progress=not options.quiet, **how)
    return _say_added(report, count(len(engine), "picture"), images, options)


def _say_added(report: AddReport, held: str, images: ImageList, options: argparse.Namespace) -> int:
    """Say what was done, and how many pictures are held now."""
    replaced = f"{report.n_replaced:,} replaced, " if report.n_replaced else ""
    n_dropped = len(report.dropped)
    left_out = f", {count(n_dropped, 'frame')} of one colour left out" if n_dropped else ""
    print(
        f"{held} in {options.collection}: {report.n_added:,} added, "
        f"{replaced}{report.n_present:,} were there, {len(report.skipped):,} skipped{left_out}"
    )
    say_changed(report, images, options.collection)
    say_skipped(report.skipped, options.collection)
    return SKIPPED if report.skipped or images.problems else DONE


def say_changed(report: AddReport, images: ImageList, collection: str) -> None:
    """In one line, that the folder is no longer as it was indexed."""
    if report.n_changed or report.n_gone:
        command = ["blcf", "sync", collection, str(images.root)]
        command += ["--as", images.prefix] if images.prefix else []
        print(
            f"blcf: of the pictures that were there {report.n_changed:,} have changed since and "
            f"{report.n_gone:,} are gone; to follow: {display_name(shlex.join(command))}",
            file=sys.stderr,
        )


def say_skipped(skipped: Mapping[str, str], collection: str | os.PathLike[str]) -> None:
    """Name the first pictures that were skipped, with their reasons, and the list of all."""
    for name, reason in list(skipped.items())[:10]:
        print(f"blcf: skipped {display_name(name)}: {display_name(reason)}", file=sys.stderr)
    if skipped:
        print(
            f"blcf: {count(len(skipped), 'picture')} skipped; all of them, with their reasons: "
            f"blcf list {collection}, or {Path(collection) / 'errors.jsonl'}",
            file=sys.stderr,
        )


def remove(options: argparse.Namespace) -> int:
    """`blcf remove`: open, then remove."""
    pictures = list(getattr(options, "pictures", []))
    if hasattr(options, "list"):
        pictures += _lines(options.list)
    if not pictures:
        raise InvalidInput("Expected pictures to remove: names or paths, or a list (--list FILE).")
    engine = SearchEngine.open(options.collection)
    n_removed = engine.remove(pictures)
    print(f"{count(len(engine), 'picture')} in {options.collection}: {n_removed:,} removed")
    return DONE


def _lines(path: str) -> list[str]:
    """The lines of a file (- is stdin) that are not empty."""
    try:
        if path == "-":
            text = sys.stdin.read()
        else:
            with open_plain(path) as file:
                text = file.read().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"Expected {path} to hold one picture per line, in UTF-8.") from None
    return [line for line in text.split("\n") if line.strip()]


def annotate(options: argparse.Namespace) -> int:
    """`blcf annotate`: open, then write the facts of a table."""
    engine = SearchEngine.open(options.collection)
    n_said = engine.annotate(options.table)
    columns = ", ".join(engine.info()["fact_columns"]) or "none"
    print(f"facts of {count(n_said, 'picture')} in {options.collection}; columns: {columns}")
    return DONE


def compact(options: argparse.Namespace) -> int:
    """`blcf compact`: open, then compact."""
    before, after = SearchEngine.open(options.collection).compact()
    print(f"{options.collection}: {bytes_text(before)} before, {bytes_text(after)} after")
    return DONE


def check(options: argparse.Namespace) -> int:
    """`blcf check`: every file of a collection against its digest."""
    report = check_collection(options.collection, repair=hasattr(options, "repair"))
    if hasattr(options, "json"):
        print(json.dumps(asdict(report), indent=1, default=str))
        return DONE if report.is_sound else SKIPPED
    for damage in report.damages:
        lost = f" ({count(damage.n_images, 'picture')})" if damage.n_images else ""
        print(f"damaged: {damage.file}{lost}: {display_name(damage.reason)}")
        for name in damage.names:
            print(f"  {display_name(name)}")
        if damage.listed:
            print(f"to add them again: blcf add {options.collection} {damage.listed}")
    for one in report.unreadable:
        print(f"unreadable: {one.file}: {display_name(one.reason)}")
    if not report.has_copy:
        print(f"{options.collection}: no copy of the manifest yet, the next `blcf add` makes it")
    state = "sound" if report.is_sound else "repaired" if report.repaired else "DAMAGED"
    if report.unreadable:
        state = "NOT READ WHOLE, and nothing was changed"
    held = f"{count(report.n_images, 'picture')} in {count(report.n_segments, 'segment')}"
    print(f"{options.collection}: {state}, {held}")
    if state == "DAMAGED" and not hasattr(options, "repair"):
        print(f"to repair it: blcf check {options.collection} --repair")
    return DONE if report.is_sound else SKIPPED


def _check_same(engine: SearchEngine, settings: dict[str, Any]) -> None:
    """Settings belong to the collection: another value than its own is a mistake."""
    extractor = engine.collection.manifest["extractor"]
    for name, value in settings.items():
        made = extractor["layer"] if name == "layer" else getattr(engine.settings, name)
        same = (made, extractor["node"]) if name == "layer" else (made,)
        if name != "weights" and value not in same:
            raise VocabularyMismatch(
                f"{engine.collection.path} was made with {name} {made!r}, got {value!r}. "
                "Leave the option out to add to it, or index into another folder."
            )
