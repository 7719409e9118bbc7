"""Depthwise convolutions on a GPU by torch's own kernels, which need no plan for each shape.

Where pictures lie channels last, torch gives them to cuDNN, which makes a plan, or compiles a
kernel, for every shape of a picture and of a batch it has not seen: 557 photographs and 140 queries
of five sizes did not end in 270 s on an H100 with MobileNetV2, where a network of plain
convolutions took 50. Channels first it has kernels of its own.
"""

from __future__ import annotations

import torch
from torch import nn

__all__ = ["plan_no_depthwise"]


class _ChannelsFirst(nn.Module):
    """A convolution whose pictures lie channels first while it computes."""

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        self.convolution = convolution.to(memory_format=torch.contiguous_format)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """The same as the convolution, channels last."""
        return self.convolution(pixels.contiguous()).contiguous(memory_format=torch.channels_last)


def plan_no_depthwise(network: nn.Module) -> int:
    """Let the depthwise convolutions of a network, which is changed, compute channels first; gives
    how many there are."""
    found = [
        (parent, name, child)
        for parent in list(network.modules())
        if not isinstance(parent, _ChannelsFirst)
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d) and 1 < child.groups == child.in_channels
    ]
    for parent, name, child in found:
        setattr(parent, name, _ChannelsFirst(child))
    return len(found)
