"""Adding pictures to a collection: skip what is there, commit batches, name what is bad."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blcf.adding.kept_maps import KeptMaps
from blcf.adding.pictures import stream_pictures
from blcf.bags.weighting import quantise_norms
from blcf.collection import Batch, Collection
from blcf.collection.model import Model
from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import ImageList, Large, display_name

__all__ = ["AddReport", "follow_moves", "index_images", "names_to_index"]

# A commit costs two fsyncs; what a kill can lose is bounded by both.
COMMIT_IMAGES = 1_024
COMMIT_SECONDS = 60.0


@dataclass(frozen=True)
class AddReport:
    """What an `add` did.

    Attributes
    ----------
    n_added : pictures added now
    n_present : pictures that were in the collection before, and were passed over
    skipped : {name: reason} of pictures that could not be read; also in ``errors.jsonl``
    n_replaced : pictures that were in the collection before, and were indexed again
    """

    n_added: int
    n_present: int
    skipped: dict[str, str] = field(default_factory=dict)
    n_replaced: int = 0


def names_to_index(collection: Collection, images: ImageList, replace: bool) -> list[str]:
    """Names of the images that the collection lacks; with `replace` of those it holds, too.

    A picture is there if the collection holds its name, or its path under another name (its
    folder was indexed before, and now the folder above is; such a picture keeps its name).

    Raises
    ------
    InvalidInput
        A name stands in the collection already, for another picture in another folder.
    """
    by_name = collection.find(images.names)
    unknown = [name for name, image_id in zip(images.names, by_name) if image_id < 0]
    by_path = collection.find_paths([images.path(name) for name in unknown])
    wanted = {name for name, image_id in zip(unknown, by_path) if image_id < 0}
    for name, image_id in zip(images.names, by_name):
        if image_id < 0:
            continue
        there, path = collection.image_path(int(image_id)), images.path(name)
        if there.parent != path.parent and _is_another(there, path):
            raise InvalidInput(
                f"The collection already holds {display_name(name)!r}, from {there}, and {path} "
                "would get the same name. Index their common parent folder instead, or name a "
                "folder above them that names are relative to (root, --root)."
            )
        if replace:
            wanted.add(name)
    return [name for name in images.names if name in wanted]


def _is_another(there: Path, path: Path) -> bool:
    """Whether two paths are two pictures; a picture that is gone is taken to have moved."""
    try:
        return not there.samefile(path)
    except (OSError, ValueError):  # gone, or no name that a file can have
        return False


def follow_moves(collection: Collection, images: ImageList) -> None:
    """Where all pictures of a folder are gone from it and are in this one, note it."""
    here, moved = set(images.names), {}
    for root, n_images in collection.roots.items():
        if root == str(images.root) or n_images > len(here):
            continue
        names = list(collection.names_under(root))
        if here.issuperset(names) and not any((Path(root) / name).exists() for name in names):
            moved[root] = str(images.root)
    if moved:
        collection.relocate(moved)


def index_images(
    model: Model,
    images: ImageList,
    names: list[str],
    *,
    progress: bool,
    kept: KeptMaps | None = None,
    large: Large | None = None,
) -> AddReport:
    """Index pictures and commit them batch by batch (the caller is the writer).

    `kept` are feature maps of some of the pictures, which need not go through the network; `large`
    is entered while a large picture is decoded.

    An interrupt commits the pictures that were finished before it goes on.
    """
    collection, bags_of_images = model.collection, model.bags_of_images
    # What could not be listed (an unreadable folder, a dead link) is skipped like a bad picture.
    batch, skipped = Batch(), dict(images.problems)
    root = str(images.root)
    settled = collection.skipped_and_gone(root)
    n_before, n_indexed, last_commit = collection.n_images, 0, time.monotonic()

    def commit() -> None:
        nonlocal batch, n_indexed, last_commit
        # Emptied first: an interrupt while it is written must not commit it a second time.
        finished, batch = batch, Batch()
        if len(finished):
            bags = bags_of_images.encode_many(finished.maps, finished.relative_norms)
            collection.append(finished, bags, root)
            n_indexed += len(finished)
        collection.record_skipped(skipped, settled, root)
        last_commit = time.monotonic()

    def take(name: str, size: tuple[int, int], content: Any) -> None:
        settled.append(name)
        if isinstance(content, UnreadableImage):
            skipped[name] = getattr(content, "reason", str(content))
            return
        words, norms = content
        batch.append(name, size, words, quantise_norms(norms))
        if len(batch) >= COMMIT_IMAGES or time.monotonic() - last_commit > COMMIT_SECONDS:
            commit()

    try:
        if names:  # for none no network is loaded
            encode = model.encode_many
            stream = stream_pictures(
                model.extractor, images, names, encode, "indexing", progress, kept, large
            )
            with closing(stream):
                for picture in stream:
                    take(*picture)
    except KeyboardInterrupt:
        commit()
        raise
    commit()
    n_added = collection.n_images - n_before
    return AddReport(n_added, len(images) - len(names), skipped, n_indexed - n_added)
