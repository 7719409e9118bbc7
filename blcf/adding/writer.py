"""Changing a collection: one writer adds, removes or compacts, and keeps the statistics true."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable

from blcf.adding.generic import read_generic, takes_generic
from blcf.adding.indexer import AddReport, follow_moves, index_images, names_to_index
from blcf.adding.kept_maps import KeptMaps
from blcf.adding.sample import none_readable
from blcf.adding.training import learn_model
from blcf.collection import DecodingNotes
from blcf.collection.model import Model, write_model
from blcf.collection.opening import names_of, open_index
from blcf.errors import StorageError, UnreadableImage
from blcf.images import ImageList, Large, read_resized

__all__ = ["add_images", "compact_files", "remove_images"]

logger = logging.getLogger(__name__)


def add_images(model: Model, images: ImageList, *, replace: bool, progress: bool) -> AddReport:
    """Index the pictures that the collection lacks; see `SearchEngine.add`."""
    collection = model.collection
    with collection.writing(), DecodingNotes(collection.file("decoding")) as large:
        if replace:
            large.forget(images.path(name) for name in images.names)
        names = names_to_index(collection, images, replace)
        follow_moves(collection, images)
        if names and not model.is_learned:
            _learn(model, images, progress, large)
        training = collection.training_folder()
        kept = KeptMaps(training) if training.is_dir() else None
        report = index_images(model, images, names, progress=progress, kept=kept, large=large)
        collection.drop_training()
        _keep_statistics(model)
    return report


def _learn(model: Model, images: ImageList, progress: bool, large: Large) -> None:
    training = model.collection.training_folder()
    extractor, settings = model.extractor, model.settings
    generic = takes_generic(extractor, settings, len(images))
    if generic:
        _check_readable(images, settings.side, large)
        learned = read_generic(extractor.device)
    else:
        learned = learn_model(extractor, images, settings, training, progress, large)
    entry = write_model(model.collection.file("model.h5"), *learned)
    model.collection.commit(model=entry | {"vocabulary": "generic" if generic else "own"})
    if training.is_dir():
        for path in training.iterdir():  # the feature maps are of use until they are indexed
            if path.name not in KeptMaps.FILES:
                path.unlink()


def _check_readable(images: ImageList, side: int, large: Large) -> None:
    """Raise `InvalidInput` where not one picture can be read: no collection is begun for them."""
    reasons = []
    for name in images.names:
        try:
            read_resized(images.path(name), side, large=large)
            return
        except UnreadableImage as error:
            reasons.append(str(error))
    raise none_readable(len(reasons), images, reasons[0])


def remove_images(model: Model, pictures: Iterable[str | os.PathLike[str]]) -> int:
    """Mark pictures as removed; see `SearchEngine.remove`."""
    with model.collection.writing():
        n_removed = model.collection.remove(
            names_of(model.collection, pictures, "Nothing was removed.")
        )
        _keep_statistics(model)
    return n_removed


def compact_files(model: Model) -> tuple[int, int]:
    """Rewrite the segments without removed pictures; see `SearchEngine.compact`."""
    with model.collection.writing():
        n_bytes = model.collection.compact()
        _keep_statistics(model)
    return n_bytes


def _keep_statistics(model: Model) -> None:
    """Keep df and norms of the pictures, so that opening does not read all posting lists."""
    collection = model.collection
    if not collection.n_images or collection.read_statistics() is not None:
        return
    index = open_index(collection, model.n_words, model.settings)
    try:
        collection.write_statistics(index.df, index.norms_)
    except StorageError as error:  # what was committed stands; opening is slower
        logger.warning("df and norms were not kept: %s", error)
