"""Small versions of pictures for the page, and drawings of the results."""

from __future__ import annotations

import base64
import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from blcf.demo.results import Demo
from blcf.errors import UnreadableImage
from blcf.images import display_name, read_image, resize_image
from blcf.records import Hit
from blcf.storage import refusals

__all__ = ["Thumbnail", "Thumbnails", "draw_results"]

SIDE = 400  # pixels: sharp on the page, where a picture is about 250 wide

logger = logging.getLogger(__name__)


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

    def scaled(self, box: np.ndarray | None) -> np.ndarray | None:
        """A box of the original, in pixels of the small picture."""
        if box is None or isinstance(self.picture, str):
            return None
        height, width = self.picture.shape[:2]
        scale = np.array([width / self.size[0], height / self.size[1]])
        return np.asarray(box, dtype=np.float64) * np.tile(scale, 2)


class Thumbnails:
    """Small versions of pictures, each made once."""

    def __init__(self) -> None:
        self._made: dict[Path, Thumbnail] = {}

    def __getitem__(self, path: Path) -> Thumbnail:
        if path not in self._made:
            try:
                image = read_image(path)
            except UnreadableImage as error:
                self._made[path] = Thumbnail(error.reason or str(error), (4, 3))
            else:
                size = (image.shape[1], image.shape[0])
                small = image if max(size) <= SIDE else resize_image(image, SIDE)
                self._made[path] = Thumbnail(small, size)
        return self._made[path]


def draw_results(demo: Demo, thumbnails: Thumbnails) -> list[Path]:
    """Draw the query and the hits of each result into the folder ``hits``; give the files.

    Without matplotlib nothing is drawn, which is said.
    """
    try:
        from blcf.visualization import plot_ranking
    except ImportError:
        logger.warning(
            "the page is written, but no drawings (%s): they need matplotlib: "
            "pip install matplotlib",
            os.path.join(demo.folder, "hits"),
        )
        return []
    drawings = []
    with refusals(demo.folder):
        (demo.folder / "hits").mkdir()
    for number, result in enumerate(demo.results, start=1):
        path = demo.folder / "hits" / f"{result.name if demo.has_truth else number}.jpg"
        shown = result.shown[:9]
        small = [thumbnails[one] for one in shown.paths]
        hits = [
            Hit(display_name(hit.name), hit.score, one.scaled(hit.box))
            for hit, one in zip(shown, small)
        ]
        query = thumbnails[result.image]
        pictures = [one.picture for one in small]
        plot_ranking(query.picture, query.scaled(np.array(result.box)), hits, pictures, path=path)
        drawings.append(path)
    return drawings
