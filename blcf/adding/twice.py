"""Pictures through the network in two sizes: as a whole, and larger, for their tiles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from blcf.adding.kept_maps import KeptMaps
from blcf.adding.stream import bar_of_pictures
from blcf.errors import UnreadableImage
from blcf.images import Large, Loaded, Original, Source

if TYPE_CHECKING:
    from blcf.features import ConvFeatures
    from blcf.features.pipeline import Extracted

__all__ = ["stream_twice"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class _InBothSizes:
    """A picture of which a larger copy lies beside the one for the network."""

    original: Original
    side: int
    beside: Callable[[np.ndarray], Any] | None

    @property
    def name(self) -> str:
        return self.original.name

    def resized(self, side: int, large: Large | None = None) -> Loaded[np.ndarray]:
        loaded, larger = self.original.resized_each((side, self.side), large)
        made = None if self.beside is None else self.beside(loaded.content)
        return replace(loaded, beside=(made, larger.content))


@dataclass(frozen=True, eq=False)
class _Resized:
    """The larger copy: it was brought to its size already."""

    name: str
    pixels: np.ndarray

    def resized(self, side: int, large: Large | None = None) -> Loaded[np.ndarray]:
        return Loaded(self.pixels, (self.pixels.shape[1], self.pixels.shape[0]))


@dataclass(frozen=True, eq=False)
class _KeptInBoth:
    """Maps that were kept of the pictures, which have to be read for the rest all the same."""

    kept: KeptMaps
    side: int
    large: Large | None

    def get(self, picture: Any) -> Loaded[np.ndarray] | None:
        found = self.kept.get(picture.original)
        if found is None:
            return None
        if picture.beside is None:
            larger = picture.original.resized(picture.side, self.large)
            read = replace(larger, beside=(None, larger.content))
        else:
            read = picture.resized(self.side, self.large)
        if read.facts.digest != found.facts.digest:  # it was changed in between
            return None
        return replace(found, beside=read.beside)


def stream_twice(
    extractor: ConvFeatures,
    source: Source,
    names: Sequence[str],
    encode: Callable[[np.ndarray], Sequence[T]],
    description: str,
    progress: bool,
    side: int,
    kept: KeptMaps | None = None,
    *,
    large: Large | None = None,
    beside: Callable[[np.ndarray], Any] | None = None,
    on_device: bool = False,
) -> Generator[tuple[Extracted[T], Extracted[T] | None], None, None]:
    """What is made of the feature maps of pictures, in the extractor's size and in a larger one.

    Both copies of a picture are made at once, of one state of it; the larger one waits until the
    other has been through the network. Copies that wait in memory are about four times those that
    `blcf.features.pipeline.extract_pictures` looks at together, 64 MB.

    Parameters
    ----------
    extractor, source, ... : see `blcf.adding.stream.stream_pictures`
    side : longer side of the larger copy, pixels; it may as well be the smaller one

    Yields
    ------
    The picture, and its larger copy; None where there is no such, as the picture's content is an
    error. The content of the second may be an error too, where that of the first is none.
    """
    from blcf.features.pipeline import extract_pictures

    of_larger = copy(extractor)
    of_larger.side = side
    pictures: Any = (_InBothSizes(source.original(name), side, beside) for name in names)
    both: Any = None if kept is None else _KeptInBoth(kept, extractor.side, large)
    n_bytes = extractor.loaded_bytes + of_larger.loaded_bytes
    how: dict[str, Any] = {"kept": both, "large": large, "on_device": on_device}
    first = extract_pictures(extractor, pictures, encode, loaded_bytes=n_bytes, **how)
    waiting: deque[Extracted[T]] = deque()

    def copies() -> Iterator[Any]:
        """The larger copies of pictures whose first map is made."""
        for one in first:
            larger: Any = one.beside  # None where it could not be read
            waiting.append(replace(one, beside=None if larger is None else larger[0]))
            if not isinstance(one.content, UnreadableImage):
                yield _Resized(one.name, larger[1])
            del one, larger

    second = extract_pictures(of_larger, copies(), encode, on_device=on_device)
    with closing(first), closing(second), bar_of_pictures(len(names), description, progress) as bar:
        for one in second:
            while isinstance(waiting[0].content, UnreadableImage):
                bar.update()
                yield waiting.popleft(), None
            bar.update()
            yield waiting.popleft(), one
        while waiting:
            bar.update()
            yield waiting.popleft(), None
