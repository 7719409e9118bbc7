"""A mask that somebody drew on a picture: a picture file as values from 0 to 1."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
from PIL import Image

from blcf.errors import InvalidInput
from blcf.images.modes import to_rgb
from blcf.images.names import display_name
from blcf.images.reading import read_as

__all__ = ["read_mask"]


def read_mask(
    path: str | os.PathLike[str] | bytes, size: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Read a mask, in the formats of `read_image` and with the EXIF orientation applied.

    The alpha channel is the mask where it varies; else the luminance is (ITU-R 601), of grey (1,
    8 or 16 bits), palette and colour alike, and a constant alpha channel is passed over: a
    transparent sheet with nothing drawn on it is an empty mask, not a white one.

    Parameters
    ----------
    path : str, path-like or bytes
        The file, or what stands in it.
    size : (width, height) of the picture that the mask belongs to, pixels

    Returns
    -------
    float32 (height, width), 0..1, in steps of 1 / 255

    Raises
    ------
    UnreadableImage
        As `read_image`.
    InvalidInput
        A mask of another size than the picture.
    """
    grey = read_as(_grey, path, min_side=1)[:, :, 0]
    height, width = grey.shape
    if (width, height) != tuple(size):
        name = "The mask" if isinstance(path, bytes) else display_name(path)
        raise InvalidInput(
            f"{name}: expected a mask of the size of its picture, "
            f"{size[0]}x{size[1]} pixels, got one of {width}x{height}. "
            "Draw the mask on the picture itself, in its full size."
        )
    return grey.astype(np.float32) / np.float32(255)


def _grey(image: Image.Image) -> npt.NDArray[np.uint8]:
    """The values of a mask: uint8 (height, width, 1)."""
    # 16 bits with one transparent grey: Pillow knows no alpha of those.
    if image.has_transparency_data and not image.mode.startswith("I"):
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        low, high = alpha.getextrema()
        grey = alpha if low != high else rgba.convert("RGB").convert("L")
    else:
        grey = Image.fromarray(to_rgb(image)).convert("L")
    return np.array(grey)[:, :, None]
