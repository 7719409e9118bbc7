"""Words that come from a file or a caller, checked: nothing of a file leads out of its arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from blcf.errors import FormatError, InvalidInput
from blcf.estimator import as_rows
from blcf.storage import StoredGroup, array_digest
from blcf.vocabulary.assigner import ASSIGNMENTS
from blcf.vocabulary.two_level import N_PROBED, cells_digest

__all__ = ["CELLS", "StoredVocabulary", "as_words", "read_stored", "write_stored"]

# Datasets of the group "cells", see `blcf.vocabulary.two_level.TwoLevel`.
CELLS = ("centroids", "cell_of_word")

_WORDS = (np.float32, np.float16)  # in half precision in the file that the package carries


@dataclass(frozen=True, eq=False)
class StoredVocabulary:
    """A vocabulary as it was written.

    Attributes
    ----------
    centroids : float32 (n_words, n_components), finite; float16 to write them rounded
    parameters : ``random_state``, ``assignment``, ``n_probed`` of `blcf.vocabulary.Vocabulary`
    inertia_history : list of float
    counts : int64 (n_words,)
    cells : those of `blcf.vocabulary.two_level.TwoLevel` and the cell of each word, int32
        (n_words,); None where they are not kept
    """

    centroids: np.ndarray
    parameters: dict[str, Any]
    inertia_history: list[float]
    counts: np.ndarray
    cells: tuple[np.ndarray, np.ndarray] | None


def read_stored(group: StoredGroup) -> StoredVocabulary:
    """The vocabulary of a group; `FormatError` where it is not what was written."""
    centroids = group.array("centroids")
    if centroids.ndim != 2 or not centroids.size or centroids.dtype not in _WORDS:
        raise group.damaged("its words are of another kind or number")
    centroids = centroids.astype(np.float32)
    _check_digest("words", group, array_digest(centroids))
    parameters = {
        "random_state": group.value("random_state", int),
        # Files of earlier versions say nothing: those were exact.
        "assignment": group.value("assignment", str) if "assignment" in group.values else "exact",
        "n_probed": group.value("n_probed", int) if "n_probed" in group.values else N_PROBED,
    }
    history = np.asarray(group.values.get("inertia_history", 0))
    # Files of earlier versions have no counts: to `partial_fit` their words stand for nothing.
    counts = np.zeros(len(centroids), np.int64)
    if "counts" in group:
        counts = group.array("counts").copy()
    if (
        parameters["assignment"] not in ASSIGNMENTS
        or parameters["n_probed"] < 1
        or parameters["random_state"] < 0
        or (history.dtype, history.ndim) != (np.float64, 1)
        or (counts.dtype, counts.shape) != (np.int64, centroids.shape[:1])
        or not np.isfinite(centroids).all()
    ):
        raise group.damaged("its vocabulary is none that was learned")
    cells = _read_cells(group.group("cells"), centroids) if "cells" in group else None
    return StoredVocabulary(centroids, parameters, history.tolist(), counts, cells)


def write_stored(group: h5py.Group, stored: StoredVocabulary) -> None:
    """Write a vocabulary into an HDF5 group."""
    digest = array_digest(stored.centroids.astype(np.float32))  # of what is read
    group.attrs["digest"] = np.bytes_(digest)  # fixed length, see blcf.storage.write_h5
    group.attrs["random_state"] = stored.parameters["random_state"]
    group.attrs["inertia_history"] = stored.inertia_history
    group.attrs["assignment"] = np.bytes_(stored.parameters["assignment"])
    group.attrs["n_probed"] = stored.parameters["n_probed"]
    group.create_dataset("centroids", data=stored.centroids)
    group.create_dataset("counts", data=stored.counts)
    if stored.cells is not None:
        cells = group.create_group("cells")
        cells.attrs["digest"] = np.bytes_(cells_digest(*stored.cells))
        for name, array in zip(CELLS, stored.cells):
            cells.create_dataset(name, data=array)


def _read_cells(group: StoredGroup, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cells, cell_of_word = (group.array(name).copy() for name in CELLS)
    _check_digest("cells", group, cells_digest(cells, cell_of_word))
    if (
        (cells.dtype, cells.shape[1:]) != (np.float32, centroids.shape[1:])
        or (cell_of_word.dtype, cell_of_word.shape) != (np.int32, centroids.shape[:1])
        or not 0 <= cell_of_word.min() <= cell_of_word.max() < len(cells)
        or not np.isfinite(cells).all()
    ):
        raise group.damaged("its cells are not of its words")
    return cells, cell_of_word


def as_words(centroids: Any, counts: Any) -> tuple[np.ndarray, np.ndarray]:
    """float32 (n_words, n_components) and int64 (n_words,), 0 for None; see `Vocabulary`."""
    centroids = as_rows(centroids)
    if centroids.ndim != 2 or not centroids.size or not np.isfinite(centroids).all():
        raise InvalidInput(
            "Expected finite centroids of shape (n_words, n_components), got shape "
            f"{centroids.shape}."
        )
    counts = np.zeros(len(centroids), np.int64) if counts is None else np.asarray(counts)
    if counts.shape != centroids.shape[:1]:
        raise InvalidInput(
            f"Expected one count for each of {len(centroids)} words, got shape {counts.shape}."
        )
    return np.asarray(centroids, dtype=np.float32), counts.astype(np.int64)


def _check_digest(what: str, group: StoredGroup, digest: str) -> None:
    if digest != group.value("digest", str):
        raise FormatError(
            f"The {what} of {group.path} do not match their digest: the file is damaged. "
            "Restore it from a copy, or index again."
        )
