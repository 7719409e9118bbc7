"""Layers of unusual shape, and networks that refuse a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from blcf.errors import InvalidInput, OutOfMemory
from blcf.features import ConvFeatures

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 128, 3), dtype=np.uint8)


class ChannelsLast(nn.Module):
    """A map as transformers keep it: (n, h, w, C)."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.conv = nn.Conv2d(3, 5, 16, stride=16)

    def forward(self, x):
        return self.conv(x).permute(0, 2, 3, 1).relu()


class Flat(nn.Module):
    """A map whose sides do not follow the picture's."""

    def forward(self, x):
        return nn.functional.adaptive_avg_pool2d(x, (4, 6)).relu()


def refusing(error: Exception) -> ConvFeatures:
    """An extractor whose network raises at pictures of a height of 100 pixels."""
    extractor = ConvFeatures(nn.Sequential(nn.ReLU()), layer="0", side=128, device="cpu")
    part = extractor._part

    def forward(inputs):
        if inputs.shape[2] == 100:
            raise error
        return part(inputs)

    extractor._part = forward
    return extractor


def test_channels_on_the_last_axis_are_moved_first():
    module = ChannelsLast()
    last = ConvFeatures(module, layer="relu", side=128, device="cpu")
    first = ConvFeatures(nn.Sequential(module.conv, nn.ReLU()), layer="1", side=128, device="cpu")
    assert last.n_channels_ == first.n_channels_ == 5
    np.testing.assert_allclose(last.extract(IMAGE), first.extract(IMAGE), atol=1e-6)


def test_maps_that_do_not_follow_the_picture():
    with pytest.raises(InvalidInput, match="whose height and width follow the picture's"):
        ConvFeatures(Flat(), layer="relu", side=128, device="cpu")


@pytest.mark.parametrize("kind", [AssertionError, ValueError, RuntimeError])
def test_a_network_that_refuses_a_size(kind):
    extractor = refusing(kind("wrong height"))
    extractor.extract(np.zeros((128, 128, 3), dtype=np.uint8))
    with pytest.raises(InvalidInput, match=r"picture of 128x100 pixels .*\(wrong height\)"):
        extractor.extract(np.zeros((100, 128, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "error",
    [torch.cuda.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")],
)
def test_too_little_memory_is_said_as_such(error, monkeypatch):
    monkeypatch.delattr(torch, "OutOfMemoryError", raising=False)  # torch 2.4 has none
    extractor = refusing(error)
    with pytest.raises(OutOfMemory, match="smaller side, a smaller batch_size"):
        extractor.extract(np.zeros((100, 128, 3), dtype=np.uint8))


def test_values_that_are_not_finite():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with torch.no_grad():
        module[0].weight.fill_(1e30)
        module[0].bias.fill_(0)
    blown = ConvFeatures(module, layer="1", side=64, device="cpu", dtype="float16")
    with pytest.raises(InvalidInput, match="not finite in float16. Use dtype='float32'"):
        blown.extract(np.full((64, 64, 3), 255, dtype=np.uint8))
