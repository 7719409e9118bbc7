"""A decoded picture as an RGB array, the right way up: whole, or resized without the whole."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from blcf.images.modes import bands, rgb_rule, to_rgb
from blcf.images.orientation import as_stored
from blcf.images.resizing import resized_size

__all__ = ["GAP", "reduced_rgb", "resized_rgb", "turned", "upright_rgb"]

Pixels = npt.NDArray[np.uint8]

GAP = 4  # a large picture is first made smaller to this many times the wanted side


def _empty(size: tuple[int, int], orientation: int, n_channels: int) -> Pixels:
    """An array for a picture of that size as it is stored, when it is turned upright."""
    width, height = size[::-1] if orientation >= 5 else size
    return np.empty((height, width, n_channels), dtype=np.uint8)


def upright_rgb(image: Image.Image, orientation: int) -> Pixels:
    """A decoded picture as RGB, turned the right way up."""
    if orientation == 1:
        return to_rgb(image)
    rgb = _empty(image.size, orientation, 3)
    stored, rule = as_stored(rgb, orientation), rgb_rule(image)
    for top, band in bands(image):
        stored[top : top + band.height] = rule(band)
    return rgb


def resized_rgb(image: Image.Image, side: int) -> Pixels:
    """An upright RGB picture resized: what `resize_image` makes of its array, without that."""
    wanted = resized_size(*image.size, side)
    resized = image if wanted == image.size else image.resize(wanted, Image.Resampling.BILINEAR)
    return np.array(resized, dtype=np.uint8)


def reduced_rgb(image: Image.Image, orientation: int, size: tuple[int, int], side: int) -> Pixels:
    """A large picture, of `size` before it was decoded smaller, resized and turned."""
    rule, factor = rgb_rule(image), max(1, max(image.size) // (GAP * side))
    small = np.empty((-(-image.height // factor), -(-image.width // factor), 3), dtype=np.uint8)
    for top, band in bands(image, multiple_of=factor):
        averaged = np.asarray(Image.fromarray(rule(band)).reduce(factor))
        small[top // factor : top // factor + len(averaged)] = averaged
    # The last squares of a row or column, and those of a JPEG, may be cut: the picture ends here.
    scale = factor * round(max(size) / max(image.size))
    box = (0, 0, size[0] / scale, size[1] / scale)
    resized = Image.fromarray(small).resize(
        resized_size(*size, side), Image.Resampling.BILINEAR, box=box
    )
    return turned(np.asarray(resized), orientation)


def turned(stored: Pixels, orientation: int) -> Pixels:
    """An array of what is stored, (height, width, n), the right way up; contiguous."""
    height, width, n_channels = stored.shape
    upright = _empty((width, height), orientation, n_channels)
    as_stored(upright, orientation)[...] = stored
    return upright
