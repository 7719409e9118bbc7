"""blcf-lite: the small network that the package carries.

A plain chain of 3x3 convolutions and ReLUs that ends in a 1x1 convolution to 512 channels at
stride 16, the shape of VGG16's conv5_1. Its weights lie beside this file in half precision; how
they were trained: `blcf.learning`, and benchmarks/training/README.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from blcf.errors import FormatError
from blcf.features.network_file import NetworkFile, read_network_file, write_network_file

__all__ = ["LAYERS", "LITE", "PACKAGED", "LiteNetwork", "padding", "read_lite", "write_lite"]

LITE = "blcf-lite"
PACKAGED = Path(__file__).with_name("blcf-lite.h5")

# (name, channels, kernel, stride)
LAYERS = (
    ("conv1", 32, 3, 2),
    ("conv2_1", 48, 3, 2),
    ("conv2_2", 48, 3, 1),
    ("conv3_1", 112, 3, 2),
    ("conv3_2", 112, 3, 1),
    ("conv3_3", 112, 3, 1),  # stride 8
    ("conv4_1", 176, 3, 2),
    ("conv4_2", 176, 3, 1),
    ("conv4_3", 176, 3, 1),
    ("conv4_4", 176, 3, 1),
    ("conv5", 512, 1, 1),  # stride 16
)

# Rows and columns of zeros before and after, by stride: with a step of two all zeros lie on one
# side, behind in the first three, before in the last. So the cell (i, j) of conv5 looks at pixel
# (16 i + 7, 16 j + 7), the middle of its share of the picture, as in VGG16.
_BEHIND, _BEFORE = (0, 1, 0, 1), (1, 0, 1, 0)


class LiteNetwork(nn.Module):
    """The network as it runs: convolutions with bias, ReLU behind each; no normalisation.

    ``features`` holds the layers under the names of `LAYERS`, each an ``nn.Sequential`` of padding
    (where the step is two), ``conv`` and ``relu``. 1.4 million parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        n_before = 3
        for name, n_channels, kernel, stride in LAYERS:
            layer: OrderedDict[str, nn.Module] = OrderedDict()
            if stride == 2:
                layer["pad"] = padding(name)
            around = kernel // 2 if stride == 1 else 0
            layer["conv"] = nn.Conv2d(n_before, n_channels, kernel, stride, around)
            layer["relu"] = nn.ReLU()
            layers[name] = nn.Sequential(layer)
            n_before = n_channels
        self.features = nn.Sequential(layers)

    def forward(self, pixels):  # noqa: D102 (torch's own contract)
        return self.features(pixels)

    def paths(self) -> list[str]:
        """Where the modules lie that are called one behind the other: ``features.conv1.pad``."""
        return [
            f"features.{name}.{part}"
            for name, layer in self.features.named_children()
            for part, _ in layer.named_children()
        ]


def padding(name: str) -> nn.ZeroPad2d:
    """The zeros around the input of a layer whose step is two."""
    return nn.ZeroPad2d(_BEFORE if name == "conv4_1" else _BEHIND)


def write_lite(path: Path, network: LiteNetwork, facts: Mapping[str, str]) -> None:
    """Write the weights, in half precision, with what a stranger should know of them."""
    write_network_file(path, NetworkFile(LITE, network.state_dict(), facts=facts), half=True)


def read_lite(path: Path = PACKAGED) -> dict[str, torch.Tensor]:
    """The weights of a file that `write_lite` wrote, float32, by the names of a state dict.

    Raises
    ------
    FormatError
        The file is missing or damaged, or of another network.
    """
    content = read_network_file(path)
    if content.network != LITE:
        raise FormatError(f"Expected {path} to hold {LITE}, got {content.network}.")
    return dict(content.tensors)
