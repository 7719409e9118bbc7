"""Assignment maps to bags: how much every visual word counts in an image or in a region of it."""

from blcf.bags.bag_of_words import BagOfWords, eighths
from blcf.bags.polygons import as_polygon
from blcf.bags.regions import (
    HOWS,
    DrawnRegion,
    draw_region,
    mask_weights,
    polygon_weights,
    region_box,
    region_weights,
)
from blcf.bags.tiles import FAR_SHARE, tile_windows
from blcf.bags.weighting import CHANNELS, WEIGHTINGS, spatial_weights

__all__ = [
    "CHANNELS",
    "FAR_SHARE",
    "HOWS",
    "WEIGHTINGS",
    "BagOfWords",
    "DrawnRegion",
    "as_polygon",
    "draw_region",
    "eighths",
    "mask_weights",
    "polygon_weights",
    "region_box",
    "region_weights",
    "spatial_weights",
    "tile_windows",
]
