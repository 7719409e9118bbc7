"""Where the object is in a picture: a box, a polygon or a mask, checked for the picture's size."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from blcf.bags import as_polygon, region_box, region_weights
from blcf.images import read_mask

__all__ = ["Region"]


@dataclass(frozen=True, eq=False)
class Region:
    """The part of a picture that shows the object; none of box, polygon and mask: all of it.

    Attributes
    ----------
    box : xyxy, pixels
    polygon : (n, 2), xy of its corners, pixels
    mask : bool or float (height, width), 0..1, or the path of a picture of it
    how : how cells count that the region covers in part, see `blcf.bags.region_weights`
    """

    box: Any = None
    polygon: Any = None
    mask: Any = None
    how: str = "hard"

    def on(self, size: tuple[int, int]) -> Region:
        """The same, checked for a picture of a size, with the mask read."""
        mask = self.mask
        if isinstance(mask, (str, os.PathLike)):
            mask = read_mask(mask, size)
        # Box and polygon are cut to the picture, which is logged, once.
        polygon = None if self.polygon is None else as_polygon(self.polygon, size)
        region = replace(self, polygon=polygon, mask=mask)
        bounds = region.bounds(size)
        return region if self.box is None else replace(region, box=bounds)

    def bounds(self, size: tuple[int, int]) -> np.ndarray | None:
        """The box around it: float32 (4,), xyxy, pixels; None for the whole picture."""
        return region_box(size, box=self.box, polygon=self.polygon, mask=self.mask)

    def weights(self, shape: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
        """What each cell of a map of the picture counts: float32 (h, w), 0..1."""
        return region_weights(
            shape, size, box=self.box, polygon=self.polygon, mask=self.mask, how=self.how
        )

    def mirrored(self, width: int) -> Region:
        """The same region (its mask read) of the mirrored picture."""
        box, polygon, mask = self.box, self.polygon, self.mask
        if box is not None:
            x1, y1, x2, y2 = (float(edge) for edge in box)
            box = (width - x2, y1, width - x1, y2)
        if polygon is not None:
            polygon = np.asarray(polygon, dtype=np.float64) * (-1, 1) + (width, 0)
        if mask is not None:
            mask = np.asarray(mask)[:, ::-1]
        return replace(self, box=box, polygon=polygon, mask=mask)
