"""One picture as its source has it: a file, or what the caller gave; read when it is its turn."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images.bounds import Refused, check_size
from blcf.images.frame_names import file_of
from blcf.images.names import display_name
from blcf.images.pixels import ImageLike, as_image
from blcf.images.reading import Large, Stamp, read_resized, read_through
from blcf.images.resizing import resize_image
from blcf.images.sizes import read_size
from blcf.storage import open_plain

__all__ = [
    "FileOriginal",
    "GivenOriginal",
    "Loaded",
    "Original",
    "PictureFacts",
    "content_digest",
    "file_digest",
    "file_state",
]

T = TypeVar("T")
_BLOCK = 1 << 20
Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]


@dataclass(frozen=True)
class PictureFacts:
    """What is known of a picture beside its pixels.

    Attributes
    ----------
    mtime_ns : when its file was changed last, ns since 1970; 0 where it is none
    n_bytes : of its file; -1 where it is none
    digest : of the bytes of its file, 63 bits of BLAKE2b; 0 where it is none
    video : the film that it is a frame of, or ""
    time : of the frame in the film, s; NaN where it is none
    shot : the number of the frame's shot; -1 where it is none
    """

    mtime_ns: int = 0
    n_bytes: int = -1
    digest: int = 0
    video: str = ""
    time: float = math.nan
    shot: int = -1

    @classmethod
    def of_file(cls, state: os.stat_result, content: bytes) -> PictureFacts:
        """Those of a file, by its state while it was read and its bytes."""
        return cls(state.st_mtime_ns, len(content), content_digest(content))


def content_digest(content: bytes) -> int:
    """63 bits of BLAKE2b: what tells two files of one length apart; never 0."""
    return _digest_of(hashlib.blake2b(content, digest_size=8))


def file_digest(path: str | os.PathLike[str]) -> int:
    """`content_digest` of a file of any length, read a part at a time; OSError where it fails."""
    digest = hashlib.blake2b(digest_size=8)
    with open_plain(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return _digest_of(digest)


def _digest_of(digest: hashlib.blake2b) -> int:
    return (int.from_bytes(digest.digest(), "little") >> 1) or 1


@dataclass(frozen=True, eq=False)
class Loaded(Generic[T]):
    """What was made of a picture in a thread that read it.

    Attributes
    ----------
    content : what was made of it
    size : (width, height) of the original, pixels
    facts : `PictureFacts`
    beside : what else was made of it in that thread, if anything
    """

    content: T
    size: Size
    facts: PictureFacts = PictureFacts()
    beside: Any = None


class Original(Protocol):
    """A picture of a source; every source of pictures has its own kind."""

    @property
    def name(self) -> str:
        """The name that it has in a collection."""

    def state(self) -> list[int] | None:
        """What tells whether it has changed; None where there is no picture any more."""

    def size(self) -> Size | None:
        """Width and height as far as they can be told without decoding; None where unknown."""

    def through(self, use: Callable[[Pixels], T]) -> Loaded[T]:
        """What is made of its pixels, uint8 (height, width, 3); `UnreadableImage` where none."""

    def resized(self, side: int, large: Large | None = None) -> Loaded[Pixels]:
        """The picture with a longer side of `side` pixels, as `blcf.images.resize_image` makes it.

        `large` is entered while a large one is decoded.
        """

    def resized_each(
        self, sides: Sequence[int], large: Large | None = None
    ) -> list[Loaded[Pixels]]:
        """`resized` to each of some sides, of one state of the picture."""


@dataclass(frozen=True, slots=True)
class FileOriginal:
    """A picture in a file."""

    name: str
    path: Path

    def state(self) -> list[int] | None:
        """Time of change (ns) and bytes of the file."""
        return file_state(self.path)

    def size(self) -> Size | None:
        """From the head of the file, see `blcf.images.sizes.read_size`."""
        return read_size(self.path)

    def through(self, use: Callable[[Pixels], T]) -> Loaded[T]:
        """What is made of its pixels; room for them is held until `use` returns."""
        facts: list[PictureFacts] = []
        content, size = read_through(self.path, use, stamp=_into(facts))
        return Loaded(content, size, facts[0])

    def resized(self, side: int, large: Large | None = None) -> Loaded[Pixels]:
        """The picture in the network's size, in less memory than its pixels take."""
        facts: list[PictureFacts] = []
        pixels, size = read_resized(self.path, side, large=large, stamp=_into(facts))
        return Loaded(pixels, size, facts[0])

    def resized_each(
        self, sides: Sequence[int], large: Large | None = None
    ) -> list[Loaded[Pixels]]:
        """Decoded for each side: that takes less memory than all pixels of a large picture.

        Of a JPEG of 4,000 x 3,000 two sides take .15 s, all pixels .40 s; of a WebP .71 and .62.
        """
        loaded = [self.resized(side, large) for side in sides]
        if len({one.facts.digest for one in loaded}) > 1:
            reason = "it has changed while it was read"
            error = UnreadableImage(f"{display_name(self.path)}: {reason}")
            error.reason = reason
            raise error
        return loaded


@dataclass(frozen=True, eq=False)
class GivenOriginal:
    """A picture of any form that the caller holds: array, picture of Pillow, or bytes of a file."""

    name: str
    picture: ImageLike

    def state(self) -> list[int] | None:
        """A check sum of its pixels, or of its bytes."""
        try:
            content = self._content()
        except UnreadableImage:
            return None
        return [content_digest(content.tobytes()), *content.shape]

    def size(self) -> Size | None:
        """Of an array or a picture of Pillow; the bytes of a file would have to be decoded."""
        if isinstance(self.picture, Image.Image):
            return self.picture.size
        shape = np.shape(self.picture) if isinstance(self.picture, np.ndarray) else ()
        return (shape[1], shape[0]) if len(shape) > 1 else None

    def through(self, use: Callable[[Pixels], T]) -> Loaded[T]:
        """What is made of its pixels."""
        pixels = self._pixels()
        return Loaded(use(pixels), (pixels.shape[1], pixels.shape[0]))

    def resized(self, side: int, large: Large | None = None) -> Loaded[Pixels]:
        """The picture in the network's size."""
        return self.through(lambda pixels: resize_image(pixels, side))

    def resized_each(
        self, sides: Sequence[int], large: Large | None = None
    ) -> list[Loaded[Pixels]]:
        """The picture in several sizes."""
        return resized_together(self, sides)

    def _content(self) -> npt.NDArray[Any]:
        if isinstance(self.picture, (bytes, bytearray, memoryview)):
            return np.frombuffer(self.picture, dtype=np.uint8)
        return self._pixels()

    def _pixels(self) -> Pixels:
        """Its pixels; whatever is wrong with it is told of this one picture, which is skipped."""
        try:
            pixels = as_image(self.picture)
            check_size(pixels.shape[1], pixels.shape[0])
            return pixels
        except (InvalidInput, Refused) as error:
            reason = getattr(error, "reason", "") or str(error)
            unreadable = UnreadableImage(f"{display_name(self.name)}: {reason}")
            unreadable.reason = reason
            raise unreadable from error


def resized_together(original: Original, sides: Sequence[int]) -> list[Loaded[Pixels]]:
    """A picture in several sizes, decoded once."""
    loaded = original.through(lambda pixels: [resize_image(pixels, side) for side in sides])
    return [Loaded(one, loaded.size, loaded.facts) for one in loaded.content]


def _into(facts: list[PictureFacts]) -> Stamp:
    return lambda state, content: facts.append(PictureFacts.of_file(state, content))


def file_state(path: str | os.PathLike[str]) -> list[int] | None:
    """Time of change (ns) and bytes of a file, which tell whether it has changed; None: no file.

    Of a frame (``film.mp4@00:01:12.500``) they are those of its film.
    """
    try:
        state = os.stat(file_of(path))
    except (OSError, ValueError):  # ValueError: a NUL character in the path
        return None
    return [state.st_mtime_ns, state.st_size]
