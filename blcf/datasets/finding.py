"""Where the archives of a data set put its pictures, and what to say when they are not there."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from blcf.errors import DatasetNotFound, InvalidInput
from blcf.images import ImageList, display_name

__all__ = ["data_folder", "file_names", "find_pictures"]


def data_folder(folder: str | os.PathLike[str], published: str) -> Path:
    """Check that a data set's folder is one, and give it as an absolute path.

    Parameters
    ----------
    folder : what the user gave
    published : a sentence: who publishes the files, where

    Raises
    ------
    InvalidInput
        Not a path.
    DatasetNotFound
        No folder there.
    """
    if not isinstance(folder, (str, os.PathLike)) or not isinstance(os.fspath(folder), str):
        raise InvalidInput(f"Expected the path of a data set's folder, got {folder!r:.80}.")
    path = Path(os.path.abspath(folder))
    if "\0" in os.fspath(folder) or not path.is_dir():
        raise DatasetNotFound(f"There is no folder {display_name(path)}. {published}")
    return path


def file_names(folder: str | os.PathLike[str]) -> list[str]:
    """The names of the files in a folder, sorted; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except OSError:
        return []


def find_pictures(
    folder: Path,
    places: Sequence[str],
    pattern: re.Pattern[str],
    expected: str,
    published: str,
) -> ImageList:
    """Pictures of a data set, from the first of some places that holds any.

    Parameters
    ----------
    folder : the data set's folder
    places : folders below it, "" for itself; sub-folders of theirs are not looked into
    pattern : the file names that are wanted, whole
    expected : what is looked for: "pictures 100000.jpg, ..."
    published : as for `data_folder`

    Returns
    -------
    ImageList, whose root is the place, names sorted

    Raises
    ------
    DatasetNotFound
        No place holds such pictures.
    """
    for place in places:
        names = [name for name in file_names(folder / place) if pattern.fullmatch(name)]
        if names:
            return ImageList(folder / place, names)
    looked = ", ".join(display_name(folder / place) for place in places)
    raise DatasetNotFound(f"Expected {expected}; there are none in {looked}. {published}")
