"""What an inverted file weighs with: df, idf and norms of the images that live."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from blcf.index.postings import Postings
from blcf.index.scoring import Part

__all__ = ["Statistics", "compute_statistics", "take_statistics"]

Lists = tuple[Postings, np.ndarray | None]  # and bool (n_images,), which live; None: all


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


def compute_statistics(
    lists: Sequence[Lists], n_words: int, n_images: int, idf: bool, sqrt: bool
) -> Statistics:
    """Statistics of `n_images` live images, from a pass over all their lists, in threads."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        counts = pool.map(lambda one: one[0].document_frequencies(one[1]), lists)
        df = sum(counts, start=np.zeros(n_words, dtype=np.int64))
        weights = _inverse(df, n_images, idf)
        squared = list(pool.map(lambda one: one[0].squared_norms(weights, sqrt), lists))
    return Statistics(df, weights, _scaled(lists, [np.sqrt(one) for one in squared]))


def take_statistics(
    lists: Sequence[Lists], df: np.ndarray, norms: np.ndarray, idf: bool
) -> Statistics:
    """Statistics from the df and the norms that an equal index computed before."""
    spread, first = [], 0
    for postings, live in lists:
        part = np.zeros(postings.n_images)
        n_live = postings.n_images if live is None else int(live.sum())
        part[slice(None) if live is None else live] = norms[first : first + n_live]
        spread.append(part)
        first += n_live
    return Statistics(df, _inverse(df, norms.size, idf), _scaled(lists, spread))


def _inverse(df: np.ndarray, n_images: int, idf: bool) -> np.ndarray:
    """Sivic & Zisserman, ICCV 2003, equation 1."""
    if not idf:
        return np.ones(df.size)
    weights = np.zeros(df.size)
    present = df > 0
    weights[present] = np.log(n_images / df[present])
    return weights


def _scaled(lists: Sequence[Lists], norms: list[np.ndarray]) -> list[Part]:
    parts, first = [], 0
    for (postings, live), one in zip(lists, norms):
        scale = np.divide(1, one, out=np.zeros_like(one), where=one > 0)
        if live is not None:
            scale[~live] = np.nan
        parts.append(Part(postings, scale, first))
        first += postings.n_images
    return parts
