"""Where k-means stands after an iteration, on disk, so that a run that was stopped goes on."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from blcf.errors import BlcfError
from blcf.storage import open_h5, write_h5

__all__ = ["State", "read_checkpoint", "write_checkpoint"]

logger = logging.getLogger(__name__)

KIND, FORMAT_VERSION = "k-means checkpoint", 1


@dataclass(eq=False)
class State:
    """Where k-means stands after some iterations.

    Attributes
    ----------
    centroids : float32 (n_words, n_components)
    words : int32 (n,), of the rows that are looked at, as of the last look; empty before it
    inertia_history : list of float
    looks : list of str, how each iteration looked: "exact", "near" or "two-level"
    n_reseeded : int
    is_done : whether no iteration is left
    """

    centroids: np.ndarray
    words: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    inertia_history: list[float] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    n_reseeded: int = 0
    is_done: bool = False


def write_checkpoint(path: Path, state: State, digest: str) -> None:
    """Replace a checkpoint by another, which appears whole or not at all.

    Parameters
    ----------
    digest : what tells this run, its sample and its parameters from others
    """
    with write_h5(path, KIND, FORMAT_VERSION) as file:
        file.attrs["digest"] = np.bytes_(digest)
        file.attrs["looks"] = np.bytes_(",".join(state.looks))
        file.attrs["n_reseeded"] = state.n_reseeded
        file.attrs["is_done"] = state.is_done
        file.create_dataset("inertia_history", data=np.array(state.inertia_history))
        file.create_dataset("centroids", data=state.centroids)
        file.create_dataset("words", data=state.words)


def read_checkpoint(path: Path, digest: str, shape: tuple[int, int], n_rows: int) -> State | None:
    """The state of a run that was stopped; None where there is none, or one of another run.

    A damaged file is none: the run starts again.

    Parameters
    ----------
    digest : see `write_checkpoint`
    shape : (n_words, n_components)
    n_rows : how many rows are looked at
    """
    if not path.exists():
        return None
    try:
        with open_h5(path, KIND, FORMAT_VERSION) as file:
            if file.value("digest", str) != digest:
                return None
            state = State(
                file.array("centroids").copy(),
                file.array("words").copy(),
                file.array("inertia_history").tolist(),
                file.value("looks", str).split(","),
                file.value("n_reseeded", int),
                file.value("is_done", bool),
            )
            if not _fits(state, shape, n_rows):
                raise file.damaged("it is of other words or rows")
            return state
    except BlcfError as error:
        logger.warning("k-means starts again: %s", error)
        return None


def _fits(state: State, shape: tuple[int, int], n_rows: int) -> bool:
    """Whether nothing in a state leads out of its arrays."""
    centroids, words = state.centroids, state.words
    return (
        (centroids.dtype, centroids.shape) == (np.float32, shape)
        and (words.dtype, words.shape) == (np.int32, (n_rows,))
        and len(state.inertia_history) == len(state.looks)
        and not ((words < 0) | (words >= shape[0])).any()
    )
