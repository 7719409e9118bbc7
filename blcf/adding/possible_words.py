"""How many words the local features of some pictures can make, before any of them is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from blcf.collection.settings import Settings
from blcf.errors import BlcfError, InvalidInput
from blcf.images import resized_size
from blcf.images.sizes import read_size

if TYPE_CHECKING:
    from blcf.features import ConvFeatures

__all__ = ["check_possible"]

_PROBED = 384  # pixels: a map of this side tells how large others are


def check_possible(
    extractor: ConvFeatures, settings: Settings, paths: Sequence[Path], n_images: int
) -> None:
    """Raise `InvalidInput` where more words are asked for than there are local features.

    The heads of the files say how many there are, up to two rows of cells: in doubt too many, and
    k-means has the last word. They are read until there are enough: of some 15 pictures for 25,000
    words.

    Parameters
    ----------
    extractor, settings : of the collection
    paths : of the pictures that words are learned from
    n_images : how many pictures there are, some of which are not learned from
    """
    if settings.n_words == "auto":
        return
    n_words, n_features = int(settings.n_words), 0
    try:
        scale = _cells_of_side(extractor, settings.side) / settings.side  # of a map per pixel
    except BlcfError:  # a network that takes no black picture, or no memory: who draws says it
        return
    for path in paths:
        size = read_size(path)
        if size is not None:
            n_features += _n_cells(size, settings, scale)
        if n_features >= n_words:
            return
    if not n_features:  # not one can be read: who draws from them says why
        return
    each = n_features / len(paths)
    n_needed = math.ceil(n_words / each)
    # Of more pictures than are learned from, others still would change nothing.
    more = f", or begin with {n_needed:,} pictures or more" if len(paths) == n_images else ""
    raise InvalidInput(
        f"Expected n_words to be at most {n_features:,}, got {n_words:,}: {len(paths):,} pictures "
        f"of side {settings.side} have no more local features. Ask for fewer words (--words) or "
        f"'auto'{more}."
    )


def _cells_of_side(extractor: ConvFeatures, side: int) -> int:
    """How many cells of a map the longer side of a picture has."""
    probed = min(side, _PROBED)
    cells = extractor.extract(np.zeros((probed, probed, 3), dtype=np.uint8), probed).shape[1]
    return cells if probed == side else math.ceil(cells * side / probed)


def _n_cells(size: tuple[int, int], settings: Settings, scale: float) -> int:
    """The cells of an interpolated map, of a picture of width and height in pixels; at most."""
    short, long = sorted(resized_size(*size, settings.side))
    n_long = round(long * scale)
    n_short = min(n_long, math.ceil(short * scale) + (short < long))
    return n_long * n_short * settings.upsample**2
