"""Posting lists of one part of an index: built from bags, merged, written, mapped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from blcf.errors import FormatError
from blcf.index.term_frequencies import COUNTS, STEPS, VALUES, Codes, decode, encode, root_table
from blcf.kernels.postings import (
    accumulate_scores,
    accumulate_squared_norms,
    build_postings,
    copy_postings,
    count_postings,
    score_images,
)
from blcf.storage import read_dataset, write_dataset

__all__ = ["BUFFER", "Postings"]

BUFFER = 65_536  # images of a part at most; entries of an array that is indexed by an image's id


@dataclass(frozen=True, eq=False)
class Postings:
    """The posting lists of up to 65,536 images; only this class knows the arrays.

    A posting takes 2 bytes for the image and 1 for a count (2 for a weighted frequency).

    Attributes
    ----------
    n_images : int; images are numbered 0 .. n_images - 1 within the part
    word_indptr : int32 (n_words + 1,), where the list of each word begins
    image_ids : uint16 (n_postings,), ascending within a word
    tf : `Codes` of the raw term frequencies, in the order of the postings
    escapes : int32 (n_escapes,), places of the frequencies without a code, ascending
    """

    n_images: int
    word_indptr: np.ndarray
    image_ids: np.ndarray
    tf: Codes
    escapes: np.ndarray

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
        arrays = (self.word_indptr, self.image_ids, self.tf.codes, self.tf.values)
        return sum(one.nbytes for one in (*arrays, self.escapes, self.tf.escaped))

    @classmethod
    def from_bags(cls, bags: sp.csr_matrix) -> Postings:
        """Posting lists of bags, CSR float32 (n_images <= 65,536, n_words), positive values."""
        n_images, n_words = bags.shape
        assert n_images <= BUFFER, "larger additions are split before"
        tf = encode(bags.data)
        word_indptr = np.zeros(n_words + 1, dtype=np.int32)
        image_ids = np.empty(bags.nnz, dtype=np.uint16)
        codes = np.empty_like(tf.codes)
        places = np.empty(tf.escaped.size, dtype=np.int32)
        build_postings(
            bags.indptr, bags.indices, tf.codes, word_indptr, image_ids, codes, places
        )
        return cls(n_images, word_indptr, image_ids, *_placed(tf, codes, places))

    @classmethod
    def merge(cls, parts: Sequence[tuple[Postings, np.ndarray | None]]) -> Postings:
        """The lists of the live images of some parts, renumbered one behind the other.

        Parameters
        ----------
        parts : postings of the same vocabulary and bool (n_images,), which images live; None
            where all do. Together they hold at most 65,536 live images.
        """
        numbers, n_images = [], 0
        for postings, live in parts:
            mask = np.ones(postings.n_images, dtype=bool) if live is None else live
            new_ids = np.full(BUFFER, -1, dtype=np.int32)
            kept = np.flatnonzero(mask)
            new_ids[kept] = n_images + np.arange(kept.size)
            n_images += kept.size
            numbers.append(new_ids)
        assert n_images <= BUFFER, "a merge is planned before"
        counts = np.zeros(parts[0][0].n_words, dtype=np.int64)
        for postings, live in parts:
            counts += postings.document_frequencies(live)
        word_indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        image_ids = np.empty(word_indptr[-1], dtype=np.uint16)
        parts_tf = _in_one_unit([postings.tf for postings, _ in parts])
        codes = np.empty(word_indptr[-1], dtype=parts_tf[0].codes.dtype)
        ends = word_indptr[:-1].astype(np.int64)
        places, escaped = [], []
        for (postings, _), tf, new_ids in zip(parts, parts_tf, numbers):
            escapes = np.flatnonzero(tf.codes == 0).astype(np.int32)
            went = np.empty_like(escapes)
            lists = postings.word_indptr, postings.image_ids, tf.codes
            copy_postings(*lists, new_ids, ends, image_ids, codes, escapes, went)
            places.append(went[went >= 0])
            escaped.append(tf.escaped[went >= 0])
        all_tf = Codes(parts_tf[0].unit, parts_tf[0].values, codes, np.concatenate(escaped))
        return cls(
            n_images, word_indptr, image_ids, *_placed(all_tf, codes, np.concatenate(places))
        )

    def document_frequencies(self, live: np.ndarray | None = None) -> np.ndarray:
        """In how many images, of those that live, each word occurs: int64 (n_words,)."""
        if live is None:
            return np.diff(self.word_indptr).astype(np.int64)
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
        accumulate_scores(*(words, starts, rows, weights, *self._lists(sqrt), scores))

    def add_scores_of(
        self,
        words: np.ndarray,
        weights: np.ndarray,
        positions: np.ndarray,
        sqrt: bool,
        scores: np.ndarray,
    ) -> None:
        """Add one query's dot products with some images (ascending) to ``scores``, float64."""
        score_images(*(words, weights, positions, *self._lists(sqrt), scores))

    def squared_norms(self, idf: np.ndarray, sqrt: bool) -> np.ndarray:
        """Each image's squared norm under an idf: float64 (n_images,)."""
        squared = np.zeros(BUFFER)
        accumulate_squared_norms(*(*self._lists(sqrt), idf, squared))
        return squared[: self.n_images].copy()

    def _lists(self, sqrt: bool) -> tuple[Any, ...]:
        escaped = self.tf.escaped.astype(np.float64)
        return (
            self.word_indptr,
            self.image_ids,
            self.tf.codes,
            root_table(self.tf, sqrt),
            self.escapes,
            np.sqrt(escaped) if sqrt else escaped,
        )

    def write(self, group: h5py.Group) -> None:
        """Write the lists into an HDF5 group."""
        group.attrs["n_images"] = self.n_images
        group.attrs["unit"] = self.tf.unit
        for name, array in self._arrays().items():
            write_dataset(group, name, array)

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "word_indptr": self.word_indptr,
            "image_ids": self.image_ids,
            "codes": self.tf.codes,
            "values": self.tf.values,
            "escapes": self.escapes,
            "escaped": self.tf.escaped,
        }

    @classmethod
    def read(cls, group: h5py.Group, mapped: np.ndarray) -> Postings:
        """The lists of an HDF5 group, over its mapped file; only the list of lists is read.

        Raises
        ------
        FormatError
            A search could leave the arrays.
        """
        unit = float(group.attrs["unit"])
        names = ("word_indptr", "image_ids", "codes", "values", "escapes", "escaped")
        ends, image_ids, codes, values, escapes, escaped = (
            read_dataset(group, name, mapped) for name in names
        )
        arrays = (ends, image_ids, codes, values, escapes, escaped)
        kinds = tuple(one.dtype for one in arrays if one.ndim == 1)
        expected = (np.int32, np.uint16, np.uint8 if unit == COUNTS else np.uint16)
        n_images, n = int(group.attrs["n_images"]), image_ids.size
        if (
            unit not in (COUNTS, STEPS, VALUES)
            or kinds != (*expected, np.float32, np.int32, np.float32)
            or not 0 <= n_images <= BUFFER
            or not ends.size
            or ends[0] != 0
            or ends[-1] != n
            or codes.size != n
            or (ends[1:] < ends[:-1]).any()
            or escapes.size != escaped.size
            or values.size >= 1 << 8 * codes.itemsize
            or (escapes.size and (escapes.min() < 0 or escapes.max() >= n))
        ):
            raise FormatError(
                f"{group.file.filename} is damaged: its posting lists do not fit together. "
                "Restore it from a copy, or index again."
            )
        return cls(n_images, ends, image_ids, Codes(unit, values, codes, escaped), escapes)

    def check(self) -> None:
        """Raise `FormatError` where the lists are none; reads everything."""
        ids, codes = self.image_ids, self.tf.codes
        falls = np.flatnonzero(ids[1:] <= ids[:-1]) + 1
        if not np.isin(falls, self.word_indptr).all():
            raise FormatError("Expected posting lists in ascending order of images.")
        if ids.size and int(ids.max()) >= self.n_images:
            raise FormatError(
                f"Expected postings of {self.n_images} images, got one of image {int(ids.max())}."
            )
        if not np.array_equal(np.flatnonzero(codes == 0), self.escapes):
            raise FormatError("Expected a frequency for every escape of the posting lists.")
        if self.tf.unit == VALUES and codes.size and int(codes.max()) > self.tf.values.size:
            raise FormatError("Expected a frequency for every code of the posting lists.")
        tf = np.concatenate([self.tf.escaped, self.tf.values])
        if not (np.isfinite(tf) & (tf > 0)).all():
            raise FormatError("Expected finite term frequencies > 0 in the posting lists.")


def _placed(tf: Codes, codes: np.ndarray, places: np.ndarray) -> tuple[Codes, np.ndarray]:
    """Codes in the order of the postings, with the escapes in the order of their places."""
    order = np.argsort(places, kind="stable")
    return Codes(tf.unit, tf.values, codes, tf.escaped[order]), places[order]


def _in_one_unit(parts: Sequence[Codes]) -> list[Codes]:
    """The same frequencies in a unit that is exact for all of them."""
    units = {part.unit for part in parts}
    if len(units) == 1 and VALUES not in units:
        return list(parts)
    encoded = encode(np.concatenate([decode(part) for part in parts]))
    codes = np.split(encoded.codes, np.cumsum([part.codes.size for part in parts])[:-1])
    n_escapes = [int((one == 0).sum()) for one in codes]
    escaped = np.split(encoded.escaped, np.cumsum(n_escapes)[:-1])
    return [Codes(encoded.unit, encoded.values, *pair) for pair in zip(codes, escaped)]
