"""Feature maps interpolated bilinearly, whole or in some of their cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch.nn.functional import interpolate

from blcf.bounds import is_integer
from blcf.errors import InvalidInput
from blcf.vocabulary.assignment import as_float32

__all__ = ["check_factor", "interpolate_map", "interpolated_features", "places_of"]


def check_factor(factor: Any) -> int:
    """Give back a factor of interpolation, or raise `InvalidInput`."""
    if is_integer(factor) and factor >= 1:
        return int(factor)
    raise InvalidInput(f"Expected upsample to be an integer of 1 or more, got {factor!r}.")


def interpolate_map(feature_map: np.ndarray, factor: int) -> np.ndarray:
    """A raw feature map interpolated bilinearly: (C, h, w) to (C, factor h, factor w), float32.

    `factor` is an integer of 1 or more.

    Source: Mohedano et al., ICMR 2016, section 5: twice the size, before any normalisation.
    """
    if check_factor(factor) == 1:
        return np.asarray(feature_map, dtype=np.float32)
    tensor = as_float32(feature_map, "cpu")[None]
    return interpolate(tensor, scale_factor=factor, mode="bilinear", align_corners=False)[0].numpy()


def interpolated_features(feature_map: np.ndarray, factor: int, cells: np.ndarray) -> np.ndarray:
    """Some of the features of an interpolated map, without the others.

    Of a map of 512 x 21 x 32 that is enlarged twice, 150 features take 1.2 ms, where all 2,688
    take 13 (in turn, on a busy core).

    Parameters
    ----------
    feature_map : float (C, h, w)
    factor : see `interpolate_map`, which gives the same but for rounding
    cells : int (n,), places in the rows of the interpolated map, one behind the other

    Returns
    -------
    float32 (n, C)
    """
    n_channels, h, w = feature_map.shape
    rows, columns = np.divmod(np.asarray(cells, dtype=np.int64), check_factor(factor) * w)
    flat = np.asarray(feature_map, dtype=np.float32).reshape(n_channels, h * w)
    sides = []
    for places, side in ((rows, h), (columns, w)):
        near, far, shares = places_of(factor * side, factor)
        sides.append((near[places], far[places], shares[places]))
    (top, bottom, down), (left, right, across) = sides
    upper, lower = (
        flat[:, row * w + left] * (1 - across) + flat[:, row * w + right] * across
        for row in (top, bottom)
    )
    return np.ascontiguousarray((upper * (1 - down) + lower * down).T)


def places_of(n_large: int, factor: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the cells of an interpolated side lie: near and far source cell, share of the far."""
    places = np.maximum(0, (np.arange(n_large) + 0.5) / factor - 0.5)
    near = places.astype(np.int64)
    shares = (places - near).astype(np.float32)
    far = np.minimum(near + 1, n_large // factor - 1)
    return near, np.where(shares == 0, near, far), shares  # what has no share may be NaN
