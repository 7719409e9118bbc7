"""A picture file as an RGB array, the right way up, or an error that names the file and the reason.

Invariant: whatever the bytes of the file, `read_image` returns an array or raises
`UnreadableImage`; nothing else escapes and the file is closed. One bad picture never stops a run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images.modes import to_rgb
from blcf.images.names import display_name

__all__ = ["read_image", "resize_image", "resized_size"]

# Named, because Pillow otherwise tries some forty formats, among them EPS, for which it starts
# the program Ghostscript on the file. JPEG includes the multi-picture files of telephones.
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")

_ORIENTATION = 0x0112  # EXIF tag

MAX_PIXELS = 178_956_970  # where Pillow, as it comes, refuses


def read_image(
    path: str | os.PathLike[str], *, min_side: int = 16, max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """Read a picture: JPEG, PNG, BMP, TIFF, WebP or GIF, of any mode, as RGB.

    The format is told from the content, not from the file's ending. Of an animation or of several
    pages the first is read. The EXIF orientation is applied (all eight); transparent pixels are
    composited over white; `blcf.images.modes` says how each mode becomes RGB.

    Parameters
    ----------
    path : str or path-like
        The file.
    min_side : int
        Least length of the shorter side, pixels.
    max_pixels : int
        Most pixels the header may declare; checked before anything is decoded. Pillow's own limit
        (`PIL.Image.MAX_IMAGE_PIXELS`, left as it is) also holds; the default is where Pillow, as
        it comes, refuses.

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
    return read_as(to_rgb, path, min_side=min_side, max_pixels=max_pixels)


def read_as(
    convert: Callable[[Image.Image], npt.NDArray[np.uint8]],
    path: str | os.PathLike[str],
    *,
    min_side: int,
    max_pixels: int = MAX_PIXELS,
) -> npt.NDArray[np.uint8]:
    """`read_image` with a conversion of one's own to uint8 (height, width, n)."""
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise _Refused("it is a folder, not a picture")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for a writer
            raise _Refused("it is not a regular file")
        if status.st_size == 0:
            raise _Refused("the file is empty (0 bytes)")
        # A file object of ours, not the path: it is closed on every way out, and Pillow does not
        # map the file into memory, which would end the process if the file shrank meanwhile.
        with open(path, "rb") as file, Image.open(file, formats=_FORMATS) as image:
            return _converted(convert, image, min_side=min_side, max_pixels=max_pixels)
    except Exception as error:
        # Every kind: decoders raise SyntaxError, struct.error, zlib.error, ValueError, IndexError,
        # MemoryError, ... on damaged files, and warnings where the caller made them errors.
        # test_bad_pictures.py::test_damaged_bytes feeds them hundreds of damaged files.
        raise _unreadable(path, _reason(error)) from error


def decode_image(
    data: bytes, *, min_side: int = 16, max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """`read_image` of the bytes of a picture file."""
    try:
        if not data:
            raise _Refused("there are none")
        with Image.open(BytesIO(data), formats=_FORMATS) as image:
            return _converted(to_rgb, image, min_side=min_side, max_pixels=max_pixels)
    except Exception as error:
        raise _unreadable(f"a picture of {len(data):,} bytes", _reason(error)) from error


def convert_image(
    image: Image.Image, *, max_pixels: int = MAX_PIXELS
) -> npt.NDArray[np.uint8]:
    """`read_image` of a picture of any size that Pillow has opened, or made; it stays open."""
    try:
        return _converted(to_rgb, image, min_side=1, max_pixels=max_pixels)
    except Exception as error:
        name = getattr(image, "filename", "") or f"a PIL.Image of mode {image.mode}"
        raise _unreadable(name, _reason(error)) from error


def _converted(
    convert: Callable[[Image.Image], npt.NDArray[np.uint8]],
    image: Image.Image,
    *,
    min_side: int,
    max_pixels: int,
) -> npt.NDArray[np.uint8]:
    """The pixels of an opened picture, the right way up."""
    _check_size(*image.size, min_side=min_side, max_pixels=max_pixels)
    image.load()
    # After load: a PNG may carry its EXIF behind the pixels, and a TIFF is turned by Pillow while
    # it loads, which also removes the tag.
    return _turned(convert(image), _orientation(image))


def resized_size(width: int, height: int, side: int, min_side: int = 32) -> tuple[int, int]:
    """Return the size of a picture whose longer side becomes `side` pixels.

    The aspect ratio is kept up to rounding to the nearest pixel (halves up), except that the
    shorter side gets at least `min_side`: a network needs a few cells in both directions.

    Parameters
    ----------
    width, height : int
        Size of the picture, pixels.
    side : int
        Wanted length of the longer side, pixels; at least `min_side`.
    min_side : int
        Least length of the shorter side, pixels.

    Returns
    -------
    (int, int)
        Width and height, pixels.

    Raises
    ------
    InvalidInput
        If a length is below 1, or `side` is below `min_side`.

    Examples
    --------
    >>> resized_size(4000, 3000, 340)
    (340, 255)
    >>> resized_size(3000, 20, 340)
    (340, 32)
    """
    if min(width, height) < 1:
        raise InvalidInput(f"Expected a picture of at least 1 x 1 pixels, got {width} x {height}.")
    if not 1 <= min_side <= side:
        raise InvalidInput(
            f"Expected 1 <= min_side <= side (pixels), got min_side={min_side} and side={side}."
        )
    longer, shorter = max(width, height), min(width, height)
    # Integers, so that no platform rounds a half differently.
    short_side = max(min_side, (2 * shorter * side + longer) // (2 * longer))
    return (side, short_side) if width >= height else (short_side, side)


def resize_image(
    image: npt.NDArray[np.uint8], side: int, min_side: int = 32
) -> npt.NDArray[np.uint8]:
    """Scale a picture, up or down, so that its longer side is `side` pixels.

    Pillow's bilinear filter, whose support grows with the reduction: a smaller picture is
    antialiased. Networks see other activations without that, and small objects are lost.

    Parameters
    ----------
    image : uint8 (height, width, 3)
        RGB. It is not changed.
    side : int
        Length of the longer side, pixels.
    min_side : int
        Least length of the shorter side, pixels; see `resized_size`.

    Returns
    -------
    uint8 (new height, new width, 3)
        RGB, always a new array.

    Raises
    ------
    InvalidInput
        If `image` is not such an array, or `side` is below `min_side`.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InvalidInput(
            "Expected an RGB picture, uint8 (height, width, 3), "
            f"got {image.dtype} {image.shape}. `read_image` returns such arrays."
        )
    height, width = image.shape[:2]
    size = resized_size(width, height, side, min_side)
    if size == (width, height):
        return np.array(image, dtype=np.uint8)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    return np.array(resized, dtype=np.uint8)  # (new height, new width, 3)


class _Refused(Exception):
    """A reason of our own not to read a file, in words."""


def _check_size(width: int, height: int, *, min_side: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise _Refused(
            f"it is too large ({width} x {height} pixels; at most {max_pixels} pixels are read)"
        )
    if min(width, height) < min_side:
        raise _Refused(
            f"it is too small ({width} x {height} pixels; "
            f"the shorter side must have at least {min_side})"
        )


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8; 1 (as stored) where there is none to be read."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:
        # The pixels are sound and only the EXIF block is damaged. Viewers show such a picture as
        # it is stored; refusing it would lose a good picture for a tag that most do not have.
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turned(image: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Turn a picture, (height, width, 3), the right way up (EXIF 2.32, tag Orientation)."""
    if orientation >= 5:  # rows and columns are exchanged
        image = image.transpose(1, 0, 2)  # (width, height, 3)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _unreadable(path: str | os.PathLike[str], reason: str) -> UnreadableImage:
    error = UnreadableImage(f"{display_name(path)}: {reason}")
    error.reason = reason
    return error


def _reason(error: Exception) -> str:
    """Say in words why a picture could not be read."""
    text = str(error)
    if isinstance(error, _Refused):
        return text
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it is too large ({text.rstrip('.')})"
    if isinstance(error, UnidentifiedImageError):  # its text holds only the file object
        return (
            "it is not a picture in one of the formats that are read "
            f"({', '.join(_FORMATS)}), or its header is damaged or cut short"
        )
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
