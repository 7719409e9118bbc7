"""A segment: an immutable file with the names, sizes, assignment maps and postings of images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.bags.weighting import dequantise_norms
from blcf.collection.deletions import unpack_live
from blcf.collection.maps import Maps
from blcf.collection.names_copy import write_names
from blcf.errors import FormatError, VocabularyMismatch
from blcf.index.blocks import Blocks, read_blocks, write_sums
from blcf.index.names import Names
from blcf.index.postings import Postings
from blcf.storage import Place, open_h5, write_dataset, write_h5

__all__ = ["Batch", "Segment"]

KIND, FORMAT_VERSION = "segment", 2
ARRAYS = ("root_ids", "sizes")


@dataclass(eq=False)
class Batch:
    """Images on their way into a segment.

    Attributes
    ----------
    names : list of str
    sizes : list of (width, height), pixels of the original images
    maps : list of int (h, w), assignment maps
    norms : list of uint8 (h, w), quantised norms of the raw features (`blcf.bags.weighting`)
    """

    names: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    maps: list[np.ndarray] = field(default_factory=list)
    norms: list[np.ndarray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def relative_norms(self) -> list[np.ndarray]:
        """The norms as `Segment.norms_of` will give them: float32 (h, w) each, 0..1."""
        return [dequantise_norms(one) for one in self.norms]

    def append(
        self, name: str, size: tuple[int, int], words: np.ndarray, norms: np.ndarray
    ) -> None:
        """Add one image."""
        self.names.append(name)
        self.sizes.append(size)
        self.maps.append(words)
        self.norms.append(norms)


@dataclass(frozen=True, eq=False)
class Segment:
    """An opened segment: everything is mapped, nothing large is read before it is used.

    Attributes
    ----------
    path : the file
    names : `Names`
    root_ids : int32 (n_images,), which root of the manifest each name is relative to
    sizes : int32 (n_images, 2), width and height in pixels
    maps : `Maps`, assignment maps and norms
    postings : `Postings`
    live : bool (n_images,), which images are not removed, or None where all are live
    blocks : of ``root_ids`` and ``sizes`` in the file; nothing of one of an earlier version
    """

    path: Place
    names: Names
    root_ids: np.ndarray
    sizes: np.ndarray
    maps: Maps
    postings: Postings
    live: np.ndarray | None = None
    blocks: Mapping[str, Blocks] = field(default_factory=dict)

    @property
    def n_images(self) -> int:
        """How many images the file holds, removed ones counted."""
        return self.postings.n_images

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
        cls, path: Place, batch: Batch, bags: sp.csr_matrix, vocabulary: str, root_id: int
    ) -> dict[str, Any]:
        """Write a batch; gives what the manifest says of the segment.

        Parameters
        ----------
        bags : CSR (n_images, n_words), raw term frequencies
        vocabulary : digest of the vocabulary, checked by `read`
        root_id : number of the root that all names are relative to
        """
        segment = cls(
            path,
            Names.from_list(batch.names),
            np.full(len(batch), root_id, dtype=np.int32),
            np.array(batch.sizes, dtype=np.int32),
            Maps.pack(batch.maps, batch.norms, bags.shape[1]),
            Postings.from_bags(bags),
        )
        return segment._write(vocabulary)

    @classmethod
    def merge(cls, path: Place, parts: Sequence[Segment], vocabulary: str) -> dict[str, Any]:
        """Write the live images of some segments, one behind the other, as a new segment.

        Holds the images in memory: what is merged at once is bounded by `merging.LARGEST`.
        """
        kept = [part.live_mask for part in parts]
        segment = cls(
            path,
            Names.from_list([name for part in parts for name in part.live_names]),
            np.concatenate([part.root_ids[keep] for part, keep in zip(parts, kept)]),
            np.concatenate([part.sizes[keep] for part, keep in zip(parts, kept)]),
            Maps.join([(part.maps, keep) for part, keep in zip(parts, kept)]),
            Postings.merge([(part.postings, part.live) for part in parts]),
        )
        return segment._write(vocabulary)

    def _write(self, vocabulary: str) -> dict[str, Any]:
        stamp: dict[str, Any] = {}
        with write_h5(self.path, KIND, FORMAT_VERSION, out=stamp) as file:
            file.attrs["vocabulary"] = np.bytes_(vocabulary)
            self.names.write(file)
            for name in ARRAYS:
                write_dataset(file, name, getattr(self, name))
            self.maps.write(file.create_group("maps"))
            self.postings.write(file.create_group("postings"))
            write_sums(file)
        return {
            "file": self.path.name,
            "n_images": self.n_images,
            **stamp,
            "names_digest": write_names(self.path, self.names, self.root_ids),
            "deleted": None,
        }

    @classmethod
    def read(cls, folder: Place, entry: dict[str, Any], vocabulary: str) -> Segment:
        """Open the segment of an entry of the manifest, made with the vocabulary of a digest.

        Raises
        ------
        FormatError, VocabularyMismatch, StorageError
            What is checked is what a search needs to stay inside the arrays. Of the rest a block
            is verified when it is first used; `blcf.collection.check_collection` reads every byte.
        """
        path = folder / entry["file"]
        with open_h5(path, KIND, FORMAT_VERSION, n_bytes=entry["bytes"]) as file:
            made = file.value("vocabulary", str)
            if made != vocabulary:
                raise VocabularyMismatch(
                    f"Expected {path} to be made with vocabulary {vocabulary}, it was made with "
                    f"{made}. Restore the collection from a copy, or index again."
                )
            blocks = read_blocks(file)
            segment = cls(
                path,
                Names.read(file, blocks),
                maps=Maps.read(file.group("maps"), _below("maps", blocks)),
                postings=Postings.read(file.group("postings"), _below("postings", blocks)),
                **{name: file.array(name) for name in ARRAYS},
                blocks={name: blocks[name] for name in ARRAYS if blocks},
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
        expected: dict[str, tuple[Any, ...]] = {
            "root_ids": (np.int32, (n_images,)),
            "sizes": (np.int32, (n_images, 2)),
        }
        found = {name: (getattr(self, name).dtype, getattr(self, name).shape) for name in expected}
        wrong = [name for name in expected if found[name] != expected[name]]
        wrong += ["names"] * (len(self.names) != n_images)
        wrong += ["postings"] * (self.postings.n_images != n_images)
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

    def check(self, n_words: int, n_roots: int) -> None:
        """Raise `FormatError`, a sentence without the path, where anything is damaged."""
        self.names.check()
        for blocks in self.blocks.values():
            blocks.touch_all()
        if (self.sizes < 1).any():
            raise FormatError("Expected images of one pixel or more.")
        if self.root_ids.min() < 0 or self.root_ids.max() >= n_roots:
            raise FormatError(f"Expected folders 0 .. {n_roots - 1} of the manifest.")
        if self.postings.n_words != n_words:
            raise FormatError(
                f"Expected posting lists of {n_words} words, got {self.postings.n_words}."
            )
        self.maps.check(n_words)
        self.postings.check()

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

    def norms_of(self, position: int) -> np.ndarray:
        """The norms of an image's raw features, relative to the largest: float32 (h, w), 0..1."""
        return dequantise_norms(self.maps.norms_of(position))

    def size_of(self, position: int) -> tuple[int, int]:
        """Width and height of an original image, pixels."""
        if self.blocks:
            self.blocks["sizes"].touch_one(2 * position, 2 * position + 2)
        width, height = self.sizes[position].tolist()
        if width < 1 or height < 1:
            raise FormatError(
                f"{self.path} is damaged: image {position} is {width} x {height} pixels. Run "
                "`blcf check` on the collection."
            )
        return width, height

    def all_root_ids(self) -> np.ndarray:
        """`root_ids`, verified."""
        if self.blocks:
            self.blocks["root_ids"].touch_all()
        return self.root_ids

    def root_id_of(self, position: int) -> int:
        """Which root of the manifest the name of an image is relative to."""
        if self.blocks:
            self.blocks["root_ids"].touch_one(position, position + 1)
        return int(self.root_ids[position])


def _below(group: str, blocks: Mapping[str, Blocks]) -> dict[str, Blocks]:
    """The blocks of the arrays of a group, by their names in it."""
    start = f"{group}/"
    return {name[len(start) :]: one for name, one in blocks.items() if name.startswith(start)}
