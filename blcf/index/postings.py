"""Posting lists of one batch of images: built from bags, written to HDF5, mapped from it."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
import scipy.sparse as sp

from blcf.errors import FormatError
from blcf.kernels.postings import (
    accumulate_scores,
    accumulate_squared_norms,
    build_postings,
)
from blcf.storage import read_dataset, write_dataset

__all__ = ["Postings"]


@dataclass(frozen=True, eq=False)
class Postings:
    """The posting lists of `n_images` images; only this class knows the arrays.

    Attributes
    ----------
    n_images : int; images are numbered 0 .. n_images - 1 within the postings
    word_indptr : int64 (n_words + 1,), where the list of each word begins
    image_ids : int32 (n_postings,), ascending within a word
    tf : float32 (n_postings,), raw term frequencies, > 0
    """

    n_images: int
    word_indptr: np.ndarray
    image_ids: np.ndarray
    tf: np.ndarray

    @classmethod
    def from_bags(cls, bags: sp.csr_matrix) -> Postings:
        """Posting lists of bags, CSR float32 (n_images, n_words), positive values."""
        n_images, n_words = bags.shape
        word_indptr = np.zeros(n_words + 1, dtype=np.int64)
        image_ids = np.empty(bags.nnz, dtype=np.int32)
        tf = np.empty(bags.nnz, dtype=np.float32)
        build_postings(bags.indptr, bags.indices, bags.data, word_indptr, image_ids, tf)
        return cls(n_images, word_indptr, image_ids, tf)

    def document_frequencies(self) -> np.ndarray:
        """In how many images each word occurs: int64 (n_words,)."""
        return np.diff(self.word_indptr)

    def add_scores(
        self, words: np.ndarray, weights: np.ndarray, sqrt: bool, scores: np.ndarray
    ) -> None:
        """Add each image's dot product with a query to ``scores``, float64 (n_images,)."""
        accumulate_scores(
            words, weights, self.word_indptr, self.image_ids, self.tf, sqrt, scores
        )

    def add_squared_norms(self, idf: np.ndarray, sqrt: bool, out: np.ndarray) -> None:
        """Add each image's squared norm under an idf to ``out``, float64 (n_images,)."""
        accumulate_squared_norms(self.word_indptr, self.image_ids, self.tf, idf, sqrt, out)

    def write(self, group: h5py.Group) -> None:
        """Write the lists into an HDF5 group."""
        group.attrs["n_images"] = self.n_images
        write_dataset(group, "word_indptr", self.word_indptr)
        write_dataset(group, "image_ids", self.image_ids)
        write_dataset(group, "tf", self.tf)

    @classmethod
    def read(cls, group: h5py.Group, mapped: np.ndarray) -> Postings:
        """The lists of an HDF5 group, over its mapped file; nothing is read before it is used."""
        postings = cls(
            int(group.attrs["n_images"]),
            read_dataset(group, "word_indptr", mapped),
            read_dataset(group, "image_ids", mapped),
            read_dataset(group, "tf", mapped),
        )
        if not postings.image_ids.size == postings.tf.size == postings.word_indptr[-1]:
            raise FormatError(
                f"{group.file.filename} is damaged: its posting lists have no common length. "
                "Restore it from a copy, or index again."
            )
        return postings

    def check(self) -> None:
        """Raise `FormatError` where a list would lead a kernel out of its arrays.

        Reads everything: called once, before the norms are computed, which read everything too.
        """
        ids, ends = self.image_ids, self.word_indptr
        if ends[0] != 0 or (np.diff(ends) < 0).any():
            raise FormatError("A segment is damaged: its posting lists overlap. Index again.")
        if ids.size and (ids.min() < 0 or ids.max() >= self.n_images):
            raise FormatError("A segment is damaged: it lists images it has not. Index again.")
