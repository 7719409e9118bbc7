"""A second copy of a segment's names: who loses the segment knows what to index again.

Beside ``00000001.h5`` stands the small ``00000001.names.h5``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.collection.manifest import names_file
from blcf.errors import FormatError
from blcf.index.names import Names
from blcf.storage import Place, StoredGroup, open_h5, write_dataset, write_h5

__all__ = ["read_names", "write_names"]

KIND, FORMAT_VERSION = "names", 1


def write_names(segment: Place, names: Names, root_ids: np.ndarray) -> str:
    """Write the copy of the names of a segment; gives its digest."""
    stamp: dict[str, Any] = {}
    path = segment.with_name(names_file(segment.name))
    with write_h5(path, KIND, FORMAT_VERSION, out=stamp) as file:
        names.write(file)
        write_dataset(file, "root_ids", root_ids)
    return str(stamp["digest"])


def read_names(
    path: Place, kind: str = KIND, version: int = FORMAT_VERSION, before: int | None = None
) -> NamesAndRoots:
    """Names and root ids of a copy (or, by kind, of a segment), verified by their hashes.

    ``before`` is an earlier version that is read as well.

    Raises
    ------
    FormatError, StorageError
    """
    with open_h5(path, kind, version, before=before) as file:
        return _read(file)


NamesAndRoots = tuple[Names, np.ndarray]


def _read(file: StoredGroup) -> NamesAndRoots:
    names, root_ids = Names.read(file), file.array("root_ids")
    if root_ids.shape != (len(names),) or root_ids.dtype != np.int32:
        raise FormatError(f"{file.path} is damaged: expected one folder per name.")
    names.check()
    return names, root_ids
