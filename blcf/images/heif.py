"""HEIC and AVIF: pictures in the boxes of ISO/IEC 23008-12. The one home of pillow-heif.

HEIC is read by pillow-heif (extra ``heic``), AVIF by Pillow itself where it was built with libavif.
Both are imported late, and never registered with Pillow: what a program opens by `PIL.Image.open`
is not changed.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

from PIL import ImageFile

from blcf.images.bounds import Declared, Refused, check_parts, check_size, not_a_picture

__all__ = ["NEEDS_AVIF", "NEEDS_HEIF", "declare_boxed", "open_boxed"]

NEEDS_HEIF = "it is a HEIC picture, and these need pillow-heif: pip install 'blcf[heic]'"
NEEDS_AVIF = "it is an AVIF picture, which this Pillow cannot read: pip install 'pillow>=11.3'"

_AVIF = frozenset([b"avif", b"avis"])
_HEIF = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"mif2"])
# What a decoder keeps beside Pillow's picture: planes of up to 16 bits, and a copy of the pixels.
_BYTES_PER_PIXEL = 16
_MOST_TYPES = 64  # brands of a file that are looked at


def declare_boxed(data: bytes) -> Declared:
    """What a file that begins with a box ``ftyp`` declares.

    Raises
    ------
    Refused
        It is none of both (a film by another name), damaged, too large, or nothing here reads it.
    """
    kind = _kind(data)
    for width, height in _extents(data):
        check_size(width, height, min_side=1)
    image = _opened(kind, data)
    size = image.size
    image.close()
    return Declared(kind, data, *size, _BYTES_PER_PIXEL)


def open_boxed(declared: Declared) -> ImageFile.ImageFile:
    """The same, opened: the pixels are not decoded yet.

    Those of a HEIC are turned as it says when they are, so that their orientation is 1.
    """
    return _opened(declared.format, declared.data)


def _kind(data: bytes) -> str:
    """AVIF or HEIF, by the brands: the first that is one of either."""
    (length,) = struct.unpack_from(">I", data)
    brands = [data[8:12]]
    end = min(length, len(data), 16 + 4 * _MOST_TYPES)
    brands += [data[at : at + 4] for at in range(16, end - 3, 4)]
    if _AVIF.intersection(brands):
        return "AVIF"
    if _HEIF.intersection(brands):
        return "HEIF"
    raise not_a_picture()


def _extents(data: bytes) -> Iterator[tuple[int, int]]:
    """The sizes of all that the file holds: pictures, tiles of them, thumbnails, depths."""
    at, n_found = data.find(b"ispe"), 0
    while 0 <= at <= len(data) - 16:
        n_found += 1
        check_parts(n_found, "pictures and tiles")
        if data[at - 4 : at] == b"\0\0\0\x14":  # else four letters of the pixels
            yield struct.unpack_from(">II", data, at + 8)
        at = data.find(b"ispe", at + 4)


def _opened(kind: str, data: bytes) -> ImageFile.ImageFile:
    reader: type[ImageFile.ImageFile]
    if kind == "AVIF":
        try:
            from PIL import AvifImagePlugin
        except ImportError as error:  # Pillow before 11.3
            raise Refused(NEEDS_AVIF) from error
        if not AvifImagePlugin.SUPPORTED:
            raise Refused(NEEDS_AVIF)
        reader = AvifImagePlugin.AvifImageFile
    else:
        try:
            from pillow_heif import HeifImageFile
        except ImportError as error:
            raise Refused(NEEDS_HEIF) from error
        reader = HeifImageFile
    try:
        return reader(io.BytesIO(data))
    except (SyntaxError, ValueError, EOFError, RuntimeError) as error:
        raise not_a_picture() from error
