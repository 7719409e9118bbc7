"""Parts of a flat index: names and vectors of up to 32,768 images, and the ranking of all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import h5py
import numpy as np

from blcf.errors import FormatError
from blcf.index import merging
from blcf.index.names import Names
from blcf.index.numbering import Numbering
from blcf.kernels.dense import score_candidates
from blcf.kernels.top import sort_top, take_top
from blcf.records import Ranking
from blcf.storage import StoredGroup, write_dataset

__all__ = ["DensePart", "DenseState", "damaged", "merged", "with_vectors"]

NORM_ERROR = 1e-3  # of vectors in a file: larger ones come of no rounding


class DensePart:
    """Names and vectors of some images; never changed."""

    def __init__(self, names: Names, vectors: np.ndarray, path: str | None = None):
        self.names = names
        self._vectors = vectors
        self._unchecked = path  # the file that the vectors are mapped from, until they are checked

    def __len__(self) -> int:
        return len(self.names)

    def checked(self) -> np.ndarray:
        """The vectors, float32 (n, n_components); those of a file are looked at the first time."""
        if self._unchecked is not None:
            squared = np.einsum("ij,ij->i", self._vectors, self._vectors)
            if not ((np.abs(squared - 1) < NORM_ERROR) | (squared == 0)).all():
                raise FormatError(damaged(self._unchecked, "its vectors are not of length 1"))
            self._unchecked = None
        return self._vectors

    def without(self, names: Sequence[str]) -> DensePart:
        """The part without the images of some names."""
        gone, _ = self.names.find(names)
        if not gone.size:
            return self
        kept = np.setdiff1d(np.arange(len(self)), gone)
        return DensePart(Names.from_list(self.names.take(kept)), self.checked()[kept])

    def write(self, group: h5py.Group) -> None:
        """Write the part into an HDF5 group."""
        self.names.write(group)
        write_dataset(group, "vectors", self.checked())

    @classmethod
    def read(cls, group: StoredGroup, n_components: int) -> DensePart:
        """The part of a stored group, over its mapped file."""
        names, vectors = Names.read(group), group.array("vectors")
        if vectors.dtype != np.float32 or vectors.shape != (len(names), n_components):
            raise FormatError(damaged(group.path, "its names and vectors do not fit"))
        return cls(names, vectors, os.fspath(group.path))


class DenseState:
    """What an index holds at one moment: never changed, only replaced."""

    def __init__(self, parts: list[DensePart]):
        self.parts = parts
        self.numbering = Numbering([(len(part), None) for part in parts])

    def rank(
        self, queries: np.ndarray, k: int, each: Callable[..., Iterable[None]], n_tasks: int
    ) -> list[Ranking]:
        """A ranking per row of float32 (n, n_components); `each` is `map`, or that of a pool."""
        n, k = len(queries), min(k, self.numbering.n_images)
        if not k:
            return [Ranking([], np.empty(0, np.float32), np.empty(0, np.int64)) for _ in queries]
        top_scores = np.full((n, k), -np.inf, dtype=np.float32)
        top_images = np.zeros((n, k), dtype=np.int64)
        # A task a query took 100 queries of 100,000 images from 85 to 115 ms.
        spans = [range(n)[task::n_tasks] for task in range(n_tasks)]
        for part, first in zip(self.parts, self.numbering.starts.tolist()):
            vectors = part.checked()
            estimates = _estimate(queries, vectors)

            def offer(rows: range, first=first, vectors=vectors, estimates=estimates) -> None:
                scores, ones = np.empty(len(vectors)), np.ones(len(vectors))
                for row in rows:
                    limit = _limit(estimates[row], top_scores[row], queries.shape[1])
                    score_candidates(estimates[row], limit, vectors, queries[row], scores)
                    take_top(scores, ones, first, top_scores[row], top_images[row])

            list(each(offer, spans))
        rankings = []
        for scores, ids in zip(top_scores, top_images):
            sort_top(scores, ids)
            rankings.append(Ranking(self._names(ids), scores, ids))
        return rankings

    def places(self, ids: np.ndarray) -> Iterator[tuple[np.ndarray, DensePart, np.ndarray]]:
        """Rows of `ids` that lie in one part, the part, and their positions in it."""
        starts = self.numbering.starts
        parts = np.searchsorted(starts, ids, side="right") - 1
        for part in np.unique(parts).tolist():
            rows = np.flatnonzero(parts == part)
            yield rows, self.parts[part], ids[rows] - starts[part]

    def _names(self, ids: np.ndarray) -> list[str]:
        names = np.empty(ids.size, dtype=object)
        for rows, part, positions in self.places(ids):
            names[rows] = part.names.take(positions)
        return names.tolist()


def with_vectors(
    parts: list[DensePart], names: Sequence[str], vectors: np.ndarray
) -> list[DensePart]:
    """Parts with more images behind them, merged as far as the rule asks for it."""
    grown = parts
    for first in range(0, len(vectors), merging.LARGEST):
        rows = slice(first, first + merging.LARGEST)
        grown = merged([*grown, DensePart(Names.from_list(names[rows]), vectors[rows].copy())])
    return grown


def merged(parts: list[DensePart]) -> list[DensePart]:
    """Fewer parts of the same images, as far as the rule of `blcf.index.merging` asks for it."""
    parts = [part for part in parts if len(part)]
    while True:
        sizes = [len(part) for part in parts]
        span = merging.plan_merge(sizes, [0] * len(sizes))
        if span is None:
            return parts
        joined = parts[slice(*span)]
        names = Names.from_list([name for part in joined for name in part.names[:]])
        vectors = np.concatenate([part.checked() for part in joined])
        parts = [*parts[: span[0]], DensePart(names, vectors), *parts[span[1] :]]


def _estimate(queries: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Dot products in float32, in whatever order they are summed: (n, n_images)."""
    if len(queries) == 1:  # serially: BLAS would wake its threads
        return np.einsum("ij,j->i", vectors, queries[0])[None]
    return queries @ vectors.T


def _limit(estimates: np.ndarray, top: np.ndarray, n_components: int) -> float:
    """The estimate below which no image of a part is among the best k: `top` is their heap."""
    margin, k = _rounding(n_components), top.size
    if top[0] > -np.inf or estimates.size <= k:
        return float(top[0]) - margin
    # k images of the part have at least this estimate, and score no worse than it less a margin;
    # scores that float32 makes equal to theirs, a step apart, tie.
    least = np.partition(estimates, -k)[-k]
    return float(least) - 2 * margin - 2.0**-23


def _rounding(n_components: int) -> float:
    """How far a cosine of float32 vectors, summed in float32 in any order, is off at most."""
    # Squared lengths of image vectors are 1 up to NORM_ERROR: the 1.01. Underflow: the 1e-30.
    share = n_components * 2.0**-24
    return 1.01 * share / max(1 - share, 1e-9) + 1e-30


def damaged(path: str | os.PathLike[str], what: str) -> str:
    """What to say of a damaged file."""
    return f"{path} is damaged: {what}. Restore it from a copy, or index again."
