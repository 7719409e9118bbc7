"""The part of a sample that k-means looks at: read in place, block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from blcf.errors import InvalidInput

__all__ = ["Rows", "at_most_distinct"]

_BLOCK = 65_536  # rows at a time: 32 MB of 128 components


class Rows:
    """Some or all rows of a sample, in its order.

    A float32 sample is read in place, so that one larger than the memory can be a memory map
    (``np.load(..., mmap_mode="r")``); any other is converted in memory.

    Parameters
    ----------
    sample : float (n, n_components)
    n_most : how many rows are looked at, at most; None for all
    random_state : seed of their choice, and of the order in which words start from them

    Attributes
    ----------
    sample : float32 (n, n_components)
    places : int64 (len(self),), the rows that are looked at, ascending
    squared_lengths : float32 (len(self),), of those rows

    Raises
    ------
    InvalidInput
        Values that are not finite.
    """

    def __init__(self, sample: np.ndarray, n_most: int | None, random_state: int):
        n_looked_at = len(sample) if n_most is None else min(n_most, len(sample))
        self._order = np.random.default_rng(random_state).permutation(len(sample))[:n_looked_at]
        if sample.dtype != np.float32 or not sample.flags.c_contiguous:
            # What is not looked at is not converted.
            self._order, sample = np.arange(n_looked_at), sample[self._order].astype(np.float32)
        # A plain array over a map: np.memmap's own indexing costs microseconds at every slice.
        self.sample = np.asarray(sample, order="C")
        self.places = np.sort(self._order)
        self.squared_lengths = np.empty(n_looked_at, np.float32)
        for part, rows in self.blocks():
            self.squared_lengths[part] = np.einsum("ij,ij->i", rows, rows)
        if not np.isfinite(self.squared_lengths).all():
            raise InvalidInput("Expected finite features for k-means, got NaN or infinity.")

    def __len__(self) -> int:
        return len(self.places)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (positions, float32 rows) of 65,536 rows at a time."""
        for first in range(0, len(self), _BLOCK):
            part = slice(first, min(first + _BLOCK, len(self)))
            yield part, self.sample[self.places[part]]

    def first_distinct(self, n_words: int) -> np.ndarray:
        """The first `n_words` distinct rows in an order drawn by the seed: float32.

        Raises
        ------
        InvalidInput
            There are fewer.
        """
        n_tried = n_words
        while True:
            n_tried = min(2 * n_tried, len(self))
            tried = self._order[:n_tried]
            _, first = np.unique(self._hashes(tried), return_index=True)
            if len(first) >= n_words:
                return self.sample[tried[np.sort(first)[:n_words]]]
            if n_tried == len(self):
                raise InvalidInput(
                    f"Expected at least {n_words} distinct features for {n_words} words, got "
                    f"{len(first)} among the {len(self)} looked at. Ask for fewer words, add "
                    "pictures or raise max_features_per_word."
                )

    def _hashes(self, places: np.ndarray) -> np.ndarray:
        """A number of 64 bits for each row, equal where the rows are: uint64."""
        n_components = self.sample.shape[1]
        factors = np.random.default_rng(0).integers(2**63, size=n_components, dtype=np.uint64)
        hashes = np.empty(len(places), np.uint64)
        for first in range(0, len(places), _BLOCK):
            part = slice(first, first + _BLOCK)
            rows = self.sample[places[part]] + np.float32(0)  # -0 becomes 0
            bits = rows.view(np.uint32).astype(np.uint64)
            mixed = (bits * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(29)
            hashes[part] = ((bits ^ mixed) * (2 * factors + np.uint64(1))).sum(axis=1)
        return hashes

    def digest(self) -> str:
        """What tells this part of this sample from others: of its shape and a thousand rows."""
        digest = hashlib.sha256(f"{self.sample.shape} {len(self)}".encode())
        some = self.places[:: max(1, len(self) // 1_000)]
        digest.update(some.tobytes())
        digest.update(self.sample[some].tobytes())
        return digest.hexdigest()[:16]


def at_most_distinct(features: np.ndarray, n_words: int) -> int:
    """A small number of words, or that of the distinct features where it is smaller.

    A few flat pictures hold no more. Numbers above 128 come back as they are: there are 150
    features for each of so many words.
    """
    if n_words > 128:
        return n_words
    n_distinct = 0
    for n_rows in (20 * n_words, len(features)):  # a part nearly always holds enough
        n_distinct = len(np.unique(features[:n_rows], axis=0))
        if n_distinct >= n_words:
            return n_words
    return max(1, n_distinct)
