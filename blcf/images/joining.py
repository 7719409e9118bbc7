"""Pictures of several sources as one list: names below the deepest folder that all share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from blcf.errors import InvalidInput
from blcf.images.image_list import ImageList

__all__ = ["join_lists"]


def join_lists(lists: Sequence[ImageList]) -> ImageList:
    """Several lists as one, in their order; a picture that stands in several counts once.

    The names are those that the common parent folder would give: of ``day1`` and ``day2`` beside
    each other ``day1/0001.jpg`` and ``day2/0001.jpg``, whatever stands in both. One list keeps its
    names, and so do lists of one root (all pictures of a folder, named one by one).

    Parameters
    ----------
    lists : one or more, from `blcf.images.find_images`

    Raises
    ------
    InvalidInput
        There is no common folder (Windows: several drives).

    Examples
    --------
    >>> days = [ImageList(Path(f"/photos/{day}"), ["0001.jpg"]) for day in ("day1", "day2")]
    >>> joined = join_lists(days)
    >>> joined.root.as_posix(), joined.names
    ('/photos', ['day1/0001.jpg', 'day2/0001.jpg'])
    """
    if len(lists) == 1:
        return lists[0]
    roots = {str(one.root): None for one in lists}
    try:
        root = os.path.commonpath(list(roots))
    except ValueError as error:
        raise InvalidInput(
            f"Expected folders with a parent in common ({error}). Add them one by one."
        ) from error
    prefixes = {one: Path(os.path.relpath(one, root)).as_posix() for one in roots}
    names: dict[str, None] = {}
    problems: dict[tuple[str, str], None] = {}
    folders: dict[str, str] = {}  # where a folder really is: one that is given twice, through a
    seen: set[tuple[str, str]] = set()  # link too, is one source
    for one in lists:
        prefix = prefixes[str(one.root)]
        before = "" if prefix == "." else f"{prefix}/"
        for name in one.names:
            folder, file = os.path.split(os.path.join(one.root, name))
            if folder not in folders:
                folders[folder] = os.path.realpath(folder)
            if (folders[folder], file) not in seen:
                seen.add((folders[folder], file))
                names[before + name] = None
        problems |= {(before + name, reason): None for name, reason in one.problems}
    films = {path: film for one in lists for path, film in one.films.items()}
    return ImageList(Path(root), list(names), list(problems), films=films)
