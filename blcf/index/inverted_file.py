"""The inverted file: exact cosine ranking of (rooted) tf-idf bags through posting lists."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.index.names import Names
from blcf.index.postings import Postings
from blcf.kernels.postings import select_top
from blcf.records import Ranking
from blcf.storage import map_file, open_h5, write_h5

__all__ = ["InvertedFile", "check_k"]

FORMAT_VERSION = 1


def check_k(k: Any) -> int:
    """Give back a number of results, or raise `InvalidInput`."""
    try:
        number = operator.index(k)
    except TypeError:
        number = 0
    if number < 1:
        raise InvalidInput(f"Expected k, the number of results, to be 1 or more, got {k!r}.")
    return number


class InvertedFile:
    """All posting lists of a collection, and the search through them.

    An image's vector is ``v_w = g(tf_w) * idf_w`` with ``g`` the root or the identity and
    ``idf_w = log(n_images / df_w)`` (Sivic & Zisserman, ICCV 2003), 0 for words of no image; the
    score is the cosine of the query's vector and the image's, 0 where a norm is 0. Raw tf is
    stored; idf and norms are computed from the live images before the first search after an
    `add`, so any sequence of `add` ranks like an index built afresh.

    Parameters
    ----------
    n_words : int, size of the vocabulary
    idf : bool, off in the figures of Mohedano et al., ICMR 2016
    sqrt : bool, counts as their square root (burstiness, Jegou et al., CVPR 2009)

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> bags = sp.csr_matrix([[2.0, 0, 1], [0, 1, 0]], dtype="float32")
    >>> index = InvertedFile(n_words=3).add(["a.jpg", "b.jpg"], bags)
    >>> [hit.name for hit in index.search(bags[1], k=2)]
    ['b.jpg', 'a.jpg']
    """

    def __init__(self, n_words: int, *, idf: bool = False, sqrt: bool = False):
        self.n_words = n_words
        self.idf = idf
        self.sqrt = sqrt
        self._parts: list[tuple[Sequence[str], Postings]] = []
        self._starts = [0]  # first id of every part, and the number of images
        self._statistics: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def n_images(self) -> int:
        """How many images the index holds."""
        return self._starts[-1]

    def name(self, image_id: int) -> str:
        """The name of an image by its place in the order of insertion."""
        part = int(np.searchsorted(self._starts, image_id, side="right")) - 1
        return self._parts[part][0][int(image_id) - self._starts[part]]

    def add(self, names: Sequence[str], bags: sp.csr_matrix) -> InvertedFile:
        """Append images.

        Parameters
        ----------
        names : one per row
        bags : CSR (n_images, n_words), raw term frequencies, >= 0

        Returns
        -------
        self

        Raises
        ------
        InvalidInput, VocabularyMismatch
        """
        bags = self._check(bags)
        if bags.shape[0] != len(names):
            raise InvalidInput(
                f"Expected one name per bag, got {len(names)} names and {bags.shape[0]} bags."
            )
        return self.add_postings(Names.from_list(names), Postings.from_bags(bags))

    def add_postings(self, names: Sequence[str], postings: Postings) -> InvertedFile:
        """Append images whose posting lists exist already (a segment of a collection)."""
        self._parts = [*self._parts, (names, postings)]
        self._starts = [*self._starts, self._starts[-1] + postings.n_images]
        self._statistics = None
        return self

    @property
    def df(self) -> np.ndarray:
        """In how many images each word occurs: int64 (n_words,)."""
        df = np.zeros(self.n_words, dtype=np.int64)
        for _, postings in self._parts:
            df += postings.document_frequencies()
        return df

    @property
    def idf_(self) -> np.ndarray:
        """Inverse document frequencies of the live images (ones where off): float64 (n_words,)."""
        return self._live()[0]

    @property
    def norms_(self) -> np.ndarray:
        """L2 norm of every image's vector: float64 (n_images,)."""
        return self._live()[1]

    def _live(self) -> tuple[np.ndarray, np.ndarray]:
        # Threads that search at once may each compute this; they then store equal values.
        if self._statistics is None:
            for _, postings in self._parts:
                postings.check()
            idf = np.ones(self.n_words)
            if self.idf:
                df = self.df
                present = df > 0
                idf[:] = 0
                idf[present] = np.log(self.n_images / df[present])
            squared = np.zeros(self.n_images)
            for start, (_, postings) in zip(self._starts, self._parts):
                postings.add_squared_norms(
                    idf, self.sqrt, squared[start : start + postings.n_images]
                )
            self._statistics = idf, np.sqrt(squared)
        return self._statistics

    def weigh(self, bags: sp.csr_matrix) -> sp.csr_matrix:
        """L2-normalised (rooted) tf-idf vectors of bags: CSR float64 (n, n_words).

        A bag without a word of the collection stays a row of zeros. Double precision, so that
        scores that are equal by arithmetic are equal figures once rounded to float32.
        """
        vectors = self._check(bags).astype(np.float64, copy=True)
        if self.sqrt:
            vectors.data = np.sqrt(vectors.data)
        vectors.data *= self.idf_[vectors.indices]
        squared = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
        scale = np.divide(1, np.sqrt(squared), out=np.zeros_like(squared), where=squared > 0)
        vectors.data *= np.repeat(scale, np.diff(vectors.indptr))
        return vectors

    def search(self, bag: sp.csr_matrix, k: int = 100, *, weighed: bool = False) -> Ranking:
        """The k images most similar to a bag.

        Parameters
        ----------
        bag : CSR (1, n_words), raw term frequencies; with `weighed` a vector from `weigh` (or an
            average of such), used as it is
        k : how many; all images where there are fewer. Images that share no word with the
            query come last, with score 0, in order of insertion.

        Raises
        ------
        InvalidInput, VocabularyMismatch
        """
        vector = self._check(bag, weighed=True) if weighed else self.weigh(bag)
        if vector.shape[0] != 1:
            raise InvalidInput(
                f"Expected one bag of shape (1, {self.n_words}), got shape {vector.shape}. "
                "Use search_many for several."
            )
        return self._rank(vector.indices, vector.data, min(check_k(k), self.n_images))

    def search_many(
        self,
        bags: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        n_threads: int | None = None,
    ) -> list[Ranking]:
        """`search` for every row, in threads (as many as the machine has cores by default)."""
        vectors = self._check(bags, weighed=True) if weighed else self.weigh(bags)
        k = min(check_k(k), self.n_images)
        self._live()
        ends = vectors.indptr
        with ThreadPoolExecutor(n_threads or os.cpu_count() or 1) as pool:
            return list(
                pool.map(
                    lambda row: self._rank(
                        vectors.indices[ends[row] : ends[row + 1]],
                        vectors.data[ends[row] : ends[row + 1]],
                        k,
                    ),
                    range(vectors.shape[0]),
                )
            )

    def _rank(self, words: np.ndarray, weights: np.ndarray, k: int) -> Ranking:
        idf, norms = self._live()
        weights = weights * idf[words]
        scores = np.zeros(self.n_images)
        for start, (_, postings) in zip(self._starts, self._parts):
            part = scores[start : start + postings.n_images]
            postings.add_scores(words, weights, self.sqrt, part)
        np.divide(scores, norms, out=scores, where=norms > 0)
        # Order is decided on the scores that are shown: equal figures are ties.
        top_scores = np.empty(k, dtype=np.float32)
        top_ids = np.empty(k, dtype=np.int64)
        select_top(scores.astype(np.float32), top_scores, top_ids)
        return Ranking([self.name(int(i)) for i in top_ids], top_scores, top_ids)

    def _check(self, bags: sp.csr_matrix, *, weighed: bool = False) -> sp.csr_matrix:
        """Bags (float32, >= 0) or vectors (float64) as CSR with ascending distinct words."""
        if not sp.issparse(bags):
            raise InvalidInput(
                f"Expected bags as a scipy CSR matrix, got {type(bags).__name__}. "
                "Encode assignment maps with BagOfWords."
            )
        if bags.shape[1] != self.n_words:
            raise VocabularyMismatch(
                f"Expected bags of {self.n_words} words, got {bags.shape[1]}. "
                "Encode with the vocabulary of this index."
            )
        with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
            checked = sp.csr_matrix(bags, dtype=np.float64 if weighed else np.float32)
        if not checked.has_canonical_format or (checked.data == 0).any():
            checked = checked.copy()
            checked.sum_duplicates()
            checked.eliminate_zeros()
        if not np.isfinite(checked.data).all():
            raise InvalidInput("Expected finite term frequencies, got NaN or infinity.")
        if not weighed and checked.nnz and checked.data.min() < 0:
            raise InvalidInput(f"Expected term frequencies >= 0, got {checked.data.min():g}.")
        return checked

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one HDF5 file, which appears whole or not at all."""
        with write_h5(Path(path), "inverted file", FORMAT_VERSION) as file:
            file.attrs.update(n_words=self.n_words, idf=self.idf, sqrt=self.sqrt)
            for number, (names, postings) in enumerate(self._parts):
                group = file.create_group(f"{number:06d}")
                Names.from_list(names).write(group)
                postings.write(group)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> InvertedFile:
        """Open a saved index, mapped into memory; `FormatError` where it is damaged."""
        with open_h5(Path(path), "inverted file", FORMAT_VERSION) as file:
            mapped = map_file(path)
            index = cls(
                int(file.attrs["n_words"]),
                idf=bool(file.attrs["idf"]),
                sqrt=bool(file.attrs["sqrt"]),
            )
            for number in sorted(file):
                group = file[number]
                index.add_postings(Names.read(group, mapped), Postings.read(group, mapped))
        return index
