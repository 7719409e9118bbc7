"""Adding pictures to a collection: skip what is there, commit batches, name what is bad."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path

from blcf.bags import BagOfWords
from blcf.bags.weighting import dequantise_norms, quantise_norms
from blcf.engine.model import Model
from blcf.engine.pictures import stream_maps
from blcf.errors import InvalidInput
from blcf.images import ImageList
from blcf.index import Batch, Collection

__all__ = ["AddReport", "index_images", "missing_names"]

logger = logging.getLogger(__name__)

# A commit costs two fsyncs; what a kill can lose is bounded by both.
COMMIT_IMAGES = 1_024
COMMIT_SECONDS = 60.0


@dataclass(frozen=True)
class AddReport:
    """What an `add` did.

    Attributes
    ----------
    n_added : pictures added now
    n_present : pictures that were in the collection before
    skipped : {name: reason} of pictures that could not be read; also in ``errors.jsonl``
    """

    n_added: int
    n_present: int
    skipped: dict[str, str] = field(default_factory=dict)


def missing_names(collection: Collection, images: ImageList) -> list[str]:
    """Names of the images that the collection lacks.

    Raises
    ------
    InvalidInput
        A name stands in the collection already, for another picture in another folder.
    """
    present = collection.paths_by_name()
    missing = []
    for name in images.names:
        there = present.get(name)
        if there is None:
            missing.append(name)
        elif there.parent != images.path(name).parent and _is_another(there, images.path(name)):
            raise InvalidInput(
                f"The collection already holds {name!r}, from {there}, and {images.path(name)} "
                "would get the same name. Index both folders through their common parent folder."
            )
    return missing


def _is_another(there: Path, path: Path) -> bool:
    """Whether two paths are two pictures; a picture that is gone is taken to have moved."""
    try:
        return not there.samefile(path)
    except OSError:
        return False


def index_images(
    model: Model,
    bag_of_words: BagOfWords,
    images: ImageList,
    names: list[str],
    *,
    progress: bool,
) -> AddReport:
    """Index pictures and commit them batch by batch (the caller is the writer).

    An interrupt commits the pictures that were finished before it goes on.
    """
    collection = model.collection
    batch, skipped, tried = Batch(), dict[str, str](), list[str]()
    n_before, last_commit = collection.n_images, time.monotonic()

    def commit() -> None:
        nonlocal batch, last_commit
        # Emptied first: an interrupt while it is written must not commit it a second time.
        finished, batch = batch, Batch()
        if len(finished):
            norms = [dequantise_norms(one) for one in finished.norms]
            bags = bag_of_words.encode_many(finished.maps, norms)
            collection.append(finished, bags, str(images.root))
        collection.record_skipped(skipped, tried)
        last_commit = time.monotonic()

    try:
        for name, picture in stream_maps(model.extractor, images, names, "indexing", progress):
            tried.append(name)
            if isinstance(picture, Exception):
                skipped[name] = getattr(picture, "reason", str(picture))
                continue
            words, norms = model.encode(picture.feature_map)
            batch.append(name, picture.size, words, quantise_norms(norms))
            late = time.monotonic() - last_commit > COMMIT_SECONDS
            if len(batch) >= COMMIT_IMAGES or late:
                commit()
    except KeyboardInterrupt:
        commit()
        raise
    commit()
    return AddReport(collection.n_images - n_before, len(images) - len(names), skipped)
