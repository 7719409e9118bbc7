"""Where pictures come from: a folder, a list file, one picture or film, or a series of paths.

`find_images` gives every picture a name: its path below one root folder, with "/" between the
parts. The name is what a collection stores, so it depends neither on the order in which a file
system lists its files, nor on the locale, nor on the folder the command was started in.

Invariant: a name is relative, unique in its list, and has no ".." among its parts.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from blcf.errors import InvalidInput
from blcf.images.film_lists import check_some, is_film_file, with_frames
from blcf.images.films import Choices, FrameChoice
from blcf.images.frame_names import canonical_frame, frame_place, has_film_suffix
from blcf.images.image_list import ImageList
from blcf.images.lists import parse_list, read_list, why
from blcf.images.names import absolute_path, common_folder, display_name, name_below

__all__ = ["IMAGE_SUFFIXES", "find_images", "find_listed"]

IMAGE_SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".gif",
    ".avif",
    ".heic",
    ".heif",
    ".hif",
)
"""Endings of the files that are taken for pictures, in lower case."""

_EXPECTED = (
    f"a folder, a picture ({', '.join(IMAGE_SUFFIXES)}), a film (.mp4, .mkv, .mov and others) or a "
    "list of pictures in UTF-8, one path per line"
)


def find_images(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    root: str | os.PathLike[str] | None = None,
    choice: Choices | None = None,
    is_alone: bool = True,
) -> ImageList:
    """List the pictures of a folder, a list file, one picture or film, or a series of paths.

    - A folder: every file below it whose ending is in `IMAGE_SUFFIXES` (in any case), sorted by
      name, code point by code point. Files and folders whose name starts with "." are passed
      over. Links to folders are followed, each real folder once, under its own name rather than
      a link's.
    - A file with such an ending: that one picture.
    - A film (`blcf.images.frame_names.FILM_SUFFIXES`), in a folder, a list or alone: its frames,
      ``film.mp4@00:00:12.345``. One that cannot be read is among the problems.
    - Any other file: a list in UTF-8, one path per line, relative to the folder of the list.
      Blank lines, lines that start with "#" (write "./#1.jpg" for such a file) and white space
      at the end of a line are passed over.
    - An iterable: paths, relative to the current folder.

    In lists and iterables the given order is kept, a repeated path counts once, and nothing is
    checked to exist: a missing file is met when it is read, and skipped like any bad picture.

    Parameters
    ----------
    source : str, path-like or iterable of them
        Where the pictures are.
    root : str or path-like, optional
        The folder that names are relative to. By default: the folder itself; the folder of the
        list file, or the deepest folder common to its entries if one lies outside; the folder of
        the picture; the deepest folder common to the paths.
    choice : which frames of films are taken; one each second by default
    is_alone : whether it is an error that no film of several can be read; where other sources
        will be joined it is none

    Returns
    -------
    ImageList
        At least one name, or where it is not alone a problem.

    Raises
    ------
    InvalidInput
        If `source` or `root` does not exist or cannot be read, if a list is not text, if there
        is no picture, or if a path does not lie inside `root`.

    Examples
    --------
    >>> images = find_images(["/photos/a.jpg", "/photos/2020/b.jpg", "/photos/a.jpg"])
    >>> images.names
    ['a.jpg', '2020/b.jpg']
    """
    found = _find(source, root, choice or FrameChoice())
    return check_some(found) if is_alone else found


def _find(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    root: str | os.PathLike[str] | None,
    choice: Choices,
) -> ImageList:
    root_folder = None if root is None else _root_folder(root)
    if isinstance(source, (bytes, bytearray)) or not isinstance(
        source, (str, os.PathLike, Iterable)
    ):
        raise InvalidInput(
            "Expected a folder, a list file, a picture or an iterable of paths, "
            f"got {type(source).__name__}."
        )
    if not isinstance(source, (str, os.PathLike)):
        return _series(source, os.getcwd(), root_folder, None, "the given paths", choice)
    path = absolute_path(_as_text(source), os.getcwd())
    if frame_place(path) is not None:
        return _series([path], "", root_folder, os.path.dirname(path), path)
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise InvalidInput(
            f"{display_name(path)}: expected a folder, a list file or a picture; "
            f"{why(error)}. Check the path."
        ) from error
    if stat.S_ISDIR(mode):
        return with_frames(_folder(path, root_folder), choice, is_sorted=True)
    if not stat.S_ISREG(mode):  # reading it could wait for ever
        raise InvalidInput(
            f"{display_name(path)}: expected a folder, a list file or a picture; it is a named "
            "pipe, a socket or a device."
        )
    folder = os.path.dirname(path)
    if _has_image_suffix(path) or has_film_suffix(path):
        return _series([path], folder, root_folder, folder, path, choice)
    return _series(read_list(path, _EXPECTED), folder, root_folder, folder, path, choice)


def find_listed(
    data: bytes,
    root: str | os.PathLike[str] | None = None,
    choice: Choices | None = None,
) -> ImageList:
    """The pictures of a list that comes through a pipe, as of a list file in the current folder.

    Parameters
    ----------
    data : the list, see `find_images`
    root, choice : as of `find_images`

    Raises
    ------
    InvalidInput
        If the list is not text, or holds no path.
    """
    root_folder, here = None if root is None else _root_folder(root), os.getcwd()
    paths = parse_list(data, "standard input", "a list of pictures in UTF-8, one path per line")
    return _series(paths, here, root_folder, here, "standard input", choice)


def _folder(top: str, root: str | None) -> ImageList:
    """List a folder and, where `root` is another one, name the pictures from there."""
    names, problems, n_other = _walk(top)
    if not names:
        unread = f"; {len(problems)} could not be read" if problems else ""
        raise InvalidInput(
            f"{display_name(top)}: expected pictures, found none. Looked, in every sub-folder, "
            f"for files ending in {', '.join(IMAGE_SUFFIXES)}, and films; saw {n_other} other "
            f"file{'' if n_other == 1 else 's'}{unread}. Give the folder that holds the pictures."
        )
    if root is None or root == top:
        return ImageList(Path(top), names, problems)
    prefix = name_below(top, root)
    if prefix is None:
        raise _outside(top, root)
    return ImageList(
        Path(root),
        [f"{prefix}/{name}" for name in names],
        [(f"{prefix}/{name}", reason) for name, reason in problems],
    )


def _walk(top: str) -> tuple[list[str], list[tuple[str, str]], int]:
    """Return the sorted names of pictures below `top`, the problems, the count of other files."""
    names: list[str] = []
    problems: list[tuple[str, str]] = []
    n_other = 0
    # Links wait until no real folder is left: a folder that can be reached both ways is then
    # listed under its own name, and adding a link never renames the pictures of a collection.
    folders, links = deque([""]), deque[str]()
    # Real paths, not inode numbers: some network file systems give one number to many folders,
    # and those would be lost without a word.
    seen: set[str] = set()
    while folders or links:
        here = folders.popleft() if folders else links.popleft()
        real = os.path.realpath(os.path.join(top, here))
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(os.path.join(top, here)) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            if not here:
                raise InvalidInput(
                    f"{display_name(top)}: the folder cannot be read; {why(error)}. "
                    "Check its permissions."
                ) from error
            problems.append((here, f"the folder cannot be read; {why(error)}"))
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{here}/{entry.name}" if here else entry.name
            try:
                if entry.is_dir():
                    (links if entry.is_symlink() else folders).append(name)
                elif not _has_image_suffix(name) and not is_film_file(entry.path):
                    n_other += 1
                elif entry.is_file():
                    names.append(name)
                elif entry.is_symlink():
                    problems.append((name, "the symbolic link leads nowhere"))
                else:
                    n_other += 1  # a pipe or a device: opening it could wait for ever
            except OSError as error:  # a link to itself, a disk that fails
                problems.append((name, why(error)))
    return sorted(names), sorted(problems), n_other


def _series(
    paths: Iterable[str | os.PathLike[str]],
    base: str,
    root: str | None,
    default_root: str | None,
    origin: str,
    choice: Choices | None = None,
) -> ImageList:
    """Name the given paths: relative ones lie in `base`; `origin` is what a message calls them."""
    found = (absolute_path(_as_text(path), base) for path in paths)
    files = list(dict.fromkeys(canonical_frame(one) if frame_place(one) else one for one in found))
    if not files:
        raise InvalidInput(
            f"{display_name(origin)}: expected at least one path to a picture, got none."
        )
    if root is None:
        root = default_root
        if root is None or any(name_below(file, root) is None for file in files):
            root = common_folder(files)
    names: dict[str, None] = {}
    for file in files:
        name = name_below(file, root)
        if name is None:
            raise _outside(file, root)
        names[name] = None
    return with_frames(ImageList(Path(root), list(names)), choice or FrameChoice())


def _root_folder(root: str | os.PathLike[str]) -> str:
    folder = absolute_path(_as_text(root), os.getcwd())
    if not os.path.isdir(folder):
        raise InvalidInput(f"root: expected an existing folder, got {display_name(folder)!r}.")
    return folder


def _as_text(path: object) -> str:
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text:
        raise InvalidInput(f"Expected the path of a picture as str or Path, got {path!r}.")
    return text


def _has_image_suffix(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES


def _outside(path: str, root: str) -> InvalidInput:
    return InvalidInput(
        f"{display_name(path)}: expected a path inside {display_name(root)}. "
        "Give a `root` that holds every picture, or none."
    )
