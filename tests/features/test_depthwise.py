"""Depthwise convolutions channels first: the same results."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models import mobilenet_v2

from blcf.features.depthwise import plan_no_depthwise
from blcf.features.networks import cut_network


def test_a_network_gives_the_same_and_only_depthwise_convolutions_are_changed():
    torch.manual_seed(0)
    part, _ = cut_network(mobilenet_v2().eval(), "features.7")
    part.to(memory_format=torch.channels_last)
    pixels = torch.randn(2, 3, 64, 48).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        wanted = part(pixels)["map"]
        n = plan_no_depthwise(part)
        found = part(pixels)["map"]
    assert n == 7
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_other_convolutions_stay():
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.Conv2d(8, 8, 3, groups=4), nn.Conv2d(1, 4, 1))
    assert plan_no_depthwise(network) == 0
