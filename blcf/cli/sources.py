"""FRAMES of a command: folders, lists, pictures, films, and a list through a pipe; as one list."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from blcf.cli.outputs import why_unreadable
from blcf.collection import Collection
from blcf.collection.manifest import BACKUP, MANIFEST
from blcf.collection.shards import is_sharded
from blcf.errors import CollectionExists, InvalidInput
from blcf.images import (
    Choices,
    FrameChoice,
    ImageList,
    display_name,
    find_images,
    find_listed,
    join_lists,
)
from blcf.images.film_lists import check_some

__all__ = ["check_order", "find_frames", "given_choice"]

_PIPE = "-"


def given_choice(options: argparse.Namespace) -> dict[str, Any]:
    """What was said of the frames of films: fields of `FrameChoice`."""
    given = {"every": "every", "choose": "frames", "shot_threshold": "shot_threshold"}
    return {name: getattr(options, dest) for dest, name in given.items() if hasattr(options, dest)}


def find_frames(options: argparse.Namespace, choice: Choices | None = None) -> ImageList:
    """The pictures of all FRAMES, with the names that they have in a collection.

    `choice` says which frames of each film are taken; None: the options alone do.
    """
    if options.frames.count(_PIPE) > 1:
        raise InvalidInput(f"Expected {_PIPE}, a list on standard input, once among FRAMES.")
    for one in options.frames:
        reason = "" if one == _PIPE else why_unreadable(one)
        if reason:
            raise InvalidInput(f"{reason[0].upper()}{reason[1:]}.")
    root = getattr(options, "root", None)
    if choice is None:
        choice = FrameChoice(**given_choice(options))
    joined = join_lists(
        [
            (
                find_listed(sys.stdin.buffer.read(), root, choice)
                if one == _PIPE
                else find_images(one, root, choice, is_alone=len(options.frames) == 1)
            )
            for one in options.frames
        ]
    )
    images = check_some(joined)
    return images.called(options.name) if hasattr(options, "name") else images


def check_order(options: argparse.Namespace, command: str) -> None:
    """Raise `InvalidInput` for FRAMES before COLLECTION, before anything is read or made."""
    first, last = options.collection, options.frames[-1]
    if last == _PIPE or _is_collection(first) or _is_free(first):
        return
    if _is_collection(last) or not Path(last).exists():
        words = ["blcf", command, last, first, *options.frames[:-1]]
        raise InvalidInput(
            f"COLLECTION comes first, and {display_name(first)} is none: "
            f"{display_name(shlex.join(words))}"
        )


def _is_collection(path: str) -> bool:
    return is_sharded(path) or any((Path(path) / name).exists() for name in (MANIFEST, BACKUP))


def _is_free(path: str) -> bool:
    """Whether a collection can be made there."""
    try:
        Collection.check_free(path)
    except CollectionExists:
        return False
    return True
