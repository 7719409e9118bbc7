"""The numbers of the pictures of all shards: 0 .. n - 1 in the order in which they were inserted.

The places of a shard's pictures come in runs (what was indexed in one go), so that the numbering of
a hundred million pictures is some thousand runs, and not as many numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from blcf.errors import FormatError

__all__ = ["Runs", "ShardNumbering"]


@dataclass(frozen=True, eq=False)
class Runs:
    """The places of a shard's pictures in the order of insertion of all shards.

    Attributes
    ----------
    firsts : int64 (n_runs,), the place of the first picture of each run; the next have the next
    lengths : int64 (n_runs,), >= 1
    """

    firsts: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, places: np.ndarray) -> Runs:
        """The runs of places, int64 (n_pictures,), ascending.

        Examples
        --------
        >>> runs = Runs.of(np.array([4, 5, 6, 9]))
        >>> runs.firsts.tolist(), runs.lengths.tolist()
        ([4, 9], [3, 1])
        """
        begins = np.flatnonzero(np.diff(places, prepend=-2) != 1)
        ends = np.append(begins[1:], places.size)
        return cls(places[begins].astype(np.int64), (ends - begins).astype(np.int64))

    @property
    def n_images(self) -> int:
        """How many pictures there are."""
        return int(self.lengths.sum())


class ShardNumbering:
    """The number of each picture of several shards, and the picture of each number.

    Parameters
    ----------
    shards : the runs of each
    names : of the shards, for messages

    Raises
    ------
    FormatError
        Two pictures have one place: the shards are not of one collection.
    """

    def __init__(self, shards: Sequence[Runs], names: Sequence[str]):
        self.n_shards = len(shards)
        nothing = np.zeros(0, dtype=np.int64)
        firsts = np.concatenate([nothing, *(one.firsts for one in shards)])
        lengths = np.concatenate([nothing, *(one.lengths for one in shards)])
        owners = np.repeat(np.arange(len(shards)), [one.firsts.size for one in shards])
        positions = np.concatenate(
            [nothing, *(np.cumsum(one.lengths) - one.lengths for one in shards)]
        )
        order = np.argsort(firsts, kind="stable")
        firsts, lengths = firsts[order], lengths[order]
        self._owners, self._positions = owners[order], positions[order]
        clash = np.flatnonzero(firsts[:-1] + lengths[:-1] > firsts[1:])
        if clash.size:
            one, other = (names[self._owners[clash[0] + step]] for step in (0, 1))
            raise FormatError(
                f"{one} and {other} say that two pictures came at one place: they are not shards "
                "of one collection. Put back the shards that were there."
            )
        self._starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)  # (n_runs + 1,)
        self._runs_of = [np.flatnonzero(self._owners == one) for one in range(len(shards))]
        for number, runs in enumerate(self._runs_of):  # in the order of positions
            self._runs_of[number] = runs[np.argsort(self._positions[runs], kind="stable")]

    @property
    def n_images(self) -> int:
        """How many pictures there are."""
        return int(self._starts[-1])

    def locate(self, ids: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The shard of each picture, and its number there: int64 (n,) each."""
        wanted = np.asarray(ids, dtype=np.int64)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < self.n_images:
            raise IndexError(f"numbers of {self.n_images} pictures, got {wanted.max()}")
        runs = np.searchsorted(self._starts, wanted, side="right") - 1
        return self._owners[runs], self._positions[runs] + wanted - self._starts[runs]

    def ids(self, shard: int, positions: np.ndarray) -> np.ndarray:
        """The numbers of pictures of a shard by their numbers there: int64 (n,)."""
        runs = self._runs_of[shard]
        begins = self._positions[runs]
        at = np.searchsorted(begins, positions, side="right") - 1
        return self._starts[runs[at]] + positions - begins[at]

    def split(
        self, ids: Sequence[int] | np.ndarray
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """For each shard that has some of the pictures: it, the rows of `ids`, the numbers there.

        Ascending by shard.
        """
        owners, positions = self.locate(ids)
        for shard in np.unique(owners).tolist():
            rows = np.flatnonzero(owners == shard)
            yield shard, rows, positions[rows]
