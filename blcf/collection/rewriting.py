"""Segments made into one: to keep them few, and to give back the space of removed images.

What is due is a plan, a span of segments (first, last), half-open, that a collection replaces by
one; once nothing is due, there is none. A new segment is written beside the old ones and takes
their place in one swap of the manifest; readers keep what they have mapped. A kill before the swap
leaves everything as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from blcf.collection.deletions import pack_removed
from blcf.collection.segment import Segment
from blcf.errors import FormatError
from blcf.index import merging
from blcf.storage import Place, file_digest

__all__ = ["check_source", "due_compaction", "due_merge", "join_segments", "mark_removed"]


def due_merge(segments: Sequence[Segment]) -> tuple[int, int] | None:
    """The next segments to merge, as `merging.plan_merge` says."""
    live = [segment.n_live for segment in segments]
    removed = [segment.n_images - segment.n_live for segment in segments]
    return merging.plan_merge(live, removed)


def due_compaction(segments: Sequence[Segment]) -> tuple[int, int] | None:
    """The next segments with removed images, or neighbours that fit into `merging.LARGEST`.

    What has taken their place falls into the same span again, alone: it is not due any more.
    """
    first = 0
    while first < len(segments):
        last, total = first, 0
        for segment in segments[first:]:
            total += segment.n_live
            if total > merging.LARGEST and last > first:
                break
            last += 1
        span = segments[first:last]
        if len(span) > 1 or span[0].n_live < span[0].n_images:
            return first, last
        first = last
    return None


def join_segments(
    path: Place,
    parts: Sequence[Segment],
    entries: Sequence[Mapping[str, Any]],
    vocabulary: str,
    collection: Path,
) -> list[dict[str, Any]]:
    """Write the live images of some segments as one; gives its entry, none where no image lives.

    Parameters
    ----------
    path : of the new segment
    parts, entries : the segments, and what the manifest says of them
    vocabulary : digest of the vocabulary
    collection : its folder, for messages

    Raises
    ------
    FormatError
        A segment is damaged.
    StorageError
    """
    for entry, part in zip(entries, parts):
        check_source(part, entry, collection)
    if not any(part.n_live for part in parts):
        return []
    return [Segment.merge(path, parts, vocabulary)]


def mark_removed(
    entries: Sequence[Mapping[str, Any]],
    segments: Sequence[Segment],
    parts: np.ndarray,
    positions: np.ndarray,
) -> tuple[list[dict[str, Any]], int]:
    """Entries with some more images marked as removed, and how many these are.

    Parameters
    ----------
    parts, positions : int64 (n,), segment and place in it of each image; -1 for none
    """
    marked, n_removed = [dict(entry) for entry in entries], 0
    for number in np.unique(parts[parts >= 0]).tolist():
        segment = segments[number]
        left = segment.live_mask.copy()
        left[positions[parts == number]] = False
        n_removed += segment.n_live - int(np.count_nonzero(left))
        marked[number]["deleted"] = pack_removed(left)
    return marked, n_removed


def check_source(part: Segment, entry: Mapping[str, Any], collection: Path) -> None:
    """Raise `FormatError` where a segment is damaged that is to be copied into a new one.

    Or the damage would go into the new segment, under a digest that hides it.
    """
    advice = f"Run `blcf check {collection} --repair`."
    if file_digest(part.path)["digest"] != entry["digest"]:
        raise FormatError(f"{part.path} is damaged: its digest is of other bytes. {advice}")
    try:
        part.postings.check()  # digests that fit say nothing of who made them
        if part.tiles is not None:
            part.tiles.check()
    except FormatError as error:
        raise FormatError(f"{part.path} is damaged: {error} {advice}") from error
