"""How similar words are to the places of a query: what the voting needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from blcf.checks import as_cell_weights
from blcf.errors import VocabularyMismatch
from blcf.records import Query, View
from blcf.threads import in_order, one_blas_thread

__all__ = ["PreparedVotes", "prepare_votes"]

BLOCK = 2_048  # words whose similarities are dense at a time, computed by one thread
# Words of a query that count, the heaviest: the time to prepare is theirs. A whole picture in five
# sizes has some 1,700 of 25,000 words. Logos, whole pictures and boxes, have the same IoU to .001
# with all, 512 and 256; 128 lose .001, and .008 of the boxes of IoU >= .5 (whole pictures).
MOST_WORDS = 256


@dataclass(frozen=True, eq=False)
class PreparedVotes:
    """Similarities of words with the bins of a query, from `Voting.prepare`.

    Attributes
    ----------
    aspect : width over height of the query's box
    places : float64 (2, n_bins), x of the columns and y of the rows of bins (the mean of the cells
        in them), from the centre of the box in its widths and heights
    rows : int32 (n_words,), the row of each word below, -1 for words that were not asked for
    starts, bins, values : int32 (n_rows + 1,), int32 (n,), float32 (n,), CSR: the bins (row by
        row) that a word is similar to, and how much
    own, shares : int (n_own,) and float32 (n_own, n_bins * n_bins), the words of the query and what
        they weigh in each bin
    """

    aspect: float
    places: np.ndarray
    rows: np.ndarray
    starts: np.ndarray
    bins: np.ndarray
    values: np.ndarray
    own: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, query: Query, n_words: int, n_bins: int) -> PreparedVotes:
        """A query, prepared for no word yet; the order of the views makes no difference."""
        own, shares, places = _laid_out(query, n_words, n_bins)
        rows, nothing = np.full(n_words, -1, dtype=np.int32), np.zeros(0, dtype=np.int32)
        starts, values = np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.float32)
        return cls(query.aspect, places, rows, starts, nothing, values, own, shares)


def prepare_votes(
    before: PreparedVotes, words: np.ndarray, centroids: np.ndarray | None, floor: float
) -> PreparedVotes:
    """The same query, prepared for further words too; see `Voting.prepare`."""
    own, shares, n_words = before.own, before.shares, before.rows.size
    words = _distinct(words, n_words)
    words = words[before.rows[words] < 0]
    looks = None if centroids is None else _unit_rows(centroids, own)
    starts, bins, values = [before.starts], [before.bins], [before.values]

    def find(block: np.ndarray) -> np.ndarray:
        """What some words are similar to: (n_block, n_bins * n_bins)."""
        if centroids is None or looks is None:
            found = np.zeros((block.size, shares.shape[1]), dtype=np.float32)
            _, here, there = np.intersect1d(block, own, assume_unique=True, return_indices=True)
            found[here] = shares[there]
            return found
        similarities = _unit_rows(centroids, block) @ looks.T  # (n_block, n_own)
        similarities -= np.float32(floor)
        np.maximum(similarities, 0, out=similarities)
        return similarities @ (shares / np.float32(1 - floor))

    blocks = [words[first : first + BLOCK] for first in range(0, words.size, BLOCK)]
    with one_blas_thread() as n_threads:
        for found in in_order(find, blocks, n_threads):
            rows, columns = np.nonzero(found)
            counts = np.bincount(rows, minlength=len(found))
            starts.append((starts[-1][-1] + np.cumsum(counts)).astype(np.int32))
            bins.append(columns.astype(np.int32))
            values.append(found[rows, columns])
    numbers = before.rows.copy()
    numbers[words] = before.starts.size - 1 + np.arange(words.size)
    return replace(
        before,
        rows=numbers,
        starts=np.concatenate(starts),
        bins=np.concatenate(bins),
        values=np.concatenate(values),
    )


def _laid_out(query: Query, n_words: int, n_bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The words of a query and what they weigh in each bin of its box, over all views.

    Returns
    -------
    words : int (n,), ascending
    shares : float32 (n, n_bins * n_bins); those of a view sum to one over the number of views
    places : float64 (2, n_bins), see `PreparedVotes`
    """
    cells = np.concatenate([_cells(query, view) for view in query.views])  # (n, 4)
    cells = cells[np.lexsort(cells.T)]  # sums do not depend on the order of the views
    words, shares = cells[:, 0].astype(np.int64), cells[:, 3]
    middles = (np.arange(n_bins) + 0.5) / n_bins - 0.5
    places, bins = np.empty((2, n_bins)), []
    for axis in range(2):
        one = cells[:, 1 + axis]
        bins.append(np.minimum(((one + 0.5) * n_bins).astype(np.int64), n_bins - 1))
        mass = np.bincount(bins[axis], shares, n_bins)
        sums = np.bincount(bins[axis], shares * one, n_bins)
        places[axis] = np.divide(sums, mass, out=middles.copy(), where=mass > 0)
    own = _distinct(words, n_words)
    numbers = np.searchsorted(own, words)
    n = n_bins**2
    number = numbers * n + bins[1] * n_bins + bins[0]
    table = np.bincount(number, shares, own.size * n).reshape(own.size, n)
    if own.size > MOST_WORDS:
        kept = np.sort(np.argsort(-table.sum(axis=1), kind="stable")[:MOST_WORDS])
        own, table = own[kept], table[kept]
    return own, table.astype(np.float32), places


def _cells(query: Query, view: View) -> np.ndarray:
    """Word, place (x, y) in the box and share of each cell of a view that counts: (n, 4)."""
    as_cell_weights(view.weights, view.assignment_map.shape, "the view")
    (h, w), (width, height) = view.assignment_map.shape, query.size
    x1, y1, x2, y2 = (0, 0, width, height) if query.box is None else query.box.tolist()
    rows, columns = np.nonzero(view.weights)
    roots = np.sqrt(view.weights[rows, columns].astype(np.float64))
    x = ((columns + 0.5) * (width / w) - x1) / (x2 - x1) - 0.5
    y = ((rows + 0.5) * (height / h) - y1) / (y2 - y1) - 0.5
    # A cell on the edge of the box may have its centre outside.
    x, y = np.clip(x, -0.5, 0.5), np.clip(y, -0.5, 0.5)
    shares = roots / (max(roots.sum(), 1e-300) * len(query.views))
    return np.column_stack([view.assignment_map[rows, columns], x, y, shares])


def _distinct(words: np.ndarray, n_words: int) -> np.ndarray:
    """Ascending: int (n,). A mark for each word takes .2 ms where sorting 160,000 takes 2."""
    words = np.asarray(words).ravel()
    if words.size and not 0 <= words.min() <= words.max() < n_words:
        raise VocabularyMismatch(
            f"Expected words from 0 to {n_words - 1}, got {words.min()} to {words.max()}. Use the "
            "vocabulary that made the assignment maps."
        )
    marks = np.zeros(n_words, dtype=bool)
    marks[words] = True
    return np.flatnonzero(marks)


def _unit_rows(centroids: np.ndarray, words: np.ndarray) -> np.ndarray:
    """The centroids of some words over their lengths: float32 (n, n_components)."""
    rows = np.asarray(centroids[words], dtype=np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
