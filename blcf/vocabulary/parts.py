"""A part of a map: the source cells on which the words of some interpolated cells depend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blcf.vocabulary.assignment import as_float32
from blcf.vocabulary.source_cells import interpolated_norms

__all__ = ["Part", "part_around", "part_norms"]

_MOST = 0.8  # of the cells: a part that is nearly the whole saves nothing


@dataclass(frozen=True)
class Part:
    """A rectangle of a map.

    Attributes
    ----------
    source : rows and columns of the raw map
    large : rows and columns of the interpolated map
    shape : (H, W) of the interpolated map
    """

    source: tuple[slice, slice]
    large: tuple[slice, slice]
    shape: tuple[int, int]


def part_around(needed: np.ndarray, factor: int) -> Part | None:
    """The rectangle that holds some cells, and the source cells that they are interpolated from.

    Interpolated alone, it has the features of the whole to the last bit, but in its outermost rows
    and columns, where none is needed: shares of source cells are exact where the factor is a power
    of two.

    Parameters
    ----------
    needed : bool (H, W)
    factor : of the interpolation, see `blcf.vocabulary.interpolation.interpolate_map`

    Returns
    -------
    None where the whole map is as good: nothing or most of it is needed, or the factor is another
    """
    if not needed.any() or factor & (factor - 1):
        return None
    source, large = [], []
    for axis, n_large in enumerate(needed.shape):
        places = np.flatnonzero(needed.any(axis=1 - axis))
        n = n_large // factor
        first = max(0, int(places[0]) // factor - 1)
        last = min(n, int(places[-1]) // factor + 2)
        source.append(slice(first, last))
        large.append(slice(first * factor, last * factor))
    height, width = (one.stop - one.start for one in large)
    if height * width > _MOST * needed.size:
        return None
    shape = int(needed.shape[0]), int(needed.shape[1])
    return Part((source[0], source[1]), (large[0], large[1]), shape)


def part_norms(feature_map: np.ndarray, factor: int) -> np.ndarray:
    """L2 norms of the interpolated raw features of a whole map, (C, h, w): float32 (H, W)."""
    return interpolated_norms(as_float32(feature_map, "cpu")[None], factor)[0].numpy()
