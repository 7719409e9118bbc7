"""A segment: an immutable file with the names, sizes, assignment maps and postings of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.bags.weighting import dequantise_channel
from blcf.collection.batch import Batch
from blcf.collection.columns import (
    COLUMNS,
    Columns,
    check_columns,
    misshapen,
    read_columns,
    write_columns,
)
from blcf.collection.deletions import unpack_live
from blcf.collection.maps import Maps
from blcf.collection.names_copy import write_names
from blcf.errors import FormatError, VocabularyMismatch
from blcf.index.blocks import Blocks, read_blocks, write_sums
from blcf.index.names import Names
from blcf.index.postings import Postings
from blcf.index.tiles import TileLists
from blcf.storage import Place, StoredGroup, open_h5, write_h5

__all__ = ["Segment"]

KIND, FORMAT_VERSION = "segment", 3
BEFORE = 2  # without ids and facts of files
LARGEST_ID = np.iinfo(np.int64).max


@dataclass(frozen=True, eq=False)
class Segment:
    """An opened segment: everything is mapped, nothing large is read before it is used.

    Attributes
    ----------
    path : the file
    names : `Names`
    columns : sizes, ids, facts of files and more, see `blcf.collection.columns`
    maps : `Maps`, assignment maps and channels
    postings : `Postings`
    live : bool (n_images,), which images are not removed, or None where all are live
    blocks : of the columns in the file; nothing of one without check sums
    layout : what lies where in the file; None of one that is none yet
    tiles : `TileLists`; None where the images have no tiles
    """

    path: Place
    names: Names
    columns: Columns
    maps: Maps
    postings: Postings
    live: np.ndarray | None = None
    blocks: Mapping[str, Blocks] = field(default_factory=dict)
    layout: StoredGroup | None = None
    tiles: TileLists | None = None

    @property
    def root_ids(self) -> np.ndarray:
        """Which root of the manifest each name is relative to: int32 (n_images,)."""
        return self.columns["root_ids"]

    @property
    def sizes(self) -> np.ndarray:
        """Width and height of the original images, pixels: int32 (n_images, 2)."""
        return self.columns["sizes"]

    @property
    def n_images(self) -> int:
        """How many images the file holds, removed ones counted."""
        return self.postings.n_images

    @property
    def all_lists(self) -> list[Postings]:
        """The posting lists of the images, and those of their tiles."""
        return [self.postings, *(self.tiles.lists if self.tiles else [])]

    @property
    def n_live(self) -> int:
        """How many images are not removed."""
        return self.n_images if self.live is None else int(np.count_nonzero(self.live))

    @property
    def live_mask(self) -> np.ndarray:
        """Which images are not removed: bool (n_images,), never None and not to be written to."""
        return np.ones(self.n_images, dtype=bool) if self.live is None else self.live

    @property
    def live_names(self) -> Iterable[str]:
        """Names of the images that are not removed, in order of insertion."""
        names = self.names[:]
        return names if self.live is None else compress(names, self.live)

    @classmethod
    def write(
        cls,
        path: Place,
        batch: Batch,
        bags: sp.csr_matrix,
        vocabulary: str,
        columns: Columns,
    ) -> dict[str, Any]:
        """Write a batch; gives what the manifest says of the segment.

        Parameters
        ----------
        bags : CSR (n_images, n_words), raw term frequencies
        vocabulary : digest of the vocabulary, checked by `read`
        columns : of the images, see `make_columns`
        """
        segment = cls(
            path,
            Names.from_list(batch.names),
            columns,
            Maps.pack(batch.maps, batch.channels, bags.shape[1]),
            Postings.from_bags(bags),
            tiles=batch.tiles,
        )
        return segment.save(vocabulary)

    @classmethod
    def merge(cls, path: Place, parts: Sequence[Segment], vocabulary: str) -> dict[str, Any]:
        """Write the live images of some segments, one behind the other, as a new segment.

        Holds the images in memory: what is merged at once is bounded by `merging.LARGEST`.
        """
        return cls.joined(path, parts).save(vocabulary)

    @classmethod
    def joined(cls, path: Place, parts: Sequence[Segment]) -> Segment:
        """The live images of some segments, one behind the other, in memory; see `save`."""
        kept = [part.live_mask for part in parts]
        return cls(
            path,
            Names.from_list([name for part in parts for name in part.live_names]),
            {
                name: np.concatenate([one.columns[name][keep] for one, keep in zip(parts, kept)])
                for name in parts[0].columns
            },
            Maps.join([(part.maps, keep) for part, keep in zip(parts, kept)]),
            Postings.merge([(part.postings, part.live) for part in parts]),
            tiles=TileLists.merge_any([(part.tiles, part.live) for part in parts]),
        )

    def save(self, vocabulary: str) -> dict[str, Any]:
        """Write the file; gives what the manifest says of the segment."""
        stamp: dict[str, Any] = {}
        with write_h5(self.path, KIND, FORMAT_VERSION, out=stamp) as file:
            file.attrs["vocabulary"] = np.bytes_(vocabulary)
            self.names.write(file)
            write_columns(file, self.columns)
            self.maps.write(file.create_group("maps"))
            self.postings.write(file.create_group("postings"))
            if self.tiles is not None:
                self.tiles.write(file)
            write_sums(file)
        return {
            "file": self.path.name,
            "n_images": self.n_images,
            **stamp,
            "names_digest": write_names(self.path, self.names, self.root_ids),
            "deleted": None,
        }

    @classmethod
    def read(
        cls, folder: Place, entry: dict[str, Any], vocabulary: str, layout: Any = None
    ) -> Segment:
        """Open the segment of an entry of the manifest, made with the vocabulary of a digest.

        Parameters
        ----------
        layout : what was kept of the layout of the file, see `blcf.collection.kept_statistics`

        Raises
        ------
        FormatError, VocabularyMismatch, StorageError
            What is checked is what a search needs to stay inside the arrays. Of the rest a block
            is verified when it is first used; `blcf.collection.check_collection` reads every byte.
        """
        path = folder / entry["file"]
        how: dict[str, Any] = {"n_bytes": entry["bytes"], "before": BEFORE, "layout": layout}
        with open_h5(path, KIND, FORMAT_VERSION, **how) as file:
            made = file.value("vocabulary", str)
            if made != vocabulary:
                raise VocabularyMismatch(
                    f"Expected {path} to be made with vocabulary {vocabulary}, it was made with "
                    f"{made}. Restore the collection from a copy, or index again."
                )
            blocks = read_blocks(file)
            version, first_id = file.value("format_version", int), entry.get("first_id")
            segment = cls(
                path,
                Names.read(file, blocks),
                columns=read_columns(file, entry["n_images"], version, first_id),
                maps=Maps.read(file.group("maps"), _below("maps", blocks)),
                postings=Postings.read(file.group("postings"), _below("postings", blocks)),
                blocks={one.name: blocks[one.name] for one in COLUMNS if one.name in blocks},
                layout=file,
                tiles=TileLists.read(file, entry["n_images"], blocks),
            )
        segment._check_form(entry["n_images"])
        return segment.marked(entry)

    def marked(self, entry: dict[str, Any]) -> Segment:
        """The same segment with the deletion marks of an entry of the manifest."""
        try:
            return replace(self, live=unpack_live(entry["deleted"], entry["n_images"]))
        except FormatError as error:
            raise FormatError(f"{self.path} cannot be used: {error}. Index again.") from error

    def _check_form(self, n_images: int) -> None:
        """`FormatError` unless arrays fit each other: no position leads out of them."""
        wrong = misshapen(self.columns, n_images)
        wrong += ["names"] * (len(self.names) != n_images)
        wrong += ["postings"] * (self.postings.n_images != n_images)
        wrong += ["tiles"] * any(one.n_words != self.postings.n_words for one in self.all_lists)
        if wrong:
            raise FormatError(
                f"Expected {self.path} to hold {n_images} images, its {', '.join(wrong)} are of "
                "another number or kind. Restore it from a copy, or index again."
            )
        try:
            self.maps.check_form(n_images, self.postings.n_words)
        except FormatError as error:
            raise FormatError(
                f"{self.path} is damaged: {error} Restore it from a copy, or run `blcf check` on "
                "the collection."
            ) from error

    def check(
        self, n_words: int, n_roots: int, n_videos: int = 0, next_id: int = LARGEST_ID
    ) -> None:
        """Raise `FormatError`, a sentence without the path, where anything is damaged."""
        self.names.check()
        for blocks in self.blocks.values():
            blocks.touch_all()
        check_columns(self.columns, n_roots, n_videos, next_id)
        if self.postings.n_words != n_words:
            raise FormatError(
                f"Expected posting lists of {n_words} words, got {self.postings.n_words}."
            )
        self.maps.check(n_words)
        for lists in self.all_lists:
            lists.check()

    def words_of(self, position: int) -> np.ndarray:
        """The assignment map of an image: uint16 or int32 (h, w).

        Raises
        ------
        FormatError
            A cell is no word: what counts words would leave its arrays.
        """
        try:
            words = self.maps.words_of(position)
            if words.size and (words.max() >= self.postings.n_words or words.min() < 0):
                raise FormatError(f"Image {position} holds words that the vocabulary has not.")
        except FormatError as error:
            raise FormatError(
                f"{self.path} is damaged: {error} Run `blcf check` on the collection."
            ) from error
        return words

    def channel_of(self, name: str, position: int) -> np.ndarray:
        """A channel of an image, relative to its largest value: float32 (h, w), 0..1.

        `FormatError` where the file has none of this name.
        """
        try:
            return dequantise_channel(self.maps.channel_of(name, position))
        except FormatError as error:
            raise FormatError(
                f"{self.path} is damaged: {error} Run `blcf check` on the collection."
            ) from error

    def size_of(self, position: int) -> tuple[int, int]:
        """Width and height of an original image, pixels."""
        if "sizes" in self.blocks:
            self.blocks["sizes"].touch_one(2 * position, 2 * position + 2)
        width, height = self.sizes[position].tolist()
        if width < 1 or height < 1:
            raise FormatError(
                f"{self.path} is damaged: image {position} is {width} x {height} pixels. Run "
                "`blcf check` on the collection."
            )
        return width, height

    def column(self, name: str) -> np.ndarray:
        """A column, verified."""
        if name in self.blocks:
            self.blocks[name].touch_all()
        return self.columns[name]

    def live_column(self, name: str) -> np.ndarray:
        """A column of the images that are not removed, verified."""
        column = self.column(name)
        return column if self.live is None else column[self.live]

    def root_id_of(self, position: int) -> int:
        """Which root of the manifest the name of an image is relative to."""
        if "root_ids" in self.blocks:
            self.blocks["root_ids"].touch_one(position, position + 1)
        return int(self.root_ids[position])


def _below(group: str, blocks: Mapping[str, Blocks]) -> dict[str, Blocks]:
    """The blocks of the arrays of a group, by their names in it."""
    start = f"{group}/"
    return {name[len(start) :]: one for name, one in blocks.items() if name.startswith(start)}
