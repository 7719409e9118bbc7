"""Segments made into one: to keep them few, and to give back the space of removed images.

A new segment is written beside the old ones and takes their place in one swap of the manifest;
readers keep what they have mapped. A kill before the swap leaves everything as it was.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from blcf.collection.segment import Segment
from blcf.errors import FormatError, StorageError
from blcf.index import merging
from blcf.storage import file_digest

if TYPE_CHECKING:
    from blcf.collection.collection import Collection

__all__ = ["compact_segments", "merge_segments"]

logger = logging.getLogger(__name__)


def merge_segments(collection: Collection) -> None:
    """Merge as `merging.plan_merge` says, until it says nothing.

    A merge can wait: where there is no space for it, or a segment is damaged, it is put off.
    """
    while True:
        live = [segment.n_live for segment in collection.segments]
        removed = [segment.n_images - segment.n_live for segment in collection.segments]
        span = merging.plan_merge(live, removed)
        if span is None:
            return
        try:
            _replace(collection, *span)
        except (StorageError, FormatError, MemoryError) as error:
            logger.warning("small segments were not merged now, only searches suffer: %s", error)
            return


def compact_segments(collection: Collection) -> tuple[int, int]:
    """Drop removed images from the files and join adjacent segments up to `merging.LARGEST`.

    Returns
    -------
    before, after : bytes of the segments
    """
    before = _n_bytes(collection)
    first = 0
    while first < len(collection.segments):
        last, total = first, 0
        for segment in collection.segments[first:]:
            total += segment.n_live
            if total > merging.LARGEST and last > first:
                break
            last += 1
        span = collection.segments[first:last]
        n_live = sum(segment.n_live for segment in span)
        if len(span) > 1 or n_live < span[0].n_images:
            _replace(collection, first, last)
        first += n_live > 0
    return before, _n_bytes(collection)


def _n_bytes(collection: Collection) -> int:
    return sum(path.lstat().st_size for path in (collection.path / "segments").glob("*.h5"))


def _replace(collection: Collection, first: int, last: int) -> None:
    """Put one segment, or none where no image lives, in the place of a span of them."""
    entries, parts = collection.manifest["segments"], collection.segments[first:last]
    for entry, part in zip(entries[first:last], parts):
        # Or the damage would go into the new segment, under a digest that hides it.
        if file_digest(part.path)["digest"] != entry["digest"]:
            raise FormatError(
                f"{part.path} is damaged: its digest is of other bytes. Run "
                f"`blcf check {collection.path} --repair`."
            )
        try:
            part.postings.check()  # digests that fit say nothing of who made them
        except FormatError as error:
            raise FormatError(
                f"{part.path} is damaged: {error} Run `blcf check {collection.path} --repair`."
            ) from error
    number, merged = collection.manifest["next_segment"], []
    if any(part.n_live for part in parts):
        path = collection.segment_file(number)
        merged = [Segment.merge(path, parts, collection.vocabulary_digest)]
    collection.commit(
        segments=[*entries[:first], *merged, *entries[last:]], next_segment=number + 1
    )
