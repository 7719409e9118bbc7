"""Deletion marks: which images of an immutable segment are removed, as text in the manifest.

Packed bits, deflated, in base 64: at most 6 KB for a segment of 32,768 images. In the manifest
they share its digest, its copy and its swap; lost marks would bring removed pictures back.
"""

from __future__ import annotations

import base64
import zlib

import numpy as np

from blcf.errors import FormatError

__all__ = ["pack_removed", "unpack_live"]


def pack_removed(live: np.ndarray | None) -> str | None:
    """The marks of a segment from its mask of live images, bool (n_images,)."""
    if live is None or live.all():
        return None
    return base64.b64encode(zlib.compress(np.packbits(~live).tobytes(), 9)).decode("ascii")


def unpack_live(text: str | None, n_images: int) -> np.ndarray | None:
    """The mask of live images, bool (n_images,), or None where all live.

    Raises
    ------
    FormatError
        The marks are not of so many images; the message is a clause without the file.
    """
    if text is None:
        return None
    n_bytes = (n_images + 7) // 8
    try:
        # A bound: a few damaged bytes could otherwise stand for gigabytes.
        packed = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), n_bytes + 1)
    except (ValueError, zlib.error) as error:
        raise FormatError(f"its deletion marks cannot be read ({error})") from error
    if len(packed) != n_bytes:
        raise FormatError(f"its deletion marks are not of {n_images} images")
    return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=n_images) == 0
