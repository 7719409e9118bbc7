"""A picture made small, with boxes that fit it, and as text that a page can hold."""

from __future__ import annotations

import base64
import io
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from blcf.errors import UnreadableImage
from blcf.images.pixels import ImageLike, as_image
from blcf.images.reading import resize_image

__all__ = ["NO_PICTURE", "Thumbnail", "Thumbnails"]

NO_PICTURE = "it is not at hand"  # of a query without one, or one that was given and let go
SIDE = 400  # pixels: sharp where a picture is about 250 wide, on a page or in a drawing
KEPT = 512  # of 400 x 300 pixels: 180 MB


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A picture whose longer side is no longer than it has to be.

    Attributes
    ----------
    picture : uint8 (height, width, 3), or the reason why there is none
    size : (width, height) of the original, pixels
    """

    picture: npt.NDArray[np.uint8] | str
    size: tuple[int, int]

    @classmethod
    def of(cls, picture: ImageLike | None, side: int) -> Thumbnail:
        """A picture of any form, its longer side `side` pixels at most; or why there is none."""
        if picture is None:
            return cls(NO_PICTURE, (4, 3))
        try:
            image = as_image(picture)
        except UnreadableImage as error:
            return cls(error.reason or str(error), (4, 3))
        size = (image.shape[1], image.shape[0])
        return cls(image if max(size) <= side else resize_image(image, side), size)

    def scaled(self, box: npt.ArrayLike | None) -> npt.NDArray[np.float64] | None:
        """Boxes of the original, xyxy, or points, (..., 2), in pixels of the small picture."""
        if box is None or isinstance(self.picture, str):
            return None
        height, width = self.picture.shape[:2]
        scale = np.array([width / self.size[0], height / self.size[1]])
        places = np.asarray(box, dtype=np.float64)
        return places * np.tile(scale, places.shape[-1] // 2)

    def with_boxes(self, boxes: Iterable[npt.ArrayLike], colour: str) -> Thumbnail:
        """The same with boxes or outlines, (4, 2), drawn on it, in a colour and white around it."""
        if isinstance(self.picture, str):
            return self
        image = Image.fromarray(self.picture)
        draw = ImageDraw.Draw(image)
        for box in boxes:
            scaled = self.scaled(box)
            assert scaled is not None
            if scaled.ndim == 2:
                around = [tuple(point) for point in (*scaled, *scaled[:2])]  # all corners joined
                draw.line(around, fill="white", width=4, joint="curve")
                draw.line(around, fill=colour, width=2, joint="curve")
                continue
            x1, y1, x2, y2 = scaled.round().tolist()
            edges = (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1))  # the far edge is outside
            draw.rectangle(edges, outline="white", width=4)
            draw.rectangle(edges, outline=colour, width=2)
        return Thumbnail(np.asarray(image), self.size)

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        assert isinstance(self.picture, np.ndarray)
        file = io.BytesIO()
        Image.fromarray(self.picture).save(file, "JPEG", quality=82, subsampling=0)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"


class Thumbnails:
    """Small versions of pictures; those of the last files are kept.

    Parameters
    ----------
    side : the longer side at most, pixels
    """

    def __init__(self, side: int = SIDE) -> None:
        self.side = side
        self._made: OrderedDict[Path, Thumbnail] = OrderedDict()

    def __getitem__(self, source: ImageLike | None) -> Thumbnail:
        """That of a picture of any form; None: there is none."""
        if not isinstance(source, Path):
            return Thumbnail.of(source, self.side)
        if source not in self._made:
            self._made[source] = Thumbnail.of(source, self.side)
            if len(self._made) > KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(source)
        return self._made[source]
