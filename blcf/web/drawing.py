"""Pictures of a collection, and uploaded ones, as a browser shows them: JPEG, the right way up.

Whatever lies at the place of a picture is decoded under the package's bounds and encoded anew: no
bytes of a file leave the server as they are.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from blcf.errors import UnreadableImage
from blcf.images import ImageLike, as_image, file_state, frame_place, resize_image
from blcf.images.originals import FileOriginal
from blcf.web.catalogue import Catalogue
from blcf.web.refusals import Refusal

__all__ = ["SMALL", "WHOLE", "draw", "picture_tag", "place_of", "to_jpeg"]

SMALL, WHOLE = 82, 92  # qualities


def place_of(catalogue: Catalogue, number: int) -> ImageLike:
    """What shows a picture.

    Raises
    ------
    Refusal
        404: it was given by a program, and is in no file; or its name leads out of its folder.
    """
    there = catalogue.snapshot.picture(number)
    if there is None:
        raise Refusal(404, "This picture is in no file: a program gave it, and kept it.")
    if isinstance(there, Path) and ".." in there.parts:
        raise Refusal(404, "The place of this picture leads out of its folder.")
    return there


def picture_tag(catalogue: Catalogue, number: int, kind: str) -> str:
    """An ETag of a picture: another one when the file, or the picture of the id, is another."""
    there, kept = catalogue.snapshot.picture(number), catalogue.picture(number)["id"]
    state = file_state(there) if isinstance(there, Path) else None
    text = f"{catalogue.snapshot.path} {kept} {there if isinstance(there, Path) else ''} {state}"
    return f'"{hashlib.sha256(f"{text} {kind}".encode("utf-8", "replace")).hexdigest()[:24]}"'


def draw(catalogue: Catalogue, number: int, side: int, quality: int = SMALL) -> bytes:
    """A picture whose longer side has `side` pixels at most, as JPEG.

    Raises
    ------
    Refusal
        404: its file is gone, or cannot be read.
    """
    there = place_of(catalogue, number)
    try:
        is_large = max(catalogue.size(number)) > side
        if isinstance(there, Path) and is_large and frame_place(there) is None:
            return to_jpeg(FileOriginal(there.name, there).resized(side).content, side, quality)
        return to_jpeg(as_image(there), side, quality)
    except UnreadableImage as error:
        name = catalogue.picture(number)["name"]
        raise Refusal(404, f"{name} cannot be shown: {error.reason or error}.") from error


def to_jpeg(pixels: npt.NDArray[np.uint8], side: int, quality: int = WHOLE) -> bytes:
    """Pixels, uint8 (height, width, 3), as JPEG of `side` pixels at most."""
    if max(pixels.shape[:2]) > side:
        pixels = resize_image(pixels, side)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()
