"""`blcf train`: labelled photographs to a file of weights."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import fields
from typing import Any

from blcf.bounds import BOUNDS
from blcf.checks import needs
from blcf.cli.change_commands import add_films
from blcf.cli.command import DONE, SKIPPED, make_command
from blcf.cli.commands import given
from blcf.cli.outputs import Changed, Outputs, Read, Written
from blcf.cli.sources import find_frames
from blcf.cli.units import count
from blcf.cli.values import integer, number
from blcf.collection.settings import Settings
from blcf.images import display_name

__all__ = ["add_train", "train"]

_NAMED = 10  # pictures in messages
_FOLDERS, _NEIGHBOURS = "folders", "neighbours"


def add_train(commands: Any) -> None:
    """The arguments of `blcf train`."""
    command = make_command(
        commands,
        "train",
        train,
        {},
        (
            *("frames", "+", "PHOTOGRAPHS"),
            "folders of pictures, list files (one path per line), pictures, films",
        ),
    )
    command.usage = "blcf train PHOTOGRAPHS ... --out FILE [options]"
    add = command.add_argument
    add("--out", type=Written, required=True, metavar="FILE", help="the file of weights to write")
    add(
        "--labels",
        type=_labels,
        metavar="CSV|folders|neighbours",
        help="a CSV file with the columns name and label; folders: the folder that a picture lies "
        "in is its label; neighbours: none are needed, pictures whose keypoints agree get one "
        "(needs OpenCV; they are written to labels.csv in the folder of the run; default: folders)",
    )
    add(
        "--others",
        type=Read,
        action="append",
        metavar="FOLDER",
        help="photographs of anything else, or a list of them, without labels: by these the "
        "network keeps what it knows (may be repeated; default: by those it learns from)",
    )
    add_films(command)
    add("--network", help=f"to begin with, as of blcf index (default: {Settings.network})")
    add("--layer", help="as of blcf index")
    add("--weights", type=Read, metavar="FILE", help="to begin with, as of blcf index")
    for dest, kind, meaning, default in (
        ("epochs", integer, "how often each photograph is looked at", "6"),
        ("side", integer, "of what is cut out of the photographs, pixels", "256"),
        ("rate", number, "of learning", "0.0001"),
        (
            *("blend", number),
            "share of what was learned in the weights that are written, beside those it began "
            "with: less forgets less of other things",
            "1",
        ),
        (
            *("held_out", number),
            "share of the labels that is not learned from and says, as mAP after each epoch, how "
            "well others are found",
            "0",
        ),
        ("seed", integer, "of every choice", "0"),
    ):
        flag = f"--{dest.replace('_', '-')}"
        shown = f"{meaning}, {BOUNDS[dest].span} (default: {default})"
        add(flag, dest=dest, type=kind, metavar="N", help=shown)
    add(
        "--work",
        dest="folder",
        type=Changed,
        metavar="FOLDER",
        help="where the run keeps its state and its record (default: FILE.training)",
    )
    add("--plot", type=Written, metavar="FILE", help="a picture of the loss by epoch, and of mAP")
    add("--device", help="auto, cpu, cuda, ... (default: auto)")
    add("--json", action="store_true", help="what was done, as JSON")


def _labels(text: str) -> str:
    return text if text in (_FOLDERS, _NEIGHBOURS) else Read(text)


def train(options: argparse.Namespace) -> int:
    """Learn, and say what was done and what to type next."""
    from blcf.learning.bag_settings import BagSettings
    from blcf.learning.train import run_folder, train_network

    settings = BagSettings(**given(options, [field.name for field in fields(BagSettings)]))
    Outputs(options)
    if hasattr(options, "plot"):
        with needs("matplotlib", "Drawing"):
            from blcf.visualization import check_picture_path, plot_training
        check_picture_path(options.plot)
    images, begin = find_frames(options), given(options, ["network", "layer", "weights", "device"])
    how, progress = given(options, ["labels", "folder"]), not options.quiet
    if hasattr(options, "others"):
        how["others"] = find_frames(argparse.Namespace(frames=options.others))
    if how.get("labels") == _NEIGHBOURS:
        from blcf.teaching import write_neighbours

        folder = how.get("folder", run_folder(options.out))
        how["labels"] = write_neighbours(images, folder, **begin, progress=progress)
    report = train_network(
        images, options.out, settings=settings, progress=progress, **how, **begin
    )
    if hasattr(options, "plot"):
        plot_training(report.record, path=options.plot)
    _say_left_out(report)
    if hasattr(options, "json"):
        print(json.dumps(report.to_dict(), indent=1))
    else:
        last = report.record[-1]
        told = f", mAP of labels held out {last['mAP']:.3f}" if "mAP" in last else ""
        print(
            f"{display_name(options.out)}: {report.network} up to {report.layer}, learned from "
            f"{count(report.n_pictures, 'picture')} of {report.n_classes:,} labels in "
            f"{count(last['epoch'], 'epoch')}{told}"
        )
        words = shlex.join(["blcf", "index", "COLLECTION", "FRAMES", "--weights", options.out])
        print(f"to use it: {display_name(words)}")
    return SKIPPED if report.skipped or report.unknown else DONE


def _say_left_out(report: Any) -> None:
    if report.n_unlabelled:
        print(
            f"blcf: {count(report.n_unlabelled, 'picture')} without a label left out",
            file=sys.stderr,
        )
    if report.n_lonely:
        print(
            f"blcf: {report.n_lonely:,} of {report.n_classes:,} labels are of one picture, which "
            "only other views of itself are like",
            file=sys.stderr,
        )
    for name in report.unknown[:_NAMED]:
        print(f"blcf: label of a picture that is not there: {name}", file=sys.stderr)
    if len(report.unknown) > _NAMED:
        print(f"blcf: and {len(report.unknown) - _NAMED:,} more", file=sys.stderr)
    for name, reason in list(report.skipped.items())[:_NAMED]:
        print(f"blcf: skipped {display_name(name)}: {display_name(reason)}", file=sys.stderr)
    if len(report.skipped) > _NAMED:
        print(f"blcf: and {len(report.skipped) - _NAMED:,} more", file=sys.stderr)
