"""Posting lists of one part of an index: built from bags, merged, written, mapped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from blcf.errors import FormatError
from blcf.index.blocks import Blocks
from blcf.index.frequencies import BUFFER, code_type, distinct_frequencies
from blcf.kernels.postings import (
    accumulate_scores,
    accumulate_squared_norms,
    build_postings,
    copy_postings,
    count_postings,
    group_runs,
    has_repeats,
)
from blcf.storage import StoredGroup, write_dataset

__all__ = ["BUFFER", "Postings"]

_LARGE = ("image_ids", "run_codes", "run_lengths")


@dataclass(frozen=True, eq=False)
class Postings:
    """The posting lists of up to 65,536 images; only this class knows the arrays.

    A posting takes 2 bytes, the image's number within the part. The images of a list lie in runs
    of one term frequency, so that a frequency takes 4 bytes a run: see `blcf.kernels.postings`.
    Nothing is rounded: ``values`` holds every frequency that occurs.

    Attributes
    ----------
    n_images : int; images are numbered 0 .. n_images - 1 within the part
    word_indptr : int32 (n_words + 1,), where the list of each word begins
    image_ids : uint16 (n_postings,), ascending within a run
    run_indptr : int32 (n_words + 1,), where the runs of each word begin
    run_codes : uint16 (n_runs,), places in ``values``, ascending within a word; uint32 where there
        are more than 65,536 values
    run_lengths : uint16 (n_runs,), postings of each run less one
    values : float32 (n_values,), raw term frequencies, > 0, ascending
    blocks : by the names of the arrays, of lists in a file; nothing for lists in memory
    """

    n_images: int
    word_indptr: np.ndarray
    image_ids: np.ndarray
    run_indptr: np.ndarray
    run_codes: np.ndarray
    run_lengths: np.ndarray
    values: np.ndarray
    blocks: Mapping[str, Blocks] = field(default_factory=dict)

    @property
    def n_words(self) -> int:
        """Size of the vocabulary."""
        return self.word_indptr.size - 1

    @property
    def n_postings(self) -> int:
        """How many (image, word) pairs there are."""
        return self.image_ids.size

    @property
    def n_bytes(self) -> int:
        """What the lists take, in memory as on disk."""
        return sum(array.nbytes for array in self._arrays().values())

    @classmethod
    def from_bags(cls, bags: sp.csr_matrix) -> Postings:
        """Posting lists of bags, CSR float32 (n_images <= 65,536, n_words), positive values."""
        n_images, n_words = bags.shape
        assert n_images <= BUFFER, "larger additions are split before"
        values, codes = distinct_frequencies(bags.data)
        word_indptr = np.zeros(n_words + 1, dtype=np.int32)
        image_ids = np.empty(bags.nnz, dtype=np.uint16)
        list_codes = np.empty_like(codes)
        build_postings(bags.indptr, bags.indices, codes, word_indptr, image_ids, list_codes)
        return cls._grouped(n_images, word_indptr, image_ids, list_codes, values)

    @classmethod
    def _grouped(
        cls,
        n_images: int,
        word_indptr: np.ndarray,
        image_ids: np.ndarray,
        codes: np.ndarray,
        values: np.ndarray,
    ) -> Postings:
        """Posting lists whose images have a code each; ``image_ids`` is reordered."""
        run_indptr = np.zeros_like(word_indptr)
        run_codes, run_lengths = np.empty_like(codes), np.empty(codes.size, dtype=np.uint16)
        group_runs(word_indptr, image_ids, codes, values.size, run_indptr, run_codes, run_lengths)
        runs = slice(0, int(run_indptr[-1]))
        return cls(
            n_images,
            word_indptr,
            image_ids,
            run_indptr,
            run_codes[runs].copy(),
            run_lengths[runs].copy(),
            values,
        )

    @classmethod
    def merge(cls, parts: Sequence[tuple[Postings, np.ndarray | None]]) -> Postings:
        """The lists of the live images of some parts, renumbered one behind the other.

        Parameters
        ----------
        parts : postings of the same vocabulary and bool (n_images,), which images live; None
            where all do. Together they hold at most 65,536 live images.
        """
        values = np.unique(np.concatenate([postings.values for postings, _ in parts]))
        counts = np.zeros(parts[0][0].n_words, dtype=np.int64)
        for postings, live in parts:
            postings.verify()
            counts += postings.document_frequencies(live)
        word_indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        image_ids = np.empty(word_indptr[-1], dtype=np.uint16)
        codes = np.empty(word_indptr[-1], dtype=code_type(values.size))
        ends = word_indptr[:-1].astype(np.int64)
        n_images = 0
        for postings, live in parts:
            mask = np.ones(postings.n_images, dtype=bool) if live is None else live
            kept = np.flatnonzero(mask)
            new_ids = np.full(BUFFER, -1, dtype=np.int32)
            new_ids[kept] = n_images + np.arange(kept.size)
            n_images += kept.size
            assert n_images <= BUFFER, "a merge is planned before"
            part_codes = np.searchsorted(values, postings.values).astype(codes.dtype)
            lists = postings.word_indptr, postings.image_ids, postings.spread(part_codes)
            copy_postings(*lists, new_ids, ends, image_ids, codes)
        return cls._grouped(n_images, word_indptr, image_ids, codes, values)

    def spread(self, of_values: np.ndarray) -> np.ndarray:
        """What belongs to each value, (n_values,), for each posting: (n_postings,)."""
        return np.repeat(of_values[self.run_codes], self.run_lengths.astype(np.int32) + 1)

    def bags(self, size: int) -> Iterator[sp.csr_matrix]:
        """The bags that the lists were made of, `size` at a time: CSR float32 (n, n_words).

        Each takes a pass over the ids, and no more memory than its images and 5 bytes a posting.
        """
        self.verify()
        codes = self.spread(np.arange(self.values.size, dtype=self.run_codes.dtype))
        for first in range(0, self.n_images, size):
            last = min(first + size, self.n_images)
            kept = np.flatnonzero((self.image_ids >= first) & (self.image_ids < last))
            ids = self.image_ids[kept].astype(np.int32) - first
            columns = self.values[codes[kept]], ids, np.searchsorted(kept, self.word_indptr)
            yield sp.csc_matrix(columns, shape=(last - first, self.n_words)).tocsr()

    def document_frequencies(self, live: np.ndarray | None = None) -> np.ndarray:
        """In how many images, of those that live, each word occurs: int64 (n_words,)."""
        if live is None:
            return np.diff(self.word_indptr).astype(np.int64)
        self.verify()
        counts = np.zeros(self.n_words, dtype=np.int64)
        mask = np.zeros(BUFFER, dtype=bool)
        mask[: self.n_images] = live
        count_postings(self.word_indptr, self.image_ids, mask, counts)
        return counts

    def add_scores(
        self,
        words: np.ndarray,
        starts: np.ndarray,
        rows: np.ndarray,
        weights: np.ndarray,
        sqrt: bool,
        scores: np.ndarray,
    ) -> None:
        """Add each image's dot products with some queries to ``scores``, float64 (n, 65,536).

        ``words``, ``starts``, ``rows``, ``weights``: see `blcf.kernels.postings.accumulate_scores`.
        """
        if self.blocks:
            self._verify(words)
        accumulate_scores(*(words, starts, rows, weights, *self._lists(sqrt), scores))

    def squared_norms(self, idf: np.ndarray, sqrt: bool) -> np.ndarray:
        """Each image's squared norm under an idf: float64 (n_images,)."""
        self.verify()
        squared = np.zeros(BUFFER)
        accumulate_squared_norms(*(*self._lists(sqrt), idf, squared))
        return squared[: self.n_images].copy()

    def verify(self) -> None:
        """Raise `FormatError` where lists of a file are not as they were written."""
        for blocks in self.blocks.values():
            blocks.touch_all()

    def _verify(self, words: np.ndarray) -> None:
        """`verify` for the lists of some words."""
        fresh = words[~self._seen[words]]
        if fresh.size:
            ends, run_ends = self.word_indptr, self.run_indptr
            self.blocks["image_ids"].touch(ends[fresh], ends[fresh + 1])
            for name in ("run_codes", "run_lengths"):
                self.blocks[name].touch(run_ends[fresh], run_ends[fresh + 1])
            self._seen[fresh] = True

    @cached_property
    def _seen(self) -> np.ndarray:
        """Words whose lists were verified: bool (n_words,); where lists lie is verified first."""
        for name in set(self.blocks).difference(_LARGE):
            self.blocks[name].touch_all()
        return np.zeros(self.n_words, dtype=bool)

    def _lists(self, sqrt: bool) -> tuple[Any, ...]:
        table = self._roots if sqrt else self._table
        runs = self.run_indptr, self.run_codes, self.run_lengths
        return (self.word_indptr, self.image_ids, *runs, table)

    @cached_property
    def _table(self) -> np.ndarray:
        """What each code adds: float64, with an entry for every code that 2 bytes can hold."""
        table = np.zeros(max(BUFFER, self.values.size))
        table[: self.values.size] = self.values
        return table

    @cached_property
    def _roots(self) -> np.ndarray:
        return np.sqrt(self._table)

    def write(self, group: h5py.Group) -> None:
        """Write the lists into an HDF5 group."""
        group.attrs["n_images"] = self.n_images
        for name, array in self._arrays().items():
            write_dataset(group, name, array)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "word_indptr": self.word_indptr,
            "image_ids": self.image_ids,
            "run_indptr": self.run_indptr,
            "run_codes": self.run_codes,
            "run_lengths": self.run_lengths,
            "values": self.values,
        }

    @classmethod
    def read(cls, group: StoredGroup, blocks: Mapping[str, Blocks] | None = None) -> Postings:
        """The lists of a stored group, over its mapped file; only the lists of lists are read.

        Parameters
        ----------
        blocks : of the arrays of the group, which are verified when they are used

        Raises
        ------
        FormatError
            A search could leave the arrays.
        """
        names = ("word_indptr", "image_ids", "run_indptr", "run_codes", "run_lengths", "values")
        arrays = [group.array(name) for name in names]
        ends, image_ids, run_ends, run_codes, run_lengths, values = arrays
        n_images = group.value("n_images", int)
        expected = [np.int32, np.uint16, np.int32, code_type(values.size), np.uint16, np.float32]
        if (
            [one.dtype for one in arrays if one.ndim == 1] != expected
            or not 0 <= n_images <= BUFFER
            or not _are_ends(ends, image_ids.size)
            or not _are_ends(run_ends, run_codes.size)
            or ends.size != run_ends.size
            or run_lengths.size != run_codes.size
            # Two bytes stay inside the table whatever they are, four must be looked at.
            or (values.size > BUFFER and run_codes.size and run_codes.max() >= values.size)
        ):
            raise FormatError(
                f"{group.path} is damaged: its posting lists do not fit together. "
                "Restore it from a copy, or index again."
            )
        own = {name: blocks[name] for name in names} if blocks else {}
        return cls(n_images, **dict(zip(names, arrays)), blocks=own)

    def check(self) -> None:
        """Raise `FormatError` where the lists are none; reads everything."""
        self.verify()
        ids, lengths = self.image_ids, self.run_lengths.astype(np.int64) + 1
        ends = np.concatenate([[0], np.cumsum(lengths)])
        if not np.array_equal(ends[self.run_indptr], self.word_indptr):
            raise FormatError("Expected the runs of each posting list to be as long as the list.")
        falls = np.flatnonzero(ids[1:] <= ids[:-1]) + 1
        if not np.isin(falls, ends).all():
            raise FormatError("Expected runs of posting lists in ascending order of images.")
        if ids.size and int(ids.max()) >= self.n_images:
            raise FormatError(
                f"Expected postings of {self.n_images} images, got one of image {int(ids.max())}."
            )
        if has_repeats(self.word_indptr, ids):
            raise FormatError("Expected every image once in a posting list.")
        falls = np.flatnonzero(self.run_codes[1:] <= self.run_codes[:-1]) + 1
        if not np.isin(falls, self.run_indptr).all():
            raise FormatError("Expected posting lists in ascending order of frequencies.")
        if self.run_codes.size and int(self.run_codes.max()) >= self.values.size:
            raise FormatError("Expected a frequency for every run of the posting lists.")
        if not (np.isfinite(self.values) & (self.values > 0)).all() or (
            np.diff(self.values) <= 0
        ).any():
            raise FormatError("Expected finite term frequencies > 0 in the posting lists.")


def _are_ends(ends: np.ndarray, n: int) -> bool:
    return bool(ends.size and ends[0] == 0 and ends[-1] == n and (ends[1:] >= ends[:-1]).all())
