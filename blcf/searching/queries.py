"""From what a person points at to a `Query`: pictures of any form, frames of the collection."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Optional

import numpy as np

from blcf.collection import Model
from blcf.collection.opening import names_of
from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import ImageLike, as_image, check_image, read_ahead
from blcf.images.thumbnails import NO_PICTURE
from blcf.records import Query
from blcf.searching.options import SearchOptions
from blcf.searching.refining import keypoints_of
from blcf.searching.regions import Region
from blcf.searching.searchable import Searchable
from blcf.searching.views import Look, describe_looks, look_at, make_view

__all__ = ["Asked", "Example", "Shown", "describe_each", "describe_examples", "shown_pixels"]

Shown = Optional[ImageLike]
"""A picture to draw, in the form in which it was given; None where none is known."""

# Queries that are described together. Their resized pictures take 40 MB and their maps 110 (side
# 384, five sizes); beyond that the batches of the network are full.
_TOGETHER = 32


@dataclass(frozen=True, eq=False)
class Example:
    """A picture of the object (or of what is not meant), and where it is in it.

    Attributes
    ----------
    image : a path, the bytes of a file, a PIL.Image, or an array, see `blcf.images.as_image`; or
        else
    frame : name or path of a picture of the collection: its words are there already, so that no
        network is needed
    box : xyxy, pixels of the picture; or
    polygon : (n, 2), xy of its corners, pixels; or
    mask : bool or float (height, width), 0..1, or a picture of it: the path or the bytes of a file
    how : how cells count that the object covers in part, see `SearchEngine.search`
    """

    image: ImageLike | None = None
    box: Any = None
    polygon: Any = None
    mask: Any = None
    how: str = "hard"
    frame: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.frame is None):
            raise InvalidInput(
                "Expected a picture or a frame of the collection for each example, got "
                f"{'neither' if self.image is None else 'both'}."
            )
        if self.frame is not None and not isinstance(self.frame, (str, os.PathLike)):
            raise InvalidInput(f"Expected frame to be a name or a path, got {self.frame!r}.")
        if self.image is not None:
            check_image(self.image)

    @property
    def region(self) -> Region:
        """Where the object is."""
        return Region(self.box, self.polygon, self.mask, self.how)


@dataclass(frozen=True, eq=False)
class Asked:
    """Examples after the network.

    Attributes
    ----------
    queries : one per picture; the mirror image of an example is a picture of its own
    pictures : of each, its path or itself; None where it is not known
    """

    queries: tuple[Query, ...]
    pictures: tuple[Shown, ...]


@dataclass(frozen=True, eq=False)
class _Read:
    """An example on its way to the network, or already described where it is a frame."""

    pictures: list[Shown]
    looks: list[Look]
    query: Query | None = None


def describe_examples(
    searchable: Searchable, examples: Sequence[Example], options: SearchOptions
) -> Asked:
    """The examples of one search to queries, and their pictures to show."""
    for example in examples:
        if not isinstance(example, Example):
            raise InvalidInput(f"Expected examples of blcf.Example, got {type(example).__name__}.")
    read = [_read(searchable, example, options) for example in examples]
    asked = _describe(searchable.model, read)
    return Asked(
        tuple(query for one in asked for query in one.queries),
        tuple(picture for one in asked for picture in one.pictures),
    )


def describe_each(
    searchable: Searchable, examples: Iterable[Example | ImageLike], options: SearchOptions
) -> Generator[Asked, None, None]:
    """The examples of many searches of one example each, in their order.

    They are read and resized in threads, ahead of the network, and go through it together.

    Raises
    ------
    InvalidInput, UnreadableImage
        At its place; the message says which one it was.
    """

    def load(numbered: tuple[int, Any]) -> _Read:
        number, one = numbered
        try:
            example = one if isinstance(one, Example) else Example(one)
            return _read(searchable, example, options)
        except InvalidInput as error:
            named = type(error)(f"Query {number} (0 is the first): {error}")
            if isinstance(error, UnreadableImage) and isinstance(named, UnreadableImage):
                named.reason = error.reason
            raise named from error

    read = read_ahead(enumerate(examples), load, ahead=_TOGETHER)
    with closing(read):
        while part := [one for _, one in islice(read, _TOGETHER)]:
            for one in part:
                if isinstance(one, UnreadableImage):
                    raise one
            yield from _describe(searchable.model, [one for one in part if isinstance(one, _Read)])


def _read(searchable: Searchable, example: Example, options: SearchOptions) -> _Read:
    """The picture of an example, read and resized; of a frame its query."""
    if example.image is None:
        query, picture = _describe_frame(searchable, example, options)
        return _Read([picture], [], query)
    pixels = as_image(example.image)
    region = example.region.on((pixels.shape[1], pixels.shape[0]))
    shown: Shown = example.image
    pictures: list[Shown] = [Path(shown) if isinstance(shown, (str, os.PathLike)) else shown]
    if options.query_flip:
        pictures.append(pixels[:, ::-1])
    return _Read(pictures, look_at(pixels, [region], searchable.model.settings.side, options))


def _describe(model: Model, read: Sequence[_Read]) -> list[Asked]:
    """Each example to its queries."""
    described = iter(describe_looks(model, [look for one in read for look in one.looks]))
    asked = []
    for one in read:
        known = [] if one.query is None else [one.query]
        queries = [query for _ in one.looks for query in next(described)]
        asked.append(Asked((*known, *queries), tuple(one.pictures)))
    return asked


def _describe_frame(
    searchable: Searchable, example: Example, options: SearchOptions
) -> tuple[Query, Shown]:
    """A query from the words that the collection keeps; a view of one size."""
    snapshot = searchable.snapshot
    assert example.frame is not None
    (name,) = names_of(snapshot, [example.frame], "Or search with a picture file.")
    image_id = int(snapshot.find([name])[0])
    bags = searchable.bags_of_parts
    size, words, channel = snapshot.seen(bags.weighting, image_id)
    region = example.region.on(size)
    view = make_view(bags, words, channel, region)
    picture = snapshot.picture(image_id)
    keypoints = keypoints_of(picture, size, region.box) if options.refine else None
    query = Query((view,), size, region.box, frame=name, keypoints=keypoints)
    return query, picture


def shown_pixels(source: Shown) -> np.ndarray | str:
    """A picture, or the reason why it cannot be shown."""
    if source is None:
        return NO_PICTURE
    try:
        return as_image(source)
    except UnreadableImage as error:
        return error.reason or str(error)
