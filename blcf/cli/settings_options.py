"""The options of a new collection: every field of `Settings` by its name."""

from __future__ import annotations

import argparse
from typing import Any

from blcf.adding.generic import FEWEST_TO_LEARN
from blcf.bags.weighting import WEIGHTINGS, needs_function
from blcf.bounds import BOUNDS
from blcf.cli.outputs import Read
from blcf.cli.search_options import add_device
from blcf.cli.values import integer, integer_or
from blcf.collection.settings import VOCABULARIES, Settings

__all__ = ["add_settings"]


def add_settings(command: Any) -> None:
    """Every field of `Settings`, and what the network runs on."""
    default, add = Settings(), command.add_argument
    add(
        "--network",
        help=f"{default.network} (the default: small, in the package), one of torchvision's: "
        "vgg16 is the paper's; or timm:NAME",
    )
    add(
        "--layer",
        help="layer: a node name, or the paper's; with :signed behind it, what is in "
        "front of its activation (default: the network's, stride 16)",
    )
    add(
        "--weights",
        type=Read,
        metavar="FILE",
        help="what blcf train wrote, which says its network, or a state dict (default: the "
        "package's, or torchvision or timm downloads its own)",
    )
    for name, dest, meaning in (
        ("side", "side", "longer side in pixels"),
        ("tiles", "tiles", "tiles of a row and of a column, for small objects, or 0: none"),
        ("upsample", "upsample", "interpolation of the maps"),
        ("seed", "random_state", "of the training sample and of k-means"),
    ):
        shown = f"{BOUNDS[dest].span} (default: {getattr(default, dest)})"
        add(f"--{name}", dest=dest, type=integer, help=f"{meaning}, {shown}")
    add(
        "--tile-side",
        dest="tile_side",
        type=integer,
        help="longer side in which the tiles are looked at, in pixels, "
        f"{BOUNDS['tile_side'].span}: a second, larger map of each picture (default: none)",
    )
    add(
        "--components",
        dest="n_components",
        type=integer_or("all", None),
        help=f"of the whitening, {BOUNDS['n_components'].span}, or all "
        f"(default: {default.n_components})",
    )
    add(
        "--words",
        dest="n_words",
        type=integer_or("auto", "auto"),
        help=f"size of the vocabulary, {BOUNDS['n_words'].span} and no more than the pictures have "
        "local features, or auto: 25,000, fewer for small collections (default: auto)",
    )
    add(
        "--vocabulary",
        choices=VOCABULARIES,
        help="own: learned from the pictures; generic: the package's, at once; refined: the "
        "package's, moved to what the pictures have; auto: own, generic for "
        f"fewer than {FEWEST_TO_LEARN} pictures (default: {default.vocabulary})",
    )
    add(
        "--weighting",
        type=_weighting,
        choices=[one for one in WEIGHTINGS if not needs_function(one)],
        help=f"spatial weights of the pictures (default: {default.weighting})",
    )
    for name, meaning in (("idf", "inverse document frequencies"), ("sqrt", "roots of counts")):
        shown = "on" if getattr(default, name) else "off"
        add(
            f"--{name}",
            action=argparse.BooleanOptionalAction,
            help=f"{meaning} (default: {shown})",
        )
    add_device(command)


def _weighting(text: str) -> str:
    if needs_function(text):
        raise argparse.ArgumentTypeError(
            f"{text} is for Python, where SearchEngine.create takes a function of the picture"
        )
    return text
