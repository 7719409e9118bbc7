"""What a search needs of an open collection, in one object that is handed down whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from blcf.bags import BagOfWords
from blcf.collection import Model
from blcf.collection.opening import open_index
from blcf.collection.snapshot import Snapshot
from blcf.records import Ranking
from blcf.searching.outcome import CellWindow

__all__ = ["Searchable", "SearchedIndex"]


class SearchedIndex(Protocol):
    """What a search asks of an index: `InvertedFile` is one, and so are those of shards together.

    Vectors are weighed, CSR float64; ids are numbers in the order of insertion.
    """

    n_words: int
    sqrt: bool

    @property
    def n_images(self) -> int:
        """How many images it holds."""
        ...

    @property
    def df(self) -> np.ndarray:
        """In how many of them each word occurs: int64 (n_words,)."""
        ...

    @property
    def idf_(self) -> np.ndarray:
        """What each word weighs: float64 (n_words,)."""
        ...

    def weigh(self, bags: sp.csr_matrix) -> sp.csr_matrix:
        """Weighed vectors of bags, of length 1."""
        ...

    def search(
        self,
        bag: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        approximate: float | None = None,
        among: Any = None,
    ) -> Ranking:
        """The k images most similar to a bag, of those that `Searchable.chosen` gave."""
        ...

    def close(self) -> None:
        """Give the memory maps of files back."""
        ...


@dataclass(frozen=True, eq=False)
class Searchable:
    """A collection as of one moment, ready to be searched.

    It knows the model and not the engine: a circle would keep the maps of an engine that is gone.

    Attributes
    ----------
    index : inverted file of the images
    snapshot : their names, sizes, assignment maps and norms
    model : what their words are made with; its network is loaded when a picture needs it
    bags_of_images : how the bags of whole images are made
    bags_of_parts : how those of queries and of windows are made
    """

    index: SearchedIndex
    snapshot: Snapshot
    model: Model
    bags_of_images: BagOfWords
    bags_of_parts: BagOfWords

    @classmethod
    def of(cls, model: Model) -> Searchable:
        """What the collection of a model holds now.

        Raises
        ------
        InvalidInput
            It holds no pictures yet: there are no words.
        """
        bags = model.bags_of_images, model.bags_of_parts
        # A refresh replaces what a collection holds and changes none of it: the copy stays.
        snapshot = copy(model.collection)
        return cls(open_index(snapshot, model.n_words, model.settings), snapshot, model, *bags)

    def chosen(self, where: str) -> Any:
        """The images for which a condition holds, in a form that the index takes."""
        return self.snapshot.matching(where)

    def bags_of(self, ids: Sequence[int], windows: Mapping[int, CellWindow]) -> sp.csr_matrix:
        """Bags of images, of their windows where there are some: CSR float32 (n, n_words)."""
        rows = []
        for image_id in ids:
            cells = windows.get(image_id)
            bags = self.bags_of_images if cells is None else self.bags_of_parts
            channel = self.snapshot.channel(bags.weighting, image_id)
            rows.append(bags.encode(self.snapshot.words(image_id), cells=cells, channel=channel))
        return sp.vstack(rows, format="csr")

    def last(self, vector: sp.csr_matrix, n: int, among: Any = None) -> np.ndarray:
        """The last `n` images that share a word with a vector, the best first: int64."""
        ranking = self.index.search(vector, self.index.n_images, weighed=True, among=among)
        return ranking.ids[ranking.scores > 0][-n:]

    def close(self) -> None:
        """Give the memory maps back; what is asked for later is an error."""
        self.index.close()
        self.snapshot.close()
