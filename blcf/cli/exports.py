"""What `blcf search` writes for other programs: COCO, an edit decision list, clips and stills."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blcf.bounds import BOUNDS, check_bounds
from blcf.cli.commands import given
from blcf.cli.outputs import Changed, Written, check_new_folder
from blcf.cli.units import count
from blcf.cli.values import number
from blcf.errors import InvalidInput
from blcf.exporting import edl_of, write_clips, write_coco, write_stills
from blcf.images import display_name
from blcf.outputs import open_output
from blcf.searching import Hits, Moment, Moments

__all__ = ["Exports", "add_exports"]

_OF_MOMENTS = ("edl", "clips", "stills")


def add_exports(command: Any) -> None:
    """The options."""
    add = command.add_argument_group("for other programs").add_argument
    add("--coco", type=Written, metavar="FILE", help="write pictures and boxes in the form of COCO")
    add(
        "--edl",
        type=Written,
        metavar="FILE",
        help="write the moments as an edit decision list (CMX 3600, 25 frames a second), with a "
        "second before and behind each (--margin); needs --group",
    )
    add(
        "--clips",
        type=Changed,
        metavar="FOLDER",
        help="copy a clip around each moment there, without loss, from the key frame before it "
        "(or see --exact); needs --group",
    )
    add(
        "--exact",
        action="store_true",
        help="clips that begin and end with their moments, to a frame: they are encoded anew",
    )
    add(
        "--margin",
        type=number,
        metavar="SECONDS",
        help=f"of --clips and --edl: before and behind each moment, {BOUNDS['margin'].span} "
        "(default: 1; of exact clips 0)",
    )
    add(
        "--stills",
        type=Changed,
        metavar="FOLDER",
        help="write the best frame of each moment there, as JPEG; needs --group",
    )


class Exports:
    """Takes the hits of query after query, and writes at the end.

    Raises
    ------
    InvalidInput
        Moments are to be written, and hits are not grouped; a folder is in a collection.
    """

    def __init__(self, options: argparse.Namespace):
        self._options = options
        self._hits: list[tuple[str, Hits]] = []
        self._moments: list[Moment] = []
        for name in _OF_MOMENTS:
            if hasattr(options, name) and not hasattr(options, "group"):
                raise InvalidInput(f"Expected moments with --{name}: --group shot, or video.")
        if hasattr(options, "exact") and not hasattr(options, "clips"):
            raise InvalidInput("Expected the folder of the clips as well: --clips FOLDER --exact.")
        if hasattr(options, "margin"):
            check_bounds("margin", options.margin, "--margin")
            if not (hasattr(options, "clips") or hasattr(options, "edl")):
                raise InvalidInput("Expected --clips FOLDER or --edl FILE with --margin.")
        for name in ("clips", "stills"):
            if hasattr(options, name):
                check_new_folder(getattr(options, name))
                if Path(getattr(options, name)).is_file():
                    raise InvalidInput(f"Expected a folder with --{name}, got a file.")

    def add(self, label: str, hits: Hits, moments: Moments | None) -> None:
        """The hits of a query; where they are the best of moments, these."""
        if hasattr(self._options, "coco"):
            self._hits.append((label, hits))
        if moments is not None and any(hasattr(self._options, name) for name in _OF_MOMENTS):
            self._moments += moments

    def finish(self) -> None:
        """Write everything."""
        options = self._options
        margin = given(options, ["margin"])
        if hasattr(options, "coco"):
            write_coco(options.coco, self._hits)
        if hasattr(options, "edl"):
            self._write(options.edl, edl_of(self._moments, Path(options.edl).stem, **margin))
        how = {"clips": {**margin, "exact": hasattr(options, "exact")}, "stills": {}}
        writers: dict[str, Callable[..., Any]] = {"clips": write_clips, "stills": write_stills}
        for name, write in writers.items():
            if hasattr(options, name):
                written, skipped = write(self._moments, getattr(options, name), **how[name])
                for one, reason in skipped.items():
                    print(f"blcf: none of {display_name(one)}: {reason}", file=sys.stderr)
                written_as = count(len(written), name.removesuffix("s"))
                print(f"blcf: {written_as} in {getattr(options, name)}", file=sys.stderr)

    def _write(self, path: str, text: str) -> None:
        with open_output(path) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
