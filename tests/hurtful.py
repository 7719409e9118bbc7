"""Picture files made by hand that ask for more than any picture needs."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
    return saved(Image.new("RGB", size, (200, 30, 60)), "JPEG", **options)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def behind_the_start(data: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments before the others."""
    return data[:2] + b"".join(segments) + data[2:]


def jpeg_of_scans(n_scans: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A progressive JPEG whose last scan, of a few bytes, is repeated."""
    data = saved(Image.new("L", size, 128), "JPEG", progressive=True, quality=50)
    places = [at for at in range(len(data)) if data.startswith(b"\xff\xda", at)]
    last = data[places[-1] : -2]
    return data[:-2] + last * (n_scans - len(places)) + b"\xff\xd9"


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    checked = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checked)


def png(
    width: int,
    height: int,
    *,
    depth: int = 8,
    colour: int = 2,
    data: bytes = b"",
    more: bytes = b"",
) -> bytes:
    """A PNG whose header says what it likes; `data` are its pixels, `more` chunks before them."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + more
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def black_png(width: int, height: int, **options: Any) -> bytes:
    """A whole PNG of black RGB pixels."""
    return png(width, height, data=bytes(height * (1 + 3 * width)), **options)


def tiff(tags: dict[int, tuple[int, list[int]]], pixels: bytes = b"") -> bytes:
    """A TIFF of shorts (type 3) and longs (4), the pixels from byte 8 on, then the directory."""
    entries, beside = [], b""
    at = 8 + len(pixels) + len(pixels) % 2
    values_at = at + 2 + 12 * len(tags) + 4
    for number, (kind, values) in sorted(tags.items()):
        content = struct.pack(f"<{len(values)}{' BBHI'[kind]}", *values)
        if len(content) > 4:
            field = struct.pack("<I", values_at + len(beside))
            beside += content
        else:
            field = content.ljust(4, b"\0")
        entries.append(struct.pack("<HHI4s", number, kind, len(values), field))
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, at) + pixels.ljust(at - 8, b"\0") + directory + beside


def grey_tiff(width: int, height: int, **tags: tuple[int, list[int]]) -> bytes:
    """A plain grey TIFF; more tags, or others, by number: ``t322=(4, [16])``."""
    some = {
        **{256: (4, [width]), 257: (4, [height]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1])},
        **{273: (4, [8]), 277: (3, [1]), 278: (4, [height]), 279: (4, [width * height])},
    }
    some |= {int(name[1:]): value for name, value in tags.items()}
    return tiff(some, bytes(width * height))
