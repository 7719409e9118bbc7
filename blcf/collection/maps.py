"""The assignment maps of many images, packed, and the channels of their cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import h5py
import numpy as np

from blcf.bags.weighting import CHANNELS
from blcf.errors import FormatError
from blcf.index.blocks import Blocks, blocks_below
from blcf.kernels.maps import pack_map, unpack_map, unpack_maps
from blcf.storage import StoredGroup, write_dataset

__all__ = ["Maps"]

SMALL = ("shapes", "offsets", "mark_offsets", "word_offsets")
ARRAYS = (*SMALL, "marks", "cell_words")


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps of n images, one behind the other; see `blcf.kernels.maps` for how they are packed.

    Packed they take a third of their bytes; unpacking is less than a tenth of a reranking (100
    maps of 34 x 46 cells: 1.4 of 15.5 ms).

    Attributes
    ----------
    shapes : int32 (n, 2), rows and columns
    offsets, mark_offsets, word_offsets : int64 (n + 1,), where the channels, the marks and the
        words of each image begin
    marks : uint8, four cells a byte
    cell_words : uint16 or int32, words of the cells that do not have a neighbour's
    channels : {name: uint8 (n_cells,)}, quantised, see `blcf.bags.CHANNELS`; "norm" is always there
    blocks : by the names of the arrays, of maps in a file; nothing for maps in memory
    """

    shapes: np.ndarray
    offsets: np.ndarray
    mark_offsets: np.ndarray
    word_offsets: np.ndarray
    marks: np.ndarray
    cell_words: np.ndarray
    channels: Mapping[str, np.ndarray]
    blocks: Mapping[str, Blocks] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.shapes)

    @classmethod
    def pack(
        cls,
        maps: Sequence[np.ndarray],
        channels: Mapping[str, Sequence[np.ndarray]],
        n_words: int,
    ) -> Maps:
        """Pack maps, int (h, w), with channels of the same shapes, uint8."""
        shapes = np.array([words.shape for words in maps], dtype=np.int32).reshape(-1, 2)
        sizes = shapes.prod(axis=1, dtype=np.int64)
        offsets, mark_offsets = _offsets(sizes), _offsets(_n_marks(sizes))
        marks = np.zeros(mark_offsets[-1], dtype=np.uint8)
        cell_words = np.empty(offsets[-1], dtype=_word_type(n_words))
        word_offsets = np.zeros(len(maps) + 1, dtype=np.int64)
        for i, words in enumerate(maps):
            begin = word_offsets[i]
            word_offsets[i + 1] = begin + pack_map(
                np.ascontiguousarray(words), marks[mark_offsets[i] :], cell_words[begin:]
            )
        return cls(
            shapes,
            offsets,
            mark_offsets,
            word_offsets,
            marks,
            cell_words[: word_offsets[-1]].copy(),
            {
                name: np.concatenate([np.empty(0, np.uint8), *(one.ravel() for one in values)])
                for name, values in channels.items()
            },
        )

    @classmethod
    def join(cls, parts: Sequence[tuple[Maps, np.ndarray]]) -> Maps:
        """The maps of some images of several, with a mask of those to keep, bool (n,).

        Raises
        ------
        FormatError
            They do not have the same channels.
        """
        names = list(parts[0][0].channels)
        if any(set(part.channels) != set(names) for part, _ in parts):
            raise FormatError("Expected segments of one collection to have the same channels.")
        shapes = np.concatenate([part.shapes[keep] for part, keep in parts])
        sizes = shapes.prod(axis=1, dtype=np.int64)
        n_words = np.concatenate([np.diff(part.word_offsets)[keep] for part, keep in parts])
        marks, cell_words = [], []
        channels: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for part, keep in parts:
            marks.append(part.marks[np.repeat(keep, np.diff(part.mark_offsets))])
            cell_words.append(part.cell_words[np.repeat(keep, np.diff(part.word_offsets))])
            cells = np.repeat(keep, np.diff(part.offsets))
            for name in names:
                channels[name].append(part.channels[name][cells])
        return cls(
            shapes,
            _offsets(sizes),
            _offsets(_n_marks(sizes)),
            _offsets(n_words),
            np.concatenate(marks),
            np.concatenate(cell_words),
            {name: np.concatenate(values) for name, values in channels.items()},
        )

    @classmethod
    def join_any(cls, parts: Sequence[tuple[Maps | None, np.ndarray]]) -> Maps | None:
        """`join` of parts that have maps; None where none has, `FormatError` where some have."""
        found = [(maps, keep) for maps, keep in parts if maps is not None]
        if found and len(found) < len(parts):
            raise FormatError("Expected all segments of one collection to have maps of tiles.")
        return cls.join(found) if found else None

    @property
    def n_cells(self) -> int:
        """Cells of all maps."""
        return self.channels["norm"].size

    def words_of(self, position: int) -> np.ndarray:
        """The assignment map of an image: uint16 or int32 (h, w).

        Raises
        ------
        FormatError
            It cannot be unpacked; a sentence without the path.
        """
        marks = self._of(position, "marks", self.marks, self.mark_offsets)
        cell_words = self._of(position, "cell_words", self.cell_words, self.word_offsets)
        words = np.empty(tuple(self.shapes[position].tolist()), dtype=self.cell_words.dtype)
        if unpack_map(marks, cell_words, words) != cell_words.size:
            raise FormatError(f"The assignment map of image {position} cannot be unpacked.")
        return words

    def channel_of(self, name: str, position: int) -> np.ndarray:
        """A quantised channel of an image: uint8 (h, w); `FormatError` where there is none."""
        self.check_channel(name)
        values = self._of(position, CHANNELS[name].values, self.channels[name], self.offsets)
        return values.reshape(self.shapes[position])

    def words_of_each(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The assignment maps of several images, one behind the other.

        Parameters
        ----------
        positions : int64 (n,)

        Returns
        -------
        words : int32 (n_cells,)
        starts, shapes : int64 (n,) and (n, 2), the first cell of each map, its rows and columns

        Raises
        ------
        FormatError
            As `words_of` of the first that cannot be unpacked.
        """
        marks = self._spans("marks", self.mark_offsets, positions)
        cells = self._spans("cell_words", self.word_offsets, positions)
        shapes = self.shapes[positions].astype(np.int64)
        if (shapes < 1).any():
            empty = int(positions[(shapes < 1).any(axis=1)][0])
            raise FormatError(f"The assignment map of image {empty} has no cells.")
        starts = _offsets(shapes.prod(axis=1))
        words = np.empty(starts[-1], dtype=np.int32)
        packed = self.marks, self.cell_words, marks[0], *cells
        wrong = unpack_maps(*packed, starts[:-1], shapes, words)
        if wrong >= 0:
            image = int(positions[wrong])
            raise FormatError(f"The assignment map of image {image} cannot be unpacked.")
        return words, starts[:-1], shapes

    def channel_of_each(self, name: str, positions: np.ndarray) -> np.ndarray:
        """A quantised channel of several images, one behind the other: uint8 (n_cells,)."""
        self.check_channel(name)
        values = self.channels[name]
        spans = self._spans(CHANNELS[name].values, self.offsets, positions)
        each = [values[first:last] for first, last in zip(*(one.tolist() for one in spans))]
        return np.concatenate([np.empty(0, np.uint8), *each])

    def _spans(
        self, name: str, ends: np.ndarray, positions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Where an array has what is of some images, verified with its first use."""
        knows_places = bool(self.blocks) and self._knows_places
        firsts, lasts = ends[positions], ends[positions + 1]
        if knows_places:
            self.blocks[name].touch(firsts, lasts)
        return firsts, lasts

    def check_channel(self, weighting: str) -> None:
        """Raise `FormatError` unless there is what a weighting needs."""
        if weighting in CHANNELS and weighting not in self.channels:
            raise FormatError(f"It has no {CHANNELS[weighting].values} of its images.")

    def _of(self, position: int, name: str, array: np.ndarray, ends: np.ndarray) -> np.ndarray:
        """What an array has of an image, verified with its first use."""
        knows_places = bool(self.blocks) and self._knows_places
        first, last = int(ends[position]), int(ends[position + 1])
        if knows_places:
            self.blocks[name].touch_one(first, last)
        return array[first:last]

    @cached_property
    def _knows_places(self) -> bool:
        """True, once it was verified where the maps lie.

        Not with the opening: a megabyte of 32,768 maps, 380 of ten million.
        """
        for name in SMALL:
            self.blocks[name].touch_all()
        self._check_places()
        return True

    def check_form(self, n_images: int, n_words: int) -> None:
        """Raise `FormatError` unless the arrays fit each other; reads the small ones.

        16 ms for a million images, which is why they are not copied: the pages are shared.
        """
        n = n_images
        expected = [
            (np.int32, (n, 2)),
            *[(np.int64, (n + 1,))] * 3,
            (np.uint8, self.marks.shape[:1]),
            (_word_type(n_words), self.cell_words.shape[:1]),
            *[(np.uint8, self.channels["norm"].shape[:1])] * len(self.channels),
        ]
        found = [(one.dtype, one.shape) for one in self._arrays.values()]
        wrong = [name for name, one, other in zip(self._arrays, found, expected) if one != other]
        if wrong:
            raise FormatError(
                f"Expected the maps of {n} images, their {', '.join(wrong)} are of another number "
                "or kind."
            )
        if not self.blocks:
            self._check_places()

    def _check_places(self) -> None:
        """`FormatError` unless the maps lie one behind the other."""
        sizes = self.shapes.prod(axis=1, dtype=np.int64)
        words = self.word_offsets
        if (
            (self.shapes < 0).any()
            or (sizes > self.n_cells).any()  # of larger ones the sums would wrap
            or not np.array_equal(_offsets(sizes), self.offsets)
            or not np.array_equal(_offsets(_n_marks(sizes)), self.mark_offsets)
            or words[0] != 0
            or (words[1:] < words[:-1]).any()
            or (self.offsets[-1], self.mark_offsets[-1], words[-1])
            != (self.n_cells, self.marks.size, self.cell_words.size)
        ):
            raise FormatError("Expected maps that lie one behind the other.")

    def check(self, n_words: int) -> None:
        """Raise `FormatError` where a map is damaged; unpacks every one."""
        for blocks in self.blocks.values():
            blocks.touch_all()
        words = self.cell_words
        if words.size and not 0 <= words.min() <= words.max() < n_words:
            raise FormatError(f"Expected cells of {n_words} words, got others.")
        for position in range(len(self)):
            self.words_of(position)

    def write(self, group: h5py.Group) -> None:
        """Write the maps into an HDF5 group."""
        for name, array in self._arrays.items():
            write_dataset(group, name, array)

    @property
    def _arrays(self) -> dict[str, np.ndarray]:
        """All arrays, by their names in a file."""
        channels = {CHANNELS[name].values: values for name, values in self.channels.items()}
        return {name: getattr(self, name) for name in ARRAYS} | channels

    @classmethod
    def read(cls, group: StoredGroup, blocks: Mapping[str, Blocks] | None = None) -> Maps:
        """The maps of a stored group, over its mapped file; verified when they are used."""
        channels = {
            name: group.array(one.values)
            for name, one in CHANNELS.items()
            if one.values in group or name == "norm"
        }
        arrays: dict[str, Any] = {name: group.array(name) for name in ARRAYS}
        maps = cls(**arrays, channels=channels)
        return replace(maps, blocks={name: blocks[name] for name in maps._arrays} if blocks else {})

    @classmethod
    def read_of(cls, file: StoredGroup, group: str, blocks: Mapping[str, Blocks]) -> Maps:
        """The maps of a group of a file, with the blocks of all its arrays."""
        return cls.read(file.group(group), blocks_below(group, blocks))


def _word_type(n_words: int) -> type:
    return np.uint16 if n_words <= 65_536 else np.int32


def _n_marks(sizes: np.ndarray) -> np.ndarray:
    return (sizes + 3) // 4


def _offsets(sizes: np.ndarray) -> np.ndarray:
    offsets = np.zeros(sizes.size + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets
