"""What a collection is, as plain values: its pictures, sizes, words, posting lists."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from blcf.collection.collection import Collection
from blcf.collection.places import path_of
from blcf.collection.skipped import SKIPPED, read_skipped
from blcf.errors import FormatError

__all__ = ["ListedPicture", "collection_facts", "facts_of_words", "list_pictures", "short_facts"]

logger = logging.getLogger(__name__)

QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)


def short_facts(collection: Collection) -> dict[str, str]:
    """What a person wants to know first, in words; nothing large is read."""
    manifest = collection.manifest
    made, model = manifest["extractor"], manifest["model"]
    words = "not learned yet"
    if model is not None:
        began = model.get("vocabulary")
        kind = began if began in ("generic", "refined") else "its own"
        words = f"{model['n_words']:,} ({kind})"
    return {
        "pictures": f"{collection.n_images:,}",
        "words": words,
        "network": f"{made['network']}, layer {made['layer']}",
        "side": f"{manifest['settings']['side']} pixels",
    }


def collection_facts(collection: Collection, df: np.ndarray | None) -> dict[str, Any]:
    """Facts of a collection.

    ``list_lengths`` are quantiles, over the words in use, of how many images a word occurs in;
    ``imbalance`` is ``n_words * sum(df^2) / sum(df)^2`` (Jegou et al., TPAMI 2011, section V): how
    many times longer the average query list is than with words that are all equally frequent.

    Parameters
    ----------
    df : in how many images each word occurs, int64 (n_words,); None where there is no image
    """
    manifest, segments = collection.manifest, collection.segments
    every = collection.path.rglob("*")
    files = [path for path in every if path.is_file() and not path.is_symlink()]
    n_bytes, n_images = sum(path.stat().st_size for path in files), collection.n_images
    facts = {
        "path": str(collection.path),
        "format_version": manifest["format_version"],
        "n_images": n_images,
        "n_removed": sum(segment.n_images - segment.n_live for segment in segments),
        "n_skipped": len(collection.skipped()),
        "n_segments": len(segments),
        "n_cells": sum(maps.n_cells for segment in segments for maps in segment.all_maps),
        "n_postings": sum(one.n_postings for part in segments for one in part.all_lists),
        "bytes": n_bytes,
        "bytes_per_image": round(n_bytes / n_images) if n_images else None,
    }
    if df is not None:
        n_list_bytes = sum(one.n_bytes for part in segments for one in part.all_lists)
        facts |= facts_of_words(df, n_list_bytes, facts["n_postings"])
    return facts | {
        "fact_columns": _columns(collection),
        "extractor": manifest["extractor"],
        "settings": manifest["settings"],
        "model": manifest["model"],
    }


def facts_of_words(df: np.ndarray, n_bytes: float, n_postings: int) -> dict[str, Any]:
    """What posting lists are like: their bytes, and how long those of the words are."""
    used = df[df > 0]
    return {
        "n_words": df.size,
        "words_used": int(used.size),
        "bytes_per_posting": round(n_bytes / max(1, n_postings), 2),
        "list_lengths": (
            {
                f"{quantile:.0%}": int(length)
                for quantile, length in zip(QUANTILES, np.quantile(used, QUANTILES))
            }
            if used.size
            else {}
        ),
        "imbalance": round(float(df.size * (df**2).sum() / max(1, df.sum()) ** 2), 2),
    }


def _columns(collection: Collection) -> list[str]:
    """What was said of pictures, by columns; none where the file of facts is damaged."""
    try:
        return collection.facts.columns
    except FormatError as error:
        logger.warning("what was said of pictures is not known: %s", error)
        return []


@dataclass(frozen=True)
class ListedPicture:
    """A picture that a collection knows.

    Attributes
    ----------
    name : in the collection
    width, height : of the original, pixels; None where it was never read
    state : "live"; "removed", its space not given back yet; "skipped", it could not be read
    reason : why it was skipped
    path : where it was
    """

    name: str
    width: int | None
    height: int | None
    state: str
    reason: str
    path: str


def list_pictures(collection: Collection) -> Iterator[ListedPicture]:
    """The live pictures in order of insertion, then the removed, then the skipped ones.

    A picture that was replaced is live; one that could not be read again is live and skipped.
    """
    removed = {}
    for segment in collection.segments:
        live = np.ones(segment.n_images, dtype=bool) if segment.live is None else segment.live
        for position, name in enumerate(segment.names[:]):
            width, height = (int(side) for side in segment.sizes[position])
            there = path_of(collection.manifest, int(segment.root_ids[position]), name)
            path = "" if there is None else os.fspath(there)
            if live[position]:
                yield ListedPicture(name, width, height, "live", "", path)
            else:
                removed[name] = ListedPicture(name, width, height, "removed", "", path)
    for one, image_id in zip(removed.values(), collection.find(list(removed))):
        if image_id < 0:
            yield one
    for row in read_skipped(collection.file(SKIPPED)):
        yield ListedPicture(row["name"], None, None, "skipped", row["reason"], row["path"])
