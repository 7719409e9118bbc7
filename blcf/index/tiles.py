"""Posting lists of the tiles of images: bags of parts of them, the best of which counts.

The tiles of an image lie one behind the other, and its cosine is the largest of that of the whole
image and a share of those of its tiles. A list holds 65,536 bags at most: the tiles of many images
are in several `Postings`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
import scipy.sparse as sp

from blcf.errors import FormatError
from blcf.index.blocks import Blocks, blocks_below
from blcf.index.postings import BUFFER, Postings
from blcf.kernels.top import raise_to_tiles
from blcf.storage import StoredGroup

__all__ = ["TileLists", "Wanted", "WeighedTiles"]

_GROUP, _SHARE = "tiles_{:03d}", "share"
Wanted = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # words, starts, rows, weights


@dataclass(frozen=True, eq=False)
class TileLists:
    """The posting lists of the tiles of some images.

    Attributes
    ----------
    n_tiles : of an image, 1 or more
    lists : one behind the other, each of as many images as fit; none where there are no images
    share : what the cosine of a tile counts beside that of the whole image, above 0, at most 1
    """

    n_tiles: int
    lists: Sequence[Postings]
    share: float = 1.0

    @property
    def n_images(self) -> int:
        """How many images the tiles are of."""
        return sum(one.n_images for one in self.lists) // self.n_tiles

    @property
    def n_bytes(self) -> int:
        """What the lists take, in memory as on disk."""
        return sum(one.n_bytes for one in self.lists)

    @property
    def n_postings(self) -> int:
        """How many (tile, word) pairs there are."""
        return sum(one.n_postings for one in self.lists)

    @classmethod
    def from_bags(cls, bags: sp.csr_matrix, n_tiles: int, share: float = 1.0) -> TileLists:
        """Lists of bags, CSR float32 (n_images n_tiles, n_words), those of an image together."""
        step = _images_of_a_list(n_tiles) * n_tiles
        firsts = range(0, bags.shape[0], step)
        return cls(n_tiles, [Postings.from_bags(bags[one : one + step]) for one in firsts], share)

    @classmethod
    def merge_any(
        cls, parts: Sequence[tuple[TileLists | None, np.ndarray | None]]
    ) -> TileLists | None:
        """`merge` of parts that have tiles; None of parts without.

        Raises
        ------
        FormatError
            Some have tiles and others have none, another number of them, or of another share.
        """
        tiles = [(one, live) for one, live in parts if one is not None]
        if len({(one.n_tiles, one.share) if one else None for one, _ in parts}) > 1:
            raise FormatError(
                "Expected all parts of an index to have the same number of tiles, and one share."
            )
        return cls.merge(tiles) if tiles else None

    @classmethod
    def merge(cls, parts: Sequence[tuple[TileLists, np.ndarray | None]]) -> TileLists:
        """The lists of the live images of some parts, one behind the other.

        Parameters
        ----------
        parts : of the same vocabulary and number of tiles, and bool (n_images,), which images
            live; None where all do
        """
        n_tiles = parts[0][0].n_tiles
        step = _images_of_a_list(n_tiles)
        sources: list[tuple[Postings, np.ndarray]] = []  # and which list each image goes to, or -1
        n_before = 0
        for tiles, live in parts:
            mask = np.ones(tiles.n_images, dtype=bool) if live is None else live
            places = np.where(mask, (n_before + np.cumsum(mask) - 1) // step, -1)
            n_before += int(mask.sum())
            first = 0
            for one in tiles.lists:
                n_images = one.n_images // n_tiles
                sources.append((one, places[first : first + n_images]))
                first += n_images
        merged = []
        for number in range(-(-n_before // step)):
            chosen = [
                (one, np.repeat(places == number, n_tiles))
                for one, places in sources
                if (places == number).any()
            ]
            merged.append(Postings.merge(chosen))
        return cls(n_tiles, merged, parts[0][0].share)

    def norms(self, idf: np.ndarray, sqrt: bool) -> np.ndarray:
        """Each tile's norm under an idf: float64 (n_images n_tiles,)."""
        squared = [one.squared_norms(idf, sqrt) for one in self.lists]
        return np.sqrt(np.concatenate([np.empty(0), *squared]))

    def write(self, file: h5py.Group) -> None:
        """Write the lists into groups of an HDF5 file."""
        for number, one in enumerate(self.lists):
            group = file.create_group(_GROUP.format(number))
            one.write(group)
            if self.share != 1:
                group.attrs[_SHARE] = self.share

    @classmethod
    def read(
        cls, file: StoredGroup, n_images: int, blocks: Mapping[str, Blocks] | None = None
    ) -> TileLists | None:
        """The lists of the tiles of some images in a file, if it has any; else None.

        Parameters
        ----------
        blocks : of all arrays of the file

        Raises
        ------
        FormatError
            They are not of that many images, or count as nothing can.
        """
        lists: list[Postings] = []
        shares = set()
        while (name := _GROUP.format(len(lists))) in file:
            group = file.group(name)
            lists.append(Postings.read(group, blocks_below(name, blocks or {})))
            shares.add(group.value(_SHARE, float) if _SHARE in group.values else 1.0)
        if not lists:
            return None
        n_bags = sum(one.n_images for one in lists)
        n_tiles = n_bags // max(n_images, 1)
        found = cls(n_tiles, lists, min(shares))
        if not n_tiles or n_bags != n_tiles * n_images or not found._is_laid_out():
            raise FormatError(
                f"{file.path} is damaged: its tiles are not of {n_images} images. Restore it from "
                "a copy, or index again."
            )
        if len(shares) > 1 or not 0 < found.share <= 1:
            raise FormatError(
                f"{file.path} is damaged: its tiles count {sorted(shares)} of their cosines. "
                "Restore it from a copy, or index again."
            )
        return found

    def _is_laid_out(self) -> bool:
        """Whether no image's tiles lie in two lists, and all lists are of one vocabulary."""
        words = {one.n_words for one in self.lists}
        return len(words) == 1 and not any(one.n_images % self.n_tiles for one in self.lists)

    def check(self) -> None:
        """Raise `FormatError` where the lists are none; reads everything."""
        for one in self.lists:
            one.check()


@dataclass(frozen=True, eq=False)
class WeighedTiles:
    """Tiles, and what turns their dot products into cosines.

    Attributes
    ----------
    tiles : `TileLists`
    scale : float64 (n_images n_tiles,), the tiles' share over their norms, 0 where these are 0
    """

    tiles: TileLists
    scale: np.ndarray

    @classmethod
    def by_norms(cls, tiles: TileLists, norms: np.ndarray) -> WeighedTiles:
        """With the norms of the tiles, float64 (n_images n_tiles,)."""
        return cls(tiles, np.divide(tiles.share, norms, out=np.zeros_like(norms), where=norms > 0))

    @property
    def norms(self) -> np.ndarray:
        """The norms of the tiles: float64 (n_images n_tiles,)."""
        share, scale = self.tiles.share, self.scale
        return np.divide(share, scale, out=np.zeros_like(scale), where=scale > 0)

    def raise_cosines(self, wanted: Wanted, sqrt: bool, cosines: np.ndarray) -> None:
        """Raise the cosines of images to the share of those of their best tiles.

        Parameters
        ----------
        wanted : words, starts, rows and weights, as `Postings.add_scores` takes them
        cosines : in and out, float64 (n_queries, n_images); NaN of an image stays
        """
        n_tiles, first = self.tiles.n_tiles, 0
        scores = np.zeros((len(cosines), BUFFER))
        for one in self.tiles.lists:
            last = first + one.n_images // n_tiles
            one.add_scores(*wanted, sqrt, scores)
            scale = self.scale[first * n_tiles : last * n_tiles]
            for row in range(len(cosines)):
                raise_to_tiles(
                    scores[row, : one.n_images], scale, n_tiles, cosines[row, first:last]
                )
            first = last


def _images_of_a_list(n_tiles: int) -> int:
    return BUFFER // n_tiles
