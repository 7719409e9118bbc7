"""`blcf evaluate`: what was asked for, one call of the library, its result."""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from blcf.bounds import check_bounds
from blcf.cli.clusters import add_cluster
from blcf.cli.command import COLLECTION, DONE, SKIPPED, WEIGHTS, make_command
from blcf.cli.commands import given, open_engine
from blcf.cli.evaluation_options import add_data_set, add_measures
from blcf.cli.outputs import Outputs, Read
from blcf.cli.search_options import add_search_options
from blcf.cli.searching import check_drawing
from blcf.datasets import GroundTruth, read_dataset
from blcf.errors import InvalidInput
from blcf.evaluation import PairedTest
from blcf.images import display_name
from blcf.measuring import Evaluation
from blcf.measuring.comparison import Compared, check_comparable, compare, read_evaluations
from blcf.measuring.evaluation import TOP
from blcf.measuring.evaluator import modes_of
from blcf.measuring.run_file import RunFile
from blcf.searching import SearchOptions

__all__ = ["add_evaluate", "evaluate"]

_OPTIONS = [field.name for field in fields(SearchOptions)]
_RUN_HITS = 1000  # of a query, as TRECVID takes; other measures need the whole ranking


def evaluate(options: argparse.Namespace) -> int:
    """`blcf evaluate`: open, then evaluate."""
    # An evaluation may take hours: mistakes come first.
    search = given(options, _OPTIONS)
    SearchOptions.from_keywords(search)
    worst = _worst(options)
    outputs = Outputs(options)
    others = read_evaluations(options.compare) if hasattr(options, "compare") else {}
    parts = ["kind", "ground_truth", "frames", "distractors", "year"]
    truth = read_dataset(options.truth, **given(options, parts))
    outputs.spare(_files_of(truth))
    how = given(options, ["protocol", "queries"])
    modes = modes_of(truth, **given(options, ["queries"]))
    if others:
        check_comparable(others, truth, modes, how.get("protocol"))
    run = None
    if hasattr(options, "run_file"):
        is_trecvid = how.get("protocol", truth.protocol) == "trecvid"
        run = RunFile(modes[0], _RUN_HITS if is_trecvid else None)
    engine = open_engine(options)
    outputs.spare_collection(engine.collection)
    found = engine.evaluate(truth, progress=not options.quiet, sink=run, **how, **search)
    tests = _compare(found, others)
    try:
        if hasattr(options, "json"):
            asked = {
                "collection": os.path.abspath(options.collection),
                "truth": os.path.abspath(options.truth),
                "options": search,
            }
            print(json.dumps([{**_row(one, tests), **asked} for one in found], indent=1))
        else:
            _print(found, per_query=hasattr(options, "per_query"))
            _print_tests(tests)
        sys.stdout.flush()
        status = _say_skipped(found[0].skipped)
    finally:
        # After the results, which a full disk cannot take any more then; and also where nobody
        # reads them to the end (blcf evaluate ... | head).
        if run is not None:
            run.write(options.run_file)
        if hasattr(options, "failures"):
            found[0].plot_failures(options.failures, worst)
    return status


def _worst(options: argparse.Namespace) -> int:
    """How many queries are drawn."""
    worst = getattr(options, "worst", 10)
    if hasattr(options, "worst") and not hasattr(options, "failures"):
        raise InvalidInput("Expected the picture to draw as well: --failures FILE --worst N.")
    if hasattr(options, "failures"):
        check_drawing(options.failures)
    check_bounds("worst", worst, "--worst")
    return worst


def _files_of(truth: GroundTruth) -> Iterator[Path]:
    """The pictures and masks of a truth."""
    for query in truth.queries:
        for example in query.examples:
            yield from filter(None, (example.image, example.mask))
    for images in truth.images:
        yield from map(images.path, images.names)


def _compare(found: list[Evaluation], others: Mapping[str, Compared]) -> dict[str, PairedTest]:
    """{mode: test} of the evaluations that are in the other file too."""
    tests = {}
    for one in found:
        if one.mode in others:
            other = others[one.mode]
            try:
                tests[one.mode] = compare(one, other)
            except InvalidInput as error:  # too many pictures were skipped
                print(f"blcf: {one.mode} is not compared: {error}", file=sys.stderr)
                continue
            n_both = tests[one.mode].n_queries
            mine, theirs = len(one.values()) - n_both, len(other.figures) - n_both
            if mine or theirs:
                print(
                    f"blcf: {one.mode}: left out of the comparison: {mine} of these queries, "
                    f"{theirs} of those of the other file",
                    file=sys.stderr,
                )
    return tests


def _row(evaluation: Evaluation, tests: Mapping[str, PairedTest]) -> dict:
    row = evaluation.to_dict()
    if evaluation.mode in tests:
        row["comparison"] = asdict(tests[evaluation.mode])
    return row


def _print(found: list[Evaluation], *, per_query: bool) -> None:
    main = _mean_of(found[0].measure)
    width = max(len(main), 5)
    print(f"mode  queries  {main:>{width}s}  95 % interval   mean IoU  (whole picture)  IoU >= .5")
    for one in found:
        low, high = one.interval
        line = f"{one.mode:4s}  {len(one.results):7d}  {one.mean_average_precision:{width}.3f}"
        line += f"  {f'{low:.3f} - {high:.3f}':13s}"
        boxes = one.localisation
        if len(boxes.overlaps):
            line += f"{boxes.mean_iou:11.3f}{boxes.mean_iou_whole_image:17.3f}{boxes.corloc:11.3f}"
        print(line.rstrip())
        further = [
            f"{_mean_of(name)} {value:.3f}"
            for name, value in one.measures.items()
            if name != one.measure
        ]
        for some in textwrap.wrap(", ".join(further), 90, break_long_words=False):
            print(f"      {some}")
        if per_query:
            _print_queries(one)


def _mean_of(measure: str) -> str:
    """mAP is the mean of AP, mP@1 of P@1."""
    return f"m{measure}" if measure.startswith(("AP", "P@")) else measure


def _print_queries(evaluation: Evaluation) -> None:
    """A line per query, the worst first."""
    width = max(len(evaluation.measure), 5)
    print(f"      {evaluation.measure:>{width}s}  first  in {TOP}  query")
    for one in evaluation.worst():
        first = "-" if one.first_rank is None else str(one.first_rank)
        figures = f"{one.measures[evaluation.measure]:{width}.3f}  {first:>5s}  {one.n_in_top:5d}"
        print(f"      {figures}  {display_name(one.label)}")


def _print_tests(tests: Mapping[str, PairedTest]) -> None:
    if tests:
        print("mode  queries  difference      p   wins  losses")
    for mode, test in tests.items():
        figures = f"{test.n_queries:7d}  {test.difference:+10.3f}  {test.p_value:5.3f}"
        print(f"{mode:4s}  {figures}  {test.wins:5d}  {test.losses:6d}")


def _say_skipped(skipped: Mapping[str, str]) -> int:
    for picture, reason in skipped.items():
        print(f"blcf: skipped {display_name(picture)}: {display_name(reason)}", file=sys.stderr)
    if skipped:
        were = "picture was" if len(skipped) == 1 else "pictures were"
        print(f"blcf: {len(skipped)} query {were} skipped", file=sys.stderr)
    return SKIPPED if skipped else DONE


def add_evaluate(commands: Any) -> None:
    """The arguments of `blcf evaluate`."""
    command = make_command(
        commands,
        "evaluate",
        evaluate,
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
    add_cluster(command)
