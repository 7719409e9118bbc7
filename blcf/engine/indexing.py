"""Adding pictures to a collection: skip what is there, commit batches, name what is bad."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from blcf.bags import BagOfWords
from blcf.bags.weighting import dequantise_norms, quantise_norms
from blcf.engine.model import Model
from blcf.engine.pictures import stream_maps
from blcf.errors import InvalidInput
from blcf.images import ImageList, display_name
from blcf.index import Batch, Collection

__all__ = ["AddReport", "follow_moves", "index_images", "missing_names"]

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

    A picture is there if the collection holds its name, or its path under another name (its
    folder was indexed before, and now the folder above is).

    Raises
    ------
    InvalidInput
        A name stands in the collection already, for another picture in another folder.
    """
    present = collection.paths_by_name()
    paths = {str(path) for path in present.values()}
    missing = []
    for name in images.names:
        there, path = present.get(name), images.path(name)
        if there is None:
            if str(path) not in paths:
                missing.append(name)
        elif there.parent != path.parent and _is_another(there, path):
            raise InvalidInput(
                f"The collection already holds {display_name(name)!r}, from {there}, and {path} "
                "would get the same name. Index their common parent folder instead."
            )
    return missing


def _is_another(there: Path, path: Path) -> bool:
    """Whether two paths are two pictures; a picture that is gone is taken to have moved."""
    try:
        return not there.samefile(path)
    except OSError:
        return False


def follow_moves(collection: Collection, images: ImageList) -> None:
    """Where all pictures of a segment are gone from their folder and are in this one, note it."""
    here, moved = set(images.names), {}
    for entry, segment in zip(collection.manifest["segments"], collection.segments):
        if entry["root"] == str(images.root):
            continue
        names = segment.names[:]
        if here.issuperset(names):
            if not any((Path(entry["root"]) / name).exists() for name in names):
                moved[entry["file"]] = str(images.root)
    if moved:
        collection.relocate(moved)


def _stream(model: Model, images: ImageList, names: list[str], progress: bool) -> Iterable:
    """Feature maps of the named pictures; no network is loaded for none."""
    if not names:
        return ()
    return stream_maps(model.extractor, images, names, "indexing", progress)


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
    # What could not be listed (an unreadable folder, a dead link) is skipped like a bad picture.
    batch, skipped = Batch(), dict(images.problems)
    root = str(images.root)
    settled = collection.skipped_and_gone(root)
    n_before, last_commit = collection.n_images, time.monotonic()

    def commit() -> None:
        nonlocal batch, last_commit
        # Emptied first: an interrupt while it is written must not commit it a second time.
        finished, batch = batch, Batch()
        if len(finished):
            norms = [dequantise_norms(one) for one in finished.norms]
            bags = bag_of_words.encode_many(finished.maps, norms)
            collection.append(finished, bags, root)
        collection.record_skipped(skipped, settled, root)
        last_commit = time.monotonic()

    try:
        for name, picture in _stream(model, images, names, progress):
            settled.append(name)
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
