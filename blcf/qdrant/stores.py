"""What a store of points is: what is written into it, and what a query gives back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp

__all__ = [
    "ABOUT",
    "HEAD_ID",
    "SUMS",
    "USED",
    "VECTOR",
    "Chosen",
    "Found",
    "PointStore",
    "about_of",
    "bounds",
    "found_of",
]

VECTOR = "words"  # the name of the sparse vector
ABOUT = "blcf"  # what is ours in a payload; no column of facts: these have no dictionaries
SUMS = [f"{ABOUT}.{name}" for name in ("epoch", "words", "facts")]  # to compare it with what is now
USED = [f"{ABOUT}.{name}" for name in ("epoch", "bag")]  # by a search
HEAD_ID = "6a0e5f0e-1d1c-5a67-9d0b-b1cf00000001"  # of the one point that is no picture

Payload = Mapping[str, Any]
Vector = tuple[np.ndarray, np.ndarray]  # words, int64 (n,), and values, float64 (n,)


@dataclass(frozen=True, eq=False)
class Chosen:
    """The points that may be found.

    Attributes
    ----------
    ids : int64 (n,)
    are_in : whether these may be, or all others
    """

    ids: np.ndarray
    are_in: bool


@dataclass(frozen=True, eq=False)
class Found:
    """The points of a query that share a word with it, the best first.

    Attributes
    ----------
    ids : int64 (n,)
    scores : float64 (n,), the dot products as Qdrant adds them up, in float32
    epochs : int64 (n,), what each vector was weighed with
    bags : of the pictures, as `pack_bag` wrote them
    """

    ids: np.ndarray
    scores: np.ndarray
    epochs: np.ndarray
    bags: list[Any]


class PointStore(Protocol):
    """Points in Qdrant. Every method raises `StorageError` where Qdrant refuses.

    Attributes
    ----------
    place : where it is, for messages and `blcf.qdrant.open_store`
    """

    place: str

    def head(self) -> Payload | None:
        """The payload of the point that says what the store holds; None where there is none."""
        ...

    def write_head(self, payload: Payload) -> None:
        """Write it."""
        ...

    def held(self) -> Iterator[tuple[int, Payload]]:
        """Every picture: its id, and what is ours in its payload."""
        ...

    def put(self, ids: Sequence[int], vectors: sp.csr_matrix, payloads: Sequence[Payload]) -> None:
        """Write points whole, those that are there as well; `vectors` are CSR float32."""
        ...

    def describe(self, ids: Sequence[int], payloads: Sequence[Payload]) -> None:
        """Write the payloads of points whose vectors stay."""
        ...

    def delete(self, ids: Sequence[int]) -> None:
        """Take points out."""
        ...

    def query(
        self,
        vectors: Sequence[Vector],
        limit: int,
        only: Chosen | None,
        least: Sequence[float] | None = None,
    ) -> list[Found]:
        """The `limit` points of the largest dot product with each vector, exactly.

        With `least` those alone whose product with a vector is no less than its number there.
        """
        ...

    def settle(self) -> None:
        """What was written is on the disk, and laid out for searching."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def about_of(payload: Any) -> Payload:
    """What is ours in a payload, which anybody may have written; nothing where there is none."""
    ours = payload.get(ABOUT) if isinstance(payload, Mapping) else None
    return ours if isinstance(ours, Mapping) else {}


def found_of(points: Sequence[Any]) -> Found:
    """The points that one of Qdrant's clients gives: both name their parts alike."""
    abouts = [about_of(one.payload) for one in points]
    epochs = [one.get("epoch") for one in abouts]
    return Found(
        np.array([one.id if isinstance(one.id, int) else -1 for one in points], dtype=np.int64),
        np.array([one.score for one in points], dtype=np.float64),
        np.array([one if isinstance(one, int) else -1 for one in epochs], dtype=np.int64),
        [one.get("bag") for one in abouts],
    )


def bounds(vectors: Sequence[Vector], least: Sequence[float] | None) -> list[float | None]:
    """The least score of each query, None where there is none, as Qdrant takes it."""
    if least is None:
        return [None] * len(vectors)
    return [None if math.isinf(one) else one for one in least]
