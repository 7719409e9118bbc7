"""From what a person points at to a `Query`: pictures, regions, frames of the collection."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

import numpy as np

from blcf.bags import BagOfWords, as_polygon, eighths, region_box, region_weights, spatial_weights
from blcf.bags.weighting import dequantise_norms, weighting_of_parts
from blcf.engine.checks import SIDES
from blcf.engine.opening import names_of
from blcf.engine.options import SearchOptions
from blcf.errors import InvalidInput
from blcf.images import read_image, read_mask
from blcf.records import Query, View

if TYPE_CHECKING:
    from blcf.engine.search_engine import SearchEngine

__all__ = ["Asked", "Example", "Region", "describe_examples", "describe_regions", "query_sides"]


@dataclass(frozen=True, eq=False)
class Region:
    """The part of a picture that shows the object; none of box, polygon and mask: all of it.

    Attributes
    ----------
    box : xyxy, pixels
    polygon : (n, 2), xy of its corners, pixels
    mask : bool or float (height, width), 0..1, or the path of a picture of it
    how : how cells count that the region covers in part, see `blcf.bags.region_weights`
    """

    box: Any = None
    polygon: Any = None
    mask: Any = None
    how: str = "hard"

    def on(self, size: tuple[int, int]) -> Region:
        """The same, checked for a picture of a size, with the mask read."""
        mask = self.mask
        if isinstance(mask, (str, os.PathLike)):
            mask = read_mask(mask, size)
        # Box and polygon are cut to the picture, which is logged, once.
        polygon = None if self.polygon is None else as_polygon(self.polygon, size)
        region = replace(self, polygon=polygon, mask=mask)
        bounds = region.bounds(size)
        return region if self.box is None else replace(region, box=bounds)

    def bounds(self, size: tuple[int, int]) -> np.ndarray | None:
        """The box around it: float32 (4,), xyxy, pixels; None for the whole picture."""
        return region_box(size, box=self.box, polygon=self.polygon, mask=self.mask)

    def weights(self, shape: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """What each cell of a map of the picture counts: float32 (h, w), 0..1."""
        return region_weights(
            shape, size, box=self.box, polygon=self.polygon, mask=self.mask, how=self.how
        )

    def mirrored(self, width: int) -> Region:
        """The same region (its mask read) of the mirrored picture."""
        box, polygon, mask = self.box, self.polygon, self.mask
        if box is not None:
            x1, y1, x2, y2 = (float(edge) for edge in box)
            box = (width - x2, y1, width - x1, y2)
        if polygon is not None:
            polygon = np.asarray(polygon, dtype=np.float64) * (-1, 1) + (width, 0)
        if mask is not None:
            mask = np.asarray(mask)[:, ::-1]
        return replace(self, box=box, polygon=polygon, mask=mask)


@dataclass(frozen=True, eq=False)
class Example:
    """A picture of the object (or of what is not meant), and where it is in it.

    Attributes
    ----------
    image : path, or uint8 (height, width, 3) RGB; or else
    frame : name or path of a picture of the collection: its words are there already, so that no
        network is needed
    box, polygon, mask, how : see `Region`
    """

    image: Any = None
    box: Any = None
    polygon: Any = None
    mask: Any = None
    how: str = "hard"
    frame: Any = None

    def __post_init__(self) -> None:
        if (self.image is None) == (self.frame is None):
            raise InvalidInput(
                "Expected a picture or a frame of the collection for each example, got "
                f"{'neither' if self.image is None else 'both'}."
            )
        if self.frame is not None and not isinstance(self.frame, (str, os.PathLike)):
            raise InvalidInput(f"Expected frame to be a name or a path, got {self.frame!r}.")
        if not isinstance(self.image, (str, os.PathLike, np.ndarray, NoneType)):
            raise InvalidInput(
                "Expected image to be a path or an array, uint8 (height, width, 3), got "
                f"{type(self.image).__name__}."
            )
        if isinstance(self.image, np.ndarray) and self.image.ndim != 3:
            raise InvalidInput(
                "Expected an RGB picture, uint8 (height, width, 3), got "
                f"{self.image.dtype} {self.image.shape}. `blcf.images.read_image` returns such."
            )

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
    pictures : of each, its path or itself, uint8 (height, width, 3); None where it is not known
    """

    queries: tuple[Query, ...]
    pictures: tuple[Path | np.ndarray | None, ...]


def describe_examples(
    engine: SearchEngine, examples: Sequence[Example], options: SearchOptions
) -> Asked:
    """Examples to queries, and their pictures to show."""
    queries: list[Query] = []
    pictures: list[Path | np.ndarray | None] = []
    for example in examples:
        if not isinstance(example, Example):
            raise InvalidInput(
                f"Expected examples of blcf.engine.queries.Example, got {type(example).__name__}."
            )
        if example.frame is not None:
            query, path = _describe_frame(engine, example)
            queries.append(query)
            pictures.append(path)
            continue
        image = example.image
        pixels = image if isinstance(image, np.ndarray) else read_image(image)
        region = example.region.on(_size(pixels))
        pictures.append(pixels if pixels is image else Path(image))
        if options.query_flip:
            pictures.append(pixels[:, ::-1])
        queries += describe_regions(engine, pixels, [region], options)[0]
    return Asked(tuple(queries), tuple(pictures))


def query_sides(side: int, options: SearchOptions) -> list[int]:
    """The longer sides, in pixels, that a query picture is looked at in; each once."""
    side = options.query_side or side
    least, most = SIDES
    sides = (min(max(round(side * float(scale)), least), most) for scale in options.query_scales)
    return list(dict.fromkeys(sides))


def describe_regions(
    engine: SearchEngine, image: np.ndarray, regions: Sequence[Region], options: SearchOptions
) -> list[list[Query]]:
    """Queries of several regions of a picture, which goes through the network once a size.

    Parameters
    ----------
    image : uint8 (height, width, 3) RGB
    regions : from `Region.on`

    Returns
    -------
    For each region one query, or two with that of the mirrored picture.
    """
    size, bag_of_words = _size(image), _bag_of_parts(engine)
    looks = [(image, list(regions))]
    if options.query_flip:
        flipped = np.ascontiguousarray(image[:, ::-1])
        looks.append((flipped, [region.mirrored(size[0]) for region in regions]))
    queries: list[list[Query]] = [[] for _ in regions]
    for pixels, places in looks:
        maps = [
            engine.model.encode(engine.model.extractor.extract(pixels, side))
            for side in query_sides(engine.settings.side, options)
        ]
        for region, described in zip(places, queries):
            views = [_view(bag_of_words, words, norms, region, size) for words, norms in maps]
            described.append(Query(tuple(views), size, region.bounds(size)))
    return queries


def _describe_frame(engine: SearchEngine, example: Example) -> tuple[Query, Path]:
    """A query from the words that the collection keeps; a view of one size."""
    collection = engine.searcher.collection
    bag_of_words = _bag_of_parts(engine)
    (name,) = names_of(collection, [example.frame], "Or search with a picture file.")
    image_id = int(collection.find([name])[0])
    size = collection.size(image_id)
    region = example.region.on(size)
    words, norms = collection.words(image_id), dequantise_norms(collection.norms(image_id))
    view = _view(bag_of_words, words, norms, region, size)
    query = Query((view,), size, region.bounds(size), frame=name)
    return query, collection.image_path(image_id)


def _bag_of_parts(engine: SearchEngine) -> BagOfWords:
    """Before the network, where it is asked first: an empty collection says so at once."""
    return BagOfWords(engine.model.n_words, weighting_of_parts(engine.settings.weighting))


def _view(
    bag_of_words: BagOfWords,
    words: np.ndarray,
    norms: np.ndarray,
    region: Region,
    size: tuple[int, int],
) -> View:
    covered = region.weights(words.shape, size)
    weighting = bag_of_words.weighting
    weights = eighths(spatial_weights(weighting, words.shape, norms) * covered)
    if not weights.any():  # an object in the dark of a bright picture: its own norms tell apart
        norms = norms * (covered > 0)
        weights = eighths(spatial_weights(weighting, words.shape, norms) * covered)
    return View(words, weights, bag_of_words.encode(words, norms=norms, region=covered))


def _size(image: np.ndarray) -> tuple[int, int]:
    return image.shape[1], image.shape[0]
