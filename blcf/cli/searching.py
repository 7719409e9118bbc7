"""`blcf search`: what was asked for, one call of the library, its result."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from blcf.cli.commands import DONE, given, open_engine
from blcf.engine import Hits, SearchEngine, SearchOptions
from blcf.engine.queries import Example
from blcf.errors import InvalidInput
from blcf.images import display_name

__all__ = ["check_drawing", "search"]

_OPTIONS = [field.name for field in fields(SearchOptions)]


def search(options: argparse.Namespace) -> int:
    """`blcf search`: open, then search."""
    for drawing in ("plot", "explain"):
        if hasattr(options, drawing):
            check_drawing(getattr(options, drawing))
    rank = _rank(options)
    engine = open_engine(options)
    hits = engine.search(**_asked(options, engine), **given(options, _OPTIONS))
    if hasattr(options, "plot"):
        hits.plot(options.plot)
    if hasattr(options, "explain"):
        if rank > len(hits):
            raise InvalidInput(
                f"Expected --explain-rank to be that of one of {len(hits)} hits, got {rank}."
            )
        hits.plot_evidence(rank - 1, options.explain)
    if hasattr(options, "json"):
        box = None if hits.query_box is None else [float(x) for x in hits.query_box]
        print(json.dumps({"query": options.image, "box": box, "hits": hits.to_dicts()}, indent=1))
    else:
        _print(hits)
    return DONE


def check_drawing(path: str) -> None:
    """Before the search, which takes seconds: can a picture be drawn there?"""
    try:
        from blcf.visualization import check_picture_path
    except ImportError:
        raise InvalidInput("Drawing needs matplotlib: pip install matplotlib.") from None
    check_picture_path(path)


def _rank(options: argparse.Namespace) -> int:
    """Which hit is explained, 1 for the first."""
    rank = getattr(options, "explain_rank", 1)
    if hasattr(options, "explain_rank") and not hasattr(options, "explain"):
        raise InvalidInput("Expected the picture to draw as well: --explain FILE --explain-rank N.")
    if rank < 1:
        raise InvalidInput(f"Expected --explain-rank to be 1 or more, got {rank}.")
    return rank


def _asked(options: argparse.Namespace, engine: SearchEngine) -> dict[str, Any]:
    """The picture, the object in it, and further examples, as `SearchEngine.search` takes them."""
    further = {name: getattr(options, name, []) for name in ("examples", "negatives")}
    pictures = [options.image, *(file for row in further.values() for file, _ in row)]
    source = "frame" if hasattr(options, "frame") else "image"
    if source == "image":
        _check_files(pictures, engine)
    how = given(options, ["how"])
    examples = {
        name: [Example(**{source: file, "box": box}, **how) for file, box in row]
        for name, row in further.items()
    }
    region = given(options, ["box", "polygon", "mask"])
    return {source: options.image, **region, **how, **examples}


def _check_files(pictures: list[str], engine: SearchEngine) -> None:
    """Raise `InvalidInput` for a name of the collection where a file was meant."""
    for one in pictures:
        if os.path.exists(one):
            continue
        collection = engine.collection
        ids = *collection.find([one]), *collection.find_paths([Path(os.path.abspath(one))])
        if max(ids) >= 0:
            raise InvalidInput(
                f"{display_name(one)}: there is no such file, but a picture of {collection.path} "
                "has that name. To search with the collection's own pictures, add --frame."
            )


def _print(hits: Hits) -> None:
    """A line per hit, and one for each further box of it, below the first."""
    for rank, hit in enumerate(hits, start=1):
        edges = "-" if hit.box is None else _edges(hit.box)
        print(f"{rank:4d}  {hit.score:.4f}  {edges:20s}  {display_name(hit.name)}")
        for box in [] if hit.boxes is None else hit.boxes[1:]:
            print(f"{'and':>12s}  {_edges(box)}")


def _edges(box: Any) -> str:
    return ",".join(f"{edge:.0f}" for edge in box)
