"""A network up to one layer, to learn on from its weights."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from blcf.features.network_file import NetworkFile, write_network_file
from blcf.features.networks import build_network, cut_network, default_layer
from blcf.features.part import choose_dtype
from blcf.features.signed import SIGNED, split_layer
from blcf.features.weights import digest_tensors, load_weights, put_weights
from blcf.learning.blending import blended

__all__ = ["LocalNetwork"]

# Layers of a stride up to this one keep their weights. Edges and colours are the same for all
# things; and as the pictures are largest there, half of a step's time goes into learning them
# (blcf-lite, 32 pictures of side 224, one thread: 296 ms, without conv1 to conv2_2 263, of which
# going back 191 and 138).
_KEPT_STRIDE = 4

_SIDE = 64  # of the picture by which strides are found out


class LocalNetwork(nn.Module):
    """Pixels to feature maps, trainable; what it has learned is written as a file of weights.

    Parameters
    ----------
    network : a name that `blcf.ConvFeatures` takes
    layer : see there
    weights : to begin with, see there

    Attributes
    ----------
    network, layer : names
    preprocessing : `Preprocessing`, what belongs to the weights
    begins_with : digest of the weights, and whether the layer is signed
    n_channels : of the maps

    Raises
    ------
    InvalidInput, WeightsError
        As `blcf.ConvFeatures`.
    """

    pixel_mean: torch.Tensor
    pixel_std: torch.Tensor

    def __init__(
        self,
        network: str = "blcf-lite",
        *,
        layer: str | None = None,
        weights: str | os.PathLike[str] | None = None,
    ):
        super().__init__()
        module, found = build_network(network), load_weights(network, weights)
        self.network = network
        self.layer = layer or found.layer or default_layer(network)
        self.part, _ = cut_network(module, self.layer)
        put_weights(self.part, found)
        self.preprocessing = found.preprocessing
        self.begins_with = digest_tensors(self.part)
        if split_layer(self.layer)[1]:  # which has the weights of the layer behind the activation
            self.begins_with += SIGNED
        state = self.part.state_dict()
        self._before = {name: tensor.float().clone() for name, tensor in state.items()}
        self.to(memory_format=torch.channels_last)
        for name, values in (
            ("pixel_mean", found.preprocessing.mean),
            ("pixel_std", found.preprocessing.std),
        ):
            self.register_buffer(
                name, torch.tensor(values).view(1, 3, 1, 1) * 255, persistent=False
            )
        self.n_channels = self._keep_first_layers()
        self.train()

    def _keep_first_layers(self) -> int:
        """Let layers before the stride of 8 keep their weights; gives the channels of the map."""
        kept: list[nn.Module] = []

        def look(module: nn.Module, _: object, output: object) -> None:
            if isinstance(output, torch.Tensor) and output.ndim == 4:
                if output.shape[-1] * _KEPT_STRIDE >= _SIDE:
                    kept.append(module)

        leaves = [one for one in self.part.modules() if next(one.children(), None) is None]
        hooks = [one.register_forward_hook(look) for one in leaves]
        with torch.inference_mode():
            n_channels = self.part(torch.zeros(1, 3, _SIDE, _SIDE))["map"].shape[1]
        for hook in hooks:
            hook.remove()
        for one in kept:
            one.requires_grad_(False)
        return int(n_channels)

    def train(self, mode: bool = True) -> LocalNetwork:
        """As every module; but the statistics of batch normalisation are kept."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures uint8 or float (n, 3, h, w), 0..255, to maps float32 (n, C, h', w')."""
        device = pixels.device
        normal = (pixels - self.pixel_mean) / self.pixel_std
        bfloat16 = choose_dtype(device) == "bfloat16"
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            maps = self.part(normal.contiguous(memory_format=torch.channels_last))["map"]
        return maps.float()

    def write(self, path: Path, facts: dict[str, str], blend: float = 1.0) -> None:
        """Write the weights as a file that `blcf.ConvFeatures` and ``--weights`` take.

        `blend` is the share of what was learned; the rest is of the weights that it began with.
        """
        learned = {
            name: tensor
            for name, tensor in self.part.state_dict().items()
            if not name.endswith("num_batches_tracked")
        }
        tensors = blended(self._before, learned, blend)
        content = NetworkFile(self.network, tensors, self.layer, self.preprocessing, facts)
        write_network_file(path, content)
