"""The teachers of blcf-lite: networks trained on ImageNet, and what of their layers is taught.

What a student shall predict of a layer is what BLCF would make of it: the local features,
L2-normalised, PCA-whitened and L2-normalised again (cosines between them are the layer's opinion
of what looks alike), and their L2 norms, which weight the cells of a picture.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from blcf.features import Whitening
from blcf.features.network_file import Preprocessing
from blcf.features.networks import build_network, cut_layers
from blcf.features.part import choose_dtype
from blcf.features.timm_networks import TIMM, is_timm
from blcf.features.timm_parts import timm_part
from blcf.features.weights import load_weights, put_weights
from blcf.learning.feature_rows import feature_rows

__all__ = ["TAUGHT", "Targets", "Taught", "Teachers"]


@dataclass(frozen=True)
class Taught:
    """One layer that is taught.

    Attributes
    ----------
    name : of the target
    network, layer : whose maps they are
    stride : pixels from cell to cell
    first : pixel of the network's input at which the first cell looks, its middle; measured, as
        the mean place where maps of photographs change when a small patch of them does
    share : of the loss
    """

    name: str
    network: str
    layer: str
    stride: int
    first: int
    share: float


# In front of their last ReLUs, as is what the student says (`blcf.features.signed`); there is none
# in blocks.4.
# By their padding alone the cells of MobileNetV2 would look at 0.
TAUGHT = (
    Taught("fire9", "squeezenet1_1", "fire9:signed", 16, 15, 0.45),
    Taught("fire8", "squeezenet1_1", "fire8:signed", 16, 15, 0.1),
    Taught("mobilenet_v2", "mobilenet_v2", "features.14.conv.0:signed", 16, -4, 0.15),
    Taught("lite2", "timm:tf_efficientnet_lite2", "blocks.4", 16, 9, 0.4),
    Taught("fire5", "squeezenet1_1", "fire5:signed", 8, 7, 0.2),
)


class Teachers:
    """Every taught layer, over pictures of one size.

    Parameters
    ----------
    folder : with the weights: ``squeezenet1_1_features.pth``, ``mobilenet_v2.pth`` and
        ``tf_efficientnet_lite2.pth``
    taught : the layers
    margin : pixels of a canvas on each side of what the student sees; 16 at least
    device, dtype : of the arithmetic; None: bfloat16 where the device has instructions for it

    Raises
    ------
    WeightsError
        A file is missing.
    InvalidInput
        A network of timm, which is not installed.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        taught: Sequence[Taught] = TAUGHT,
        *,
        margin: int = 16,
        device: str = "cpu",
        dtype: torch.dtype | None = None,
    ):
        self.taught, self.margin = tuple(taught), margin
        self.device = torch.device(device)
        self.dtype = dtype or getattr(torch, choose_dtype(self.device))
        self._networks = {}
        for name in dict.fromkeys(each.network for each in taught):
            layers = [each.layer for each in taught if each.network == name]
            part, preprocessing = _open(Path(folder), name, layers)
            mean = torch.tensor(preprocessing.mean).view(1, 3, 1, 1) * 255
            std = torch.tensor(preprocessing.std).view(1, 3, 1, 1) * 255
            part = part.eval().requires_grad_(False).to(self.device, self.dtype)
            part = part.to(memory_format=torch.channels_last)
            self._networks[name] = part, mean.to(self.device), std.to(self.device)

    @torch.inference_mode()
    def __call__(self, canvases: np.ndarray) -> dict[str, torch.Tensor]:
        """Maps on the student's grid.

        Parameters
        ----------
        canvases : uint8 (n, side, side, 3)

        Returns
        -------
        {name: float32 (n, C, h, w)}: cell (i, j) looks at the pixel of the canvas
        ``margin + stride * (i + 0.5) - 0.5``, to half a pixel at stride 16 and to the mean of two
        neighbours at stride 8; h, w are (side - 2 margin) // stride
        """
        side = canvases.shape[1]
        pixels = torch.from_numpy(canvases).to(self.device).permute(0, 3, 1, 2).float()
        found: dict[str, torch.Tensor] = {}
        for name, (part, mean, std) in self._networks.items():
            layers = [each for each in self.taught if each.network == name]
            start, skip = self.margin + 8 - layers[0].first, 0
            if start >= 16:  # see more of the canvas, and leave out the cells at the border
                start, skip = start - 16, 1
            end = start + (side - start) // 16 * 16  # SAME padding of an odd size moves the cells
            inputs = ((pixels[:, :, start:end, start:end] - mean) / std).to(self.dtype)
            maps = part(inputs.contiguous(memory_format=torch.channels_last))
            for each in layers:
                n_cells = (side - 2 * self.margin) // each.stride
                values = maps[each.layer].float()
                if each.stride == 8:  # half a cell off: the mean of two neighbours either way
                    values = functional.avg_pool2d(values, 2, 1)
                found[each.name] = values[:, :, skip : skip + n_cells, skip : skip + n_cells]
        return found


def _open(folder: Path, network: str, layers: Sequence[str]) -> tuple[nn.Module, Preprocessing]:
    """A network that gives the maps of some layers, and its preprocessing."""
    name = network.removeprefix(TIMM)
    file = {"squeezenet1_1": "squeezenet1_1_features.pth"}.get(name, f"{name}.pth")
    weights = load_weights(network, folder / file)
    module = build_network(network)
    if is_timm(module):
        assert len(layers) == 1, "of a network that runs as it is, one layer"
        shared = timm_part(module, layers[0])
        shared.lead = 0  # pictures stay where they are: `Taught.first` says where its cells look
        put_weights(shared, weights)
        return _Named(shared, layers[0]), weights.preprocessing
    part = cut_layers(module, layers)
    put_weights(part, weights)
    return part, weights.preprocessing


class _Named(nn.Module):
    """A part whose map is called by the name of its layer."""

    def __init__(self, part: nn.Module, layer: str):
        super().__init__()
        self.part, self.layer = part, layer

    def forward(self, pixels):  # noqa: D102 (torch's own contract)
        return {self.layer: self.part(pixels)["map"]}


class Targets:
    """What is taught of each layer, learned from a sample of maps.

    Attributes
    ----------
    whitenings_ : {name: `Whitening`}
    scales_ : {name: mean L2 norm of a local feature}
    """

    def __init__(self, n_components: int = 128):
        self.n_components = n_components

    def fit(self, maps: Mapping[str, torch.Tensor]) -> Targets:
        """Learn from maps of a sample of pictures, {name: (n, C, h, w)}."""
        self.whitenings_, self.scales_ = {}, {}
        for name, values in maps.items():
            rows = feature_rows(values).numpy()
            n_components = min(self.n_components, rows.shape[1])
            self.whitenings_[name] = Whitening(n_components).fit(rows)
            self.scales_[name] = float(np.linalg.norm(rows, axis=1).mean())
        return self

    def transform(self, name: str, values: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Directions float16 (n, n_components, h, w), of length 1, and relative norms (n, h, w).

        A layer of fewer channels has zeros behind its own.
        """
        n, _, h, w = values.shape
        rows = feature_rows(values).cpu().numpy()
        directions = np.zeros((n, h, w, self.n_components), dtype=np.float32)
        whitened = self.whitenings_[name].transform(rows)
        directions[..., : whitened.shape[1]] = whitened.reshape(n, h, w, -1)
        norms = np.linalg.norm(rows, axis=1).reshape(n, h, w) / self.scales_[name]
        return directions.transpose(0, 3, 1, 2).astype(np.float16), norms.astype(np.float16)
