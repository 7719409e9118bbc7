"""Pillow, given bytes that were checked: opens and decodes them without a word.

`PIL.Image.open` is passed over. It warns of pictures that are within our limit, and tries some
forty formats, for one of which (EPS) it starts the program Ghostscript on the file.
"""

from __future__ import annotations

import io
import struct
from contextlib import nullcontext

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from blcf.images.bounds import BOXED, Declared, Refused, not_a_picture
from blcf.images.complaints import without_complaints
from blcf.images.heif import open_boxed
from blcf.images.orientation import ORIENTATION, exif_orientation, xmp_orientation

__all__ = ["decode", "open_declared", "orientation_of"]


class _Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF whose size was checked, and of which Pillow need not warn."""

    def load_prepare(self) -> None:
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)
        ImageFile.ImageFile.load_prepare(self)


_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "TIFF": _Tiff,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
}


def open_declared(declared: Declared) -> ImageFile.ImageFile:
    """A picture whose header is read and whose pixels are not, until `decode`."""
    # In memory: Pillow would map a file, and the process would end if the file shrank meanwhile.
    try:
        if declared.format in BOXED:
            image = open_boxed(declared)
        else:
            image = _READERS[declared.format](io.BytesIO(declared.data))
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        raise not_a_picture() from error
    if image.size != (declared.width, declared.height):
        raise Refused("its header says two sizes")
    return image


def decode(image: ImageFile.ImageFile, declared: Declared) -> int:
    """Decode the pixels; gives the orientation they are stored in, 1 (upright) to 8.

    An EXIF orientation is preferred to one of XMP.
    """
    with without_complaints() if declared.format == "TIFF" else nullcontext():
        image.load()
    # After that: a PNG may have its EXIF behind the pixels.
    exif = declared.exif or image.info.get("exif") or _raw_profile(image)
    said = declared.orientation or exif_orientation(exif)
    if said is None:
        xmp = declared.xmp or image.info.get("XML:com.adobe.xmp") or image.info.get("xmp")
        said = xmp_orientation(xmp) if isinstance(xmp, (str, bytes)) else None
    return said or 1


def orientation_of(image: Image.Image) -> int:
    """The orientation, 1 to 8, of a picture that somebody else opened, or made."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # a damaged block can raise anything
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _raw_profile(image: ImageFile.ImageFile) -> bytes:
    """EXIF as ImageMagick writes it into a PNG: digits, behind three lines."""
    text = image.info.get("Raw profile type exif")
    try:
        return bytes.fromhex("".join(text.split("\n")[3:])) if isinstance(text, str) else b""
    except ValueError:
        return b""
