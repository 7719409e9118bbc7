"""Where the object is in a picture: a box, a polygon or a mask, as it was given."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from blcf.bags import DrawnRegion, draw_region
from blcf.images import read_mask

__all__ = ["Region"]


@dataclass(frozen=True, eq=False)
class Region:
    """The part of a picture that shows the object; none of box, polygon and mask: all of it.

    Attributes
    ----------
    box : xyxy, pixels
    polygon : (n, 2), xy of its corners, pixels
    mask : bool or float (height, width), 0..1, or a picture of it: the path or the bytes of a file
    how : how cells count that the region covers in part, see `blcf.bags.region_weights`
    """

    box: Any = None
    polygon: Any = None
    mask: Any = None
    how: str = "hard"

    def on(self, size: tuple[int, int]) -> DrawnRegion:
        """What was drawn on a picture of a size, checked, with the mask read."""
        mask = self.mask
        if isinstance(mask, (str, os.PathLike, bytes)):
            mask = read_mask(mask, size)
        # Box and polygon are cut to the picture, which is logged, once.
        return draw_region(size, box=self.box, polygon=self.polygon, mask=mask, how=self.how)
