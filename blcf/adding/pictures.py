"""Pictures of a collection on their way through the network: read ahead, resized, in batches.

Reading and resizing (threads), the network (the caller's thread) and what is made of its maps (a
thread) go on at the same time, each on pictures behind those of the stage before it; the caller
gets them in order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from blcf.adding.kept_maps import KeptMaps
from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import ImageList, Large, read_ahead, read_resized
from blcf.progress import tqdm

if TYPE_CHECKING:
    from blcf.features import ConvFeatures

__all__ = ["Picture", "stream_maps", "stream_pictures"]

T = TypeVar("T")
Size = tuple[int, int]

# How many pictures of side 384 are looked at together for batches of equal shape: 128 resized
# pictures are 40 MB. The more, the fewer batches: each shape and size of a batch that oneDNN has
# not seen costs it half a millisecond a convolution.
_LOOKED_AT = 128


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture behind the network.

    Attributes
    ----------
    size : (width, height) of the original, pixels
    feature_map : float32 (C, h, w)
    """

    size: tuple[int, int]
    feature_map: np.ndarray


@dataclass(eq=False)
class _Batch:
    """Pictures of one shape: arrays, then an array of their maps, then what is made of these.

    Pictures that could not be read, or not taken, are a batch, too: a list of their errors.
    """

    positions: list[int]
    sizes: list[Size]
    contents: Any


def stream_maps(
    extractor: ConvFeatures,
    images: ImageList,
    names: list[str],
    description: str,
    progress: bool,
    large: Large | None = None,
) -> Iterator[tuple[str, Picture | UnreadableImage]]:
    """Feature maps of pictures, in order; a picture that cannot be read gives its error."""
    stream = stream_pictures(extractor, images, names, list, description, progress, large=large)
    with closing(stream):
        for name, size, content in stream:
            if isinstance(content, UnreadableImage):
                yield name, content
            else:
                yield name, Picture(size, content)


def stream_pictures(
    extractor: ConvFeatures,
    images: ImageList,
    names: list[str],
    encode: Callable[[np.ndarray], Sequence[T]],
    description: str,
    progress: bool,
    kept: KeptMaps | None = None,
    large: Large | None = None,
) -> Generator[tuple[str, Size, T | UnreadableImage], None, None]:
    """What is made of the feature maps of pictures, in the pictures' order.

    While the network computes a batch in the caller's thread, `encode` is busy with the one before
    it, and threads read the ones behind it. Where the network fills the cores this gains nothing
    (benchmarks/extraction.md); beside a GPU, or with more cores, it does.

    Resized pictures in memory are at most three times those that are looked at together (120 MB),
    maps those of three batches and what `encode` makes of pictures looked at together. When the
    generator has ended, been closed, or raised, it waits for one batch at most, and a second for
    pictures that are being decoded: a thread that takes longer is left to itself.

    Parameters
    ----------
    encode : takes maps float32 (n, C, h, w) of one shape, gives n things; called in one thread,
        with earlier pictures first as far as batches of like shapes allow
    kept : feature maps of some of the pictures, which need no network
    large : gets the path of each large picture; its context is held while that is decoded

    Yields
    ------
    name, (width, height) of the original in pixels, what `encode` gave or the error of a picture
    that could not be read or that the network could not take

    Raises
    ------
    Exception
        Of `encode`, behind the pictures that were finished before it; of the network and an
        interrupt, at once.
    """
    n_looked_at = max(1, min(_LOOKED_AT, int(_LOOKED_AT * (384 / extractor.side) ** 2)))
    load = partial(_load, images=images, side=extractor.side, kept=kept, large=large)
    read = read_ahead(names, load, ahead=n_looked_at)
    # The network stays in this thread: glibc keeps the memory of activations for the main one (see
    # blcf.features.part), in another VGG16 takes 2,700 fresh pages a picture.
    computed = (
        through
        for batch in _batches(extractor, read, n_looked_at)
        for through in _through(extractor, batch)
    )
    behind = read_ahead(computed, partial(_encode, encode), n_workers=1, ahead=1, patience=None)
    bar = tqdm(
        total=len(names),
        desc=f"{description} pictures",
        unit=" picture",
        disable=not progress,
        mininterval=0.5,
    )
    done: dict[int, tuple[Size, T | UnreadableImage]] = {}
    n_given = 0
    with bar, closing(read), closing(behind):
        for _, batch in behind:
            assert isinstance(batch, _Batch)  # what cannot be taken is an error within it
            done |= dict(zip(batch.positions, zip(batch.sizes, batch.contents, strict=True)))
            while n_given in done:
                bar.update()
                yield names[n_given], *done.pop(n_given)
                n_given += 1


def _load(
    name: str, images: ImageList, side: int, kept: KeptMaps | None, large: Large | None
) -> tuple[np.ndarray, Size]:
    """A picture resized for the network, or its map where that is kept; and its original size."""
    path = images.path(name)
    found = kept.get(name, path) if kept is not None else None
    if found is not None:
        return found
    return read_resized(path, side, large=large)


def _batches(
    extractor: ConvFeatures,
    read: Iterable[tuple[int, tuple[np.ndarray, Size] | UnreadableImage]],
    n_looked_at: int,
) -> Iterator[_Batch]:
    """Batches of pictures of one shape, or of errors, from as many as are looked at together."""
    while seen := list(islice(read, n_looked_at)):
        bad = [(index, result) for index, result in seen if isinstance(result, UnreadableImage)]
        if bad:
            yield _Batch([index for index, _ in bad], [(0, 0)] * len(bad), [e for _, e in bad])
        good = [(index, *result) for index, result in seen if not isinstance(result, Exception)]
        maps = defaultdict(list)
        for one in good:
            if one[1].dtype == np.float32:  # a map that was kept
                maps[one[1].shape].append(one)
        good = [one for one in good if one[1].dtype == np.uint8]
        for alike in maps.values():
            indices, contents, sizes = (list(column) for column in zip(*alike))
            yield _Batch(indices, sizes, np.stack(contents))
        del seen, bad, maps
        for positions in extractor.batches([image for _, image, _ in good]):
            chosen = [good[position] for position in positions]
            indices, contents, sizes = (list(column) for column in zip(*chosen))
            yield _Batch(indices, sizes, contents)


def _through(extractor: ConvFeatures, batch: _Batch) -> list[_Batch]:
    """A batch behind the network; where that refuses, each picture alone, or why it cannot be."""
    if isinstance(batch.contents, np.ndarray) or isinstance(batch.contents[0], UnreadableImage):
        return [batch]
    try:
        return [_Batch(batch.positions, batch.sizes, extractor.extract_batch(batch.contents))]
    except InvalidInput as error:
        if len(batch.positions) > 1:
            alone = zip(batch.positions, batch.sizes, batch.contents)
            return [
                one
                for position, size, image in alone
                for one in _through(extractor, _Batch([position], [size], [image]))
            ]
        refusal = UnreadableImage(str(error))
        refusal.reason = str(error)
        return [_Batch(batch.positions, batch.sizes, [refusal])]


def _encode(encode: Callable[[np.ndarray], Sequence[T]], batch: _Batch) -> _Batch:
    """A batch behind `encode`; errors stay what they are."""
    if isinstance(batch.contents, np.ndarray):
        batch.contents = encode(batch.contents)
    return batch
