"""What hits can ask of the collection that they were found in: films and times, and bags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput
from blcf.searching.searchable import Searchable

__all__ = ["InFilm", "Pictures"]


@dataclass(frozen=True)
class InFilm:
    """Where in a film a picture is.

    Attributes
    ----------
    film : its name; "" of a picture that is no frame
    time : s
    shot : its number; -1 where it is not known
    """

    film: str
    time: float
    shot: int


class Pictures:
    """The pictures of a collection as of a search, by their ids there; it is not pickled along."""

    def __init__(self, searchable: Searchable | None):
        self._searchable = searchable

    def __reduce__(self) -> tuple[Any, ...]:
        return Pictures, (None,)

    def _here(self) -> Searchable:
        if self._searchable is None:
            raise InvalidInput(
                "The films of hits stay with the engine that found them: these were pickled. Group "
                "them before, or search again."
            )
        return self._searchable

    def in_films(self, ids: np.ndarray) -> list[InFilm]:
        """Where each picture is, int64 (n,)."""
        snapshot = self._here().snapshot
        columns = (snapshot.values(name, ids).tolist() for name in ("videos", "times", "shots"))
        films = snapshot.manifest["videos"]
        return [
            InFilm(films[film] if film >= 0 else "", time, shot)
            for film, time, shot in zip(*columns)
        ]

    def vectors(self, ids: Sequence[int]) -> sp.csr_matrix:
        """Bags of whole pictures, weighed and of length 1: CSR float64 (n, n_words)."""
        here = self._here()
        return here.index.weigh(here.bags_of(ids))
