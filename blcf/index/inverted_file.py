"""The inverted file: exact cosine ranking of (rooted) tf-idf bags through posting lists."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import FormatError, InvalidInput, VocabularyMismatch
from blcf.index.approximate import wanted_words
from blcf.index.checked import check_bags, check_k
from blcf.index.names import Names
from blcf.index.parts import ClosedState, NamedPart, State, with_bags, without_names
from blcf.index.postings import Postings
from blcf.index.scoring import rank, rank_many, threads_for, unit_values
from blcf.index.statistics import DocumentFrequencies, Statistics
from blcf.index.tiles import TileLists
from blcf.printing import shown
from blcf.records import Ranking
from blcf.storage import open_h5, write_h5

__all__ = ["InvertedFile"]

FORMAT_VERSION = 2


class InvertedFile:
    """All posting lists of a collection, and the search through them.

    An image's vector is ``v_w = g(tf_w) * idf_w`` with ``g`` the root or the identity and
    ``idf_w = log(n_images / df_w)`` (Sivic & Zisserman, ICCV 2003), 0 for words of no image; the
    score is the cosine of the query's vector and the image's, 0 where a norm is 0. Raw tf is
    stored; idf and norms are computed from the live images before the first search after a
    change, so any sequence of `add` and `remove` ranks like an index built afresh.

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
        self._state = State([])
        self._devices: dict[str, Any] = {}  # posting lists that were brought to them
        self._changing = threading.Lock()  # of several threads that add, none loses its images

    def __repr__(self) -> str:
        return shown(self, self._state.summary)

    def close(self) -> None:
        """Give the memory maps of files back; what is asked for later is an error."""
        self._state, self._devices = ClosedState(), {}

    @property
    def n_images(self) -> int:
        """How many images the index holds."""
        return self._state.numbering.n_images

    @property
    def n_postings(self) -> int:
        """How many (image, word) pairs are stored, those of removed images included."""
        return sum(one.n_postings for one in self._state.all_lists)

    @property
    def n_bytes(self) -> int:
        """What the posting lists take, in memory as on disk."""
        return sum(one.n_bytes for one in self._state.all_lists)

    def name(self, image_id: int) -> str:
        """The name of an image by its place in the order of insertion."""
        state = self._state
        part, position = state.numbering.locate(image_id)
        return state.parts[part].names[position]

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
        bags = check_bags(bags, self.n_words)
        if bags.shape[0] != len(names):
            given = f"{len(names)} names and {bags.shape[0]} bags"
            raise InvalidInput(f"Expected one name per bag, got {given}.")
        with self._changing:
            self._put(with_bags(self._state.parts, names, bags))
        return self

    def add_part(
        self,
        names: Names,
        postings: Postings,
        live: np.ndarray | None = None,
        tiles: TileLists | None = None,
    ) -> InvertedFile:
        """Append images whose posting lists exist already (a segment of a collection).

        ``live`` is bool (n_images,): which of them count; None where all do. An image with `tiles`
        scores what it scores as a whole, or its best tile; weights are those of whole images.
        """
        if postings.n_words != self.n_words:
            raise VocabularyMismatch(
                f"Expected posting lists of {self.n_words} words, got {postings.n_words}. "
                "Index again with the vocabulary of this index."
            )
        with self._changing:
            self._put([*self._state.parts, NamedPart(names, postings, live, tiles)])
        return self

    def bags(self) -> Iterator[sp.csr_matrix]:
        """The bags that `add` was given, in order of insertion, some thousands at a time."""
        return self._state.bags()

    def remove(self, names: Sequence[str]) -> int:
        """Remove all images of some names; gives how many there were.

        The others keep their order. Room is reclaimed when half of a part is removed.
        """
        if isinstance(names, str):
            names = [names]
        with self._changing:
            n_before = self.n_images
            self._put(without_names(self._state.parts, names))
            return n_before - self.n_images

    def _put(self, parts: Sequence[NamedPart]) -> None:
        self._state = State(parts, self._state.given)

    @property
    def frequencies(self) -> DocumentFrequencies:
        """How many images live here, and in how many of them each word occurs."""
        return self._state.frequencies(self.n_words, self.idf, self.sqrt)

    def rank_by(self, frequencies: DocumentFrequencies | None) -> InvertedFile:
        """Weigh by the frequencies of a larger collection, which this index holds a part of.

        Scores are then those that the images have in the whole collection: the rankings of all
        parts, merged by score and order of insertion, are the ranking of the whole. They hold
        until they are given anew, whatever is added here meanwhile.

        Parameters
        ----------
        frequencies : the sum of those of all parts; None weighs by this index's own again
        """
        if frequencies is not None and frequencies.df.shape != (self.n_words,):
            raise VocabularyMismatch(
                f"Expected frequencies of {self.n_words} words, got {frequencies.df.size}."
            )
        with self._changing:
            self._state = State(self._state.parts, frequencies)
        return self

    @property
    def df(self) -> np.ndarray:
        """In how many images each word occurs: int64 (n_words,); see `rank_by`."""
        return self._live().df

    @property
    def idf_(self) -> np.ndarray:
        """Inverse document frequencies of the live images (ones where off): float64 (n_words,)."""
        return self._live().idf

    @property
    def norms_(self) -> np.ndarray:
        """L2 norm of every image's vector: float64 (n_images,)."""
        return self._live().norms

    @property
    def norms_of_tiles_(self) -> np.ndarray:
        """The same of their tiles, those of an image together: float64 (n_images n_tiles,)."""
        return self._live().norms_of_tiles

    def set_statistics(self, df: np.ndarray, norms: np.ndarray, of_tiles: Any = ()) -> None:
        """Take `df` and norms that an equal index computed, in place of a pass over all lists.

        `InvalidInput` where they are of another number of words, images or tiles.
        """
        # Another thread may add meanwhile: they are not of what it makes.
        self._state.take(df, norms, np.asarray(of_tiles), self.n_words, self.idf)

    def _live(self) -> Statistics:
        return self._state.weighed(self.n_words, self.idf, self.sqrt)

    def weigh(self, bags: sp.csr_matrix) -> sp.csr_matrix:
        """L2-normalised (rooted) tf-idf vectors of bags: CSR float64 (n, n_words).

        A bag without a word of the collection stays a row of zeros. Double precision, so that
        scores that are equal by arithmetic are equal figures once rounded to float32.
        """
        return self._weigh(bags, self._live())

    def _weigh(self, bags: sp.csr_matrix, live: Statistics) -> sp.csr_matrix:
        bags = check_bags(bags, self.n_words)
        values = unit_values(bags, live.idf, self.sqrt)
        return sp.csr_matrix((values, bags.indices, bags.indptr), bags.shape)

    def search(
        self,
        bag: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        approximate: float | None = None,
        among: np.ndarray | None = None,
    ) -> Ranking:
        """The k images most similar to a bag; cores share the walk where it is a long one.

        Parameters
        ----------
        bag : CSR (1, n_words), raw term frequencies; with `weighed` a vector from `weigh`, as it is
        k : how many; all images where there are fewer. Images that share no word with the
            query come last, with score 0, in order of insertion.
        approximate : None ranks exactly. A share of the query's squared length, 0..1: the words
            that cost the most for what they promise are left out, until this share is left. Hits
            may be missed, and scores are the cosine's part of the words that were looked at
            (recall and speed: benchmarks/search/README.md).
        among : bool (n_images,), which images to rank; weights and norms are those of all, so that
            it is the ranking of all without the others. None ranks all.

        Raises
        ------
        InvalidInput, VocabularyMismatch
        """
        state = self._state  # one for the whole search: other threads may add and remove
        live = state.weighed(self.n_words, self.idf, self.sqrt)
        bag = check_bags(bag, self.n_words, weighed=weighed)
        if bag.shape[0] != 1:
            wanted = f"one bag of shape (1, {self.n_words}), got shape {bag.shape}"
            raise InvalidInput(f"Expected {wanted}. Use search_many for several.")
        parts, k = state.among(live.parts, among, check_k(k))
        vector = bag.data if weighed else unit_values(bag, live.idf, self.sqrt)
        arrays = bag.indices, vector, bag.indptr
        words, weights, _ = wanted_words(live.df, live.idf, arrays, approximate)
        n_threads = threads_for(int(live.df[words].sum()))
        return state.ranking(rank(parts, words, weights, k, self.sqrt, n_threads))

    def search_many(
        self,
        bags: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        approximate: float | None = None,
        among: np.ndarray | None = None,
        n_threads: int | None = None,
        device: str | None = None,
    ) -> list[Ranking]:
        """`search` for every row, in threads.

        Parameters
        ----------
        n_threads : None takes as many as the walk is worth, at most one a core
        device : of torch; sparse products there, for large batches, in place of posting lists
        """
        state = self._state
        live = state.weighed(self.n_words, self.idf, self.sqrt)
        vectors = (
            check_bags(bags, self.n_words, weighed=True) if weighed else self._weigh(bags, live)
        )
        parts, k = state.among(live.parts, among, check_k(k))
        arrays = vectors.indices, vectors.data, vectors.indptr
        words, weights, ends = wanted_words(live.df, live.idf, arrays, approximate)
        weighted = sp.csr_matrix((weights, words, ends), shape=vectors.shape)
        worth = threads_for(int(live.df[words].sum()))
        n_threads = check_k(n_threads or worth, "n_threads, the number of threads,")
        if device is not None:
            from blcf.index.torch_products import rank_on_device

            tops = rank_on_device(parts, weighted, k, self.sqrt, device, self._devices)
        else:
            tops = rank_many(parts, weighted, k, self.sqrt, n_threads)
        return [state.ranking(top) for top in tops]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one HDF5 file, which appears whole or not at all."""
        with write_h5(Path(path), "inverted file", FORMAT_VERSION) as file:
            file.attrs.update(n_words=self.n_words, idf=self.idf, sqrt=self.sqrt)
            for number, part in enumerate(self._state.parts):
                part.write(file.create_group(f"{number:06d}"))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> InvertedFile:
        """Open a saved index, mapped into memory; `FormatError` where it is damaged."""
        with open_h5(Path(path), "inverted file", FORMAT_VERSION) as file:
            n_words = file.value("n_words", int)
            idf, sqrt = file.value("idf", bool), file.value("sqrt", bool)
            parts = [NamedPart.read(file.group(number)) for number in file]
            if any(part.postings.n_words != n_words for part in parts):
                wrong = f"its posting lists are not of {n_words} words"
                raise FormatError(f"{path} is damaged: {wrong}. Restore it from a copy.")
            index = cls(n_words, idf=idf, sqrt=sqrt)
            index._state = State(parts)
        return index
