"""What a picture may ask of its decoder: the bounds, and what a file declares against them.

A decoder works as long as the file asks it to: a JPEG of 3 MB asked for 10,000 passes over its
pixels. So the structure of a file is walked first (headers.py, jpeg.py, tiff.py: markers, chunks,
blocks, tags; never the pixels), and a picture that asks for more than this is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

__all__ = [
    "BOXED",
    "FORMATS",
    "LARGE_BYTES",
    "MAX_BYTES",
    "MAX_PARTS",
    "MAX_PIXELS",
    "MAX_RUN_LENGTH",
    "MAX_SCANNED",
    "MAX_SCANS",
    "Declared",
    "Refused",
    "check_parts",
    "check_size",
    "not_a_picture",
]

# JPEG includes the multi-picture files of telephones, whose first picture is read.
FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")
BOXED = ("AVIF", "HEIF")  # of which not every installation reads both

MAX_PIXELS = 178_956_970  # where Pillow, as it comes, refuses
MAX_BYTES = 8 * MAX_PIXELS  # of a file: four channels of 16 bits, plain

# Of a JPEG. Encoders write 10; of 169 million pixels these take 6 s, a hundred take 18 s.
MAX_SCANS = 100
MAX_SCANNED = 20 * MAX_PIXELS  # pixels, summed over the scans

# Chunks of a PNG, segments before the pixels of a JPEG, frames of a WebP, strips or tiles of a
# TIFF, blocks before the first frame of a GIF. Cameras write some hundreds; a million took 7 s.
MAX_PARTS = 100_000

MAX_RUN_LENGTH = 16_000_000  # pixels of a run-length coded BMP, which Pillow decodes in Python


# From here on a picture is large: 76 million pixels of RGB, 41 million of a progressive JPEG, 28
# million of a WebP.
LARGE_BYTES = 512 << 20


class Refused(Exception):
    """A reason of our own not to read a file, in words."""


@dataclass(frozen=True)
class Declared:
    """A picture, before it is decoded.

    Attributes
    ----------
    format : one of `FORMATS`, or of `BOXED`
    data : the file, without what no picture needs (thumbnails, animations, other directories): the
        decoder neither works on that nor warns of it
    width, height : as the pixels are stored, pixels
    bytes_per_pixel : what decoding takes: Pillow's picture, and what its decoder keeps beside it
    n_other_bytes : what it takes beside that
    exif, xmp : the blocks that may hold the orientation, where they were left out of `data`
    orientation : of a TIFF, which keeps it among its own tags
    """

    format: str
    data: bytes
    width: int
    height: int
    bytes_per_pixel: int
    n_other_bytes: int = 0
    exif: bytes = b""
    xmp: bytes = b""
    orientation: int | None = None

    @property
    def n_bytes(self) -> int:
        """How much memory decoding takes, the file included, before there is an RGB array."""
        pixels = self.width * self.height * self.bytes_per_pixel
        return pixels + self.n_other_bytes + len(self.data)

    @property
    def n_rgb_bytes(self) -> int:
        """How much the picture takes as an RGB array."""
        return 3 * self.width * self.height

    @property
    def is_large(self) -> bool:
        """Whether reading it takes more than `LARGE_BYTES`."""
        return self.n_bytes + self.n_rgb_bytes > LARGE_BYTES


def check_parts(n_parts: int, what: str) -> None:
    """Refuse more parts than any picture has."""
    if n_parts > MAX_PARTS:
        raise Refused(f"it has more than {MAX_PARTS} {what}; no more are read")


def not_a_picture() -> Refused:
    """The reason where no header can be read."""
    return Refused(
        "it is not a picture in one of the formats that are read "
        f"({', '.join(FORMATS)}, AVIF, HEIC), or its header is damaged or cut short"
    )


def check_size(
    width: int, height: int, *, min_side: int = 16, max_pixels: int = MAX_PIXELS
) -> None:
    """Raise `Refused` for a picture of fewer or more pixels than are taken."""
    own_limit = Image.MAX_IMAGE_PIXELS  # of Pillow, which an application may set; None is none
    most = max_pixels if own_limit is None else min(max_pixels, 2 * own_limit)
    if width * height > most:
        raise Refused(
            f"it is too large ({width} x {height} pixels; at most {most} pixels are read)"
        )
    if min(width, height) < min_side:
        raise Refused(
            f"it is too small ({width} x {height} pixels; "
            f"the shorter side must have at least {min_side})"
        )
