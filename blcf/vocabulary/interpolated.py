"""Nearest visual word of each cell of an interpolated map, from scores of the source cells.

The score of an interpolated feature is the interpolated score, so that the product with all words
is needed at the source cells only: a quarter of them where maps are enlarged twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, cached_property

import numpy as np
import torch
from torch.nn.functional import linear

from blcf.kernels.assignment import keep_best_words
from blcf.vocabulary.alone import alone
from blcf.vocabulary.assignment import product
from blcf.vocabulary.interpolation import places_of
from blcf.vocabulary.source_cells import SourceCells, enlarge, prepare_cells
from blcf.vocabulary.two_level import TwoLevel

__all__ = [
    "Words",
    "assign_in_two_levels",
    "assign_interpolated",
]

# On the CPU: source cells that share a product, and scores of a block (4 MB in float32).
_CELLS, _SCORES = 1_024, 2**20
_MAPS_IN_TWO_LEVELS = 16  # whose features look for their words together

# On other devices: source cells, and interpolated ones, whose features lie in memory; products of a
# block (1 GB in float32), and without Triton, where the scores of a block are interpolated in
# memory, those (512 MB).
_CELLS_ON_DEVICE, _LARGE_CELLS_ON_DEVICE = 16_384, 65_536
_PRODUCTS_ON_DEVICE, _SCORES_ON_DEVICE = 2**28, 2**27

logger = logging.getLogger(__name__)


class Words:
    """The words of a vocabulary as tensors of one device.

    Attributes
    ----------
    centroids : float32 (n_words, n_components)
    half_norms : float32 (n_words,), ``|c|^2 / 2``
    """

    def __init__(self, centroids: torch.Tensor):
        self.centroids = centroids
        self.half_norms = centroids.square().sum(dim=1) / 2

    @cached_property
    def low(self) -> torch.Tensor:
        """The centroids in bfloat16, made when they are first used."""
        return self.centroids.bfloat16()


@torch.inference_mode()
def assign_interpolated(
    maps: torch.Tensor,
    words: Words,
    factor: int,
    mean: torch.Tensor | None = None,
    projection: torch.Tensor | None = None,
    *,
    precision: str = "float32",
) -> tuple[torch.Tensor, torch.Tensor]:
    """Words and norms of maps that are interpolated bilinearly, then whitened.

    With ``x = sum_i a_i g_i`` an interpolated feature, m the mean, W the projection,
    ``u_i = (g_i - |g_i| m) W`` and ``s = |x| - sum_i a_i |g_i|``, the whitened feature is
    ``y = v / |v|``, ``v = sum_i a_i u_i - s m W``. Multiplied by |v|, the score of word c is
    ``y.c - |c|^2 / 2 = sum_i a_i (u_i.c) - s (m W).c - |v| |c|^2 / 2``: products of source cells,
    interpolated. Taking the mean off the source cells keeps scores small, and with them rounding.

    Parameters
    ----------
    maps : float32 (n, C, h, w), raw
    words : on the same device
    factor : of the interpolation (``align_corners=False``), an integer of 1 or more
    mean, projection : float32 (C,) and (C, n_components), of L2 -> whitening -> L2; without them
        the interpolated features are in the space of the words as they are
    precision : "float32", or "bfloat16" for the product with the words: its two best words (it is
        rounded to 8 bits) are then scored in float32

    Returns
    -------
    words : int32 (n, H, W), the lowest of equally near words; 0 where a feature is not finite
    norms : float32 (n, H, W), |x|
    """
    n, _, h, w = maps.shape
    at_home = maps.device.type == "cpu"
    n_maps = max(1, _cells_together(at_home, factor) // (h * w))
    keep_best = _keep_best_by_kernel if at_home else _keep_best_on(maps.device)
    found, norms = [], []
    for group in maps.split(n_maps):
        cells = prepare_cells(group, factor, mean, projection)
        top_words = keep_best(cells, words, factor, precision)
        if precision == "bfloat16":
            top_words = _choose(cells, words, top_words)
        # A whitened feature of length 0 stays 0: its nearest word is the shortest.
        shortest = words.half_norms.argmin().to(torch.int32)
        found.append(torch.where(cells.scales == 0, shortest, top_words[..., 0]))
        norms.append(cells.norms)
    return torch.cat(found), torch.cat(norms)


def _cells_together(at_home: bool, factor: int) -> int:
    """Source cells whose maps are looked at together."""
    return _CELLS if at_home else min(_CELLS_ON_DEVICE, _LARGE_CELLS_ON_DEVICE // factor**2)


@torch.inference_mode()
def assign_in_two_levels(
    maps: torch.Tensor,
    two_level: TwoLevel,
    n_probed: int,
    factor: int,
    mean: torch.Tensor | None = None,
    projection: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """`assign_interpolated` with the words of the nearest cells only; all on the CPU.

    A map gets the same words alone as in a batch: it is made ready alone, and what a feature gets
    does not depend on those beside it. Maps of a batch share the words that they look at.

    Parameters
    ----------
    maps, factor, mean, projection : see `assign_interpolated`
    two_level, n_probed : see `blcf.vocabulary.two_level.TwoLevel.nearest`

    Returns
    -------
    words : int32 (n, H, W)
    norms : float32 (n, H, W)
    """
    found, norms = [], []
    for group in maps.split(_MAPS_IN_TWO_LEVELS):
        cells = [prepare_cells(one[None], factor, mean, projection) for one in group]
        scales = torch.cat([one.scales for one in cells])[..., None]
        features = torch.cat([one.features for one in cells]) / torch.where(scales == 0, 1, scales)
        words = two_level.nearest(features.flatten(0, 2), n_probed)[0].view(features.shape[:3])
        # The shortest word need not be in the cells nearest to 0.
        words = torch.where((features == 0).all(dim=3), two_level.shortest, words)
        found.append(words.to(torch.int32))
        norms += [one.norms for one in cells]
    return torch.cat(found), torch.cat(norms)


def _products(cells: SourceCells, words: Words, precision: str, n_words: int):
    """Yield (first word, products of the cells, of the origin) of blocks of words."""
    low = precision == "bfloat16"
    rows = cells.rows.bfloat16() if low else cells.rows
    centroids = words.low if low else words.centroids
    firsts = range(0, len(centroids), n_words)
    blocks = [centroids[first : first + n_words] for first in firsts]
    multiply = product if rows.device.type == "cpu" else linear  # float32 is twice the bytes
    found = alone(lambda block: multiply(rows, block), blocks, rows.device.type)
    for first, products in zip(firsts, found):
        yield first, products[:-1].view(*cells.shape, -1), products[-1]


def _keep_best_by_kernel(
    cells: SourceCells, words: Words, factor: int, precision: str
) -> torch.Tensor:
    """The best word of each cell, int32 (n, H, W, 1), or the best two of a bfloat16 product."""
    n_kept = 2 if precision == "bfloat16" else 1
    n, height, width = cells.norms.shape
    top_scores = np.full((n, height, width, n_kept), -np.inf, np.float32)
    top_words = np.zeros(top_scores.shape, np.int32)
    y_places = places_of(height, factor)
    x_places = places_of(width, factor)
    shifts, scales = cells.shifts.numpy(), cells.scales.numpy()
    half_norms = words.half_norms.numpy()
    n_words = max(256, _SCORES // len(cells.rows) // 64 * 64)
    for first, products, bias in _products(cells, words, precision, n_words):
        keep_best_words(
            products.numpy(),
            bias.numpy(),
            half_norms[first : first + n_words],
            shifts,
            scales,
            *y_places,
            *x_places,
            first,
            top_scores,
            top_words,
        )
    return torch.from_numpy(top_words)


def _keep_best_on(device: torch.device) -> Callable[[SourceCells, Words, int, str], torch.Tensor]:
    """The way of a device."""
    by_triton = device.type == "cuda" and _runs_triton(device)
    return _keep_best_by_triton if by_triton else _keep_best_by_torch


@cache
def _runs_triton(device: torch.device) -> bool:
    """Whether Triton is there and works, tried once; a warning says why it does not."""
    try:
        from blcf.vocabulary.device_kernel import try_kernel

        try_kernel(device)
    except ImportError:  # torch for Windows comes without
        return False
    except Exception as error:  # of a compiler, a driver, a GPU: whatever they raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        logger.warning("words are found without Triton, which takes longer: %s", reason)
        return False
    return True


def _keep_best_by_triton(
    cells: SourceCells, words: Words, factor: int, precision: str
) -> torch.Tensor:
    """`_keep_best_by_kernel` on a GPU."""
    from blcf.vocabulary.device_kernel import keep_best_on_device

    n_kept = 2 if precision == "bfloat16" else 1
    shape = (*cells.norms.shape, n_kept)
    top_scores = torch.full(shape, -torch.inf, device=cells.rows.device)
    top_words = torch.zeros(shape, dtype=torch.int32, device=cells.rows.device)
    y_places, x_places = (places_of(side, factor) for side in shape[1:3])
    shifts, scales = cells.shifts.contiguous(), cells.scales.contiguous()
    n_words = max(256, _PRODUCTS_ON_DEVICE // len(cells.rows) // 64 * 64)
    for first, products, bias in _products(cells, words, precision, n_words):
        half_norms = words.half_norms[first : first + n_words]
        places = y_places, x_places
        keep_best_on_device(
            products, bias, half_norms, shifts, scales, *places, first, top_scores, top_words
        )
    return top_words


def _keep_best_by_torch(
    cells: SourceCells, words: Words, factor: int, precision: str
) -> torch.Tensor:
    """`_keep_best_by_kernel` by operations of torch, for any device."""
    n_kept = 2 if precision == "bfloat16" else 1
    shape = (*cells.norms.shape, n_kept)
    top_scores = torch.full(shape, -torch.inf, device=cells.rows.device)
    top_words = torch.zeros(shape, dtype=torch.int32, device=cells.rows.device)
    shifts, scales = cells.shifts[..., None], cells.scales[..., None]
    n_words = max(1, _SCORES_ON_DEVICE // cells.norms.numel())
    for first, products, bias in _products(cells, words, precision, n_words):
        scores = enlarge(products.float(), factor)  # (n, H, W, n_words)
        scores = scores - shifts * bias.float()
        scores -= scales * words.half_norms[first : first + n_words]
        for _ in range(n_kept):
            best = scores.max(dim=3, keepdim=True)  # of equal scores the first
            scores = scores.scatter(3, best.indices, -torch.inf)
            values = torch.where(best.values.isnan(), -torch.inf, best.values)
            numbers = torch.where(values == -torch.inf, 0, best.indices + first)
            # Stable: of equal scores the one kept earlier, which is the lower word.
            top_scores, order = torch.cat([top_scores, values], dim=3).sort(
                dim=3, descending=True, stable=True
            )
            top_words = torch.cat([top_words, numbers.to(torch.int32)], dim=3).gather(3, order)
            top_scores, top_words = top_scores[..., :n_kept], top_words[..., :n_kept]
    return top_words


def _choose(cells: SourceCells, words: Words, top_words: torch.Tensor) -> torch.Tensor:
    """Of some words of each cell, (n, H, W, k), the nearest in float32, (n, H, W, 1)."""
    top_words = top_words.sort(dim=3).values.long()
    scores = (cells.features[..., None, :] * words.centroids[top_words]).sum(dim=4)
    scores -= cells.scales[..., None] * words.half_norms[top_words]
    return top_words.gather(3, scores.argmax(dim=3, keepdim=True)).to(torch.int32)
