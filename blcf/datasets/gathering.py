"""The files of a data set, wherever its owner unpacked them: found by what they are called.

Oxford's and Paris's pictures and texts lie in ``jpg``, ``images``, ``oxford5k/gt`` ...: the names
of the files are the same everywhere, so nobody has to say which folder.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from blcf.errors import DatasetNotFound, InvalidInput
from blcf.images import ImageList, display_name, find_images

__all__ = ["LEVELS", "add_distractors", "files_within", "pictures_named"]

LEVELS = "in it and in two levels of folders below"


def files_within(folder: Path, *patterns: str) -> list[Path]:
    """Files of the folder and of two levels below it whose name fits a pattern, the nearest first.

    Links to folders are followed; folders whose name starts with "." are passed over.
    """
    found = []
    for here, folders, files in os.walk(folder, followlinks=True):
        depth = len(Path(here).relative_to(folder).parts)
        folders[:] = [] if depth == 2 else [one for one in folders if not one.startswith(".")]
        found += [
            (depth, Path(here, name))
            for name in files
            if any(fnmatch(name, pattern) for pattern in patterns)
        ]
    return [path for _, path in sorted(found)]


def pictures_named(folder: Path, stems: Collection[str]) -> tuple[ImageList, dict[str, str]]:
    """The pictures of a data set, told by those that its ground truth names.

    They are all pictures of the deepest folder below which most of the wanted ones lie: crops of
    queries, or other data sets beside it, are left out.

    Parameters
    ----------
    folder : where to look, at any depth
    stems : the wanted pictures, file names without their ending

    Returns
    -------
    ImageList : every picture below the folder that was found; empty where no wanted one is there
    {stem: name in the list}, of the wanted pictures that are there

    Raises
    ------
    InvalidInput
        Two pictures there have the name of a wanted one.
    """
    try:
        everything = find_images(folder)
    except InvalidInput:  # no picture at all
        return ImageList(folder.absolute(), []), {}
    below: dict[str, set[str]] = defaultdict(set)  # folder -> the wanted stems below it
    wanted = set(stems)
    for name in everything.names:
        stem = _stem(name)
        while stem in wanted and name:
            name = name.rpartition("/")[0]
            below[name].add(stem)
    if not below:
        return ImageList(everything.root, []), {}
    # Most of them, then the deepest ("" is the folder itself), then the first by name.
    best = min(below, key=lambda one: (-len(below[one]), not one, -one.count("/"), one))
    images = _below(everything, best)
    found: dict[str, str] = {}
    for name in images.names:
        stem = _stem(name)
        if stem in found:
            raise InvalidInput(
                f"Two pictures below {display_name(images.root)} are called {stem}: "
                f"{display_name(found[stem])} and {display_name(name)}. Keep one of them there."
            )
        if stem in wanted:
            found[stem] = name
    return images, found


def add_distractors(
    images: ImageList,
    truth: Collection[str],
    distractors: str | os.PathLike[str],
    page: str,
) -> tuple[ImageList, ImageList]:
    """The pictures of a data set, and others that show none of its objects.

    Parameters
    ----------
    images : the pictures of the set; those that also lie in `distractors` are taken off
    truth : the names in `images` that the ground truth knows
    distractors : a folder, or a file with a list of paths (see `find_images`)
    page : where the distractors are published

    Raises
    ------
    DatasetNotFound
        There are no distractors.
    InvalidInput
        A picture of the ground truth is among them; or one has the name of a picture of the set.
    """
    try:
        others = find_images(distractors)
    except InvalidInput as error:
        raise DatasetNotFound(f"No distractors: {error} They are published at {page}") from error
    theirs = {os.path.join(others.root, name) for name in others.names}
    names = [name for name in images.names if os.path.join(images.root, name) not in theirs]
    own = set(names)
    shared = [name for name in truth if name not in own]
    if shared:
        raise InvalidInput(
            f"{len(shared)} pictures that the ground truth names are among the distractors of "
            f"{display_name(distractors)}, such as {display_name(min(shared))}. Give a folder "
            "that holds distractors alone."
        )
    clash = own.intersection(others.names)
    if clash:
        raise InvalidInput(
            f"{len(clash)} distractors have the name of a picture of the data set, such as "
            f"{display_name(min(clash))}, in {display_name(others.root)} and in "
            f"{display_name(images.root)}. A collection knows pictures by name: rename one folder, "
            "and give the one above it."
        )
    return replace(images, names=names), others


def _stem(name: str) -> str:
    return os.path.splitext(name.rpartition("/")[2])[0]


def _below(images: ImageList, folder: str) -> ImageList:
    """The pictures below a folder of the list, under their names from there."""
    if not folder:
        return images
    start = folder + "/"
    names = [name.removeprefix(start) for name in images.names if name.startswith(start)]
    problems = [
        (name.removeprefix(start), reason)
        for name, reason in images.problems
        if name.startswith(start)
    ]
    return ImageList(images.root / folder, names, problems)
