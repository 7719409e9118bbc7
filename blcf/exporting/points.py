"""A collection in Qdrant: its bags as sparse vectors, with names, sizes and facts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from blcf.exporting.exported import Engine, Exported, as_text
from blcf.qdrant import Pictures, Published, open_store, publish

__all__ = ["write_points"]


def write_points(
    engine: Engine, place: str | os.PathLike[str], *, progress: bool = False
) -> Published:
    """Bring a store of Qdrant up to date with a collection.

    The first time all pictures are sent; later those that are new or changed, and those that are
    gone are taken out. Where one was interrupted, the same call goes on. A search in it is exact
    after each, see `blcf.qdrant.QdrantIndex`.

    Parameters
    ----------
    engine : a `blcf.SearchEngine`
    place : a folder, of a shard in this process; or ``http://HOST:PORT/NAME``, of a server's
        collection, with the key in QDRANT_API_KEY where it asks for one
    progress : whether to draw a progress bar on stderr

    Returns
    -------
    Published
        How many pictures were sent, and why.

    Raises
    ------
    InvalidInput, FormatError, StorageError
    VocabularyMismatch
        What is there is of another vocabulary.
    """
    engine.model.settings.check_without_tiles("ranks in its own inverted file, not in Qdrant")
    exported = Exported.of(engine)
    store = open_store(place, make=True)
    try:
        ids = exported.snapshot.facts.ids
        pictures = Pictures(exported.lists, ids, _payloads(exported), exported.model)
        return publish(store, pictures, progress=progress)
    finally:
        store.close()


def _payloads(exported: Exported) -> Iterator[dict[str, Any]]:
    """What is known of each picture; texts as JSON can write them."""
    for row in exported.rows():
        yield {
            name: as_text(value) if isinstance(value, str) else value
            for name, value in row.items()
            if value is not None and name != "id"
        }
