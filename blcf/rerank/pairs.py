"""Tentative pairs: cells of a query and of an image that show the same word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Pairs", "pixels_of_cell", "tentative_pairs"]

Map = tuple[np.ndarray, np.ndarray, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Cells of the query ("ours") and of the image ("theirs") with the same word, a pair a row.

    Attributes
    ----------
    words : int32 (n,)
    ours, theirs : int64 (n,), numbers of the cells in their maps, row by row
    our_points, their_points : float64 (n, 2), centres of the cells in their pictures, in sides of
        a cell: as pixels they are square
    """

    words: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray
    our_points: np.ndarray
    their_points: np.ndarray


def tentative_pairs(query: Map, image: Map, max_pairs_per_word: int, max_pairs: int) -> Pairs:
    """All pairs of cells with the same word, of the words that have few.

    Parameters
    ----------
    query, image : of either picture the words, int (h, w); which cells count, bool (h, w); its
        size (width, height), pixels
    max_pairs_per_word : a word with more pairs is left out
    max_pairs : words with few pairs come first, as many as have no more pairs together
    """
    (query_words, query_counts, query_size), (image_words, image_counts, image_size) = query, image
    query_cells = _by_word(query_words, query_counts)
    image_cells = _by_word(image_words, image_counts)
    query_sorted = query_words.ravel()[query_cells]
    image_sorted = image_words.ravel()[image_cells]
    common = np.intersect1d(query_sorted, image_sorted)
    first, last = (np.searchsorted(query_sorted, common, side) for side in ("left", "right"))
    start, stop = (np.searchsorted(image_sorted, common, side) for side in ("left", "right"))
    n_pairs = (last - first) * (stop - start)
    order = np.argsort(n_pairs, kind="stable")
    order = order[n_pairs[order] <= max_pairs_per_word]
    order = order[np.cumsum(n_pairs[order]) <= max_pairs]
    ours, theirs = [query_cells[:0]], [image_cells[:0]]
    for i in order:
        one, other = query_cells[first[i] : last[i]], image_cells[start[i] : stop[i]]
        ours.append(np.repeat(one, other.size))
        theirs.append(np.tile(other, one.size))
    our_cells, their_cells = np.concatenate(ours), np.concatenate(theirs)
    return Pairs(
        query_words.ravel()[our_cells].astype(np.int32),
        our_cells,
        their_cells,
        _centres(our_cells, query_words.shape, query_size),
        _centres(their_cells, image_words.shape, image_size),
    )


def _by_word(words: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Numbers of the cells that count, by word, then row by row: int64 (n,)."""
    cells = np.flatnonzero(counts)
    return cells[np.argsort(words.ravel()[cells], kind="stable")]


def pixels_of_cell(shape: tuple[int, ...], size: tuple[int, int]) -> float:
    """Side of a cell in pixels; its two sides differ by the rounding of the map's shape only."""
    (h, w), (width, height) = shape, size
    return float(np.sqrt(width / w * height / h))


def _centres(numbers: np.ndarray, shape: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
    (h, w), (width, height) = shape, size
    y, x = np.divmod(numbers, w)
    centres = np.column_stack([(x + 0.5) * (width / w), (y + 0.5) * (height / h)])
    return centres / pixels_of_cell(shape, size)
