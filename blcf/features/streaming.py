"""Pictures on their way to an extractor: read ahead in threads, handed over in batches."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import read_ahead, read_through

__all__ = ["Extractor", "extract_pictures"]

# How many pictures wait together for the network, which takes those of equal shape at once.
_MOST_PICTURES, _MOST_BYTES = 64, 64 << 20

Size = tuple[int, int]


class Extractor(Protocol):
    """What a store takes arrays from: `ConvFeatures`, `CodeFeatures` and their like."""

    kind: str
    dtype_: str

    def describe(self) -> dict[str, Any]:
        """What an array depends on."""

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """A picture as it will be needed; called in threads."""

    def extract_many(self, images: Sequence[np.ndarray]) -> Sequence[np.ndarray] | np.ndarray:
        """Float32 arrays of prepared pictures, in their order."""


def extract_pictures(
    paths: Sequence[Path], extractor: Extractor
) -> Generator[tuple[int, Size, np.ndarray | InvalidInput], None, None]:
    """What an extractor makes of pictures, in batches.

    Yields
    ------
    the position in `paths`, (width, height) of the picture on disk, in pixels, and the array; or
    the error of a picture that could not be read or that the network could not take. Errors of a
    batch come first.
    """

    def load(path: Path) -> tuple[np.ndarray, Size]:
        return read_through(path, extractor.prepare)

    read = read_ahead(paths, load)
    with closing(read):
        for batch in _batches(read):
            bad = [(at, one) for at, one in batch if isinstance(one, UnreadableImage)]
            yield from ((position, (0, 0), error) for position, error in bad)
            good = [(at, *one) for at, one in batch if not isinstance(one, UnreadableImage)]
            yield from _through(good, extractor)


def _batches(
    read: Iterator[tuple[int, tuple[np.ndarray, Size] | UnreadableImage]],
) -> Iterator[list[tuple[int, Any]]]:
    """Pictures together, as many as there is room for."""
    batch: list[tuple[int, Any]] = []
    n_bytes = 0
    for position, result in read:
        batch.append((position, result))
        n_bytes += 0 if isinstance(result, UnreadableImage) else result[0].nbytes
        if len(batch) == _MOST_PICTURES or n_bytes >= _MOST_BYTES:
            yield batch
            batch, n_bytes = [], 0
    if batch:
        yield batch


def _through(
    batch: list[tuple[int, np.ndarray, Size]], extractor: Extractor
) -> Iterator[tuple[int, Size, np.ndarray | InvalidInput]]:
    """A batch behind the network; where that refuses, each picture alone, or why it cannot be."""
    if not batch:
        return
    try:
        arrays = extractor.extract_many([image for _, image, _ in batch])
    except InvalidInput as error:
        if len(batch) == 1:
            yield batch[0][0], batch[0][2], error
        else:
            for one in batch:
                yield from _through([one], extractor)
        return
    for (position, _, size), array in zip(batch, arrays, strict=True):
        yield position, size, array
