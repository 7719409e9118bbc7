"""Where the archives of a data set put its pictures, and what to say when they are not there."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path

from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.images import ImageList, display_name
from blcf.storage import open_plain

__all__ = ["data_folder", "file_names", "find_pictures", "plain_bytes", "plain_text"]

MOST_BYTES = 256 * 2**20  # of a file of text; the truth of a million pictures has a fifth of it


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


def plain_bytes(path: str | os.PathLike[str], at_most: int = MOST_BYTES) -> bytes:
    """The content of a file of a data set.

    Raises
    ------
    FormatError
        No plain file (a named pipe would block for ever), or one of more than `at_most` bytes.
    OSError
        It is missing, a folder, or cannot be read.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    with open_plain(path) as file:
        n_bytes = os.fstat(file.fileno()).st_size
        if n_bytes > at_most:
            raise FormatError(
                f"{display_name(path)}: expected at most {at_most // 2**20} MiB, got {n_bytes:,} "
                "bytes. Get the file from its publisher again."
            )
        return file.read(n_bytes)


def plain_text(path: str | os.PathLike[str], at_most: int = MOST_BYTES) -> str:
    """`plain_bytes` as text in UTF-8, new lines as they are; `FormatError` where it is none."""
    try:
        return plain_bytes(path, at_most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"Expected {display_name(path)} to be text, it is not.") from error


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
