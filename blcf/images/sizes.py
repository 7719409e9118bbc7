"""How large a picture is, from the head of its file: nothing is decoded."""

from __future__ import annotations

import os

from PIL import Image

from blcf.images.bounds import FORMATS

__all__ = ["read_size"]


def read_size(path: str | os.PathLike[str]) -> tuple[int, int] | None:
    """Width and height in pixels, as stored (whatever the EXIF orientation); None where unknown.

    That a file has a size does not say that its pixels can be read.
    """
    if not os.path.isfile(path):  # opening a pipe would wait for a writer
        return None
    try:
        with open(path, "rb") as file, Image.open(file, formats=FORMATS) as image:
            return image.size
    except Exception:  # of every kind, see `blcf.images.reading.read_as`
        return None
