"""Changing a collection: one writer adds, removes or compacts, and keeps the statistics true."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from blcf.adding.generic import FEWEST_TO_LEARN, read_generic, takes_generic
from blcf.adding.given_channel import given_channel
from blcf.adding.indexer import AddReport, index_images
from blcf.adding.kept_maps import KeptMaps
from blcf.adding.known import as_known, count_changed, follow_moves, names_to_index
from blcf.adding.sample import Draw, none_readable
from blcf.adding.training import learn_model
from blcf.collection import Collection, DecodingNotes, opening
from blcf.collection.facts import Fact, new_columns
from blcf.collection.facts_given import check_given, facts_given
from blcf.collection.model import Model, write_model
from blcf.collection.opening import find_pictures, names_of
from blcf.errors import UnreadableImage
from blcf.images import GivenPictures, ImageList, Large, Source, film_of
from blcf.images.originals import FileOriginal

if TYPE_CHECKING:
    from blcf.vocabulary.looks import Look

__all__ = [
    "add_sources",
    "annotate_images",
    "annotate_present",
    "compact_files",
    "index_names",
    "keep_statistics",
    "learn_words",
    "remove_images",
]

logger = logging.getLogger(__name__)

Given = Mapping[str, Mapping[str, Fact]]


def add_sources(
    model: Model, sources: Iterable[Source], *, replace: bool, progress: bool, facts: Any = None
) -> AddReport:
    """Add the pictures of sources, one after the other; see `SearchEngine.add`.

    Of the parts of an iterator each takes the facts that are of its pictures.

    Raises
    ------
    InvalidInput
        Facts of pictures that are not added; where these come one by one, it is told at the end.
    """
    report, rest = AddReport(0, 0), {} if facts is None else facts_given(facts)
    is_part = False
    for source in sources:
        is_part = isinstance(source, GivenPictures) and source.is_part
        own = {name: rest.pop(name) for name in source.names if name in rest} if is_part else rest
        report += add_images(model, source, replace=replace, progress=progress, facts=own)
    if is_part:
        check_given(rest, (), "The pictures were added, without these.")
    return report


def add_images(
    model: Model, images: Source, *, replace: bool, progress: bool, facts: Any = None
) -> AddReport:
    """Index the pictures that the collection lacks; see `SearchEngine.add`."""
    collection = model.collection
    given = check_given({} if facts is None else facts, images.names)
    with collection.writing(), DecodingNotes(collection.file("decoding")) as large:
        known: Sequence[Source] = [images]
        if replace:
            originals = map(images.original, images.names)
            large.forget(one.path for one in originals if isinstance(one, FileOriginal))
            if isinstance(images, ImageList):
                known = as_known(collection, images)
        # Before the network is asked: a damaged file of facts, too many columns.
        new_columns(collection.facts.columns, (one for said in given.values() for one in said))
        report = AddReport(0, 0)
        for each in known:
            said = given if each is images else _renamed(given, images, each)
            report += _add(model, each, replace, progress, large, said)
        collection.drop_training()
        keep_statistics(model)
    return report


def _add(
    model: Model, images: Source, replace: bool, progress: bool, large: Large, given: Given
) -> AddReport:
    collection = model.collection
    names = names_to_index(collection, images, replace)
    if names:
        given_channel(model)  # an error before anything is changed
    follow_moves(collection, images)
    annotate_present(collection, images, given, names)
    n_changed, n_gone = count_changed(collection, images, names)
    report = index_names(model, images, names, progress=progress, large=large, given=given)
    return report + AddReport(0, 0, n_changed=n_changed, n_gone=n_gone)


def index_names(
    model: Model,
    images: Source,
    names: list[str],
    *,
    progress: bool,
    large: Large,
    given: Given | None = None,
) -> AddReport:
    """Index some pictures of a source, the first ones after learning from all of it."""
    if names and not model.is_learned:
        learn_words(model, images, progress=progress, large=large)
    training = model.collection.training_folder()
    kept = KeptMaps(training) if training.is_dir() else None
    return index_images(
        model, images, names, progress=progress, kept=kept, large=large, given=given
    )


def _renamed(given: Given, images: Source, known: Source) -> Given:
    """What is said of pictures, under the names that a collection knows them by."""
    if not given or not isinstance(images, ImageList) or not isinstance(known, ImageList):
        return {}
    by_path = {images.path(name): said for name, said in given.items()}
    paths = {name: known.path(name) for name in known.names}
    return {name: by_path[path] for name, path in paths.items() if path in by_path}


def annotate_present(
    collection: Collection, images: Source, given: Given, names: Sequence[str]
) -> None:
    """Write what is said of pictures that are passed over; they may have another name here."""
    indexed = set(names)
    present = [name for name in given if name not in indexed]
    places = collection.find(present)
    if isinstance(images, ImageList):
        missing = [row for row, place in enumerate(places) if place < 0]
        places[missing] = collection.find_paths([images.path(present[row]) for row in missing])
    held = zip(present, places.tolist())
    collection.annotate({collection.name(i): given[name] for name, i in held if i >= 0})


def annotate_images(model: Model, table: Any) -> int:
    """Write facts of pictures; see `SearchEngine.annotate`."""
    facts, collection = facts_given(table), model.collection
    with collection.writing():
        given = [key for key in facts if isinstance(key, str)]
        names = {
            key: collection.name(int(place))
            for key, place in zip(given, find_pictures(collection, given))
            if place >= 0
        }
        by_name: dict[str | int, dict[str, Any]] = {}
        for key, said in facts.items():
            name = names.get(key, key) if isinstance(key, str) else key
            by_name[name] = {**by_name.get(name, {}), **said} if name in by_name else said
        collection.annotate(by_name)
    return len(by_name)


def learn_words(
    model: Model,
    images: Source,
    *,
    progress: bool,
    large: Large,
    draw: Draw | None = None,
    look: Look | None = None,
) -> None:
    """Learn the whitening and vocabulary of a collection, and commit them (the caller writes).

    `draw` and `look` do so elsewhere than in this process, see `learn_model`.
    """
    training = model.collection.training_folder()
    extractor, settings = model.extractor, model.settings
    began = "own"
    if takes_generic(extractor, settings, len(images)):
        began = "refined" if settings.vocabulary == "refined" else "generic"
    if began == "generic":
        _check_readable(images, settings.side, large)
        learned = read_generic(extractor.device)
        if settings.vocabulary == "auto":
            logger.info(
                "a collection that begins with %d pictures or more, or with vocabulary='own' "
                "(--vocabulary own), learns its words from them",
                FEWEST_TO_LEARN,
            )
    else:
        begin = read_generic(extractor.device) if began == "refined" else None
        how = extractor, images, settings, training, progress, large
        learned = learn_model(*how, draw, look, begin)
    entry = write_model(model.collection.file("model.h5"), *learned)
    model.collection.commit(model=entry | {"vocabulary": began})
    if training.is_dir():
        for path in training.iterdir():  # the feature maps are of use until they are indexed
            if path.name not in KeptMaps.FILES:
                path.unlink()


def _check_readable(images: Source, side: int, large: Large) -> None:
    """Raise `InvalidInput` where not one picture can be read: no collection is begun for them."""
    reasons = []
    for name in images.names:
        try:
            images.original(name).resized(side, large)
            return
        except UnreadableImage as error:
            reasons.append(str(error))
    raise none_readable(len(reasons), images, reasons[0])


def remove_images(model: Model, pictures: Iterable[str | os.PathLike[str]]) -> int:
    """Mark pictures as removed; see `SearchEngine.remove`."""
    with model.collection.writing():
        given = [pictures] if isinstance(pictures, (str, os.PathLike)) else pictures
        named = [name for one in given for name in _frames_of(model.collection, one)]
        n_removed = model.collection.remove(
            names_of(model.collection, named, "Nothing was removed.")
        )
        keep_statistics(model)
    return n_removed


def _frames_of(
    collection: Collection, picture: str | os.PathLike[str]
) -> list[str | os.PathLike[str]]:
    """The frames of a film that is given by its name or path; else the picture itself."""
    text, films = os.fspath(picture), set(collection.manifest["videos"])
    names = {text, *(os.path.relpath(text, root) for root in filter(None, collection.roots))}
    found = films.intersection(name.replace(os.sep, "/") for name in names)
    frames = [name for name in collection.names() if film_of(name) in found] if found else []
    return [*frames] or [picture]


def compact_files(model: Model) -> tuple[int, int]:
    """Rewrite the segments without removed pictures; see `SearchEngine.compact`."""
    with model.collection.writing():
        n_bytes = model.collection.compact()
        keep_statistics(model)
    return n_bytes


def keep_statistics(model: Model) -> None:
    """Keep df and norms of the pictures, so that opening does not read all posting lists."""
    if model.collection.n_images:
        opening.keep_statistics(model.collection, model.n_words, model.settings)
