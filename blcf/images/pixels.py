"""A picture as somebody has it, a file, its bytes, Pillow's or an array, as an RGB array.

`as_image` stands at every public door that takes a picture; behind these doors a picture is what
it gives.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, Union

import numpy as np
import numpy.typing as npt
from PIL import Image

from blcf.errors import InvalidInput
from blcf.images.film_reader import read_frame
from blcf.images.frame_names import frame_place
from blcf.images.modes import to_rgb
from blcf.images.reading import convert_image, decode_image, read_image, read_through

__all__ = ["ImageLike", "as_image", "check_image", "use_image"]

T = TypeVar("T")

ImageLike = Union[str, "os.PathLike[str]", bytes, Image.Image, npt.NDArray[np.uint8]]
"""Path of a picture file, the bytes of one, a picture of Pillow, or an array; see `as_image`."""

_BYTES = (bytes, bytearray, memoryview)

# What to do with an array of another type, by the kind of its dtype.
_TO_UINT8 = {
    "f": "of values 0..1, (255 * array).round().astype('uint8')",
    "b": "array.astype('uint8') * 255",
    "u": "of values 0..65535, (array // 257).astype('uint8')",
    "i": "of values 0..255, array.astype('uint8')",
}


def as_image(picture: ImageLike) -> npt.NDArray[np.uint8]:
    """A picture of any form as RGB, the right way up.

    Parameters
    ----------
    picture : the path of a file, see `blcf.images.read_image`, or of a film and a time in it,
        ``film.mp4@00:01:12.5``: what is on the screen then, as `blcf.images.read_frame` decodes it;
        or
        the bytes of such a file; or
        a picture of Pillow (``PIL.Image.Image``) of any mode, with its EXIF orientation if it still
        has one: of several frames the one it stands at; or
        an array, uint8: grey (height, width) or (height, width, 1), RGB (height, width, 3), RGBA
        (height, width, 4), composited over white. Of OpenCV, which has blue first, give
        ``image[:, :, ::-1]``.

    Returns
    -------
    uint8 (height, width, 3)
        RGB, contiguous. An array that is so already is given back itself, not copied; a picture
        of Pillow is not changed.

    Raises
    ------
    InvalidInput
        No picture of these forms; an array of another dtype or shape.
    UnreadableImage
        Bytes, a file or a picture of Pillow that cannot be decoded.

    Examples
    --------
    >>> import numpy as np
    >>> as_image(np.zeros((20, 30), dtype=np.uint8)).shape
    (20, 30, 3)
    """
    check_image(picture)
    if isinstance(picture, (str, os.PathLike)):
        frame = frame_place(picture)
        return read_image(picture) if frame is None else read_frame(*frame)
    if isinstance(picture, _BYTES):
        return decode_image(bytes(picture))
    if isinstance(picture, Image.Image):
        return convert_image(picture)
    array = np.asarray(picture)  # of a subclass as well
    if array.ndim == 2 or array.shape[2] == 1:
        array = np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2)
    elif array.shape[2] == 4:
        array = to_rgb(Image.fromarray(array))
    return np.ascontiguousarray(array)


def use_image(picture: ImageLike, use: Callable[[npt.NDArray[np.uint8]], T]) -> T:
    """What is made of the pixels of a picture of any form, see `as_image`.

    Of a picture file room is held until `use` returns, as it is where pictures are indexed: those
    of several threads fit into memory together, and a large one is there alone.
    """
    if isinstance(picture, (str, os.PathLike)) and frame_place(picture) is None:
        return read_through(picture, use)[0]
    return use(as_image(picture))


def check_image(picture: Any) -> None:
    """Raise `InvalidInput` for what `as_image` does not take; nothing is read or decoded."""
    if isinstance(picture, (str, os.PathLike, Image.Image, *_BYTES)):
        return
    if not isinstance(picture, np.ndarray):
        raise InvalidInput(
            "Expected a picture: a path, the bytes of a file, a PIL.Image or an array, uint8 "
            f"(height, width, 3), got {type(picture).__name__}."
        )
    shape, dtype = picture.shape, picture.dtype
    if dtype != np.uint8:
        how = _TO_UINT8.get(dtype.kind)
        raise _no_picture(picture, f"Convert it: {how}." if how else "Give numbers 0..255.")
    if picture.ndim == 3 and shape[0] in (1, 3, 4) and shape[2] not in (1, 3, 4):
        raise _no_picture(picture, "Put the channels last: array.transpose(1, 2, 0).")
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise _no_picture(picture, "Give one picture, its channels last.")
    if not picture.size:
        raise _no_picture(picture, "It has no pixels.")


def _no_picture(array: npt.NDArray[Any], what_to_do: str) -> InvalidInput:
    return InvalidInput(
        "Expected a picture as uint8 (height, width, 3) RGB, (height, width, 4) RGBA or "
        f"(height, width) grey, got {array.dtype} {array.shape}. {what_to_do}"
    )
