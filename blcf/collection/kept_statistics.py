"""Document frequencies and norms of the live images, kept so that opening needs no postings.

They follow from the segments: where the file is missing, damaged, or of another state of the
collection, they are computed again. No manifest names the file, which holds a digest of itself.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from blcf.errors import FormatError
from blcf.storage import Member, open_h5, write_dataset, write_h5

__all__ = ["STATISTICS", "read_statistics", "write_statistics"]

STATISTICS = "statistics.h5"
KIND, FORMAT_VERSION = "statistics", 2
BEFORE = 1  # its digest was of df and norms only


def write_statistics(folder: Path, state: str, df: np.ndarray, norms: np.ndarray) -> None:
    """Write the statistics of a state of the collection.

    Parameters
    ----------
    folder : of the collection
    state : digest of what they follow from
    df : int64 (n_words,)
    norms : float64 (n_images,)
    """
    with write_h5(Member(folder, STATISTICS), KIND, FORMAT_VERSION, sealed=True) as file:
        file.attrs["state"] = np.bytes_(state)
        write_dataset(file, "df", np.asarray(df, dtype=np.int64))
        write_dataset(file, "norms", np.asarray(norms, dtype=np.float64))


def read_statistics(folder: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """State, df int64 (n_words,) and norms float64 (n_images,), the norms mapped.

    Raises
    ------
    FormatError, StorageError
        Missing or damaged. The digest is verified: some 10 ms for a million images.
    """
    path = Member(folder, STATISTICS)
    with open_h5(path, KIND, FORMAT_VERSION, sealed=True, before=BEFORE) as file:
        state, df, norms = file.value("state", str), file.array("df").copy(), file.array("norms")
        is_before = file.value("format_version", int) == BEFORE
        digest = file.value("digest", str) if is_before else ""
    kinds = (df.dtype, df.ndim, norms.dtype, norms.ndim)
    if kinds != (np.int64, 1, np.float64, 1) or (is_before and digest != _digest(df, norms)):
        raise FormatError(f"{path} is damaged. Delete it: it is computed again.")
    if (df < 0).any() or not (np.isfinite(norms) & (norms >= 0)).all():
        raise FormatError(f"{path} holds no statistics. Delete it: it is computed again.")
    return state, df, norms


def _digest(df: np.ndarray, norms: np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for array in (df, norms):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
