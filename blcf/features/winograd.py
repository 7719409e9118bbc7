"""3x3 convolutions of float32 by Winograd's minimal filtering, on the processor.

oneDNN, which torch computes convolutions with, sums as it is written; torch's NNPACK transforms the
weights again at each call. With weights that were transformed once, layers of VGG16 are computed
1.8 to 2.9 times as fast, those of blcf-lite 1.4 to 2.1 times (benchmarks/convolution.md). Results
differ by rounding, some 5e-6 of the largest; bfloat16 is a thousand times further away.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from blcf.kernels.convolution import LANES, TILE, convolve_tiles, memory_shapes
from blcf.threads import together

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
    made = np.zeros((36, n_channels, -(-m // LANES) * LANES), dtype=np.float32)
    transformed = _WEIGHTS @ exact @ _WEIGHTS.T  # (m, n_channels, 6, 6)
    made[:, :, :m] = transformed.reshape(m, n_channels, 36).transpose(2, 1, 0)
    blocks = made.reshape(36, n_channels, -1, LANES).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(blocks)


class WinogradConvolution(nn.Module):
    """A convolution and the activation behind it, see `can_be_filtered`.

    A map is that of its picture alone to the last bit, whatever the batch and the threads.

    Parameters
    ----------
    convolution : its weights are transformed, 36 numbers for 9, and not looked at again
    activation, scalars : see `blcf.features.fusing.FusedConvolution`

    Attributes
    ----------
    weights, bias : float32 (36 n_blocks, C, LANES) and (C',), buffers
    """

    weights: torch.Tensor
    bias: torch.Tensor

    def __init__(self, convolution: nn.Conv2d, activation: str, scalars: list[Any]):
        super().__init__()
        # Of three axes: torch lays those of four "channels last".
        weights = torch.from_numpy(filtering_weights(convolution.weight)).flatten(0, 1)
        self.register_buffer("weights", weights)
        bias = convolution.bias
        zeros = torch.zeros(convolution.out_channels)
        self.register_buffer("bias", zeros if bias is None else bias.detach().clone())
        low, high = scalars if activation == "hardtanh" else _BOUNDS[activation]
        self._bounds = np.float32(low), np.float32(high)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Float32 (n, C, h, w) to (n, C', h, w), channels last in memory.

        Raises
        ------
        RuntimeError
            Inputs of another type or number of channels, as torch's own convolutions.
        """
        wanted = self.weights.shape[1]
        if inputs.ndim != 4 or inputs.shape[1] != wanted or inputs.dtype != torch.float32:
            raise RuntimeError(
                f"expected float32 input of shape (n, {wanted}, h, w), got "
                f"{str(inputs.dtype).removeprefix('torch.')} of shape {tuple(inputs.shape)}"
            )
        n, _, height, width = inputs.shape
        n_tiles = -(-height // TILE) * -(-width // TILE)
        cells = inputs.permute(0, 2, 3, 1).contiguous().numpy()
        convolved = torch.empty((n, height, width, len(self.bias)))
        n_products = n * n_tiles * self.weights.numel()
        n_threads = max(1, min(torch.get_num_threads(), n_products // _PRODUCTS_OF_A_THREAD))
        n_each = max(1, -(-n * n_tiles // n_threads))
        compute = partial(self._convolve, cells, convolved.numpy(), n_tiles)
        starts = range(0, n * n_tiles, n_each)
        together([partial(compute, first, min(first + n_each, n * n_tiles)) for first in starts])
        return convolved.permute(0, 3, 1, 2)

    def _convolve(
        self, cells: np.ndarray, convolved: np.ndarray, n_tiles: int, first: int, last: int
    ) -> None:
        """The tiles from `first` on, before `last`, of all pictures, each of which has n_tiles."""
        n_channels, m = cells.shape[3], len(self.bias)
        weights = self.weights.numpy().reshape(36, -1, n_channels, LANES)
        # By torch: what it says of too little memory is known to the caller.
        memory = tuple(torch.empty(shape).numpy() for shape in memory_shapes(n_channels, m))
        for picture in range(first // n_tiles, -(-last // n_tiles)):
            here = max(first - picture * n_tiles, 0), min(last - picture * n_tiles, n_tiles)
            one, bias = convolved[picture], self.bias.numpy()
            convolve_tiles(cells[picture], weights, bias, *self._bounds, *here, memory, one)
