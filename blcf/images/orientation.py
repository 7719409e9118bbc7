"""Which way up a picture is: its EXIF orientation, and arrays turned by it.

The orientation is one number of one directory. It is read here, not by Pillow, which reads every
tag of every directory first: what a tag points at may be the whole block, as often as there are
tags.
"""

from __future__ import annotations

import re
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ORIENTATION", "as_stored", "exif_orientation", "xmp_orientation"]

ORIENTATION = 0x0112  # EXIF tag
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # types of values (TIFF 6.0)
_MOST_XMP = 1 << 20


def exif_orientation(block: bytes) -> int | None:
    """The orientation, 1 to 8, that an EXIF block says; None where it says none.

    Viewers show a picture as it is stored where the block is damaged; refusing it would lose a good
    picture for a tag that most do not have.
    """
    while block.startswith(b"Exif\0\0"):  # some write it twice
        block = block[6:]
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    try:
        (at,) = struct.unpack_from(order + "I", block, 4)
        (n_tags,) = struct.unpack_from(order + "H", block, at)
        rows = struct.iter_unpack(order + "HHI4s", block[at + 2 : at + 2 + 12 * n_tags])
        for tag, kind, n_values, field in rows:
            if tag == ORIENTATION:
                if kind not in _INTEGERS or n_values != 1:
                    return None
                return _checked(struct.unpack_from(order + _INTEGERS[kind], field)[0])
    except struct.error:
        pass
    return None


def xmp_orientation(text: str | bytes) -> int | None:
    """The orientation that an XMP packet says, for pictures whose EXIF says none."""
    content = text.encode("utf-8", "replace") if isinstance(text, str) else text
    found = re.search(rb'tiff:Orientation(?:="|>)([0-9])', content[:_MOST_XMP])
    return _checked(int(found[1])) if found else None


def _checked(value: Any) -> int | None:
    return value if 1 <= value <= 8 else None


def as_stored(upright: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """A view of an upright picture, (height, width, n), in which its pixels lie as in the file.

    What is written into the view comes out the right way up (EXIF 2.32, tag Orientation).
    """
    if orientation in (2, 3, 6, 7):
        upright = upright[:, ::-1]
    if orientation in (3, 4, 7, 8):
        upright = upright[::-1]
    if orientation >= 5:  # rows and columns are exchanged
        upright = upright.transpose(1, 0, 2)
    return upright
