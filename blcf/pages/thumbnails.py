"""Small versions of pictures, each made once."""

from __future__ import annotations

import base64
import io
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from blcf.errors import UnreadableImage
from blcf.images import read_image, resize_image

__all__ = ["Thumbnail", "Thumbnails"]

SIDE = 400  # pixels: sharp where a picture is about 250 wide, on a page or in a drawing
KEPT = 512  # of 400 x 300 pixels: 180 MB


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A picture made small.

    Attributes
    ----------
    picture : uint8 (height, width, 3), or the reason why there is none
    size : (width, height) of the original, pixels
    """

    picture: np.ndarray | str
    size: tuple[int, int]

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        assert isinstance(self.picture, np.ndarray)
        file = io.BytesIO()
        Image.fromarray(self.picture).save(file, "JPEG", quality=82, optimize=True)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"

    def scaled(self, boxes: np.ndarray | None) -> np.ndarray | None:
        """A box of the original, (4,), or several, (n, 4), in pixels of the small picture."""
        if boxes is None or isinstance(self.picture, str):
            return None
        height, width = self.picture.shape[:2]
        scale = np.array([width / self.size[0], height / self.size[1]])
        return np.asarray(boxes, dtype=np.float64) * np.tile(scale, 2)


class Thumbnails:
    """Small versions of pictures; the last ones are kept.

    Parameters
    ----------
    side : the longer side at most, pixels
    """

    def __init__(self, side: int = SIDE) -> None:
        self.side = side
        self._made: OrderedDict[Path, Thumbnail] = OrderedDict()

    def __getitem__(self, source: Path | np.ndarray | None) -> Thumbnail:
        """That of a file or of pixels, uint8 (height, width, 3); None: there is no picture."""
        if source is None:
            return Thumbnail("the query has none", (4, 3))
        if isinstance(source, np.ndarray):
            return self._small(source)
        if source not in self._made:
            try:
                self._made[source] = self._small(read_image(source))
            except UnreadableImage as error:
                self._made[source] = Thumbnail(error.reason or str(error), (4, 3))
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(source)
        return self._made[source]

    def _small(self, image: np.ndarray) -> Thumbnail:
        size = (image.shape[1], image.shape[0])
        picture = image if max(size) <= self.side else resize_image(image, self.side)
        return Thumbnail(picture, size)
