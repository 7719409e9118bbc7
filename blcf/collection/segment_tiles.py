"""Whether the tiles of a segment are those that the settings of its collection say."""

from __future__ import annotations

from blcf.collection.segment import Segment
from blcf.collection.settings import Settings

__all__ = ["wrong_tiles"]


def wrong_tiles(segment: Segment, settings: Settings) -> str:
    """What is wrong with the tiles of a segment, a clause; "" where they are as it says."""
    tiles, n, of_a_map = segment.tiles, settings.n_tiles, ""
    if settings.looks_twice:
        of_a_map = " in a map of their own"
    found = tiles.n_tiles if tiles else 0, len(segment.all_maps)
    if found == (n, 1 + settings.looks_twice):
        return ""
    return f"expected {n} tiles of each picture{of_a_map}, as the manifest says"
