"""Pictures scaled so that their longer side has a given length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from blcf.errors import InvalidInput

__all__ = ["resize_image", "resized_size"]


def resized_size(width: int, height: int, side: int, min_side: int = 32) -> tuple[int, int]:
    """Return the size of a picture whose longer side becomes `side` pixels.

    The aspect ratio is kept up to rounding to the nearest pixel (halves up), except that the
    shorter side gets at least `min_side`: a network needs a few cells in both directions.

    Parameters
    ----------
    width, height : int
        Size of the picture, pixels.
    side : int
        Wanted length of the longer side, pixels; at least `min_side`.
    min_side : int
        Least length of the shorter side, pixels.

    Returns
    -------
    (int, int)
        Width and height, pixels.

    Raises
    ------
    InvalidInput
        If a length is below 1, or `side` is below `min_side`.

    Examples
    --------
    >>> resized_size(4000, 3000, 340)
    (340, 255)
    >>> resized_size(3000, 20, 340)
    (340, 32)
    """
    if min(width, height) < 1:
        raise InvalidInput(f"Expected a picture of at least 1 x 1 pixels, got {width} x {height}.")
    if not 1 <= min_side <= side:
        raise InvalidInput(
            f"Expected 1 <= min_side <= side (pixels), got min_side={min_side} and side={side}."
        )
    longer, shorter = max(width, height), min(width, height)
    # Integers, so that no platform rounds a half differently.
    short_side = max(min_side, (2 * shorter * side + longer) // (2 * longer))
    return (side, short_side) if width >= height else (short_side, side)


def resize_image(
    image: npt.NDArray[np.uint8], side: int, min_side: int = 32
) -> npt.NDArray[np.uint8]:
    """Scale a picture, up or down, so that its longer side is `side` pixels.

    Pillow's bilinear filter, whose support grows with the reduction: a smaller picture is
    antialiased. Networks see other activations without that, and small objects are lost.

    Parameters
    ----------
    image : uint8 (height, width, 3)
        RGB. It is not changed.
    side : int
        Length of the longer side, pixels.
    min_side : int
        Least length of the shorter side, pixels; see `resized_size`.

    Returns
    -------
    uint8 (new height, new width, 3)
        RGB, always a new array.

    Raises
    ------
    InvalidInput
        If `image` is not such an array, or `side` is below `min_side`.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InvalidInput(
            "Expected an RGB picture, uint8 (height, width, 3), "
            f"got {image.dtype} {image.shape}. `read_image` returns such arrays."
        )
    height, width = image.shape[:2]
    size = resized_size(width, height, side, min_side)
    if size == (width, height):
        return np.array(image, dtype=np.uint8)
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
    return np.array(resized, dtype=np.uint8)  # (new height, new width, 3)
