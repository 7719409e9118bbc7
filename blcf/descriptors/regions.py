"""Regions of a feature map, in cells: the rigid grid of R-MAC, and the crop under a box."""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.bounds import is_integer, is_number
from blcf.boxes import as_box, box_to_cells
from blcf.descriptors.pooling import as_feature_map
from blcf.errors import InvalidInput

__all__ = ["check_n_scales", "crop_map", "rmac_regions"]


def rmac_regions(h: int, w: int, n_scales: int = 3, overlap: float = 0.4) -> np.ndarray:
    """The square regions of R-MAC on a map of h x w cells.

    At scale l = 1 .. `n_scales` regions are ``floor(2 min(h, w) / (l + 1))`` cells wide; l of
    them lie along the shorter side and l + m - 1 along the longer, evenly, the first and the last
    at the borders. m, from 2 to 7 (1 for a square map), is the number whose neighbours overlap at
    scale 1 by the share of their area that is nearest to `overlap`.

    Parameters
    ----------
    h, w : of the map, cells
    n_scales : 1 or more
    overlap : 0 <= overlap < 1

    Returns
    -------
    int64 (n, 4), xyxy, half-open, cells; by scale, then y, then x

    Raises
    ------
    InvalidInput
        A size, a number of scales or an overlap that cannot be.

    Notes
    -----
    Source: Tolias, Sicre & Jegou, ICLR 2016, in the variant of the authors' released
    Matlab program (``rmac_regionvec_act``) and its Python ports: the whole map is no region of its
    own (that of the authors' later PyTorch program is), unless the map is square; scales whose
    regions have no cell left are dropped. The Matlab program places regions by
    ``floor(i * step)``, whose rounding leaves out the last cells of a few very long maps (2 x 62);
    here places are whole numbers, the same elsewhere.

    Examples
    --------
    >>> rmac_regions(2, 3, n_scales=1).tolist()
    [[0, 0, 2, 2], [1, 0, 3, 2]]
    >>> len(rmac_regions(18, 24))
    20
    """
    for length in (h, w):
        if not is_integer(length) or length < 1:
            raise InvalidInput(f"Expected h and w, in cells, to be 1 or more, got {h!r}, {w!r}.")
    check_n_scales(n_scales)
    if not is_number(overlap) or not 0 <= overlap < 1:
        raise InvalidInput(f"Expected overlap from 0 to less than 1, got {overlap!r}.")
    shorter = min(h, w)
    n_extra = _n_along(shorter, max(h, w), overlap) - 1
    regions = []
    for scale in range(1, n_scales + 1):
        side = 2 * shorter // (scale + 1)
        if side == 0:
            break
        rows = _places(h, side, scale + n_extra * (h > w))
        columns = _places(w, side, scale + n_extra * (w > h))
        regions += [(x, y, x + side, y + side) for y in rows for x in columns]
    return np.array(regions, dtype=np.int64)


def _n_along(shorter: int, longer: int, overlap: float) -> int:
    """m: how many squares of the shorter side lie along the longer one."""
    if shorter == longer:
        return 1
    # As the released program computes it: ties of two m (3 x 11 cells) are settled by rounding.
    steps = (longer - shorter) / (np.arange(2, 8) - 1)
    shares = (shorter**2 - shorter * steps) / shorter**2
    return 2 + int(np.abs(shares - overlap).argmin())


def _places(length: int, side: int, n: int) -> list[int]:
    """Where n regions begin along a side of the map."""
    return [i * (length - side) // max(n - 1, 1) for i in range(n)]


def check_n_scales(n_scales: Any) -> None:
    """Raise `InvalidInput` where a number of scales is not an integer of 1 or more."""
    if not is_integer(n_scales) or n_scales < 1:
        raise InvalidInput(f"Expected n_scales to be an integer of 1 or more, got {n_scales!r}.")


def crop_map(feature_map: np.ndarray, box: Any, size: tuple[int, int]) -> np.ndarray:
    """The cells of a feature map under a box: a local search query of a global descriptor.

    Parameters
    ----------
    feature_map : float32 (C, h, w)
    box : four numbers, xyxy, pixels of the original image; None for the whole map
    size : (width, height) of the original image, pixels

    Returns
    -------
    float32 (C, h', w'), of at least one cell; a view of a map in float32

    Raises
    ------
    InvalidInput
        Not a finite map; a box that is none or lies outside the image; a size that is none.

    Notes
    -----
    Source: Mohedano et al., ICMR 2016, section 4: floor of the near side, ceil of the far side.

    Examples
    --------
    >>> feature_map = np.ones((512, 18, 24), dtype=np.float32)
    >>> crop_map(feature_map, (100, 0, 200, 90), size=(384, 288)).shape
    (512, 6, 7)
    """
    feature_map = as_feature_map(feature_map)
    if box is None:
        return feature_map
    if np.shape(size) != (2,) or not all(is_integer(length) and length > 0 for length in size):
        raise InvalidInput(f"Expected size as (width, height) in pixels, got {size!r}.")
    h, w = feature_map.shape[1:]
    x1, y1, x2, y2 = box_to_cells(as_box(box, size), size, (h, w))
    return feature_map[:, y1:y2, x1:x2]
