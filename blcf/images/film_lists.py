"""Lists of pictures in which films stand for their frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images.films import Choices, Film, list_film
from blcf.images.frame_names import has_film_suffix
from blcf.images.image_list import ImageList
from blcf.images.names import display_name
from blcf.printing import counted

__all__ = ["check_some", "is_film_file", "with_frames"]

_SYNC = b"G"  # every packet of an MPEG transport stream begins with it, no line of TypeScript does


def is_film_file(path: str) -> bool:
    """Whether a file of a folder is taken for a film: by its ending, ``.ts`` by its first byte."""
    if not has_film_suffix(path):
        return False
    if not path.lower().endswith(".ts"):
        return True
    try:
        with open(path, "rb") as file:
            return file.read(1) in (_SYNC, b"")
    except OSError:
        return True  # to be named


def check_some(images: ImageList) -> ImageList:
    """The same list; `InvalidInput` where nothing is in it, as no film could be read."""
    if not images.names and images.problems:
        name, reason = images.problems[0]
        raise InvalidInput(
            f"{display_name(images.path(name))}: expected pictures or films that can be read, "
            f"found none: {reason}."
        )
    return images


def with_frames(images: ImageList, choice: Choices, is_sorted: bool = False) -> ImageList:
    """The same list with the frames of each film in its place.

    A film that cannot be read, or not to its end, is among the problems.

    Parameters
    ----------
    choice : which frames
    is_sorted : whether the names of all are to be in order, as of a folder
    """
    if not any(has_film_suffix(name) for name in images.names):
        return images
    names: dict[str, None] = {}
    problems, films = list(images.problems), dict[Path, Film]()
    for name in images.names:
        if not has_film_suffix(name):
            names[name] = None
            continue
        path = images.path(name)
        try:
            film, trouble = list_film(path, choice.of(path))
        except UnreadableImage as error:
            problems.append((name, error.reason))
            continue
        films[path] = film
        names.update(dict.fromkeys(film.names(name)))
        if trouble:
            problems.append((name, f"{trouble}; taken of it: {counted(len(film.rows), 'frame')}"))
    listed = sorted(names) if is_sorted else list(names)
    return replace(images, names=listed, problems=sorted(problems), films=films)
