"""What a collection holds as of one manifest: its images by number."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from blcf.bags.weighting import CHANNELS
from blcf.collection.columns import COLUMN_BY_NAME
from blcf.collection.facts import Fact
from blcf.collection.facts_view import FactsView
from blcf.collection.kept_statistics import read_layouts
from blcf.collection.manifest import MANIFEST
from blcf.collection.places import path_of
from blcf.collection.segment import Segment
from blcf.errors import FormatError, InvalidInput
from blcf.images import GivenPictures, ImageLike
from blcf.index.names import Names
from blcf.index.numbering import Numbering
from blcf.index.postings import Postings
from blcf.index.tiles import TileLists
from blcf.storage import Member
from blcf.weighed_maps import WeighedMaps

__all__ = ["NumberedImages"]

Self = TypeVar("Self", bound="NumberedImages")

FEW = 4  # segments that are opened sooner than the kept layouts are read


@dataclass(frozen=True, eq=False)
class _Opened:
    """What is open: replaced as a whole, so that threads see one state or the next."""

    manifest: dict[str, Any]
    segments: list[Segment]
    numbering: Numbering
    facts: FactsView


class NumberedImages:
    """The images of a collection by their numbers; `Snapshot` finds them by name and by path.

    Images are numbered by insertion, 0 .. n_images - 1; a removed image has no number. What is
    open stays usable while a writer merges and deletes the files, until `close`. No file is held
    open: they are mapped.

    Attributes
    ----------
    path : the folder
    sources : those of this process that hold pictures which were given with names of the caller's
    """

    def __init__(self, path: Path):
        self.path = path
        self.sources: list[GivenPictures] = []
        self._now: _Opened | None = None

    @property
    def _opened(self) -> _Opened:
        if self._now is None:
            raise InvalidInput(
                f"{self.path} was closed, and what was found in it before cannot be looked up any "
                "more. Open it again with SearchEngine.open."
            )
        return self._now

    @property
    def manifest(self) -> dict[str, Any]:
        """See `blcf.collection.manifest`."""
        return self._opened.manifest

    @property
    def segments(self) -> list[Segment]:
        """In order of insertion."""
        return self._opened.segments

    @property
    def _numbering(self) -> Numbering:
        return self._opened.numbering

    def _take(self, manifest: dict[str, Any]) -> None:
        """Become the state of a manifest; segments that are open stay open."""
        model = manifest["model"] or {}
        vocabulary, n_words = model.get("vocabulary_digest", ""), model.get("n_words")
        before = {}
        if self._now is not None:
            before = {
                (entry["file"], entry["digest"]): (entry["deleted"], segment)
                for entry, segment in zip(self.manifest["segments"], self.segments)
            }
        segments: list[Segment] = []
        n_new = sum((one["file"], one["digest"]) not in before for one in manifest["segments"])
        layouts = read_layouts(self.path) if n_new >= FEW else {}
        for entry in manifest["segments"]:
            deleted, segment = before.get((entry["file"], entry["digest"]), (None, None))
            if segment is None:
                segment = self._read(entry, vocabulary, *layouts.get(entry["file"], ("", None)))
            elif deleted != entry["deleted"]:
                segment = segment.marked(entry)
            if n_words not in (None, segment.postings.n_words):
                raise FormatError(
                    f"{segment.path} is damaged: expected posting lists of {n_words} words, got "
                    f"{segment.postings.n_words}. Run `blcf check` on the collection."
                )
            segments.append(segment)
        numbering = Numbering([(segment.n_images, segment.live) for segment in segments])
        view = FactsView(self.path, segments, manifest["videos"])
        self._now = _Opened(manifest, segments, numbering, view)

    def _read(self, entry: dict[str, Any], vocabulary: str, digest: str, layout: Any) -> Segment:
        """The segment of an entry, by what was kept of its layout where that is of its file."""
        folder = self.file("segments")
        if digest == entry["digest"]:
            with suppress(FormatError):  # what is wrong is said by the file itself
                return Segment.read(folder, entry, vocabulary, layout)
        return Segment.read(folder, entry, vocabulary)

    def close(self) -> None:
        """Let go of the segments; whatever is asked of the snapshot then is an `InvalidInput`.

        Their maps go with the last array that lies over them: an index or hits that are still in
        use stay usable. `Collection.refresh` opens the segments again.
        """
        self._now = None

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def stamp(self) -> tuple[int, ...]:
        """Changes with each commit to the folder, of whoever; nothing is opened for it."""
        try:
            state = os.stat(self.path / MANIFEST)
        except OSError:
            return ()
        return state.st_mtime_ns, state.st_size, state.st_ino

    def file(self, name: str) -> Member:
        """A file or folder of the collection."""
        return Member(self.path, name)

    def segment_file(self, number: int) -> Member:
        """The file of a segment."""
        return self.file(f"segments/{number:08d}.h5")

    @property
    def vocabulary_digest(self) -> str:
        """Digest of the vocabulary that the segments are made with."""
        return (self.manifest["model"] or {}).get("vocabulary_digest", "")

    @property
    def n_images(self) -> int:
        """How many images live."""
        return self._numbering.n_images

    @property
    def parts(self) -> list[tuple[Names, Postings, np.ndarray | None, TileLists | None]]:
        """Per segment names, posting lists, the mask of live images (None: all live), and tiles."""
        return [(one.names, one.postings, one.live, one.tiles) for one in self.segments]

    def _place(self, image_id: int) -> tuple[Segment, int]:
        number, position = self._numbering.locate(image_id)
        return self.segments[number], position

    def name(self, image_id: int) -> str:
        """The name of an image."""
        segment, position = self._place(image_id)
        return segment.names[position]

    def size(self, image_id: int) -> tuple[int, int]:
        """Width and height of an original image, pixels."""
        segment, position = self._place(image_id)
        return segment.size_of(position)

    def column(self, name: str) -> np.ndarray:
        """A column of all images in order of insertion, see `blcf.collection.columns`: a copy."""
        parts = [one.live_column(name) for one in self.segments]
        return np.concatenate([COLUMN_BY_NAME[name].filled(0), *parts])

    def values(self, name: str, image_ids: np.ndarray) -> np.ndarray:
        """A column of some images."""
        return self.column(name)[image_ids]

    def file_facts(self, image_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """When the files of images were changed, and how long they were when they were indexed.

        Parameters
        ----------
        image_ids : int (n,)

        Returns
        -------
        mtimes : int64 (n,), nanoseconds since 1970; 0 where an image is of no file, or is not known
        n_bytes : int64 (n,); -1 there
        """
        return self.values("mtimes", image_ids), self.values("n_bytes", image_ids)

    @property
    def facts(self) -> FactsView:
        """What is known of the images: `FactsView`."""
        return self._opened.facts

    @property
    def fact_columns(self) -> list[str]:
        """Names of the columns of facts that somebody gave."""
        return self.facts.columns

    def matching(self, where: str, also: Sequence[str] = ()) -> np.ndarray:
        """The images for which a condition over their facts holds: bool (n_images,).

        Parameters
        ----------
        where : an expression of SQLite over the columns of the facts, say ``camera = 'A'``
        also : columns that it may name as well, of which nothing is said here (of a shard)

        Raises
        ------
        InvalidInput
            It is no condition, or names what there is not.
        """
        return self._opened.facts.matching(where, also)

    def facts_of(self, image_id: int) -> dict[str, Fact]:
        """What is known of an image: {column: value}, None where it is not known."""
        opened = self._opened
        number, position = opened.numbering.locate(image_id)
        return opened.facts.of(opened.segments[number], position)

    def words(self, image_id: int) -> np.ndarray:
        """The assignment map of an image: uint16 or int32 (h, w)."""
        segment, position = self._place(image_id)
        return segment.words_of(position)

    def channel(self, weighting: str, image_id: int) -> np.ndarray | None:
        """What a weighting needs of an image's cells: float32 (h, w), 0..1; None where nothing."""
        segment, position = self._place(image_id)
        return segment.channel_of(weighting, position) if weighting in CHANNELS else None

    def seen(
        self, weighting: str, image_id: int, of_tiles: bool = False
    ) -> tuple[tuple[int, int], np.ndarray, np.ndarray | None]:
        """Size, words and channel of an image: `size`, `words` and `channel`.

        `of_tiles` takes the map that its tiles are parts of.
        """
        segment, position = self._place(image_id)
        words, channel = segment.words_of(position, of_tiles), None
        if weighting in CHANNELS:
            channel = segment.channel_of(weighting, position, of_tiles)
        return segment.size_of(position), words, channel

    def weighed(
        self, weighting: str, image_ids: Sequence[int], of_tiles: bool = False
    ) -> tuple[np.ndarray, WeighedMaps]:
        """Sizes, int64 (n, 2), and maps of several images, as `seen` has them, in one call.

        `weighting` is one of queries and windows, see `blcf.bags.weighting.weighting_of_parts`.
        """
        places = [self._numbering.locate(image_id) for image_id in image_ids]
        parts, positions = np.array(places, dtype=np.int64).reshape(-1, 2).T
        n_words = self.segments[0].postings.n_words if self.segments else 0
        maps, rows = WeighedMaps.of([], [], n_words), np.empty(len(places), dtype=np.int64)
        for part in np.unique(parts).tolist():
            own = np.flatnonzero(parts == part)
            rows[own] = len(maps) + np.arange(own.size)
            found = self.segments[part].weighed(weighting, positions[own], of_tiles)
            maps = maps.followed_by(found) if len(maps) else found
        sizes = [self.segments[part].size_of(position) for part, position in places]
        return np.array(sizes, dtype=np.int64).reshape(-1, 2), maps.take(rows)

    def norms(self, image_id: int) -> np.ndarray:
        """The norms of an image's raw features, relative to the largest: float32 (h, w), 0..1."""
        return cast(np.ndarray, self.channel("norm", image_id))

    def root_of(self, image_id: int) -> str:
        """The folder that an image's name is relative to."""
        return self._root(*self._place(image_id))

    def _root(self, segment: Segment, position: int) -> str:
        root_id, roots = segment.root_id_of(position), self.manifest["roots"]
        if not 0 <= root_id < len(roots):
            raise FormatError(
                f"{segment.path} is damaged: image {position} is of a folder that the manifest "
                "has not. Run `blcf check` on the collection."
            )
        return roots[root_id]

    def image_path(self, image_id: int) -> Path | None:
        """Where an image was when it was indexed; None where it was not in a folder."""
        segment, position = self._place(image_id)
        self._root(segment, position)  # it may be damaged
        return path_of(self.manifest, segment.root_id_of(position), segment.names[position])

    def image_paths(self, image_ids: Sequence[int]) -> list[Path | None]:
        """`image_path` of some images."""
        return [self.image_path(image_id) for image_id in image_ids]

    def picture(self, image_id: int) -> ImageLike | None:
        """An image to be shown again: its file, or what `sources` hold under its name; or None."""
        return self.image_path(image_id) or self.given(image_id)

    def given(self, image_id: int) -> ImageLike | None:
        """What `sources` hold under an image's name, the last of them first; or None."""
        held = (one.picture(self.name(image_id)) for one in reversed(self.sources))
        return next((one for one in held if one is not None), None)
