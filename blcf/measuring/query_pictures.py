"""The pictures of a ground truth's query: read, with a region for each mode, and described."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from blcf.bags import DrawnRegion
from blcf.collection import Model
from blcf.datasets import TrueQuery
from blcf.errors import InvalidInput
from blcf.images import as_image
from blcf.records import Query
from blcf.searching.options import SearchOptions
from blcf.searching.regions import Region
from blcf.searching.views import describe_looks, look_at

__all__ = ["QueryPicture", "describe_pictures", "has_region", "read_pictures"]

QueryPicture = tuple[Path, np.ndarray, dict[str, DrawnRegion]]
"""Where it is, its pixels, and its region for each mode."""


def has_region(query: TrueQuery) -> bool:
    """Whether any of its pictures has a box or a mask."""
    return any(one.box is not None or one.mask is not None for one in query.examples)


def read_pictures(
    query: TrueQuery, modes: list[str], skipped: dict[str, str]
) -> list[QueryPicture]:
    """The pictures that can be read, each with a region for the modes it can be searched with."""
    looks: list[QueryPicture] = []
    for example in query.examples:
        # A mask says more than the box around it.
        shown = Region(box=example.box) if example.mask is None else Region(mask=example.mask)
        try:
            image = as_image(example.image)
        except InvalidInput as error:
            skipped[str(example.image)] = getattr(error, "reason", "") or str(error)
            continue
        regions = {}
        for mode in modes:
            try:
                region = shown if mode == "LS" else Region()
                regions[mode] = region.on((image.shape[1], image.shape[0]))
            except InvalidInput as error:  # a mask or a box that is not of this picture
                further = " It is searched with as a whole only." if "GS" in modes else ""
                skipped[str(example.image)] = f"{error}{further}"
        if regions:
            looks.append((example.image, image, regions))
    return looks


def describe_pictures(
    model: Model, looks: list[QueryPicture], options: SearchOptions
) -> dict[str, list[Query]]:
    """For each mode the queries of all pictures."""
    side = model.settings.side
    modes, seen = [], []
    for _, image, regions in looks:
        for look in look_at(image, [*regions.values()], side, options):
            modes.append(list(regions))
            seen.append(look)
    described: dict[str, list[Query]] = {}
    for names, queries in zip(modes, describe_looks(model, seen)):
        for mode, query in zip(names, queries):
            described.setdefault(mode, []).append(query)
    return described
