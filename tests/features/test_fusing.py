"""Fused networks: the maps of eager torch, whatever can be fused and whatever cannot."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from blcf.features import ConvFeatures, fusing
from blcf.features.fusing import (
    FusedConvolution,
    fuse_network,
    has_fused_convolutions,
    largest_activation,
)
from blcf.features.networks import build_network, cut_network, default_layer
from blcf.features.winograd import WinogradConvolution

# Convolutions up to the default layer, counted in the architectures' tables.
NETWORKS = {
    "vgg16": 11,
    "vgg11_bn": 7,
    "alexnet": 5,
    "squeezenet1_1": 25,
    "resnet18": 15,
    "mobilenet_v2": 1 + 2 + 12 * 3 + 1,
    "mobilenet_v3_small": None,
    "densenet121": 1 + 2 * (6 + 12 + 24) + 2,
    "googlenet": None,
    "efficientnet_b0": None,
}

needs_onednn = pytest.mark.skipif(
    not has_fused_convolutions(torch.float32), reason="this torch has no fused convolutions"
)


def randomised(network: str) -> nn.Module:
    """A network with random weights under which activations neither vanish nor explode."""
    torch.manual_seed(0)
    module = build_network(network).to_empty(device="cpu")
    for each in module.modules():
        if isinstance(each, nn.Conv2d):
            nn.init.kaiming_normal_(each.weight)
            if each.bias is not None:
                nn.init.normal_(each.bias, std=0.1)
        elif isinstance(each, nn.BatchNorm2d):
            nn.init.uniform_(each.weight, 0.5, 1.5)
            nn.init.normal_(each.bias, std=0.3)
            nn.init.normal_(each.running_mean, std=0.3)
            nn.init.uniform_(each.running_var, 0.5, 1.5)
    return module.eval().requires_grad_(False)


def maps(part: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return part(inputs.clone())["map"].float()


def n_fused(part: nn.Module) -> int:
    kinds = (FusedConvolution, WinogradConvolution)
    return sum(isinstance(each, kinds) for each in part.modules())


def distance(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return float((found - expected).norm() / expected.norm())


@needs_onednn
@pytest.mark.parametrize("network", NETWORKS)
def test_equals_eager(network: str) -> None:
    part, _ = cut_network(randomised(network), default_layer(network))
    fused = fuse_network(part, torch.float32)
    assert NETWORKS[network] in (None, n_fused(fused))
    kept = [name for name, each in fused.named_modules() if type(each) is nn.Conv2d]
    assert all(".fc" in name for name in kept)  # within torchvision's SqueezeExcitation
    for shape in ((1, 3, 64, 96), (3, 3, 97, 71)):
        inputs = torch.randn(shape).contiguous(memory_format=torch.channels_last)
        expected = maps(part, inputs)
        assert distance(maps(fused, inputs), expected) < 1e-5
        torch.testing.assert_close(maps(part, inputs), expected)  # the part is as it was
    if has_fused_convolutions(torch.bfloat16):
        exact = maps(part, inputs)
        short = fuse_network(copy.deepcopy(part).eval(), torch.bfloat16)
        short.to(torch.bfloat16).to(memory_format=torch.channels_last)
        plain = copy.deepcopy(part).eval().to(torch.bfloat16)
        eager = distance(maps(plain, inputs.bfloat16()), exact)
        assert distance(maps(short, inputs.bfloat16()), exact) < 1.2 * eager + 1e-3 < 0.2


class Odd(nn.Module):
    """What can be fused beside what only looks like it."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, stride=2, bias=False)
        self.twice = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.same = nn.Conv2d(8, 8, 3, padding="same")
        self.mirror = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.untracked = nn.BatchNorm2d(8, track_running_stats=False)
        self.inplace = nn.ReLU(inplace=True)
        self.hooked = nn.Conv2d(8, 8, 1)
        self.hooked.register_forward_hook(lambda module, inputs, output: 2 * output)

    def forward(self, x):
        x = functional.relu(self.one(x), inplace=True)
        x = self.hooked(input=self.hooked(x))
        x = functional.hardswish(self.twice(x))
        raw = self.twice(x)  # a second call of one module, and a map with two users
        x = raw.abs() + functional.silu(raw)
        x = self.inplace(self.same(x)) + torch.relu(self.mirror(x))
        return self.inplace(self.untracked(self.twice(x)) - 0.1)


@needs_onednn
def test_what_only_looks_like_it() -> None:
    torch.manual_seed(0)
    part, _ = cut_network(Odd().eval(), "inplace_1")
    fused = fuse_network(part, torch.float32)
    inputs = torch.randn(2, 3, 40, 50)
    torch.testing.assert_close(maps(fused, inputs), maps(part, inputs), rtol=1e-5, atol=1e-5)
    assert n_fused(fused) == 4
    kept = [each.padding for each in fused.modules() if type(each) is nn.Conv2d]
    assert kept == [(0, 0), "same", (1, 1)]


@needs_onednn
@pytest.mark.parametrize(
    "activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.Hardswish(), nn.SiLU()]
)
def test_activations(activation: nn.Module) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), activation).eval()
    module[0].weight.data.mul_(20)  # beyond 6
    part, _ = cut_network(module, "2")
    fused = fuse_network(part, torch.float32)
    assert [type(each) for each in fused.children()] == [FusedConvolution]
    inputs = torch.randn(2, 3, 20, 30)
    torch.testing.assert_close(maps(fused, inputs), maps(part, inputs), rtol=1e-4, atol=1e-4)


@needs_onednn
def test_a_raw_map_stays_raw() -> None:
    """The map that is asked for is not put through the activation behind it."""
    part, _ = cut_network(randomised("vgg16"), "features.2")
    fused = fuse_network(part, torch.float32)
    inputs = torch.randn(1, 3, 32, 32)
    assert maps(fused, inputs).min() < 0 and n_fused(fused) == 2
    assert distance(maps(fused, inputs), maps(part, inputs)) < 1e-5


def test_what_has_no_fused_call_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    part, _ = cut_network(randomised("alexnet"), "conv2")
    assert fuse_network(part, torch.float16) is part
    other = nn.Conv2d(3, 4, 3)
    assert fuse_network(other, torch.float32) is other  # no graph
    monkeypatch.setattr(fusing, "has_fused_convolutions", lambda dtype: False)
    assert fuse_network(part, torch.float32) is part


def lacking(*arguments: Any) -> torch.Tensor:
    raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute")


def refusing(*arguments: Any) -> torch.Tensor:
    raise RuntimeError("Could not run 'mkldnn::_convolution_pointwise'")


def wrong(self: FusedConvolution, inputs: torch.Tensor) -> torch.Tensor:
    return torch.zeros(len(inputs), 3, *inputs.shape[2:])


@pytest.mark.parametrize("method", [lacking, refusing, wrong])
def test_the_calls_are_tried_before_they_are_taken(method, monkeypatch) -> None:
    """A torch whose private calls are gone, changed or wrong is used by its public ones."""
    with monkeypatch.context() as patch:
        patch.setattr(FusedConvolution, "forward", method)
        has_fused_convolutions.cache_clear()
        assert not has_fused_convolutions(torch.float32)
        module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU())
        extractor = ConvFeatures(module, layer="1", side=64, device="cpu", dtype="float32")
        assert n_fused(extractor._part) == 0
    has_fused_convolutions.cache_clear()


@needs_onednn
def test_a_collection_does_not_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The digest is that of the weights before they are folded and packed."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU())
    options: dict[str, Any] = {"layer": "2", "side": 64, "device": "cpu", "dtype": "float32"}
    fused = ConvFeatures(module, **options)
    monkeypatch.setattr(fusing, "has_fused_convolutions", lambda dtype: False)
    plain = ConvFeatures(module, **options)
    assert n_fused(fused._part) == 1 and n_fused(plain._part) == 0
    assert fused.describe() == plain.describe()


def test_the_largest_activation() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)).eval()
    part, _ = cut_network(module, "2")
    inputs = torch.zeros(2, 3, 20, 30)
    assert largest_activation(part, inputs) == 2 * 8 * 20 * 30 * 4
    assert largest_activation(fuse_network(part, torch.float32), inputs) == 2 * 8 * 20 * 30 * 4
    assert largest_activation(nn.ReLU(), inputs) == inputs.nbytes
