"""Parts of an index: names and posting lists of up to 32,768 images, and which of them live."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from blcf.errors import FormatError, InvalidInput
from blcf.index import merging
from blcf.index.checked import check_among
from blcf.index.names import Names
from blcf.index.numbering import Numbering
from blcf.index.postings import Postings
from blcf.index.scoring import Part, Top, parts_among
from blcf.index.statistics import (
    DocumentFrequencies,
    Lists,
    Statistics,
    compute_statistics,
    count_images,
    take_statistics,
)
from blcf.index.tiles import TileLists
from blcf.printing import counted
from blcf.records import Ranking
from blcf.storage import StoredGroup, write_dataset

__all__ = ["ClosedState", "NamedPart", "State", "with_bags", "without_names"]

BAGS = 4096  # images of `State.bags` at a time


@dataclass(frozen=True, eq=False)
class NamedPart:
    """Names and posting lists of some images.

    Attributes
    ----------
    names : `Names`
    postings : `Postings`
    live : bool (n_images,), which images are not removed; None where none is
    tiles : the lists of the images' tiles; None where they have none
    """

    names: Names
    postings: Postings
    live: np.ndarray | None = None
    tiles: TileLists | None = None

    @property
    def n_live(self) -> int:
        """How many images are not removed."""
        return self.postings.n_images if self.live is None else int(self.live.sum())

    def write(self, group: h5py.Group) -> None:
        """Write the part into an HDF5 group."""
        self.names.write(group)
        self.postings.write(group)
        if self.tiles is not None:
            self.tiles.write(group)
        if self.live is not None:
            write_dataset(group, "live", self.live)

    @classmethod
    def read(cls, group: StoredGroup) -> NamedPart:
        """The part of a stored group, over its mapped file.

        Raises
        ------
        FormatError
            Names, posting lists and marks are not of the same images.
        """
        names, postings = Names.read(group), Postings.read(group)
        live = group.array("live") if "live" in group else None
        if len(names) != postings.n_images or not (live is None or _are_marks(live, len(names))):
            raise FormatError(
                f"{group.path} is damaged: its names, posting lists and marks of removed "
                "images do not fit together. Restore it from a copy, or index again."
            )
        return cls(names, postings, live, TileLists.read(group, len(names)))


class State:
    """What an index holds at one moment.

    Never changed, only replaced: a search keeps the one that it began with, whatever other
    threads add and remove meanwhile.
    """

    def __init__(self, parts: Sequence[NamedPart], given: DocumentFrequencies | None = None):
        self.parts = list(parts)
        self.given = given  # to weigh by, in place of those of the parts
        self.numbering = Numbering([(one.postings.n_images, one.live) for one in parts])
        counts = [part.postings.n_images for part in parts]
        self.firsts = np.cumsum([0, *counts], dtype=np.int64)[:-1]  # removed images counted
        self.statistics: Statistics | None = None

    @property
    def lists(self) -> list[Lists]:
        """Posting lists, the mask of the images that live, and tiles, of each part."""
        return [(part.postings, part.live, part.tiles) for part in self.parts]

    @property
    def all_lists(self) -> list[Postings]:
        """Every posting list, those of tiles too."""
        tiles = [one for part in self.parts if part.tiles is not None for one in part.tiles.lists]
        return [*(part.postings for part in self.parts), *tiles]

    @property
    def n_tiles(self) -> int:
        """Tiles of an image; 0 where there are none."""
        return next((one.tiles.n_tiles for one in self.parts if one.tiles is not None), 0)

    def weighed(self, n_words: int, idf: bool, sqrt: bool) -> Statistics:
        """Statistics of the images that live, computed when they are first needed."""
        # Threads that search at once may each compute this; they then store equal values.
        if self.statistics is None:
            self.statistics = compute_statistics(self.lists, self.given, n_words, idf, sqrt)
        return self.statistics

    def frequencies(self, n_words: int, idf: bool, sqrt: bool) -> DocumentFrequencies:
        """Those of the images here, whatever is given to weigh by."""
        if self.given is None:
            df = self.weighed(n_words, idf, sqrt).df
            return DocumentFrequencies(self.numbering.n_images, df)
        return count_images(self.lists, n_words)

    def take(
        self, df: np.ndarray, norms: np.ndarray, of_tiles: np.ndarray, n_words: int, idf: bool
    ) -> None:
        """Take the statistics that an equal index computed, unless others are given to weigh by."""
        n_images, n_tiles = self.numbering.n_images, self.n_tiles
        expected = (n_words,), (n_images,), (n_images * n_tiles,)
        if (df.shape, norms.shape, of_tiles.shape) != expected:
            tiles = f" of {n_tiles} tiles" if n_tiles else ""
            of_them = f", of tiles {of_tiles.shape}" if n_tiles or of_tiles.size else ""
            raise InvalidInput(
                f"Expected statistics of {n_words} words and {n_images} images{tiles}, got shapes "
                f"{df.shape} and {norms.shape}{of_them}."
            )
        if self.given is None:
            self.statistics = take_statistics(self.lists, df, norms, of_tiles, idf)

    def bags(self) -> Iterator[sp.csr_matrix]:
        """Raw term frequencies of the images that live, part by part."""
        for part in self.parts:
            first = 0
            for bags in part.postings.bags(BAGS):
                live = None if part.live is None else part.live[first : first + bags.shape[0]]
                first += bags.shape[0]
                yield bags if live is None or live.all() else bags[np.flatnonzero(live)]

    @property
    def summary(self) -> str:
        """How many images and posting lists' entries, in words."""
        n_postings = sum(part.postings.n_postings for part in self.parts)
        images = counted(self.numbering.n_images, "image")
        return f"{images}, {counted(n_postings, 'posting')}"

    def among(self, parts: list[Part], mask: np.ndarray | None, k: int) -> tuple[list[Part], int]:
        """The parts to rank where only some images are (None: all), and how many hits there are."""
        if mask is None:
            return parts, min(k, self.numbering.n_images)
        mask = check_among(mask, self.numbering.n_images)
        return parts_among(parts, self.numbering, mask), min(k, int(np.count_nonzero(mask)))

    def ranking(self, top: Top) -> Ranking:
        """Numbers of images become their ids and names."""
        parts = np.searchsorted(self.firsts, top.images, side="right") - 1
        names = np.empty(top.images.size, dtype=object)
        ids = np.empty_like(top.images)
        for part in np.unique(parts).tolist():
            rows = np.flatnonzero(parts == part)
            positions = top.images[rows] - self.firsts[part]
            names[rows] = self.parts[part].names.take(positions)
            ids[rows] = self.numbering.ids(part, positions)
        return Ranking(names.tolist(), top.scores, ids)


class ClosedState(State):
    """What is left of an index that was closed: nothing, which is said to whoever asks."""

    def __init__(self) -> None:
        pass

    summary = "closed"

    def __getattr__(self, name: str) -> Any:
        raise InvalidInput("This index was closed. Open it again.")


def with_bags(
    parts: Sequence[NamedPart], names: Sequence[str], bags: sp.csr_matrix
) -> list[NamedPart]:
    """Parts with more images behind them, merged as far as the rule asks for it."""
    grown = list(parts)
    if any(one.tiles is not None for one in parts):
        raise InvalidInput(
            "Expected posting lists of tiles beside those of the images, as the other images of "
            "this index have them: add_part takes them."
        )
    for first in range(0, bags.shape[0], merging.LARGEST):
        rows = slice(first, first + merging.LARGEST)
        part = NamedPart(Names.from_list(names[rows]), Postings.from_bags(bags[rows]))
        grown = _merged([*grown, part])
    return grown


def without_names(parts: Sequence[NamedPart], names: Sequence[str]) -> list[NamedPart]:
    """Parts in which all images of some names are removed."""
    left = []
    for part in parts:
        positions, _ = part.names.find(names)
        if positions.size:
            n_images = part.postings.n_images
            live = np.ones(n_images, dtype=bool) if part.live is None else part.live.copy()
            live[positions] = False
            part = replace(part, live=live)
        left.append(part)
    return _merged(left)


def _are_marks(live: np.ndarray, n_images: int) -> bool:
    # A byte that is neither 0 nor 1 would count differently here and there.
    return live.dtype == bool and live.shape == (n_images,) and not (live.view(np.uint8) > 1).any()


def _merged(parts: list[NamedPart]) -> list[NamedPart]:
    while True:
        n_live = [part.n_live for part in parts]
        n_removed = [part.postings.n_images - n for part, n in zip(parts, n_live)]
        span = merging.plan_merge(n_live, n_removed)
        if span is None:
            return parts
        parts = [*parts[: span[0]], *_joined(parts[slice(*span)]), *parts[span[1] :]]


def _joined(parts: Sequence[NamedPart]) -> list[NamedPart]:
    """One part with the live images of some; none where no image lives."""
    names: list[str] = []
    for part in parts:
        part.postings.check()  # of a mapped file: damage must not go into a new part
        kept = range(len(part.names)) if part.live is None else np.flatnonzero(part.live)
        names += [part.names[int(position)] for position in kept]
    if not names:
        return []
    postings = Postings.merge([(part.postings, part.live) for part in parts])
    tiles = TileLists.merge_any([(part.tiles, part.live) for part in parts])
    return [NamedPart(Names.from_list(names), postings, tiles=tiles)]
