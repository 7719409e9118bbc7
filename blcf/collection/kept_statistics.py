"""Document frequencies and norms of the live images, kept so that opening needs no postings.

They follow from the segments: where the file is missing, damaged, or of another state of the
collection, they are computed again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import h5py
import numpy as np

from blcf.errors import FormatError
from blcf.storage import map_file, open_h5, read_dataset, write_dataset, write_h5

__all__ = ["STATISTICS", "read_statistics", "write_statistics"]

STATISTICS = "statistics.h5"
KIND, FORMAT_VERSION = "statistics", 1


def write_statistics(folder: Path, state: str, df: np.ndarray, norms: np.ndarray) -> None:
    """Write the statistics of a state of the collection.

    Parameters
    ----------
    folder : of the collection
    state : digest of what they follow from
    df : int64 (n_words,)
    norms : float64 (n_images,)
    """
    df, norms = np.asarray(df, dtype=np.int64), np.asarray(norms, dtype=np.float64)
    with write_h5(folder / STATISTICS, KIND, FORMAT_VERSION) as file:
        file.attrs["state"] = np.bytes_(state)
        file.attrs["digest"] = np.bytes_(_digest(df, norms))
        write_dataset(file, "df", df)
        write_dataset(file, "norms", norms)


def read_statistics(folder: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """State, df int64 (n_words,) and norms float64 (n_images,), the norms mapped.

    Raises
    ------
    FormatError, StorageError
        Missing or damaged. The digest is verified: some 10 ms for a million images.
    """
    path = folder / STATISTICS
    with open_h5(path, KIND, FORMAT_VERSION) as file:
        mapped = map_file(path)
        df = read_dataset(file, "df", mapped).copy()
        norms = read_dataset(file, "norms", mapped)
        state, digest = _text(file, "state"), _text(file, "digest")
    kinds = (df.dtype, df.ndim, norms.dtype, norms.ndim)
    if kinds != (np.int64, 1, np.float64, 1) or digest != _digest(df, norms):
        raise FormatError(f"{path} is damaged. Delete it: it is computed again.")
    return state, df, norms


def _text(file: h5py.File, name: str) -> str:
    value = file.attrs[name]
    return value.decode("ascii", "replace") if isinstance(value, bytes) else ""


def _digest(df: np.ndarray, norms: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (df, norms):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
