"""Adding pictures to a collection: skip what is there, commit batches, name what is bad."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from blcf.adding.given_channel import given_channel
from blcf.adding.kept_maps import KeptMaps
from blcf.adding.stream import stream_pictures
from blcf.adding.twice import stream_twice
from blcf.bags import tile_windows
from blcf.bags.weighting import quantise_channel
from blcf.collection import Batch
from blcf.collection.facts import Fact
from blcf.collection.model import Model
from blcf.errors import UniformFrame, UnreadableImage
from blcf.images import ImageList, Large, Source, film_of
from blcf.index.tiles import TileLists

if TYPE_CHECKING:
    from blcf.features.pipeline import Extracted

    _Picture = Extracted[tuple[np.ndarray, np.ndarray]]

__all__ = ["AddReport", "index_images", "tiles_of"]

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
    n_changed : pictures that were passed over though their files have changed since
    n_gone : pictures of the folder whose files are gone; `SearchEngine.sync` follows both
    dropped : names of frames that were left out now, as they are of one colour (black, white)
    """

    n_added: int
    n_present: int
    skipped: dict[str, str] = field(default_factory=dict)
    n_replaced: int = 0
    n_changed: int = 0
    n_gone: int = 0
    dropped: list[str] = field(default_factory=list)

    def __add__(self, other: AddReport) -> AddReport:
        """The report of both, one after the other."""
        return AddReport(
            self.n_added + other.n_added,
            self.n_present + other.n_present,
            {**self.skipped, **other.skipped},
            self.n_replaced + other.n_replaced,
            self.n_changed + other.n_changed,
            self.n_gone + other.n_gone,
            [*self.dropped, *other.dropped],
        )


def index_images(
    model: Model,
    images: Source,
    names: list[str],
    *,
    progress: bool,
    kept: KeptMaps | None = None,
    large: Large | None = None,
    given: Mapping[str, Mapping[str, Fact]] | None = None,
) -> AddReport:
    """Index pictures and commit them batch by batch (the caller is the writer).

    `kept` are feature maps of some of the pictures, which need not go through the network; `large`
    is entered while a large picture is decoded; `given` is what the caller says of pictures, by
    name, checked.

    An interrupt commits the pictures that were finished before it goes on.
    """
    collection, channel = model.collection, given_channel(model) if names else None
    # What could not be listed (an unreadable folder, a dead link) is skipped like a bad picture.
    batch, skipped, dropped = Batch(), dict(images.problems), dict[str, str]()
    root, prefix = str(images.root), getattr(images, "prefix", "")
    settled = collection.skipped_and_gone(root, prefix)
    settled += {film_of(name) for name in images.names} - {""}  # what is wrong with them is told
    left_out = collection.dropped().intersection(images.names).difference(names)
    choices = images.choices if isinstance(images, ImageList) else {}
    n_before, n_indexed, last_commit = collection.n_images, 0, time.monotonic()

    def commit() -> None:
        nonlocal batch, n_indexed, last_commit
        # Emptied first: an interrupt while it is written must not commit it a second time.
        finished, batch = batch, Batch()
        if len(finished):
            weights = finished.channel(model.settings.weighting)
            bags = model.bags_of_images.encode_many(finished.maps, weights)
            finished.tiles = tiles_of(model, finished)
            collection.append(finished, bags, root, prefix)
            n_indexed += len(finished)
        collection.record_skipped(skipped | dropped, settled, root, prefix)
        last_commit = time.monotonic()

    def take(picture: _Picture, larger: _Picture | None) -> None:
        name, content = picture.name, picture.content
        of_tiles = None
        if larger is not None:
            if isinstance(larger.content, UnreadableImage):
                content = larger.content
            else:
                of_tiles = larger.content
        settled.append(name)
        if isinstance(content, UniformFrame):
            dropped[name] = content.reason
            return
        if isinstance(content, UnreadableImage):
            skipped[name] = getattr(content, "reason", str(content))
            return
        words, norms = content
        said = (given or {}).get(name)
        others = {} if channel is None else channel.on_cells(picture.beside, words.shape)
        norms = quantise_channel(norms)
        if of_tiles is not None:
            of_tiles = of_tiles[0], quantise_channel(of_tiles[1])
        batch.append(name, picture.size, words, norms, picture.facts, said, others, of_tiles)
        if film_of(name) in choices:
            batch.choices[film_of(name)] = choices[film_of(name)]
        if len(batch) >= COMMIT_IMAGES or time.monotonic() - last_commit > COMMIT_SECONDS:
            commit()

    try:
        if names:  # for none no network is loaded
            of = None if channel is None else channel.of
            with closing(_stream(model, images, names, progress, kept, large, of)) as stream:
                for picture, larger in stream:
                    take(picture, larger)
    except KeyboardInterrupt:
        commit()
        raise
    commit()
    n_added = collection.n_images - n_before
    n_present = len(images) - len(names) - len(left_out)
    return AddReport(n_added, n_present, skipped, n_indexed - n_added, dropped=list(dropped))


def _stream(
    model: Model,
    images: Source,
    names: list[str],
    progress: bool,
    kept: KeptMaps | None,
    large: Large | None,
    beside: Callable[[np.ndarray], Any] | None,
) -> Generator[tuple[_Picture, _Picture | None], None, None]:
    """Words and norms of pictures, and of their larger copies where tiles are of these."""
    side = model.settings.second_side
    what = model.extractor, images, names, model.encode_many, "indexing", progress
    how: dict[str, Any] = {"large": large, "beside": beside, "on_device": True}
    if side is not None:
        yield from stream_twice(*what, side, kept, **how)
        return
    with closing(stream_pictures(*what, kept, **how)) as stream:
        for picture in stream:
            yield picture, None


def tiles_of(model: Model, batch: Batch) -> TileLists | None:
    """Posting lists of the tiles of the pictures of a batch; None where they have none."""
    n = model.settings.tiles
    if not n:
        return None
    bags = model.bags_of_parts
    maps, channel = batch.of_tiles(bags.weighting)
    rows = [
        bags.encode_windows(one, tile_windows(one.shape, n), channel[row] if channel else None)
        for row, one in enumerate(maps)
    ]
    vectors = sp.vstack(rows, format="csr")
    return TileLists.from_bags(vectors, n**2, model.settings.tile_share)
