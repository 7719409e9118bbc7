"""What a search asks of an index: `blcf.InvertedFile`, or one that ranks elsewhere."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

from blcf.records import Ranking

__all__ = ["RankingIndex"]


class RankingIndex(Protocol):
    """An index of bags that knows how words are weighed; see `blcf.InvertedFile` for each."""

    @property
    def n_words(self) -> int:
        """Size of the vocabulary."""
        ...

    @property
    def sqrt(self) -> bool:
        """Whether counts count as their root."""
        ...

    @property
    def n_images(self) -> int:
        """How many images the index holds."""
        ...

    @property
    def df(self) -> np.ndarray:
        """In how many images each word occurs: int64 (n_words,)."""
        ...

    @property
    def idf_(self) -> np.ndarray:
        """Inverse document frequencies, ones where they are off: float64 (n_words,)."""
        ...

    def weigh(self, bags: sp.csr_matrix) -> sp.csr_matrix:
        """L2-normalised vectors of bags: CSR float64 (n, n_words)."""
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

    def search_many(
        self,
        bags: sp.csr_matrix,
        k: int = 100,
        *,
        weighed: bool = False,
        approximate: float | None = None,
        among: Any = None,
        n_threads: int | None = None,
    ) -> list[Ranking]:
        """`search` for every row."""
        ...

    def close(self) -> None:
        """Give memory maps back."""
        ...
