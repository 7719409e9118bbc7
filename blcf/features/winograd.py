"""3x3 convolutions of float32 by Winograd's minimal filtering, on the processor.

oneDNN, which torch computes convolutions with, sums as it is written; torch's NNPACK transforms the
weights again at each call. With weights that were transformed once, layers of VGG16 are computed
1.8 to 2.7 times as fast, those of blcf-lite 1.6 to 2.1 times (benchmarks/convolution.md). Results
differ by rounding, some 5e-6 of the largest; bfloat16 is a thousand times further away.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from blcf.kernels.convolution import BLOCK, LANES, TILE, convolve_tiles
from blcf.threads import in_order

__all__ = ["WinogradConvolution", "can_be_filtered", "filtering_weights"]

# The transform of the weights, G of the paper (../kernels/convolution.py).
_WEIGHTS = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)

LEAST_CHANNELS = 16  # with 3, as in a network's first layer, transforms cost more than the products

# Threads begin, and wait for those of OpenMP that still look for work: a millisecond's products.
_PRODUCTS_OF_A_THREAD = 32 << 20

_BOUNDS: dict[str, tuple[float, float]] = {"none": (-np.inf, np.inf), "relu": (0, np.inf)}


def can_be_filtered(convolution: nn.Conv2d, activation: str, dtype: torch.dtype) -> bool:
    """Whether it is a convolution that `WinogradConvolution` computes, and faster."""
    c = convolution
    return (
        dtype == torch.float32
        and activation in (*_BOUNDS, "hardtanh")
        and (c.kernel_size, c.stride, c.padding, c.dilation) == ((3, 3), (1, 1), (1, 1), (1, 1))
        and c.groups == 1
        and min(c.in_channels, c.out_channels) >= LEAST_CHANNELS
    )


def filtering_weights(weight: torch.Tensor) -> np.ndarray:
    """The weights (m, n_channels, 3, 3) of a convolution as `convolve_tiles` takes them."""
    exact = weight.detach().double().numpy()
    m, n_channels = exact.shape[:2]
    made = np.zeros((36, n_channels, -(-m // LANES) * LANES))
    transformed = np.einsum("ia,mcab,jb->ijcm", _WEIGHTS, exact, _WEIGHTS)
    made[:, :, :m] = transformed.reshape(36, n_channels, m)
    blocks = made.reshape(36, n_channels, -1, LANES).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(blocks, dtype=np.float32)


class WinogradConvolution(nn.Module):
    """A convolution and the activation behind it, see `can_be_filtered`.

    A map is that of its picture alone to the last bit, whatever the batch and the threads.

    Parameters
    ----------
    convolution : its weights are transformed, 36 numbers for 9, and not looked at again
    activation, scalars : see `blcf.features.fusing.FusedConvolution`

    Attributes
    ----------
    bias_ : float32 (C',)
    """

    def __init__(self, convolution: nn.Conv2d, activation: str, scalars: list[Any]):
        super().__init__()
        self._weights = filtering_weights(convolution.weight)
        self.bias_ = np.zeros(convolution.out_channels, dtype=np.float32)
        if convolution.bias is not None:
            self.bias_[:] = convolution.bias.detach().numpy()
        low, high = scalars if activation == "hardtanh" else _BOUNDS[activation]
        self._bounds = np.float32(low), np.float32(high)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Float32 (n, C, h, w) to (n, C', h, w), channels last in memory."""
        n, _, height, width = inputs.shape
        n_tiles = -(-height // TILE) * -(-width // TILE)
        cells = inputs.permute(0, 2, 3, 1).contiguous().numpy()
        convolved = torch.empty((n, height, width, len(self.bias_)))
        compute = partial(self._convolve, cells, convolved.numpy())
        n_products = n * n_tiles * self._weights.size
        n_threads = min(torch.get_num_threads(), n_products // _PRODUCTS_OF_A_THREAD)
        if n_threads <= 1:
            compute((slice(0, n), 0, n_tiles))
        else:
            n_each = -(-n_tiles // n_threads)
            parts = [
                (slice(picture, picture + 1), first, min(first + n_each, n_tiles))
                for picture in range(n)
                for first in range(0, n_tiles, n_each)
            ]
            for _ in in_order(compute, parts, n_threads):
                pass
        return convolved.permute(0, 3, 1, 2)

    def _convolve(
        self, cells: np.ndarray, convolved: np.ndarray, part: tuple[slice, int, int]
    ) -> None:
        """The tiles from the second to the third of a part, of each of its pictures."""
        pictures, first, last = part
        n_channels, m, n_lanes = cells.shape[3], len(self.bias_), self._weights.shape[1] * LANES
        shapes = [
            *((36, BLOCK, n_channels), (36, BLOCK, n_lanes)),
            *((6, 6, n_channels), (6, 6, n_channels), (4, 4, m), (4, 6, m)),
        ]
        memory = tuple(np.empty(shape, dtype=np.float32) for shape in shapes)
        for before, after in zip(cells[pictures], convolved[pictures]):
            convolve_tiles(
                before, self._weights, self.bias_, *self._bounds, first, last, memory, after
            )
