"""`blcf search`: what was asked for, and a search for each query."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from blcf.bounds import check_bounds
from blcf.cli.clusters import add_cluster
from blcf.cli.command import COLLECTION, DONE, SKIPPED, WEIGHTS, make_command
from blcf.cli.commands import given, open_engine
from blcf.cli.exports import Exports, add_exports
from blcf.cli.outputs import Outputs, Read
from blcf.cli.queries import Asked, find_queries
from blcf.cli.results import check_results, open_results
from blcf.cli.search_options import add_object, add_output, add_search_options
from blcf.cli.units import count
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput
from blcf.images import display_name, film_of
from blcf.pages import MOST_SHOWN
from blcf.progress import tqdm
from blcf.searching import Hits, Moments, SearchOptions
from blcf.searching.grouping import hits_of_groups
from blcf.searching.queries import Example

__all__ = ["add_search", "answers", "check_drawing", "search"]

_OPTIONS = [field.name for field in fields(SearchOptions)]


def search(options: argparse.Namespace) -> int:
    """`blcf search`: open, then search."""
    how = given(options, _OPTIONS)
    SearchOptions.from_keywords(how)  # what is wrong for all queries, before the first
    if hasattr(options, "group"):
        how["k"] = hits_of_groups(how.get("k", SearchOptions().k))
    elif hasattr(options, "similarity"):
        raise InvalidInput("Expected --group near with --similarity.")
    rank = _rank(options)
    outputs = Outputs(options)
    for drawing in ("plot", "sheet", "explain"):
        if hasattr(options, drawing):
            check_drawing(getattr(options, drawing))
    check_results(options)
    exports = Exports(options)
    queries = find_queries(options)
    if not hasattr(options, "frame"):
        outputs.spare(one.picture for one in queries)
    engine = open_engine(options)
    outputs.spare_collection(engine.collection)
    with open_results(options, queries, engine) as results:
        for asked, hits in answers(engine, queries, options, how):
            if isinstance(hits, str):
                results.skip(asked, hits)
                continue
            moments = _grouped(hits, options)
            hits = hits if moments is None else moments.best
            if hasattr(options, "plot"):
                hits.plot(options.plot, MOST_SHOWN)
            if hasattr(options, "sheet"):
                (hits if moments is None else moments).sheet(options.sheet, MOST_SHOWN)
            if hasattr(options, "explain"):
                _explain(hits, rank, options.explain)
            results.add(asked, hits, moments)
            exports.add(asked.label, hits, moments)
    exports.finish()
    return SKIPPED if results.n_skipped or results.missing else DONE


def _grouped(hits: Hits, options: argparse.Namespace) -> Moments | None:
    """As many moments as hits were asked for, or None."""
    if not hasattr(options, "group"):
        return None
    moments = hits.group(options.group, **given(options, ["similarity"]))
    return moments[: getattr(options, "k", SearchOptions().k)]


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
    check_bounds("explain_rank", rank, "--explain-rank")
    return rank


def answers(
    engine: SearchEngine, queries: list[Asked], options: argparse.Namespace, how: dict[str, Any]
) -> Iterator[tuple[Asked, Hits | str]]:
    """Each query with its hits, or the reason why there are none."""
    # Where hits are printed as they come, they say themselves how far it is.
    is_silent = options.quiet or len(queries) == 1 or sys.stdout.isatty()
    for asked in tqdm(queries, desc="searching", unit=" query", disable=is_silent):
        try:
            hits: Hits | str = engine.search(**_words(asked, options, engine), **how)
        except InvalidInput as error:  # one bad picture stops no search of many
            if len(queries) == 1:
                raise
            hits = getattr(error, "reason", "") or str(error)
        yield asked, hits


def _words(asked: Asked, options: argparse.Namespace, engine: SearchEngine) -> dict[str, Any]:
    """The picture, the object in it, and further examples, as `SearchEngine.search` takes them."""
    further = {name: getattr(options, name, []) for name in ("examples", "negatives")}
    pictures = [asked.picture, *(file for row in further.values() for file, _ in row)]
    sources = {
        file: "frame" if hasattr(options, "frame") or _is_held(file, engine) else "image"
        for file in pictures
    }
    _check_files([file for file in pictures if sources[file] == "image"], engine)
    how = given(options, ["how"])
    examples = {
        name: [Example(**{sources[file]: file, "box": box}, **how) for file, box in row]
        for name, row in further.items()
    }
    region = given(options, ["box", "polygon", "mask"])
    if asked.box is not None:
        region["box"] = asked.box
    return {sources[asked.picture]: asked.picture, **region, **how, **examples}


def _is_held(file: str, engine: SearchEngine) -> bool:
    """Whether a picture is a frame of a film that the collection holds: it needs no network."""
    return bool(film_of(file)) and not os.path.exists(file) and file in engine


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


def _explain(hits: Hits, rank: int, path: str) -> None:
    if rank > len(hits):
        raise InvalidInput(
            f"Expected --explain-rank to be that of one of {count(len(hits), 'hit')}, got {rank}."
        )
    hits.plot_evidence(rank - 1, path)


def add_search(commands: Any) -> None:
    """The arguments of `blcf search`."""
    command = make_command(
        commands,
        "search",
        search,
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
    command.add_argument(
        "--index",
        metavar="qdrant:PLACE",
        help="rank in what blcf export --to qdrant has written at PLACE, a folder or a URL; the "
        "hits are the same",
    )
    add_object(command)
    add_output(command)
    add_exports(command)
    add_search_options(command)
    add_cluster(command)
