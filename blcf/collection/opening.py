"""From a collection's files to what a search needs of them, and from pictures to their names."""

from __future__ import annotations

import difflib
import itertools
import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from blcf.collection.collection import Collection
from blcf.collection.segment_tiles import wrong_tiles
from blcf.collection.settings import Settings
from blcf.collection.snapshot import Snapshot
from blcf.errors import FormatError, InvalidInput, StorageError
from blcf.images import canonical_frame, display_name
from blcf.index import InvertedFile

__all__ = ["check_tiles", "find_pictures", "keep_statistics", "names_of", "open_index"]

logger = logging.getLogger(__name__)


def open_index(collection: Collection, n_words: int, settings: Settings) -> InvertedFile:
    """The inverted file over the segments of a collection, with the df and norms kept beside it.

    Where every word stands in every picture (there is one picture, say), idf would make all scores
    0: it is left off.
    """
    index = InvertedFile(n_words, idf=settings.idf, sqrt=settings.sqrt)
    check_tiles(collection, settings)
    for part in collection.parts:
        index.add_part(*part)
    statistics = collection.read_statistics()
    if statistics is not None:
        index.set_statistics(*statistics)
    if not settings.idf or not index.n_images or index.idf_.any():
        return index
    logger.info("every word stands in every picture: idf is left off")
    index = InvertedFile(n_words, sqrt=settings.sqrt)  # what is kept beside it is of the other one
    for part in collection.parts:
        index.add_part(*part)
    return index


def check_tiles(collection: Snapshot, settings: Settings) -> None:
    """Raise `FormatError` where pictures have other tiles than the settings say."""
    for segment in collection.segments:
        if wrong := wrong_tiles(segment, settings):
            raise FormatError(
                f"{segment.path} is damaged: {wrong}. Restore both from the same copy, or run "
                "`blcf check` on the collection."
            )
        if segment.tiles and segment.tiles.share != settings.tile_share:
            raise FormatError(
                f"{segment.path} was made by another blcf: expected tiles that count "
                f"{settings.tile_share} of their cosines, its count {segment.tiles.share}. Use the "
                "blcf that wrote it, or index again."
            )


def keep_statistics(collection: Collection, n_words: int, settings: Settings) -> None:
    """Keep df and norms of the pictures, so that opening does not read all posting lists."""
    if not collection.n_images or collection.read_statistics() is not None:
        return
    index = open_index(collection, n_words, settings)
    try:
        collection.write_statistics(index.df, index.norms_, index.norms_of_tiles_)
    except StorageError as error:  # what was committed stands; opening is slower
        logger.warning("df and norms were not kept: %s", error)


def find_pictures(collection: Snapshot, given: Sequence[str]) -> np.ndarray:
    """Ids of pictures by name, or else by path: int64 (n,), -1 where there is none.

    The time of a frame may be written in any way: ``film.mp4@01:12.5``.
    """
    given = [canonical_frame(one) for one in given]
    ids = collection.find(given)
    rest = [row for row, image_id in enumerate(ids) if image_id < 0]
    ids[rest] = collection.find_paths([Path(os.path.abspath(given[row])) for row in rest])
    return ids


def names_of(
    collection: Snapshot, pictures: Iterable[str | os.PathLike[str]], then: str
) -> list[str]:
    """Names of pictures that are given by name or by path; `then` ends the message of an error.

    Raises
    ------
    InvalidInput
        The collection holds no such picture.
    """
    if isinstance(pictures, (str, os.PathLike)):
        pictures = [pictures]
    given = list(dict.fromkeys(os.fspath(one) for one in pictures))
    ids = find_pictures(collection, given)
    missing = [one for one, image_id in zip(given, ids) if image_id < 0]
    if missing:
        names = list(itertools.islice(collection.names(), 100_000))
        near = difflib.get_close_matches(missing[0], names, n=1)
        hint = f" Did you mean {display_name(near[0])!r}?" if near else ""
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise InvalidInput(
            f"Expected pictures of {collection.path}, by name or path; it holds no "
            f"{display_name(missing[0])!r}{others}. {then}{hint}"
        )
    return [collection.name(int(image_id)) for image_id in ids]
