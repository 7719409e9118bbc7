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
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["to_rgb"]

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_FLOAT_SCALES = (1.0, 255.0, 65535.0)


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
    if image.mode in _SIXTEEN_BIT:
        return _grey_to_rgb(_sixteen_bit(np.asarray(image), image.info.get("transparency")))
    if image.mode == "I":
        return _grey_to_rgb(_integers(np.asarray(image), image.info.get("transparency")))
    if image.mode == "F":
        return _grey_to_rgb(_floats(np.asarray(image)))
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, rgba)
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image, dtype=np.uint8)  # (height, width, 3)


def _sixteen_bit(values: npt.NDArray[np.integer], transparent: object) -> npt.NDArray[np.uint8]:
    """Scale 0..65535 to 0..255; the `transparent` value, where PNG declares one, becomes white."""
    # 65535 = 257 * 255, so this is round(value * 255 / 65535), exactly. Keeping the high byte
    # instead (value >> 8) is up to one level too dark and fails test_sixteen_bit_values.
    grey = ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _integers(values: npt.NDArray[np.integer], transparent: object) -> npt.NDArray[np.uint8]:
    if values.min() >= 0 and values.max() <= 65535:
        return _sixteen_bit(values, transparent)
    return _stretched(values.astype(np.float64))


def _floats(values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Scale floats to 0..255; NaN becomes black, infinities the ends of the range."""
    exact = values.astype(np.float64)
    finite = exact[np.isfinite(exact)]
    if finite.size == 0:
        finite = np.zeros(1)
    low, high = float(finite.min()), float(finite.max())
    exact = np.nan_to_num(exact, nan=min(low, 0.0), posinf=high, neginf=low)
    for scale in _FLOAT_SCALES:
        if low >= 0 and high <= scale:
            return _rounded(exact * 255 / scale)
    return _stretched(exact)


def _stretched(values: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if high == low:
        return np.zeros(values.shape, dtype=np.uint8)
    return _rounded((values - low) * 255 / (high - low))


def _rounded(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    return np.floor(levels + 0.5).astype(np.uint8)  # halves up, as for the integers


def _grey_to_rgb(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(grey[:, :, None], 3, axis=2)  # (height, width, 3)
