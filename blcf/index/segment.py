"""A segment: an immutable file with the names, sizes, assignment maps and postings of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from blcf.errors import FormatError, VocabularyMismatch
from blcf.index.names import Names
from blcf.index.postings import Postings
from blcf.storage import map_file, open_h5, read_dataset, write_dataset, write_h5

__all__ = ["Batch", "Segment"]

KIND, FORMAT_VERSION = "segment", 1


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
    """An opened segment: everything is mapped, nothing is read before it is used.

    Attributes
    ----------
    names : `Names`
    sizes : int32 (n_images, 2), width and height in pixels
    shapes : int32 (n_images, 2), rows and columns of the assignment maps
    offsets : int64 (n_images + 1,), where each image's cells begin
    cells : uint16 or int32 (n_cells,), words of all maps, one behind the other
    norms : uint8 (n_cells,)
    postings : `Postings`
    """

    names: Sequence[str]
    sizes: np.ndarray
    shapes: np.ndarray
    offsets: np.ndarray
    cells: np.ndarray
    norms: np.ndarray
    postings: Postings

    @staticmethod
    def write(path: Path, batch: Batch, bags: sp.csr_matrix, vocabulary: str) -> None:
        """Write a batch.

        Parameters
        ----------
        bags : CSR (n_images, n_words), raw term frequencies
        vocabulary : digest of the vocabulary, checked by `read`
        """
        # 2 bytes a cell where the vocabulary allows it.
        dtype = np.uint16 if bags.shape[1] <= 65_536 else np.int32
        with write_h5(path, KIND, FORMAT_VERSION) as file:
            file.attrs["vocabulary"] = np.bytes_(vocabulary)
            Names.from_list(batch.names).write(file)
            write_dataset(file, "sizes", np.array(batch.sizes, dtype=np.int32))
            shapes = np.array([words.shape for words in batch.maps], dtype=np.int32)
            write_dataset(file, "shapes", shapes)
            offsets = np.zeros(len(batch) + 1, dtype=np.int64)
            np.cumsum(shapes.prod(axis=1, dtype=np.int64), out=offsets[1:])
            write_dataset(file, "offsets", offsets)
            cells = np.concatenate([words.ravel() for words in batch.maps])
            write_dataset(file, "cells", cells.astype(dtype))
            write_dataset(file, "norms", np.concatenate([norms.ravel() for norms in batch.norms]))
            Postings.from_bags(bags).write(file.create_group("postings"))

    @classmethod
    def read(cls, path: Path, n_images: int, vocabulary: str) -> Segment:
        """Open a segment of `n_images` images, made with the vocabulary of a digest.

        Raises
        ------
        FormatError, VocabularyMismatch
        """
        with open_h5(path, KIND, FORMAT_VERSION) as file:
            made = file.attrs["vocabulary"].decode("utf-8", "replace")
            if made != vocabulary:
                raise VocabularyMismatch(
                    f"Expected {path} to be made with vocabulary {vocabulary}, it was made with "
                    f"{made}. Restore the collection from a copy, or index again."
                )
            mapped = map_file(path)
            segment = cls(
                Names.read(file, mapped),
                # Copies: they are small, and every image that is reranked needs them.
                read_dataset(file, "sizes", mapped).copy(),
                read_dataset(file, "shapes", mapped).copy(),
                read_dataset(file, "offsets", mapped).copy(),
                read_dataset(file, "cells", mapped),
                read_dataset(file, "norms", mapped),
                Postings.read(file["postings"], mapped),
            )
        lengths = {len(segment.names), len(segment.sizes), len(segment.shapes), n_images}
        lengths |= {len(segment.offsets) - 1, segment.postings.n_images}
        n_cells = {segment.cells.size, segment.norms.size, int(segment.offsets[-1])}
        if len(lengths) > 1 or len(n_cells) > 1:
            raise FormatError(
                f"Expected {path} to hold {n_images} images, its parts say {sorted(lengths)} "
                f"images and {sorted(n_cells)} cells. Restore it from a copy, or index again."
            )
        return segment

    def words_of(self, position: int) -> np.ndarray:
        """The assignment map of an image: uint16 or int32 (h, w)."""
        first, last = self.offsets[position], self.offsets[position + 1]
        return self.cells[first:last].reshape(self.shapes[position])

    def norms_of(self, position: int) -> np.ndarray:
        """The quantised norms of an image: uint8 (h, w)."""
        first, last = self.offsets[position], self.offsets[position + 1]
        return self.norms[first:last].reshape(self.shapes[position])
