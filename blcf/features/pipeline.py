"""Pictures of a source on their way through a network: read ahead, in batches, in order.

Reading and resizing (threads), the network (a thread a core; of a GPU the caller's) and what is
made of its maps (a thread a core; of a GPU one) go on at the same time, each on pictures behind
those of the stage before it; the caller gets them in order. It is the one way from pictures to
features: collections, feature stores and descriptors take it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from blcf.errors import UnreadableImage
from blcf.features.batches import (
    Batch,
    as_batch,
    encode_batch,
    in_this_thread,
    through_network,
)
from blcf.images import Large, Loaded, Original, PictureFacts, read_ahead
from blcf.processor import n_cores

__all__ = ["Extracted", "Extractor", "Kept", "extract_pictures"]

T = TypeVar("T")
Size = tuple[int, int]

# How many pictures are looked at together for batches of equal shape, and how many bytes of them:
# 128 resized pictures of side 384 are 40 MB. The more, the fewer batches: each shape and size of a
# batch that oneDNN has not seen costs it half a millisecond a convolution.
_LOOKED_AT, _LOOKED_AT_BYTES = 128, 64 << 20
_MAPS_TOGETHER = 16  # that were kept, 1 MB each


class Extractor(Protocol):
    """What makes an array of a picture: `ConvFeatures`, `CodeFeatures` and their like."""

    kind: str
    dtype_: str

    def describe(self) -> dict[str, Any]:
        """What an array depends on."""

    @property
    def loaded_bytes(self) -> int:
        """Bytes of what `load` gives of a picture, about."""

    def load(self, original: Original, large: Large | None = None) -> Loaded[np.ndarray]:
        """A picture as it will be needed, uint8 (height, width, 3); called in threads."""

    def n_together(self, height: int, width: int) -> int:
        """How many loaded pictures of one shape are a whole batch."""

    def extract_batch(self, images: Sequence[np.ndarray]) -> np.ndarray | Sequence[np.ndarray]:
        """Float32 arrays of the loaded pictures of a batch, in their order."""


class Kept(Protocol):
    """Feature maps that were kept of earlier passes over the pictures."""

    def get(self, original: Original) -> Loaded[np.ndarray] | None:
        """The map, float32, of a picture, if there is one and the picture has not changed."""


@dataclass(frozen=True, eq=False)
class Extracted(Generic[T]):
    """A picture behind the network.

    Attributes
    ----------
    name : of the picture
    size : (width, height) of the original in pixels; (0, 0) where it could not be read
    facts : of the picture
    content : what was made of its features; or the error of a picture that could not be read
        (`UnreadableImage`), or that the network could not take
    beside : what the caller made of its pixels, see `extract_pictures`
    """

    name: str
    size: Size
    facts: PictureFacts
    content: T | UnreadableImage
    beside: Any = None


def extract_pictures(
    extractor: Extractor,
    originals: Iterable[Original],
    encode: Callable[[np.ndarray], Sequence[T]] = list,
    *,
    kept: Kept | None = None,
    large: Large | None = None,
    beside: Callable[[np.ndarray], Any] | None = None,
    on_device: bool = False,
    loaded_bytes: int | None = None,
) -> Generator[Extracted[T], None, None]:
    """What is made of the features of pictures, in the pictures' order.

    While the network computes, `encode` is busy with batches before, and threads read those behind.
    On a processor of several cores as many batches go through the network at once, each in one
    thread, and as many through `encode`: of blcf-lite two cores make 1.04 to 1.2 times as many maps
    a second as when they share each batch, of VGG16 as many; the more cores, the more it gains. On
    a GPU the caller's thread hands over batches and waits for none of them.

    Loaded pictures in memory are at most three times those that are looked at together (120 MB),
    maps those of two batches and of twice as many as go through the network at once, and what
    `encode` makes of pictures looked at together. When the generator has ended, been closed, or
    raised, it waits for the batches in the network, and a second for pictures that are being
    decoded: a thread that takes longer is left to itself.

    Parameters
    ----------
    originals : of the pictures; taken as they are needed
    encode : takes features of one shape, float32 (n, ...), gives n things; called in as many
        threads as batches go through the network at once, with earlier pictures first as far as
        batches of like shapes allow
    kept : feature maps of some of the pictures, which need no network
    large : gets the path of each large picture; its context is held while that is decoded
    beside : takes the pixels of each picture as they go through the network, uint8 (height, width,
        3), in the threads that read; what it gives comes out with the picture, an `UnreadableImage`
        that it raises in place of it. A picture whose map is kept is read again for it.
    on_device : whether `encode` takes tensors of the device that the extractor computes on, and
        says `InvalidInput` of features that are not finite; on a CPU it gets arrays all the same
    loaded_bytes : what is in memory of a picture that waits; None: what the extractor loads of it

    Raises
    ------
    Exception
        Of `encode`, behind the pictures that were finished before it; of the network and an
        interrupt, at once.
    """
    n_bytes = extractor.loaded_bytes if loaded_bytes is None else loaded_bytes
    n_looked_at = max(1, min(_LOOKED_AT, _LOOKED_AT_BYTES // n_bytes))
    load = partial(_load, extractor=extractor, kept=kept, large=large, beside=beside)
    names: dict[int, str] = {}  # of those on their way
    n_at_once = getattr(extractor, "n_at_once", 1)
    n_readers = max(2, n_cores() // (2 if n_at_once > 1 else 1))
    extract: Callable[[Any], Any] = extractor.extract_batch
    if on_device and getattr(extractor, "is_elsewhere", False):
        extract = getattr(extractor, "extract_on_device", extract)
    read = read_ahead(_noting(originals, names), load, n_workers=n_readers, ahead=n_looked_at)
    batches = _batches(extractor, read, n_looked_at)
    encode_one = partial(encode_batch, encode)
    if n_at_once == 1:
        found = (through_network(extract, batch) for batch in batches)
    else:
        encode_one = partial(in_this_thread, encode_one)
        alone = partial(in_this_thread, partial(through_network, extract))
        found = _results(
            read_ahead(batches, alone, n_workers=n_at_once, ahead=n_at_once, patience=None)
        )
    computed = (through for group in found for through in group)
    behind = read_ahead(computed, encode_one, n_workers=n_at_once, ahead=n_at_once, patience=None)
    done: dict[int, Extracted[T]] = {}
    n_given = 0
    with closing(read), closing(found), closing(behind):
        for _, batch in behind:
            assert isinstance(batch, Batch)  # what cannot be taken is an error within it
            for position, one, content in zip(
                batch.positions, batch.loaded, batch.contents, strict=True
            ):
                name = names.pop(position)
                done[position] = Extracted(name, one.size, one.facts, content, one.beside)
            while n_given in done:
                yield done.pop(n_given)
                n_given += 1


def _results(read: Generator[tuple[int, Any], None, None]) -> Generator[Any, None, None]:
    """Results without their numbers."""
    with closing(read):
        for _, result in read:
            yield result


def _noting(originals: Iterable[Original], names: dict[int, str]) -> Iterator[Original]:
    """The same, their names noted: a picture that cannot be read is only an error then."""
    for number, original in enumerate(originals):
        names[number] = original.name
        yield original


def _load(
    original: Original,
    extractor: Extractor,
    kept: Kept | None,
    large: Large | None,
    beside: Callable[[np.ndarray], Any] | None,
) -> Loaded[np.ndarray]:
    """A picture ready for the network, or its map where that is kept; with what is made beside."""
    found = kept.get(original) if kept is not None else None
    if found is not None and beside is None:
        return found
    loaded = extractor.load(original, large)
    if beside is None:
        return loaded
    made = beside(loaded.content)
    if found is not None and found.facts.digest == loaded.facts.digest:  # not changed in between
        loaded = found
    return replace(loaded, beside=made)


def _batches(
    extractor: Extractor,
    read: Iterable[tuple[int, Loaded[np.ndarray] | UnreadableImage]],
    n_looked_at: int,
) -> Iterator[Batch]:
    """Batches of pictures of one shape, or errors.

    A batch is whole, or of the last of its shape among as many as are looked at together: what
    waits for others is not that far behind what was read last. Of a film, of whose frames all are
    of one shape, the network has the first when eight were decoded.
    """
    waiting: dict[tuple[Any, ...], list[tuple[int, Loaded[np.ndarray]]]] = {}  # oldest first
    for index, result in read:
        while waiting and waiting[next(iter(waiting))][0][0] <= index - n_looked_at:
            yield as_batch(waiting.pop(next(iter(waiting))))
        if isinstance(result, UnreadableImage):
            yield Batch([index], [Loaded(None, (0, 0))], [result])
            continue
        key = (result.content.dtype == np.float32, *result.content.shape)
        waiting.setdefault(key, []).append((index, result))
        del result  # nothing of a picture is kept while the next is waited for
        n_whole = _MAPS_TOGETHER if key[0] else extractor.n_together(*key[1:3])
        if len(waiting[key]) >= n_whole:
            yield as_batch(waiting.pop(key))
    for key in list(waiting):
        yield as_batch(waiting.pop(key))
