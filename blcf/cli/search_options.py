"""The options of a search: where the object is, and every field of `SearchOptions` by its name."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from blcf.bags import HOWS
from blcf.bounds import BOUNDS
from blcf.cli.outputs import Read, Written
from blcf.cli.values import integer, number, numbers, points, read_picture
from blcf.pages import MOST_SHOWN
from blcf.searching import options as known
from blcf.searching.grouping import GROUPS, SIMILARITY
from blcf.searching.options import SearchOptions
from blcf.searching.queries import Region

__all__ = ["add_device", "add_object", "add_output", "add_search_options"]

_DEFAULTS = SearchOptions()


def add_object(command: Any) -> None:
    """Where the object is in the picture, and further examples."""
    add = command.add_argument_group(
        "the object", "a box, a polygon or a mask, in pixels of the picture (default: all of it)"
    ).add_argument
    add(
        "--box",
        type=numbers(float, "four numbers X1,Y1,X2,Y2"),
        metavar="X1,Y1,X2,Y2",
        help="left, top, right, bottom",
    )
    add("--polygon", type=points, metavar="X1,Y1,X2,Y2,...", help="its corners, three or more")
    add(
        "--mask",
        type=Read,
        metavar="FILE",
        help="picture of the same size, white on the object",
    )
    add(
        "--how",
        choices=HOWS,
        help="cells that the object covers in part count all alike (hard) or by their share that "
        "is covered (soft); distance: all cells, less with the distance from it "
        f"(default: {Region().how})",
    )
    add(
        "--frame",
        action="store_true",
        help="IMAGE, and further examples, are names or paths of pictures of the collection: "
        "no network is needed, and their size is that of the collection",
    )
    for flag, dest, shown in (
        ("--example", "examples", "the object"),
        ("--not", "negatives", "what is not meant"),
    ):
        add(
            flag,
            dest=dest,
            type=read_picture,
            action="append",
            metavar="FILE[@X1,Y1,X2,Y2]",
            help=f"one more picture of {shown}, and the box in it (may be repeated)",
        )


def add_output(command: Any) -> None:
    """How many hits, and how they are shown."""
    group = command.add_argument_group("output")
    _add(group, "k", "how many hits", type=integer)
    add = group.add_argument
    add(
        "--group",
        choices=GROUPS,
        help="hits of one shot or one film (video), or near-duplicate pictures (near), as one: the "
        "best, with the time in which it was seen; -k says how many of these",
    )
    add(
        "--similarity",
        type=number,
        metavar="N",
        help="of near-duplicates: the cosine of their bags, at least, "
        f"{BOUNDS['similarity'].span} (default: {SIMILARITY:g})",
    )
    add(
        "--run",
        dest="run_file",
        type=Written,
        metavar="FILE",
        help="write the ranking as a TREC run file, of shots or films with --group; topics are the "
        "queries as they were given",
    )
    add("--json", action="store_true", help="results as JSON: an object, of several queries a list")
    add(
        "--csv",
        type=Written,
        metavar="FILE",
        help="write the hits as CSV, a row for each box of each (-: standard output, and nothing "
        "else there)",
    )
    add(
        "--html",
        type=Written,
        metavar="FILE",
        help="write a page: each query, its hits with boxes, their files, and why they were found "
        f"(the first {MOST_SHOWN} of a query)",
    )
    add(
        "--plot",
        type=Written,
        metavar="FILE",
        help=f"draw the query and the hits, {MOST_SHOWN} at most (.png, .pdf, .svg)",
    )
    add(
        "--sheet",
        type=Written,
        metavar="FILE",
        help=f"draw a contact sheet: the hits, or moments, {MOST_SHOWN} at most, in the order of "
        "film and time (.png, .pdf, .svg)",
    )
    add(
        "--explain",
        type=Written,
        metavar="FILE",
        help="draw why a hit has its score: the cells that match, and what each contributes",
    )
    add(
        "--explain-rank",
        type=integer,
        metavar="RANK",
        help=f"the rank of that hit, {BOUNDS['explain_rank'].span} (default: 1)",
    )


def add_search_options(command: Any) -> None:
    """Every field of `SearchOptions` but k, in groups."""
    pictures = command.add_argument_group("pictures")
    _add(
        pictures,
        "where",
        "search pictures for which a condition holds, in the SQL of SQLite: \"camera = 'A' AND "
        'time > 60"; blcf info lists the columns',
        shown="all pictures",
        metavar="CONDITION",
    )
    _add(
        pictures,
        "min_confidence",
        "leave out hits that are less sure than that to show the object",
        type=number,
        metavar="N",
    )
    _add_query(command.add_argument_group("query"))
    _add_reranking(command.add_argument_group("reranking"))
    _add_expansion(command.add_argument_group("expansion"))
    speed = command.add_argument_group("speed")
    _add(
        speed,
        "approximate",
        "the most promising words only, this share of the query; scores are of these words",
        shown="exact",
        type=number,
        metavar="SHARE",
    )
    add_device(speed)


def add_device(command: Any) -> None:
    """What the network runs on, and where its weights are now."""
    command.add_argument("--device", help="auto, cpu, cuda, ... (default: auto)")
    command.add_argument("--dtype", help="auto, float32, bfloat16, float16 (default: auto)")


def _add_query(group: Any) -> None:
    _add(
        group,
        "query_side",
        "longer side of the query picture in pixels; smaller where the object fills the query and "
        "is small in the collection",
        shown="the collection's",
        type=integer,
        metavar="PIXELS",
    )
    _add(
        group,
        "query_scales",
        "the query picture is looked at in these sizes, relative to its side; 1 is the fastest",
        type=numbers(float, "numbers N,N,..."),
        metavar="N,N,...",
    )
    _add(
        group,
        "scales_by",
        "whether these sizes count by how far the best hits of each stand out (gap), or alike",
        choices=known.SCALE_RULES,
    )
    _add(group, "query_flip", "look at the query picture in a mirror as well")
    _add(
        group,
        "fusion",
        "of several examples: one query of all (average), or a ranking each and the best score of "
        "a picture (max)",
        choices=known.FUSIONS,
    )
    _add(
        group,
        "negatives_by",
        "what is not meant: less GAMMA times its mean (rocchio), or a linear classifier (svm)",
        choices=known.NEGATIVE_RULES,
    )
    _add(group, "gamma", "of rocchio", type=number, metavar="GAMMA")


def _add_reranking(group: Any) -> None:
    _add(group, "rerank", "rerank by the best window, which gives boxes")
    _add(group, "depth", "how many hits are reranked", type=integer)
    _add(
        group,
        "windows",
        "how the window is found: votes of the words for place and size; the best cosine of a grid "
        "(the paper), of all positions and sizes, or of these coarsely",
        choices=known.WINDOWS,
    )
    _add(
        group,
        "shares",
        "grid: sizes of the windows as parts of a side of the map; the paper: 1,2,4",
        type=numbers(int, "integers N,N,..."),
        metavar="N,N,...",
    )
    _add(group, "min_side", "grid, all, coarse: cells of a side of a window at least", type=integer)
    _add(group, "pyramid", "score by a spatial pyramid (votes and grid); the paper: on")
    _add(group, "keep_whole", "a hit scores at least what its whole picture does; the paper: off")
    _add(
        group,
        "n_neighbours",
        "how many hits that are most like a hit have a say in its score; the paper: 0",
        type=integer,
        metavar="N",
    )
    _add(
        group,
        "refine",
        "boxes and outlines of flat things by keypoints of the pictures (needs OpenCV), of the "
        "first hits",
        shown="off",
        choices=known.REFINEMENTS,
    )
    _add(group, "n_refine", "how many hits", type=integer)
    _add(group, "n_boxes", "boxes of a hit at most (votes)", type=integer)
    for name, why in SearchOptions.REMOVED.items():
        group.add_argument(
            f"--{name}", type=_refused(why), default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )


def _refused(why: str) -> Callable[[str], Any]:
    """What argparse reads a value with that is not taken any more."""

    def refuse(value: str) -> Any:
        raise argparse.ArgumentTypeError(why)

    return refuse


def _add_expansion(group: Any) -> None:
    _add(
        group,
        "expand",
        "search again with the best hits: whole pictures (global), best windows (local), or those "
        "of sure hits, where there are enough (auto)",
        choices=known.EXPANSIONS,
    )
    _add(
        group,
        "expand_by",
        "their average, weighed by score ** ALPHA (alpha), or a linear classifier of them against "
        "the end of the ranking (svm)",
        choices=known.EXPANSION_RULES,
    )
    _add(group, "alpha", "of --expand-by alpha", type=number, metavar="ALPHA")
    _add(group, "n_expand", "hits that take part at most", type=integer)
    _add(group, "rerank_again", "rerank hits of the expanded query too, for boxes; the paper: off")
    _add(group, "rounds", "how many times the query is expanded", type=integer)
    _add(
        group,
        "guard",
        "which hits may take part: those clearly above chance (scores), all (none; the paper)",
        choices=known.GUARDS,
    )


def _add(group: Any, name: str, meaning: str, *, shown: str | None = None, **how: Any) -> None:
    """Add a field of `SearchOptions`; `shown` is its default in words, where that is None."""
    default = getattr(_DEFAULTS, name)
    if isinstance(default, bool):
        how["action"] = argparse.BooleanOptionalAction
    elif how.get("type") is integer:
        how.setdefault("metavar", "N")
    flag = f"--{name.replace('_', '-')}" if len(name) > 1 else f"-{name}"
    if name in BOUNDS:
        meaning += f"; {BOUNDS[name].span}"
    group.add_argument(flag, help=f"{meaning} (default: {shown or _shown(default)})", **how)


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ",".join(f"{one:g}" for one in default)
    return str(default)
