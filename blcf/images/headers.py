"""What a picture declares, whatever its format, which its first bytes tell.

PNG, GIF, WebP and BMP are short enough to stand here; jpeg.py, tiff.py and heif.py have the others.
"""

from __future__ import annotations

import struct

from blcf.images.bounds import (
    MAX_RUN_LENGTH,
    Declared,
    Refused,
    check_parts,
    not_a_picture,
)
from blcf.images.heif import declare_boxed
from blcf.images.jpeg import declare_jpeg
from blcf.images.tiff import declare_tiff

__all__ = ["declare"]

_ANIMATION = frozenset([b"acTL", b"fcTL", b"fdAT"])  # chunks of PNG; the first picture needs none


def declare(data: bytes) -> Declared:
    """Walk the structure of a picture, and count what it asks for.

    Raises
    ------
    Refused
        None of the formats, a damaged header, or more than a bound of bounds.py.
    """
    for prefix, reader in _READERS.items():
        if data.startswith(prefix):
            try:
                return reader(data)
            except (struct.error, IndexError) as error:  # cut short
                raise not_a_picture() from error
    if data[4:8] == b"ftyp":
        return declare_boxed(data)
    raise not_a_picture()


def _png(data: bytes) -> Declared:
    kind, width, height, depth, colour = struct.unpack_from(">4sIIBB", data, 12)
    if kind != b"IHDR":
        raise not_a_picture()
    kept, kept_from, at, n_chunks = [], 0, 8, 0
    while at + 8 <= len(data) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        n_chunks += 1
        check_parts(n_chunks, "chunks")
        end = at + 12 + length
        if kind in _ANIMATION:
            kept.append(memoryview(data)[kept_from:at])
            kept_from = end
        at = end
    if kept:
        data = b"".join([*kept, memoryview(data)[kept_from:]])
    is_small = colour == 3 or (colour == 0 and depth <= 8)
    return Declared("PNG", data, width, height, 1 if is_small else 4)


def _gif(data: bytes) -> Declared:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at = 13 + (3 << (flags % 8 + 1) if flags & 0x80 else 0)
    n_blocks = 0
    while data[at] != 0x2C:  # the first frame
        if data[at] == 0x3B:  # the end
            raise not_a_picture()
        at += 1
        if data[at - 1] != 0x21:
            continue
        at += 1  # the kind of extension
        while n_bytes := data[at]:
            at += 1 + n_bytes
            n_blocks += 1
            check_parts(n_blocks, "blocks before its first frame")
        at += 1
    left, top, frame_width, frame_height = struct.unpack_from("<HHHH", data, at + 1)
    # A frame may reach beyond the screen: the picture is what holds both.
    size = max(width, left + frame_width), max(height, top + frame_height)
    if size != (width, height) and max(size) < 1 << 16:
        data = data[:6] + struct.pack("<HH", *size) + data[10:]
    return Declared("GIF", data, *size, 2)


def _webp(data: bytes) -> Declared:
    kind = data[8:16]
    if kind == b"WEBPVP8X":
        sides = struct.unpack("<II", data[24:27] + b"\0" + data[27:30] + b"\0")
        width, height = (one + 1 for one in sides)
    elif kind == b"WEBPVP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = bits % 0x4000 + 1, (bits >> 14) % 0x4000 + 1
    elif kind == b"WEBPVP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (one % 0x4000 for one in struct.unpack_from("<HH", data, 26))
    else:
        raise not_a_picture()
    check_parts(data.count(b"ANMF"), "frames")
    # Two canvases of the decoder, a copy and Pillow's picture: 178 million took 3.1 GB.
    return Declared("WEBP", data, width, height, 16)


def _bmp(data: bytes) -> Declared:
    (n_header,) = struct.unpack_from("<I", data, 14)
    if n_header == 12:
        width, height, _, depth = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, depth, compression = struct.unpack_from("<iiHHI", data, 18)
    is_run_length = compression in (1, 2)
    if is_run_length and abs(width * height) > MAX_RUN_LENGTH:
        raise Refused(
            f"it is a run-length coded BMP of {width} x {abs(height)} pixels; of such at most "
            f"{MAX_RUN_LENGTH} are read"
        )
    bytes_per_pixel = 4 if depth > 8 else 1
    return Declared("BMP", data, width, abs(height), bytes_per_pixel + 3 * is_run_length)


_READERS = {
    b"\xff\xd8\xff": declare_jpeg,
    b"\x89PNG\r\n\x1a\n": _png,
    b"GIF87a": _gif,
    b"GIF89a": _gif,
    b"RIFF": _webp,
    b"BM": _bmp,
    b"II": declare_tiff,
    b"MM": declare_tiff,
}
