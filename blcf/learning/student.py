"""blcf-lite while it is trained, with batch normalisation, shortcuts and heads; its export."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from blcf.features.lite import LAYERS, LiteNetwork, padding
from blcf.features.signed import signed_features

__all__ = ["SHALLOW", "Student", "TrainedLayer", "export", "unfold"]

SHALLOW = "conv3_3"  # the layer at stride 8 that is taught too


class TrainedLayer(nn.Module):
    """relu(bn(conv(x)) + x) where the shapes allow, else relu(bn(conv(x))).

    The shortcut is a convolution too (a one in the middle of the kernel), so that both become one
    plain convolution at export (Ding et al., RepVGG, CVPR 2021, section 3.3). The last layer gives
    `signed_features` in place of the ReLU, as they are what is searched with.
    """

    def __init__(self, name: str, n_before: int, n_channels: int, kernel: int, stride: int):
        super().__init__()
        self.pad = padding(name) if stride == 2 else nn.Identity()
        around = kernel // 2 if stride == 1 else 0
        self.conv = nn.Conv2d(n_before, n_channels, kernel, stride, around, bias=False)
        self.norm = nn.BatchNorm2d(n_channels)
        self.shortcut = stride == 1 and n_before == n_channels
        self.is_last = name == LAYERS[-1][0]

    def forward(self, maps):  # noqa: D102 (torch's own contract)
        outputs = self.norm(self.conv(self.pad(maps)))
        outputs = outputs + maps if self.shortcut else outputs
        return signed_features(outputs) if self.is_last else functional.relu(outputs)

    @torch.no_grad()
    def unfold(self, kernel: torch.Tensor, bias: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
        """Become the layer that `folded` gives kernel and bias of, normalised by `maps`.

        Mean and variance are those of the maps, scale and shift undo them. Gives the outputs.
        """
        self.conv.weight.copy_(kernel)
        if self.shortcut:
            middle, channels = kernel.shape[-1] // 2, torch.arange(len(kernel))
            self.conv.weight[channels, channels, middle, middle] -= 1
        variance, mean = torch.var_mean(self.conv(self.pad(maps)), dim=(0, 2, 3))
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(bias + mean)
        return self.eval()(maps)

    def folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Kernel and bias of the one convolution that this layer is at inference, float64."""
        norm = self.norm
        assert norm.running_mean is not None and norm.running_var is not None
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        kernel = self.conv.weight.double() * scale[:, None, None, None]
        if self.shortcut:
            middle = kernel.shape[-1] // 2
            channels = torch.arange(len(kernel))
            kernel[channels, channels, middle, middle] += 1
        return kernel, norm.bias.double() - norm.running_mean.double() * scale


class Student(nn.Module):
    """The network with its heads: one linear map a teacher, from 512 channels or from stride 8."""

    def __init__(self, n_deep: int, n_shallow: int):
        super().__init__()
        self.layers = nn.ModuleDict()
        n_before = 3
        for name, n_channels, kernel, stride in LAYERS:
            self.layers[name] = TrainedLayer(name, n_before, n_channels, kernel, stride)
            n_before = n_channels
        self.deep_head = nn.Conv2d(n_before, n_deep, 1)
        n_at_stride_8 = next(n_channels for name, n_channels, *_ in LAYERS if name == SHALLOW)
        self.shallow_head = nn.Conv2d(n_at_stride_8, n_shallow, 1)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps at stride 8 (n, 112, 2h, 2w) and at stride 16 (n, 512, h, w), these signed."""
        maps, shallow = pixels, pixels
        for name, layer in self.layers.items():
            maps = layer(maps)
            if name == SHALLOW:
                shallow = maps
        return shallow, maps


def export(student: Student) -> LiteNetwork:
    """The plain network whose ``conv5:signed`` is what the student says in evaluation mode."""
    network = LiteNetwork().eval()
    with torch.no_grad():
        tensors: dict[str, torch.Tensor] = {}
        for name, layer in student.layers.items():
            assert isinstance(layer, TrainedLayer)
            kernel, bias = layer.folded()
            tensors |= {f"features.{name}.conv.weight": kernel, f"features.{name}.conv.bias": bias}
        network.load_state_dict(tensors)
    return network


def unfold(network: LiteNetwork, student: Student, pixels: torch.Tensor) -> None:
    """Make a student that computes what the plain network computes, to learn on from there.

    Parameters
    ----------
    network : float32
    student : changed; its heads are not
    pixels : float32 (n, 3, height, width), of pictures over which the layers are normalised
    """
    maps = pixels
    for name, layer in student.layers.items():
        assert isinstance(layer, TrainedLayer)
        conv = getattr(network.features, name).conv
        maps = layer.unfold(conv.weight, conv.bias, maps)
