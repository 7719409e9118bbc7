"""What an inverted file weighs with: df, idf and norms of the images that live."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Optional

import numpy as np

from blcf.errors import InvalidInput
from blcf.index.postings import Postings
from blcf.index.scoring import Part
from blcf.index.tiles import TileLists, WeighedTiles

__all__ = [
    "DocumentFrequencies",
    "Lists",
    "Statistics",
    "compute_statistics",
    "count_images",
    "take_statistics",
]

# Posting lists; bool (n_images,), which images live, None: all; those of their tiles, or None.
Lists = tuple[Postings, Optional[np.ndarray], Optional[TileLists]]


@dataclass(frozen=True, eq=False)
class DocumentFrequencies:
    """What idf follows from; those of parts of a collection add up to those of the whole.

    Attributes
    ----------
    n_images : how many images live
    df : int64 (n_words,), in how many of them each word occurs

    Examples
    --------
    >>> one = DocumentFrequencies(2, np.array([2, 0, 1]))
    >>> other = DocumentFrequencies(3, np.array([1, 0, 0]))
    >>> both = sum([one, other], start=DocumentFrequencies.of_none(3))
    >>> both.n_images, both.df.tolist()
    (5, [3, 0, 1])
    """

    n_images: int
    df: np.ndarray

    @classmethod
    def of_none(cls, n_words: int) -> DocumentFrequencies:
        """Those of no images: where a sum begins."""
        return cls(0, np.zeros(n_words, dtype=np.int64))

    def __add__(self, other: DocumentFrequencies) -> DocumentFrequencies:
        if self.df.shape != other.df.shape:
            raise InvalidInput(
                f"Expected document frequencies of {self.df.size} words, got {other.df.size}: "
                "parts of one collection have one vocabulary."
            )
        return DocumentFrequencies(self.n_images + other.n_images, self.df + other.df)

    @property
    def idf(self) -> np.ndarray:
        """``log(n_images / df)``, 0 for words of no image: float64 (n_words,).

        Sivic & Zisserman, ICCV 2003, equation 1.
        """
        weights = np.zeros(self.df.size)
        present = self.df > 0
        weights[present] = np.log(self.n_images / self.df[present])
        return weights


@dataclass(frozen=True, eq=False)
class Statistics:
    """df, idf and norms of the live images.

    Attributes
    ----------
    df : int64 (n_words,), in how many images each word occurs
    idf : float64 (n_words,), ``log(n_images / df)``, 0 for words of no image; ones where off
    parts : posting lists with one over the norm of each image
    """

    df: np.ndarray
    idf: np.ndarray
    parts: list[Part]

    @property
    def norms(self) -> np.ndarray:
        """L2 norm of every live image's vector: float64 (n_images,)."""
        scale = np.concatenate([np.empty(0), *(part.scale for part in self.parts)])
        scale = scale[~np.isnan(scale)]
        return np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)

    @property
    def norms_of_tiles(self) -> np.ndarray:
        """Those of the tiles of every live image: float64 (n_images n_tiles,); empty without."""
        norms = [np.empty(0)]
        for part in self.parts:
            if part.tiles is not None:
                live = np.repeat(~np.isnan(part.scale), part.tiles.tiles.n_tiles)
                norms.append(part.tiles.norms[live])
        return np.concatenate(norms)


def compute_statistics(
    lists: Sequence[Lists],
    frequencies: DocumentFrequencies | None,
    n_words: int,
    idf: bool,
    sqrt: bool,
) -> Statistics:
    """Statistics of the live images, from a pass over all their lists, in threads.

    `frequencies` are those to weigh by, of a collection that these images are a part of; None
    takes their own.
    """
    if frequencies is None:
        frequencies = count_images(lists, n_words)
    weights = frequencies.idf if idf else np.ones(n_words)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        squared = list(pool.map(lambda one: one[0].squared_norms(weights, sqrt), lists))
        tiles = list(pool.map(lambda one: one[2] and one[2].norms(weights, sqrt), lists))
    norms = [np.sqrt(one) for one in squared]
    return Statistics(frequencies.df, weights, _scaled(lists, norms, tiles))


def count_images(lists: Sequence[Lists], n_words: int) -> DocumentFrequencies:
    """The document frequencies of the images that live in some lists, counted in threads."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        counts = pool.map(lambda one: one[0].document_frequencies(one[1]), lists)
        df = sum(counts, start=np.zeros(n_words, dtype=np.int64))
    n_live = sum(one.n_images if live is None else int(live.sum()) for one, live, _ in lists)
    return DocumentFrequencies(n_live, df)


def take_statistics(
    lists: Sequence[Lists], df: np.ndarray, norms: np.ndarray, of_tiles: np.ndarray, idf: bool
) -> Statistics:
    """Statistics from the df and the norms, of tiles too, that an equal index computed before."""
    tiles: list[np.ndarray | None] = []
    spread, first = [], 0
    for postings, live, own in lists:
        n_live = postings.n_images if live is None else int(live.sum())
        spread.append(_spread(norms[first : first + n_live], live))
        if own is None:
            tiles.append(None)
        else:
            some = of_tiles[first * own.n_tiles : (first + n_live) * own.n_tiles]
            tiles.append(_spread(some, None if live is None else np.repeat(live, own.n_tiles)))
        first += n_live
    weights = DocumentFrequencies(norms.size, df).idf if idf else np.ones(df.size)
    return Statistics(df, weights, _scaled(lists, spread, tiles))


def _spread(norms: np.ndarray, live: np.ndarray | None) -> np.ndarray:
    """Norms of what lives as those of all, 0 of what is removed: float64 (n,)."""
    if live is None:
        return np.array(norms, dtype=np.float64)
    part = np.zeros(live.size)
    part[live] = norms
    return part


def _scaled(
    lists: Sequence[Lists], norms: list[np.ndarray], tiles: Sequence[np.ndarray | None]
) -> list[Part]:
    parts, first = [], 0
    for (postings, live, own), one, of_tiles in zip(lists, norms, tiles):
        scale = np.divide(1, one, out=np.zeros_like(one), where=one > 0)
        if live is not None:
            scale[~live] = np.nan
        weighed = None
        if own is not None and of_tiles is not None:
            weighed = WeighedTiles.by_norms(own, of_tiles)
        parts.append(Part(postings, scale, first, weighed))
        first += postings.n_images
    return parts
