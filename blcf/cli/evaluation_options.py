"""The options of an evaluation: which data set, how it is measured, and what is shown of it."""

from __future__ import annotations

from typing import Any

from blcf.bounds import BOUNDS
from blcf.cli.outputs import Read, Written
from blcf.cli.values import integer
from blcf.datasets import KINDS
from blcf.evaluation import PROTOCOLS
from blcf.measuring.evaluator import QUERIES

__all__ = ["add_data_set", "add_measures"]


def add_data_set(command: Any) -> None:
    """What is evaluated, and by which rules."""
    add = command.add_argument_group("data set").add_argument
    add("--kind", choices=KINDS, help="what TRUTH is (default: told from its files)")
    for name, meaning in (
        ("ground-truth", "text files of Oxford5k or Paris6k"),
        ("frames", "frames of TRECVID INS"),
        ("distractors", "pictures of the 100k or 1M distractors, or those of ILIAS"),
    ):
        shown = f"{meaning}, where they lie elsewhere"
        add(f"--{name}", type=Read, metavar="FOLDER", help=shown)
    add(
        "--year",
        type=integer,
        help=f"of TRECVID INS, where the folder holds several, {BOUNDS['year'].span}",
    )
    add(
        "--protocol",
        choices=PROTOCOLS,
        help="how rankings are measured (default: as the data set's authors do; gt.json: oxford)",
    )
    add(
        "--queries",
        choices=QUERIES,
        help="search with the cells of the query's box or mask (box: LS), with the whole picture "
        f"(whole: GS), with one after the other (default: {QUERIES[0]})",
    )


def add_measures(command: Any) -> None:
    """What is shown and written of the figures."""
    add = command.add_argument_group("output").add_argument
    add("--per-query", action="store_true", help="a line per query, worst first")
    add("--json", action="store_true", help="results as JSON")
    add(
        "--compare",
        type=Read,
        metavar="FILE",
        help="paired randomisation test against what --json gave for another setting",
    )
    add(
        "--run",
        dest="run_file",  # run is the command's function
        type=Written,
        metavar="FILE",
        help="write the rankings as a TREC run file, of TRECVID the first 1,000 shots (of LS where "
        "there are boxes, unless --queries whole)",
    )
    add(
        "--failures",
        type=Written,
        metavar="FILE",
        help="draw the worst queries, their first hits and what was missed (.png, .pdf; LS or GS "
        "as --run)",
    )
    add(
        "--worst",
        type=integer,
        metavar="N",
        help=f"how many of them, {BOUNDS['worst'].span} (default: 10)",
    )
