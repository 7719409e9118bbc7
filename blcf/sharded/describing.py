"""What a collection is, in one piece or in shards: plain values, and the list of its pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from blcf.collection import Collection
from blcf.collection.description import (
    ListedPicture,
    collection_facts,
    facts_of_words,
    list_pictures,
)
from blcf.errors import ShardChanged
from blcf.sharded.collection import ShardedCollection

__all__ = ["describe", "listed"]

_SUMS = ("n_images", "n_removed", "n_skipped", "n_segments", "n_cells", "n_postings", "bytes")


def describe(collection: Collection, df: np.ndarray | None) -> dict[str, Any]:
    """`collection_facts`; of shards the sums, and how many shards there are.

    Parameters
    ----------
    df : in how many pictures each word occurs, int64 (n_words,); None where there is no picture
    """
    if not isinstance(collection, ShardedCollection):
        return collection_facts(collection, df)
    coordinator, numbers = collection.coordinator, collection.epoch.numbers
    parts = list(coordinator.each(numbers, lambda one: coordinator.ask(one, "describe")).values())
    total = {name: sum(part[name] for part in parts) for name in _SUMS}
    n_images, n_postings = total["n_images"], total["n_postings"]
    facts = {
        "path": str(collection.path),
        "format_version": parts[0]["format_version"],
        "n_shards": len(coordinator.handles),
        **total,
        "bytes_per_image": round(total["bytes"] / n_images) if n_images else None,
    }
    if df is not None:
        n_list_bytes = sum(
            part["n_postings"] * part.get("bytes_per_posting", 0.0) for part in parts
        )
        facts |= facts_of_words(df, n_list_bytes, n_postings)
    return facts | {
        "fact_columns": collection.fact_columns,
        **{name: parts[0][name] for name in ("extractor", "settings", "model")},
    }


def listed(collection: Collection) -> Iterator[ListedPicture]:
    """`list_pictures`; of shards the live ones of all in order of insertion, then the others."""
    if not isinstance(collection, ShardedCollection):
        yield from list_pictures(collection)
        return
    coordinator, epoch = collection.coordinator, collection.epoch
    live: list[tuple[int, ListedPicture]] = []
    rest: dict[str, list[ListedPicture]] = {"removed": [], "skipped": []}
    for shard in epoch.numbers:
        found = coordinator.ask(shard, "listed")
        mine = [one for one in found if one.state == "live"]
        state = epoch.states[shard]
        if state is None or len(mine) != state.runs.n_images:
            raise ShardChanged(f"The shard {coordinator.name(shard)} has changed. List it again.")
        places = epoch.numbering.ids(shard, np.arange(len(mine)))
        live += zip(places.tolist(), mine)
        for one in found:
            if one.state in rest:
                rest[one.state].append(one)
    yield from (one for _, one in sorted(live, key=lambda pair: pair[0]))
    for some in rest.values():
        yield from some
