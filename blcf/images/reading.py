"""A picture file as an RGB array, the right way up, or an error that names the file and the reason.

Invariant: whatever the bytes of the file, the functions here return arrays or raise
`UnreadableImage`; nothing else escapes, nothing is printed or warned of, and the file is closed.
One bad picture never stops a run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from blcf.errors import BlcfError, FormatError, UnreadableImage
from blcf.images.bounds import MAX_BYTES, MAX_PIXELS, Declared, Refused, check_size
from blcf.images.decoding import decode, open_declared, orientation_of
from blcf.images.headers import declare
from blcf.images.names import display_name
from blcf.images.resizing import resize_image
from blcf.images.room import Room, give_back
from blcf.images.upright import GAP, reduced_rgb, resized_rgb, turned, upright_rgb
from blcf.storage import open_plain

__all__ = [
    "Large",
    "Stamp",
    "convert_image",
    "decode_image",
    "read_as",
    "read_image",
    "read_resized",
    "read_through",
]

T = TypeVar("T")
Pixels = npt.NDArray[np.uint8]
Size = tuple[int, int]
Name = str | os.PathLike[str]

Large = Callable[[Path], AbstractContextManager[None]]
"""What is entered while a large picture is decoded; what it raises of ours is raised."""
Stamp = Callable[[os.stat_result, bytes], object]
"""What gets the state of a file as it is read, and its bytes."""

_ROOM = Room()


def read_image(path: Name, *, min_side: int = 16, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Read a picture: JPEG, PNG, BMP, TIFF, WebP, GIF, AVIF or HEIC, of any mode, as RGB.

    AVIF needs Pillow 11.3, HEIC pillow-heif (extra ``heic``). The format is told from the content,
    not from the file's ending. Of an animation or of several pages the first is read. The EXIF
    orientation is applied (all eight); transparent pixels are composited over white;
    `blcf.images.modes` says how each mode becomes RGB.

    Nothing is decoded before the file's structure was held to the bounds of `blcf.images.bounds`:
    pixels, bytes, scans of a JPEG, chunks, frames, strips and tiles. Pictures that threads decode
    at the same time take `blcf.images.room.DECODING_BYTES` together at most, by their headers; one
    that needs more is decoded alone.

    Parameters
    ----------
    path : str or path-like
        The file.
    min_side : int
        Least length of the shorter side, pixels.
    max_pixels : int
        Most pixels the header may declare; the default is where Pillow, as it comes, refuses. Twice
        Pillow's own limit (`PIL.Image.MAX_IMAGE_PIXELS`, left as it is) also holds.

    Returns
    -------
    uint8 (height, width, 3)
        RGB, contiguous, the caller's own.

    Raises
    ------
    UnreadableImage
        If the file is missing, not a picture, damaged, cut short, too small or too large. The
        message is "<path>: <reason>"; the attribute `reason` (str) is the reason alone.

    Examples
    --------
    >>> read_image("no/such.jpg")
    Traceback (most recent call last):
        ...
    blcf.errors.UnreadableImage: no/such.jpg: there is no such file
    """
    return read_through(path, lambda image: image, min_side=min_side, max_pixels=max_pixels)[0]


def read_through(
    path: Name,
    use: Callable[[Pixels], T],
    *,
    min_side: int = 16,
    max_pixels: int = MAX_PIXELS,
    stamp: Stamp | None = None,
) -> tuple[T, Size]:
    """What is made of a picture (see `read_image`), and its size: (width, height), pixels.

    Room for the picture is held until `use` returns, whose errors are left as they are.
    """
    return _read(path, partial(_content, stamp=stamp), use, min_side, max_pixels)


def decode_image(data: bytes, *, min_side: int = 16, max_pixels: int = MAX_PIXELS) -> Pixels:
    """`read_image` of the bytes of a picture file."""
    name, content = _given(data)
    return _read(name, content, lambda image: image, min_side, max_pixels)[0]


def _given(data: bytes) -> tuple[str, Callable[[Name], bytes]]:
    """What messages call the bytes of a picture file, and what gives them."""

    def content(_: Name) -> bytes:
        if not data:
            raise Refused("there are none")
        return data

    return f"a picture of {len(data):,} bytes", content


def convert_image(image: Image.Image, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """`read_image` of a picture of any size that Pillow has opened, or made; it stays open."""

    def attempt() -> Pixels:
        check_size(*image.size, min_side=1, max_pixels=max_pixels)
        image.load()
        return upright_rgb(image, orientation_of(image))

    name = getattr(image, "filename", "") or f"a PIL.Image of mode {image.mode}"
    return _telling(name, attempt)


def read_as(
    convert: Callable[[Image.Image], Pixels], path: Name | bytes, *, min_side: int
) -> Pixels:
    """`read_image`, or of bytes `decode_image`, with a conversion to uint8 (height, width, n)."""
    path, content = _given(path) if isinstance(path, bytes) else (path, _content)
    with ExitStack() as held:
        image, orientation = _decoded(path, content, held, min_side, MAX_PIXELS)[:2]
        stored = _telling(path, partial(convert, image))
        del image
        return turned(stored, orientation)


def read_resized(
    path: Name, side: int, *, large: Large | None = None, stamp: Stamp | None = None
) -> tuple[Pixels, Size]:
    """``resize_image(read_image(path), side)``, and the picture's size, in less time and memory.

    A JPEG is decoded at an eighth, quarter or half of its size where twice `side` is left: the
    pixels are then not those of `resize_image` to the last bit. A large picture
    (`Declared.is_large`) is never there as a whole RGB array: four times `side` is left, and what
    is still larger is averaged over squares, band by band, before it is resized.

    Parameters
    ----------
    side : length of the longer side, pixels
    large : gets the path of a large picture; its context is held while that is decoded
    stamp : gets the state and the bytes of the file

    Returns
    -------
    uint8 (new height, new width, 3), and (width, height) of the picture, pixels
    """
    with ExitStack() as held:
        content = partial(_content, stamp=stamp)
        image, orientation, declared = _decoded(path, content, held, 16, MAX_PIXELS, side, large)
        size = declared.width, declared.height
        upright_size = size[::-1] if orientation >= 5 else size
        if declared.is_large or image.size != size:
            rgb = _telling(path, partial(reduced_rgb, image, orientation, size, side))
            del image  # before its room is given back
            return rgb, upright_size
        if orientation == 1 and image.mode == "RGB" and not image.has_transparency_data:
            return _telling(path, partial(resized_rgb, image, side)), size
        rgb = _telling(path, partial(upright_rgb, image, orientation))
    return resize_image(rgb, side), upright_size


def _read(
    name: Name,
    content: Callable[[Name], bytes],
    use: Callable[[Pixels], T],
    min_side: int,
    max_pixels: int,
) -> tuple[T, Size]:
    """What is made of the picture whose bytes `content` gives, and its size."""
    with ExitStack() as held:
        image, orientation = _decoded(name, content, held, min_side, max_pixels)[:2]
        rgb = _telling(name, partial(upright_rgb, image, orientation))
        del image  # before its array is used
        return use(rgb), (rgb.shape[1], rgb.shape[0])


def _decoded(
    path: Name,
    content: Callable[[Name], bytes],
    held: ExitStack,
    min_side: int,
    max_pixels: int,
    side: int | None = None,
    large: Large | None = None,
) -> tuple[ImageFile.ImageFile, int, Declared]:
    """A decoded picture, the orientation it is stored in, and what was declared.

    What must last as long as its pixels is entered into `held`. A large picture is decoded smaller
    where only a `side` is wanted and the format can.
    """

    def attempt() -> tuple[ImageFile.ImageFile, int, Declared]:
        declared = declare(content(path))
        check_size(declared.width, declared.height, min_side=min_side, max_pixels=max_pixels)
        reduced_to = side if declared.is_large else None
        n_rgb_bytes = 0 if reduced_to else declared.n_rgb_bytes
        held.enter_context(_ROOM.held(declared.n_bytes + n_rgb_bytes))
        if declared.is_large:
            held.callback(give_back)  # before the room is
            if large is not None:
                held.enter_context(large(Path(path)))
        image = open_declared(declared)
        if side:
            # Of a JPEG alone: 12 megapixels take 31 ms in place of 193, and the maps of VGG16 agree
            # to a cosine of .9999997. Where an eighth, a quarter or a half is not left, nothing.
            scale = max(1.0, max(image.size) / ((GAP if declared.is_large else 2) * side))
            least = max(1, round(image.width / scale)), max(1, round(image.height / scale))
            image.draft(None, least)
        return image, decode(image, declared), declared

    return _telling(path, attempt)


def _telling(path: Name, attempt: Callable[[], T]) -> T:
    """Turn whatever goes wrong into an `UnreadableImage` that says what, of which file."""
    try:
        return attempt()
    except BlcfError:
        raise
    except Exception as error:
        # Every kind: decoders raise SyntaxError, struct.error, zlib.error, ValueError, IndexError,
        # MemoryError, ... on damaged files, and warnings where the caller made them errors.
        # test_bad_pictures.py::test_damaged_bytes feeds them hundreds of damaged files.
        reason = _reason(error)
        unreadable = UnreadableImage(f"{display_name(path)}: {reason}")
        unreadable.reason = reason
        raise unreadable from error


def _content(path: Name, stamp: Stamp | None = None) -> bytes:
    """The bytes of a file that may be a picture."""
    if stat.S_ISDIR(os.stat(path).st_mode):
        raise Refused("it is a folder, not a picture")
    try:
        file = open_plain(path)
    except FormatError as error:  # opening a pipe would wait for a writer
        raise Refused("it is not a regular file") from error
    with file:
        state = os.fstat(file.fileno())
        n_bytes = state.st_size
        if n_bytes > MAX_BYTES:
            raise Refused(f"it is too large ({n_bytes} bytes; at most {MAX_BYTES} are read)")
        content = file.read(n_bytes)  # no more: memory is taken before anything is read
    if not content:
        raise Refused("the file is empty (0 bytes)")
    if stamp is not None:
        stamp(state, content)
    return content


def _reason(error: Exception) -> str:
    """Say in words why a picture could not be read."""
    text = str(error)
    if isinstance(error, Refused):
        return text
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it is too large ({text.rstrip('.')})"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "there is no such file"
    if isinstance(error, PermissionError):
        return "there is no permission to read it"
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    if isinstance(error, OSError) and error.errno is not None and error.strerror:
        return f"it cannot be read ({error.strerror})"
    if isinstance(error, EOFError) or "truncated" in text.lower() or "eof" in text.lower():
        return f"the file is cut short ({text or type(error).__name__})"
    kind = "" if isinstance(error, OSError) else f"{type(error).__name__}: "
    return f"the file is damaged ({kind}{text})"
