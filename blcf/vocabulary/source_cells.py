"""Maps made ready for the product with the words: source cells, what interpolated ones need.

See `blcf.vocabulary.interpolated.assign_interpolated` for the formula.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import interpolate

from blcf.vocabulary.alone import alone
from blcf.vocabulary.assignment import product

__all__ = ["SourceCells", "enlarge", "interpolated_norms", "prepare_cells"]

_ROWS = 256  # source cells that are whitened by one thread together


@dataclass(frozen=True)
class SourceCells:
    """Maps made ready for the product with the words.

    Attributes
    ----------
    rows : float32 (n h w + 1, n_components), u of the source cells, then m W
    shape : (n, h, w)
    norms, shifts, scales : float32 (n, H, W), |x|, s, |v|
    features : float32 (n, H, W, n_components), v
    """

    rows: torch.Tensor
    shape: tuple[int, int, int]
    norms: torch.Tensor
    shifts: torch.Tensor
    scales: torch.Tensor
    features: torch.Tensor


def prepare_cells(
    maps: torch.Tensor, factor: int, mean: torch.Tensor | None, projection: torch.Tensor | None
) -> SourceCells:
    """Maps of one shape made ready for the product with the words.

    Parameters
    ----------
    maps : float32 (n, C, h, w), raw
    factor, mean, projection : as of `blcf.vocabulary.interpolated.assign_interpolated`
    """
    n, n_channels, h, w = maps.shape
    unit, cells, features, norms = _enlarged(maps, factor)
    if mean is None or projection is None:
        shifts, scales = torch.zeros_like(norms), unit.expand(norms.shape).contiguous()
        sources, origin = cells, cells.new_zeros(1, n_channels)
    else:
        lengths = torch.linalg.vector_norm(cells, dim=3, keepdim=True)
        centred = (cells - lengths * mean).reshape(n * h * w, n_channels)
        n_rows = _ROWS if maps.device.type == "cpu" else len(centred)
        *parts, origin = alone(
            lambda rows: product(rows, projection.T),
            [*centred.split(n_rows), mean[None]],
            maps.device.type,
        )
        sources = torch.cat(parts).view(n, h, w, -1)  # (n, h, w, n_components)
        # Zeros are not normalised: their whitened feature is that of |x| = 1 less x.
        shifts = torch.where(norms == 0, 1, norms) - enlarge(lengths, factor)[..., 0]
        features = enlarge(sources, factor) - shifts[..., None] * origin
        scales = torch.linalg.vector_norm(features, dim=3)
    rows = torch.cat([sources.reshape(n * h * w, -1), origin])
    return SourceCells(rows, (n, h, w), norms / unit, shifts, scales, features)


def _enlarged(maps: torch.Tensor, factor: int) -> tuple[torch.Tensor, ...]:
    """A power of two for each map, (n, 1, 1); its cells times that, (n, h, w, C); interpolated,
    (n, H, W, C); their norms (n, H, W).

    The power changes no digit: squares stay within float32.
    """
    unit = _power_of_two_below(maps.abs().amax(dim=(1, 2, 3)))[:, None, None]
    cells = maps.permute(0, 2, 3, 1).contiguous() * unit[..., None]
    features = enlarge(cells, factor)
    return unit, cells, features, torch.linalg.vector_norm(features, dim=3)


@torch.inference_mode()
def interpolated_norms(maps: torch.Tensor, factor: int) -> torch.Tensor:
    """The norms that `assign_interpolated` gives, without the words."""
    unit, _, _, norms = _enlarged(maps, factor)
    return norms / unit


def _power_of_two_below(values: torch.Tensor) -> torch.Tensor:
    """What brings values, float32 (n,), to 0.5 to 1: a power of two each, at most 2^120; 1 of 0
    and of what is not finite. By its bits: nothing is waited for, nothing rounded."""
    exponents = torch.where(values.isfinite(), torch.frexp(values).exponent, 0).to(torch.int32)
    return ((127 - exponents.clamp(-120, 120)) << 23).view(torch.float32)


def enlarge(cells: torch.Tensor, factor: int) -> torch.Tensor:
    """Bilinear interpolation of (n, h, w, d) to (n, factor h, factor w, d)."""
    if factor == 1:
        return cells
    return interpolate(
        cells.permute(0, 3, 1, 2), scale_factor=factor, mode="bilinear", align_corners=False
    ).permute(0, 2, 3, 1)
