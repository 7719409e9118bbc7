"""What a TIFF declares, and the file with a directory of nothing but the tags of its pixels.

A directory can point at the same bytes from 65,535 tags, at other directories, at a tile of two
gigabytes. What decoding needs is known (TIFF 6.0 and its technical notes 1 and 2): these tags alone
are written into a new directory behind the file, and the header leads there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from blcf.images.bounds import (
    MAX_PIXELS,
    MAX_SCANNED,
    Declared,
    Refused,
    check_parts,
    not_a_picture,
)

__all__ = ["declare_tiff"]

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 16: 8}  # bytes of a value, by its type
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _ORIENTATION, _SAMPLES = 256, 257, 258, 259, 274, 277
_STRIPS, _ROWS, _STRIP_BYTES = 273, 278, 279
_TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _XMP = 322, 323, 324, 325, 700
_PARTS = (_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES)

# Tags of one whole number; those without a name say how grey is meant, the order of bits, planes,
# fax options, the predictor, where old JPEG lies, and where its colours are sampled.
_SINGLE = frozenset(
    [_WIDTH, _HEIGHT, _COMPRESSION, _ORIENTATION, _SAMPLES, _ROWS, _TILE_WIDTH, _TILE_HEIGHT]
    + [262, 266, 284, 292, 293, 317, 512, 513, 514, 515, 531]
)
# Tags of several values, and the types they may have: palette, extra samples, kinds of samples,
# tables of JPEG, coefficients and sampling of YCbCr, its black and white, tables of old JPEG.
_SEVERAL: dict[int, tuple[int, ...]] = {_BITS: (3,), 320: (3,), 338: (3,), 339: (3,)}
_SEVERAL |= {347: (7,), 529: (5,), 530: (3,), 532: (5,), _XMP: (1, 7)}
_SEVERAL |= {tag: (3, 4, 16) for tag in (*_PARTS, 519, 520, 521)}

_MOST_SAMPLES = 6  # as Pillow
_MOST_VALUES = 1 << 20
_BY_JPEG = (6, 7)  # values of _COMPRESSION


@dataclass(frozen=True)
class _Tag:
    """A tag of a directory: its type, how many values, and the values as they lie in the file."""

    kind: int
    n_values: int
    field: bytes  # of the directory: the values, or where they are
    values: bytes

    def number(self, order: str) -> int:
        """The first value, a whole number."""
        number: int = struct.unpack_from(order + _INTEGERS[self.kind], self.values)[0]
        return number


def declare_tiff(data: bytes) -> Declared:
    """Read the first directory, and give the file one of its own."""
    order = "<" if data.startswith(b"II") else ">"
    # Pillow takes the other byte order in the header, too.
    if data[2:4] not in (b"*\0", b"\0*", b"+\0", b"\0+"):
        raise not_a_picture()
    is_big = b"+" in data[2:4]
    tags = _read_tags(data, order, is_big)

    def number(tag: int, default: int) -> int:
        return tags[tag].number(order) if tag in tags else default

    width, height, n_samples = number(_WIDTH, 0), number(_HEIGHT, 0), number(_SAMPLES, 1)
    if n_samples > _MOST_SAMPLES:
        raise Refused(f"it has {n_samples} values a pixel; at most {_MOST_SAMPLES} are read")
    part = width, min(number(_ROWS, height), height)
    if _TILE_WIDTH in tags:
        part = number(_TILE_WIDTH, 0), number(_TILE_HEIGHT, 0)
    if not min(width, height, *part):
        raise not_a_picture()
    n_part_pixels = part[0] * part[1]
    n_parts = -(-width // part[0]) * -(-height // part[1])
    if n_parts * n_part_pixels > MAX_PIXELS + 2 * width * height:
        raise Refused(f"its tiles are too large ({part[0]} x {part[1]} pixels)")
    check_parts(max(n_parts, *(tags[tag].n_values for tag in _PARTS if tag in tags)), "parts")
    # Of one part libtiff itself reads no more than a hundred scans.
    if number(_COMPRESSION, 1) in _BY_JPEG:
        if data.count(b"\xff\xda") * n_part_pixels > MAX_SCANNED:
            raise Refused("its parts are JPEG of more scans than are read")
    xmp, orientation = tags.pop(_XMP, None), number(_ORIENTATION, 0)
    tags.pop(_ORIENTATION, None)  # the caller turns what is stored
    bits = tags[_BITS].values if _BITS in tags else struct.pack(order + "H", 1)
    n_bits = max(struct.unpack(f"{order}{len(bits) // 2}H", bits))
    bytes_per_pixel = 4 if n_samples > 1 or n_bits > 16 else 2 if n_bits > 8 else 1
    return Declared(
        "TIFF",
        _with_tags(data, tags, order, is_big),
        width,
        height,
        bytes_per_pixel,
        len(data) + n_part_pixels * max(4, n_samples * n_bits // 8),
        xmp=xmp.values if xmp else b"",
        orientation=orientation or None,
    )


def _read_tags(data: bytes, order: str, is_big: bool) -> dict[int, _Tag]:
    """Those tags of the first directory that decoding needs."""
    entry = order + ("HHQ8s" if is_big else "HHI4s")
    (at,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
    (n_tags,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, at)
    at += 8 if is_big else 2
    check_parts(n_tags, "tags")
    tags: dict[int, _Tag] = {}
    for _ in range(n_tags):
        number, kind, n_values, field = struct.unpack_from(entry, data, at)
        at += struct.calcsize(entry)
        kinds = _INTEGERS if number in _SINGLE else _SEVERAL.get(number, ())
        if not kinds or number in tags or not n_values:
            continue
        if number == _XMP and (kind not in kinds or n_values > _MOST_VALUES):
            continue
        if kind not in kinds or n_values > _MOST_VALUES:
            raise not_a_picture()
        start, n_bytes = 0, n_values * _SIZES[kind]
        values = field
        if n_bytes > len(field):
            (start,) = struct.unpack(order + ("Q" if is_big else "I"), field)
            values = data[start : start + n_bytes]
        if len(values) < n_bytes:
            raise not_a_picture()
        tags[number] = _Tag(kind, n_values, field, values[:n_bytes])
    return tags


def _with_tags(data: bytes, tags: dict[int, _Tag], order: str, is_big: bool) -> bytes:
    """The file with another directory, behind what was there."""
    entry = order + ("HHQ8s" if is_big else "HHI4s")
    rows = []
    for number, tag in sorted(tags.items()):
        if number in _SINGLE:  # one value, whatever was written: Pillow warns of more
            value = struct.pack(order + "I", tag.number(order))
            rows.append(struct.pack(entry, number, 4, 1, value))
        else:
            rows.append(struct.pack(entry, number, tag.kind, tag.n_values, tag.field))
    at = len(data) + len(data) % 2  # directories begin at even places
    if is_big:
        head = data[:2] + struct.pack(order + "HHHQ", 43, 8, 0, at)
        count, end = struct.pack(order + "Q", len(rows)), bytes(8)
    else:
        head = data[:2] + struct.pack(order + "HI", 42, at)
        count, end = struct.pack(order + "H", len(rows)), bytes(4)
    rest = memoryview(data)[len(head) :]
    return b"".join([head, rest, bytes(at - len(data)), count, *rows, end])
