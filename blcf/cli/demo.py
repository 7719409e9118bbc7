"""`blcf demo`: one call of the library, and what it found."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

from blcf.cli.command import DONE, SKIPPED, make_command
from blcf.cli.commands import given, say_skipped
from blcf.cli.outputs import Changed, Read, check_new_folder
from blcf.cli.search_options import add_device
from blcf.collection.settings import Settings
from blcf.demo import Demo, DemoResult, run_demo
from blcf.images import display_name

__all__ = ["add_demo", "demo"]

_LISTED = 5  # hits of a query


def demo(options: argparse.Namespace) -> int:
    """`blcf demo`: run it, print what was found and what to type next."""
    check_new_folder(getattr(options, "out", "blcf-demo"))
    names = ["out", "pictures", "network", "weights", "device", "dtype"]
    found = run_demo(**given(options, names), progress=not options.quiet, program=_program())
    if hasattr(options, "json"):
        print(json.dumps(found.to_dict(), indent=1))
    else:
        _print(found, options)
    say_skipped(found.skipped, found.folder / "demo.blcf")
    return SKIPPED if found.skipped else DONE


def _program() -> list[str]:
    """How this program was called, as it can be typed again."""
    called = sys.argv[0]
    if Path(called).stem != "blcf" or not os.path.isfile(called):  # python -m blcf
        return [sys.executable, "-m", "blcf"]
    known = shutil.which("blcf")
    return ["blcf"] if known and os.path.samefile(known, called) else [called]


def _print(found: Demo, options: argparse.Namespace) -> None:
    print(f"{found.about}; network {found.network}")
    for result in found.results:
        _print_result(result)
    if found.has_truth:
        boxes = found.localisation
        print(
            f"\nmAP {found.mean_average_precision:.3f} over {len(found.results)} queries, mean IoU "
            f"{boxes.mean_iou:.3f} (of the whole pictures: {boxes.mean_iou_whole_image:.3f})"
        )
    folder = getattr(options, "out", os.path.relpath(found.folder))
    print(f"\n{found.seconds:.0f} s. Open this page in a browser: {found.page}")
    if found.drawings:
        print(f"Drawings: {os.path.join(folder, 'hits')}")
    if found.to_install:
        print(f"More photographs for the demo: pip install {' '.join(found.to_install)}")
    print("\nWhat to type next:")
    for what, words in found.next_commands(_program(), folder):
        print(f"  # {what}\n  {shlex.join(words)}")


def _print_result(result: DemoResult) -> None:
    head = f"{display_name(result.name)}, box {','.join(str(edge) for edge in result.box)} (pixels)"
    if result.truth is not None:
        head += (
            f": AP {result.average_precision:.3f}, {result.n_first} of {len(result.truth)} right "
            f"among the first {len(result.truth)}, mean IoU {result.localisation.mean_iou:.3f}"
        )
    print(f"\n{head}")
    listed = _LISTED if result.truth is None else min(_LISTED, len(result.truth))
    for rank, hit in enumerate(result.hits[:listed], start=1):
        overlap = result.overlap(hit.name, hit.box)
        says = "" if result.truth is None else "right" if hit.name in result.truth else "WRONG"
        iou = "" if overlap is None else f"IoU {overlap:.2f}"
        row = f"{rank:4d}.  score {hit.score:.4f}  {says:5s}  {iou:8s}  {display_name(hit.name)}"
        print(row.rstrip())


def add_demo(commands: Any) -> None:
    """The arguments of `blcf demo`."""
    command = make_command(
        commands,
        "demo",
        demo,
        {},
    )
    add = command.add_argument
    add(
        "pictures",
        nargs="?",
        default=None,  # not SUPPRESS, which argparse would hand to the type
        type=Read,
        metavar="FOLDER",
        help="your own pictures (some of them are indexed); default: scenes composed from "
        "photographs that installed libraries carry, where it is known what is right",
    )
    add(
        "--out",
        type=Changed,
        metavar="FOLDER",
        help="where everything is written; an earlier demo there is replaced (default: blcf-demo)",
    )
    add("--network", help=f"as of blcf index (default: {Settings.network})")
    add("--weights", type=Read, metavar="FILE", help="as of blcf index")
    add("--json", action="store_true", help="results as JSON")
    add_device(command)
