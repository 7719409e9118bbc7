"""What a segment holds: names, sizes, assignment maps and postings of images, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import compress

import numpy as np

from blcf.bags.weighting import CHANNELS, dequantise_channel, weights_of_each
from blcf.collection.columns import Columns, check_columns, misshapen
from blcf.collection.maps import Maps
from blcf.errors import FormatError
from blcf.index.blocks import Blocks
from blcf.index.names import Names
from blcf.index.postings import Postings
from blcf.index.tiles import TileLists
from blcf.storage import Place, StoredGroup
from blcf.weighed_maps import WeighedMaps

__all__ = ["SegmentContents"]

LARGEST_ID = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class SegmentContents:
    """What an opened segment holds; `Segment` adds how it is written and read.

    Attributes
    ----------
    path : the file
    names : `Names`
    columns : sizes, ids, facts of files and more, see `blcf.collection.columns`
    maps : `Maps`, assignment maps and channels
    tile_maps : the same of the images in the size in which their tiles are looked at; None where
        that is no other
    postings : `Postings`
    live : bool (n_images,), which images are not removed, or None where all are live
    blocks : of the columns in the file; nothing of one without check sums
    layout : what lies where in the file; None of one that is none yet
    tiles : `TileLists`; None where the images have no tiles
    """

    path: Place
    names: Names
    columns: Columns
    maps: Maps
    postings: Postings
    live: np.ndarray | None = None
    blocks: Mapping[str, Blocks] = field(default_factory=dict)
    layout: StoredGroup | None = None
    tiles: TileLists | None = None
    tile_maps: Maps | None = None

    @property
    def root_ids(self) -> np.ndarray:
        """Which root of the manifest each name is relative to: int32 (n_images,)."""
        return self.columns["root_ids"]

    @property
    def sizes(self) -> np.ndarray:
        """Width and height of the original images, pixels: int32 (n_images, 2)."""
        return self.columns["sizes"]

    @property
    def n_images(self) -> int:
        """How many images the file holds, removed ones counted."""
        return self.postings.n_images

    @property
    def all_lists(self) -> list[Postings]:
        """The posting lists of the images, and those of their tiles."""
        return [self.postings, *(self.tiles.lists if self.tiles else [])]

    @property
    def all_maps(self) -> list[Maps]:
        """The maps of the images, and those of their tiles where these are others."""
        return [self.maps, *([self.tile_maps] if self.tile_maps is not None else [])]

    @property
    def n_live(self) -> int:
        """How many images are not removed."""
        return self.n_images if self.live is None else int(np.count_nonzero(self.live))

    @property
    def live_mask(self) -> np.ndarray:
        """Which images are not removed: bool (n_images,), never None and not to be written to."""
        return np.ones(self.n_images, dtype=bool) if self.live is None else self.live

    @property
    def live_names(self) -> Iterable[str]:
        """Names of the images that are not removed, in order of insertion."""
        names = self.names[:]
        return names if self.live is None else compress(names, self.live)

    def check_form(self, n_images: int) -> None:
        """`FormatError` unless arrays fit each other: no position leads out of them."""
        wrong = misshapen(self.columns, n_images)
        wrong += ["names"] * (len(self.names) != n_images)
        wrong += ["postings"] * (self.postings.n_images != n_images)
        wrong += ["tiles"] * any(one.n_words != self.postings.n_words for one in self.all_lists)
        if wrong:
            raise FormatError(
                f"Expected {self.path} to hold {n_images} images, its {', '.join(wrong)} are of "
                "another number or kind. Restore it from a copy, or index again."
            )
        try:
            for maps in self.all_maps:
                maps.check_form(n_images, self.postings.n_words)
        except FormatError as error:
            raise FormatError(
                f"{self.path} is damaged: {error} Restore it from a copy, or run `blcf check` on "
                "the collection."
            ) from error

    def check(
        self, n_words: int, n_roots: int, n_videos: int = 0, next_id: int = LARGEST_ID
    ) -> None:
        """Raise `FormatError`, a sentence without the path, where anything is damaged."""
        self.names.check()
        for blocks in self.blocks.values():
            blocks.touch_all()
        check_columns(self.columns, n_roots, n_videos, next_id)
        if self.postings.n_words != n_words:
            raise FormatError(
                f"Expected posting lists of {n_words} words, got {self.postings.n_words}."
            )
        for maps in self.all_maps:
            maps.check(n_words)
        for lists in self.all_lists:
            lists.check()

    def maps_of(self, of_tiles: bool) -> Maps:
        """The maps of the images, or those that their tiles are parts of."""
        return self.maps if self.tile_maps is None or not of_tiles else self.tile_maps

    def words_of(self, position: int, of_tiles: bool = False) -> np.ndarray:
        """The assignment map of an image, or that of its tiles: uint16 or int32 (h, w).

        Raises
        ------
        FormatError
            A cell is no word: what counts words would leave its arrays.
        """
        try:
            words = self.maps_of(of_tiles).words_of(position)
            if words.size and (words.max() >= self.postings.n_words or words.min() < 0):
                raise FormatError(f"Image {position} holds words that the vocabulary has not.")
        except FormatError as error:
            raise self._damaged(error) from error
        return words

    def channel_of(self, name: str, position: int, of_tiles: bool = False) -> np.ndarray:
        """A channel of an image, relative to its largest value: float32 (h, w), 0..1.

        `FormatError` where the file has none of this name.
        """
        try:
            return dequantise_channel(self.maps_of(of_tiles).channel_of(name, position))
        except FormatError as error:
            raise self._damaged(error) from error

    def weighed(self, weighting: str, positions: np.ndarray, of_tiles: bool = False) -> WeighedMaps:
        """The maps of several images, or those of their tiles, with weights of their cells.

        Parameters
        ----------
        weighting : of queries and windows, see `blcf.bags.weighting.weighting_of_parts`
        positions : int64 (n,)

        Raises
        ------
        FormatError
            As `words_of` and `channel_of`.
        """
        maps, quantised = self.maps_of(of_tiles), None
        try:
            words, starts, shapes = maps.words_of_each(positions)
            if weighting in CHANNELS:
                quantised = maps.channel_of_each(weighting, positions)
        except FormatError as error:
            raise self._damaged(error) from error
        if words.size and not 0 <= words.min() <= words.max() < self.postings.n_words:
            wrong = (words < 0) | (words >= self.postings.n_words)
            image = positions[np.searchsorted(starts, np.argmax(wrong), side="right") - 1]
            raise self._damaged(f"Image {image} holds words that the vocabulary has not.")
        weights = weights_of_each(weighting, quantised, starts, words.size)
        return WeighedMaps(self.postings.n_words, words, weights, starts, shapes)

    def _damaged(self, why: object) -> FormatError:
        return FormatError(f"{self.path} is damaged: {why} Run `blcf check` on the collection.")

    def size_of(self, position: int) -> tuple[int, int]:
        """Width and height of an original image, pixels."""
        if "sizes" in self.blocks:
            self.blocks["sizes"].touch_one(2 * position, 2 * position + 2)
        width, height = self.sizes[position].tolist()
        if width < 1 or height < 1:
            raise FormatError(
                f"{self.path} is damaged: image {position} is {width} x {height} pixels. Run "
                "`blcf check` on the collection."
            )
        return width, height

    def column(self, name: str) -> np.ndarray:
        """A column, verified."""
        if name in self.blocks:
            self.blocks[name].touch_all()
        return self.columns[name]

    def live_column(self, name: str) -> np.ndarray:
        """A column of the images that are not removed, verified."""
        column = self.column(name)
        return column if self.live is None else column[self.live]

    def root_id_of(self, position: int) -> int:
        """Which root of the manifest the name of an image is relative to."""
        if "root_ids" in self.blocks:
            self.blocks["root_ids"].touch_one(position, position + 1)
        return int(self.root_ids[position])
