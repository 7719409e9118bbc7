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


def read_checkpoint(path: Path, digest: str) -> State | None:
    """The state of a run that was stopped; None where there is none, or one of another run.

    A damaged file is none: the run starts again.
    """
    if not path.exists():
        return None
    try:
        with open_h5(path, KIND, FORMAT_VERSION) as file:
            if file.attrs["digest"] != digest.encode():
                return None
            return State(
                file["centroids"][:],
                file["words"][:],
                [float(inertia) for inertia in file["inertia_history"][:]],
                bytes(file.attrs["looks"]).decode().split(","),
                int(file.attrs["n_reseeded"]),
                bool(file.attrs["is_done"]),
            )
    except BlcfError as error:
        logger.warning("k-means starts again: %s", error)
        return None
