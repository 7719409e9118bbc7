"""Document frequencies and norms of the live images, kept so that opening needs no postings.

Beside them lies where in the segments' files each array is, which HDF5 takes 5 ms a segment to say:
2 s of ten million images.

They follow from the segments: where the file is missing, damaged, or of another state of the
collection, they are computed again. No manifest names the file, which holds a digest of itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from blcf.errors import FormatError, StorageError
from blcf.storage import Member, open_h5, write_dataset, write_h5

__all__ = ["STATISTICS", "read_layouts", "read_statistics", "write_statistics"]

STATISTICS = "statistics.h5"
KIND, FORMAT_VERSION = "statistics", 2
BEFORE = 1  # its digest was of df and norms only


def write_statistics(
    folder: Path,
    state: str,
    df: np.ndarray,
    norms: np.ndarray,
    layouts: Mapping[str, tuple[str, Any]],
) -> None:
    """Write the statistics of a state of the collection.

    Parameters
    ----------
    folder : of the collection
    state : digest of what they follow from
    df : int64 (n_words,)
    norms : float64 (n,), of images, then of their tiles
    layouts : {file of a segment: its digest, its `plain_layout`}
    """
    text = json.dumps(dict(layouts), separators=(",", ":")).encode("ascii")
    with write_h5(Member(folder, STATISTICS), KIND, FORMAT_VERSION, sealed=True) as file:
        file.attrs["state"] = np.bytes_(state)
        write_dataset(file, "df", np.asarray(df, dtype=np.int64))
        write_dataset(file, "norms", np.asarray(norms, dtype=np.float64))
        write_dataset(file, "layouts", np.frombuffer(text, dtype=np.uint8))


def read_layouts(folder: Path) -> dict[str, tuple[str, Any]]:
    """The layouts that were kept; nothing where there are none, or the file is damaged."""
    try:
        with open_h5(Member(folder, STATISTICS), KIND, FORMAT_VERSION, sealed=True) as file:
            kept = json.loads(file.array("layouts").tobytes()) if "layouts" in file else {}
        return {str(name): (str(digest), one) for name, (digest, one) in kept.items()}
    except (FormatError, StorageError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def read_statistics(folder: Path) -> tuple[str, np.ndarray, np.ndarray]:
    """State, df int64 (n_words,) and norms float64 (n,), the norms mapped.

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
