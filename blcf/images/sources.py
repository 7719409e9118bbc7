"""Where pictures come from: whatever is added, as a source of names and of a picture for each.

A folder, a list, paths (`ImageList`), or pictures with names of the caller (`GivenPictures`): one
protocol. What reads, indexes and shows pictures knows no other.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol, Union

import numpy as np
from PIL import Image

from blcf.errors import InvalidInput
from blcf.images.films import Choices, original_at
from blcf.images.folder import find_images
from blcf.images.image_list import ImageList
from blcf.images.names import display_name
from blcf.images.originals import GivenOriginal, Original
from blcf.images.pixels import ImageLike, check_image

__all__ = ["Added", "GivenPictures", "Source", "as_sources"]

# Of an iterator, so much is taken at a time: 4,000 pictures are what words are learned from.
_MOST_PICTURES, _MOST_BYTES = 4_000, 1 << 30


class Source(Protocol):
    """Pictures in order, each with a name that no other has."""

    @property
    def root(self) -> str | Path:
        """The folder that names are relative to, or "" where pictures are not in one."""

    @property
    def names(self) -> Sequence[str]:
        """The names, in the pictures' order."""

    @property
    def problems(self) -> Sequence[tuple[str, str]]:
        """What could not even be listed: (name, reason)."""

    def __len__(self) -> int:
        """The number of names."""

    def original(self, name: str) -> Original:
        """The picture of a name; it may turn out that it cannot be read."""


Added = Union[
    str,
    "os.PathLike[str]",
    Iterable[Union[str, "os.PathLike[str]", tuple[str, ImageLike]]],
    Mapping[str, ImageLike],
    Source,
]
"""What can be added to a collection, see `as_sources`."""


class GivenPictures:
    """Pictures that the caller holds, with names of the caller's.

    Parameters
    ----------
    pictures : {name: picture of any form, see `blcf.images.as_image`}
    is_part : whether others follow, of the same iterator

    Raises
    ------
    InvalidInput
        A name is no text or empty, or what it stands for can be no picture.
    """

    root = ""
    problems: Sequence[tuple[str, str]] = ()

    def __init__(self, pictures: Mapping[str, ImageLike], is_part: bool = False):
        for name, picture in pictures.items():
            if not isinstance(name, str) or not name or "\0" in name:
                raise InvalidInput(
                    "Expected a name as text for every picture, {'id-7': picture}, got "
                    f"{name!r:.80}."
                )
            try:
                check_image(picture)
            except InvalidInput as error:
                raise InvalidInput(f"{display_name(name)}: {error}") from error
        self._pictures = dict(pictures)
        self.is_part = is_part
        self.names = list(self._pictures)

    def __len__(self) -> int:
        return len(self.names)

    def original(self, name: str) -> Original:
        """The picture of a name."""
        if name not in self._pictures:
            raise InvalidInput(
                f"Expected one of the {len(self):,} names, got {display_name(name)!r}."
            )
        picture = self._pictures[name]
        if isinstance(picture, (str, os.PathLike)):
            return original_at(name, Path(os.path.abspath(picture)))
        return GivenOriginal(name, picture)

    def only(self, names: Sequence[str]) -> GivenPictures:
        """Some of the pictures."""
        return GivenPictures({name: self._pictures[name] for name in names}, self.is_part)

    def picture(self, name: str) -> ImageLike | None:
        """A picture to be shown again, or None where there is none of this name."""
        picture = self._pictures.get(name)
        return (
            Path(os.path.abspath(picture)) if isinstance(picture, (str, os.PathLike)) else picture
        )


def as_sources(
    pictures: Added,
    root: str | os.PathLike[str] | None = None,
    name: str | None = None,
    choice: Choices | None = None,
) -> Iterator[Source]:
    """Whatever is added, as sources: one, or of an iterator of pictures one after the other.

    Parameters
    ----------
    pictures : a folder, list file, picture or film, or an iterable of paths, see `find_images`; or
        {name: picture}, where a picture is a path, an array, of Pillow, or the bytes of a file; or
        an iterable of such pairs (name, picture), of which 4,000 pictures or a gigabyte are taken
        at a time; or a `Source`
    root : the folder that names are relative to, for paths
    name : to stand before the names, like a folder's: of a folder, list or paths
    choice : which frames of films are taken, for paths

    Raises
    ------
    InvalidInput
        None of these. What is wrong with a later pair of an iterator is told when it is reached.
    """
    if hasattr(pictures, "original") and hasattr(pictures, "names"):
        yield _named(pictures, name)
    elif isinstance(pictures, Mapping):
        _only_for_paths(root, name)
        yield GivenPictures(pictures)
    elif isinstance(pictures, (str, os.PathLike, bytes, bytearray)) or not isinstance(
        pictures, Iterable
    ):
        yield _named(find_images(pictures, root, choice), name)
    else:
        rest = iter(pictures)
        first = list(_first(rest))
        if first and isinstance(first[0], tuple) and len(first[0]) == 2:
            _only_for_paths(root, name)
            yield from _in_parts(chain(first, rest))
        else:
            paths: Any = chain(first, rest)
            yield _named(find_images(paths, root, choice), name)


def _first(rest: Iterator[Any]) -> Iterator[Any]:
    for one in rest:
        yield one
        return


def _named(source: Any, name: str | None) -> Source:
    if name is None:
        return source
    if not isinstance(source, ImageList):
        raise _only_paths("name")
    return source.called(name)


def _only_for_paths(root: object, name: object) -> None:
    if root is not None or name is not None:
        raise _only_paths("root" if root is not None else "name")


def _only_paths(option: str) -> InvalidInput:
    return InvalidInput(
        f"Expected {option} with a folder, a list or paths only: pictures that are given with "
        "names of your own have no folder. Leave it out."
    )


def _in_parts(pairs: Iterable[Any]) -> Iterator[Source]:
    """Pairs of an iterator, so many at a time as fit in memory."""
    part: dict[str, Any] = {}
    n_bytes = 0
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:
            raise InvalidInput(
                f"Expected pairs of a name and a picture, got {type(pair).__name__} after "
                f"{len(part):,} of them."
            )
        name, picture = pair
        if name in part:
            raise InvalidInput(
                f"Expected every name once, got {display_name(str(name))!r} for two pictures."
            )
        part[name] = picture
        n_bytes += _n_bytes(picture)
        if len(part) >= _MOST_PICTURES or n_bytes >= _MOST_BYTES:
            yield GivenPictures(part, is_part=True)
            part, n_bytes = {}, 0
    if part:
        yield GivenPictures(part, is_part=True)


def _n_bytes(picture: Any) -> int:
    """Memory that a picture takes while it waits."""
    if isinstance(picture, np.ndarray):
        return picture.nbytes
    if isinstance(picture, Image.Image):
        return 4 * picture.width * picture.height
    return len(picture) if isinstance(picture, (bytes, bytearray, memoryview)) else 0
