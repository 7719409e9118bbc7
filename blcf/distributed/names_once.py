"""Whether pictures of several collections have different names, by hashes, not by all names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blcf.collection.snapshot import Snapshot
from blcf.errors import InvalidInput
from blcf.images import display_name
from blcf.index.names import hash_names

__all__ = ["check_names"]


def check_names(collections: Sequence[Snapshot]) -> None:
    """Raise `InvalidInput` where two collections hold pictures of the same name.

    Eight bytes a picture are held in memory, and the names of one segment.
    """
    parts = [
        hash_names(list(segment.live_names)) for one in collections for segment in one.segments
    ]
    hashes, counts = np.unique(
        np.concatenate([np.empty(0, dtype=np.uint64), *parts]), return_counts=True
    )
    doubled = hashes[counts > 1]
    if not doubled.size:
        return
    held: dict[str, Snapshot] = {}
    same, first = 0, ""
    for one in collections:
        for segment in one.segments:
            names = list(segment.live_names)
            for row in np.flatnonzero(np.isin(hash_names(names), doubled)).tolist():
                before = held.setdefault(names[row], one)
                if before is not one:
                    same += 1
                    first = first or (
                        f"{display_name(names[row])!r} is in {before.path} and in {one.path}"
                    )
    if same:
        others = f" (and {same - 1:,} more)" if same > 1 else ""
        raise InvalidInput(
            f"Expected pictures of different names, {first}{others}. Remove them from one of the "
            "two (blcf remove), or index them under another name (name, --as)."
        )
