"""A decoded picture of any Pillow mode, as 8-bit RGB.

| mode | rule |
|---|---|
| 1, L, P, RGB, CMYK, YCbCr, HSV, LAB | Pillow's conversion; embedded profiles are not applied |
| LA, PA, RGBA, RGBa, or a transparent colour | composited over white |
| I;16, I;16L, I;16B, I;16N | grey 0..65535 -> 0..255: round(value / 257), so 65535 -> 255 |
| I (32-bit integers) | the same where all values lie in 0..65535, else stretched |
| F (floats) | full scale 1, 255 or 65535, the smallest that holds all values, else stretched |

"Stretched" means linear, smallest value -> 0, largest -> 255: such files declare no range. Mode I
does not look for a smaller scale, because 16-bit pictures come in it too and a dark one would
change its brightness; floats have no such default, and 0..1 is the most common.

A picture is converted in bands of rows: a second whole copy of a large one would double its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["bands", "rgb_rule", "to_rgb"]

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_FLOAT_SCALES = (1.0, 255.0, 65535.0)
_BAND_PIXELS = 1 << 20

Rule = Callable[[Image.Image], npt.NDArray[np.uint8]]


def to_rgb(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Convert a decoded picture to RGB, whatever its mode.

    Parameters
    ----------
    image : PIL.Image.Image
        A picture of any mode in the table of this module. It is not changed.

    Returns
    -------
    uint8 (height, width, 3)
        RGB, in an array of its own.

    Raises
    ------
    ValueError
        If Pillow knows no conversion from this mode.
    """
    rule = rgb_rule(image)
    if image.width * image.height <= _BAND_PIXELS:
        return np.array(rule(image))
    rgb = np.empty((image.height, image.width, 3), dtype=np.uint8)
    for top, band in bands(image):
        rgb[top : top + band.height] = rule(band)
    return rgb


def bands(image: Image.Image, multiple_of: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """A picture in parts that are as wide as it is, each with the number of its first row.

    Parameters
    ----------
    multiple_of : the number of rows of each is a multiple of this, but for the last
    """
    n_rows = max(1, _BAND_PIXELS // (image.width * multiple_of)) * multiple_of
    if n_rows >= image.height:
        yield 0, image
        return
    for top in range(0, image.height, n_rows):
        yield top, image.crop((0, top, image.width, min(top + n_rows, image.height)))


def rgb_rule(image: Image.Image) -> Rule:
    """How a picture, or any part of it, becomes RGB: uint8 (height, width, 3)."""
    if image.mode in _SIXTEEN_BIT:
        transparent = image.info.get("transparency")
        return lambda part: _grey_to_rgb(_sixteen_bit(np.asarray(part), transparent))
    if image.mode == "I":
        low, high = _extrema(image)
        if low < 0 or high > 65535:
            return lambda part: _grey_to_rgb(_stretched(np.asarray(part), low, high))
        transparent = image.info.get("transparency")
        return lambda part: _grey_to_rgb(_sixteen_bit(np.asarray(part), transparent))
    if image.mode == "F":
        low, high = _extrema(image)
        return lambda part: _grey_to_rgb(_floats(np.asarray(part), low, high))
    return _eight_bit


def _eight_bit(image: Image.Image) -> npt.NDArray[np.uint8]:
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, rgba)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.asarray(image, dtype=np.uint8)  # (height, width, 3)


def _sixteen_bit(values: npt.NDArray[np.integer], transparent: object) -> npt.NDArray[np.uint8]:
    """Scale 0..65535 to 0..255; the `transparent` value, where PNG declares one, becomes white."""
    # 65535 = 257 * 255, so this is round(value * 255 / 65535), exactly. Keeping the high byte
    # instead (value >> 8) is up to one level too dark and fails test_sixteen_bit_values.
    grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _extrema(image: Image.Image) -> tuple[float, float]:
    """The least and the largest finite value of a picture; 0 where it has none."""
    low, high = np.inf, -np.inf
    for _, band in bands(image):
        values = np.asarray(band)
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _floats(values: npt.NDArray[np.floating], low: float, high: float) -> npt.NDArray[np.uint8]:
    """Scale floats to 0..255; NaN becomes black, infinities the ends of the range."""
    with np.errstate(invalid="ignore"):  # of a NaN that is said to signal
        exact = values.astype(np.float64)
    exact = np.nan_to_num(exact, nan=min(low, 0.0), posinf=high, neginf=low)
    for scale in _FLOAT_SCALES:
        if low >= 0 and high <= scale:
            return _rounded(exact * 255 / scale)
    return _stretched(exact, low, high)


def _stretched(values: npt.NDArray, low: float, high: float) -> npt.NDArray[np.uint8]:
    if high == low:
        return np.zeros(values.shape, dtype=np.uint8)
    levels = (values.astype(np.float64) - low) * 255 / (high - low)
    return _rounded(np.clip(levels, 0, 255))


def _rounded(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return np.floor(levels + 0.5).astype(np.uint8)  # halves up, as for the integers


def _grey_to_rgb(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)  # (height, width, 3)
