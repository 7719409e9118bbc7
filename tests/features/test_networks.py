"""Networks and layers by name: the papers' names, the default layers, what is refused."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from blcf.errors import InvalidInput
from blcf.features.networks import (
    build_network,
    cut_layers,
    cut_network,
    default_layer,
    layer_aliases,
    network_names,
)

# (network, the paper's name): node, counted by hand in the architectures' tables.
ALIASES = {
    ("vgg16", "conv1_1"): "features.1",
    ("vgg16", "conv4_3"): "features.22",
    ("vgg16", "pool4"): "features.23",
    ("vgg16", "conv5_1"): "features.25",
    ("vgg16", "conv5_3"): "features.29",
    ("vgg16", "pool5"): "features.30",
    ("vgg19", "conv5_1"): "features.29",
    ("vgg19", "conv5_4"): "features.35",
    ("vgg19", "pool5"): "features.36",
    ("vgg16_bn", "conv5_1"): "features.36",
    ("vgg16_bn", "conv5_3"): "features.42",
    ("vgg16_bn", "pool5"): "features.43",
    ("alexnet", "conv1"): "features.1",
    ("alexnet", "pool1"): "features.2",
    ("alexnet", "conv3"): "features.7",
    ("alexnet", "conv5"): "features.11",
    ("alexnet", "pool5"): "features.12",
    ("squeezenet1_0", "conv1"): "features.1",
    ("squeezenet1_0", "fire4"): "features.5",
    ("squeezenet1_0", "pool4"): "features.6",
    ("squeezenet1_0", "fire8"): "features.10",
    ("squeezenet1_0", "pool8"): "features.11",
    ("squeezenet1_0", "fire9"): "features.12",
    ("squeezenet1_1", "fire2"): "features.3",
    ("squeezenet1_1", "pool3"): "features.5",
    ("squeezenet1_1", "pool5"): "features.8",
    ("squeezenet1_1", "fire9"): "features.12",
}
COUNTS = {"vgg16": 18, "vgg19": 21, "vgg16_bn": 18, "alexnet": 8, "squeezenet1_0": 12}

# One of each family; the others differ in width and depth only (the slow test holds them all).
SAMPLE = {
    "vgg16": 512,
    "alexnet": 256,
    "squeezenet1_1": 512,
    "resnet18": 256,
    "resnext50_32x4d": 1024,
    "wide_resnet50_2": 1024,
    "mobilenet_v2": 576,
    "mobilenet_v3_large": 672,
    "mobilenet_v3_small": 288,
    "efficientnet_b0": 672,
    "convnext_tiny": 384,
    "densenet121": 1024,
    "regnet_y_400mf": 208,
    "mnasnet1_0": 576,
    "googlenet": 832,
    "inception_v3": 768,
    "shufflenet_v2_x1_0": 232,
}


@pytest.mark.parametrize(("network", "layer"), ALIASES)
def test_the_papers_names(network: str, layer: str) -> None:
    module = build_network(network)
    assert layer_aliases(module)[layer] == ALIASES[network, layer]
    part, node = cut_network(module, layer)
    assert node == ALIASES[network, layer]
    assert set(part.state_dict()) <= set(module.state_dict())


@pytest.mark.parametrize("network", COUNTS)
def test_every_layer_of_the_papers_has_one_name(network: str) -> None:
    aliases = layer_aliases(build_network(network))
    assert len(aliases) == len(set(aliases.values())) == COUNTS[network]


@pytest.mark.parametrize("network", ["resnet18", "mobilenet_v2", "densenet121"])
def test_other_networks_have_nodes_only(network: str) -> None:
    assert layer_aliases(build_network(network)) == {}


def test_modules_without_features_have_no_papers_names() -> None:
    assert layer_aliases(nn.Conv2d(3, 4, 3)) == {}
    assert layer_aliases(nn.Sequential(nn.ReLU())) == {}


@pytest.mark.parametrize(
    ("network", "layer", "before"),
    [
        ("vgg16", "conv1_2", "features.2"),
        ("vgg16_bn", "conv1_2", "features.4"),
        ("alexnet", "conv2", "features.3"),
        ("squeezenet1_1", "conv1", "features.0"),
    ],
)
def test_an_alias_is_behind_the_relu(network: str, layer: str, before: str) -> None:
    torch.manual_seed(0)
    module = build_network(network).to_empty(device="cpu")
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(-0.5, 0.5) if tensor.ndim > 1 else tensor.uniform_(0.5, 1.0)
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        # An in-place ReLU behind the raw map must not be part of its cut.
        raw = cut_network(module, before)[0](image.clone())["map"]
        behind = cut_network(module, layer)[0](image.clone())["map"]
    assert raw.min() < 0 <= behind.min()
    torch.testing.assert_close(behind, raw.relu())


def test_a_cut_ends_at_its_layer_and_shares_the_weights() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3))
    part, node = cut_network(module, "1")
    assert node == "1"
    assert set(part.state_dict()) == {"0.weight", "0.bias"}
    assert part.state_dict()["0.weight"].data_ptr() == module.get_parameter("0.weight").data_ptr()
    assert not part.training


def test_a_network_is_built_without_memory() -> None:
    network = build_network("vgg16")
    assert not network.training
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"meta"}


def map_shape(network: str) -> tuple[int, ...]:
    """(C, h, w) of the default layer for a picture of 320 x 256 pixels."""
    part, _ = cut_network(build_network(network), default_layer(network))
    image = torch.zeros(1, 3, 256, 320, device="meta")
    part.to(device="meta")
    return tuple(part(image)["map"].shape[1:])


def has_stride_16(shape: tuple[int, ...]) -> bool:
    # Layers without padding at the border lose up to two cells of the 16 x 20.
    return 14 <= shape[1] <= 16 and 18 <= shape[2] <= 20 and shape[2] - shape[1] == 4


@pytest.mark.parametrize("network", SAMPLE)
def test_the_default_layer_has_stride_16(network: str) -> None:
    shape = map_shape(network)
    assert shape[0] == SAMPLE[network] and has_stride_16(shape), shape


@pytest.mark.slow
def test_every_network_has_a_default_layer_or_says_that_it_has_none() -> None:
    without = []
    for network in network_names():
        try:
            default_layer(network)
        except InvalidInput:
            without.append(network)
            continue
        assert has_stride_16(map_shape(network)), network
    assert {name.split("_")[0] for name in without} == {"maxvit", "swin", "vit"}


def test_no_default_layer() -> None:
    with pytest.raises(InvalidInput, match=r"No default layer for network 'vit_b_16'.*--layer"):
        default_layer("vit_b_16")


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("vgg61", "got 'vgg61'; did you mean vgg1"),
        ("VGG16", "got 'VGG16'; did you mean vgg16 or"),
        ("resnet-50", "did you mean resnet50 or"),
        ("zzzzz", "got 'zzzzz'; known: blcf-lite, alexnet, "),
        (None, "got None; known: blcf-lite, alexnet, "),
        ("raft_large", "got 'raft_large'"),  # in torchvision, but no classification network
        ("fcn_resnet50", "got 'fcn_resnet50'"),
    ],
)
def test_an_unknown_network(network: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(message)):
        build_network(network)


@pytest.mark.parametrize(
    ("network", "layer", "message"),
    [
        ("vgg16", "conv5_4", "VGG has no layer 'conv5_4'. Near: conv5_"),
        ("vgg16", "conv5-1", "VGG has no layer 'conv5-1'. Near: conv5_1"),
        ("vgg16", "features.31", "VGG has no layer 'features.31'. Near: features."),
        ("squeezenet1_1", "fire10", "SqueezeNet has no layer 'fire10'. Near: fire"),
        ("resnet18", "conv5_1", "ResNet has no layer 'conv5_1'. Near: "),
        ("resnet18", "layer", "ResNet has no layer 'layer'. Near: "),  # no prefix of a name
        ("resnet18", "", "ResNet has no layer ''. Near: "),
        ("resnet18", "#", "ResNet has no layer '#'. Near: "),
    ],
)
def test_an_unknown_layer(network: str, layer: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(message)):
        cut_network(build_network(network), layer)


class Branches(nn.Module):
    """Its way depends on the data: no graph can be drawn of it."""

    def __init__(self, first: nn.Module):
        super().__init__()
        self.first = first

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        image = self.first(image)
        return image if image.sum() > 0 else -image


def test_an_untraceable_module() -> None:
    """It runs as it is, up to a submodule."""
    module = Branches(nn.Conv2d(3, 4, 1))
    part, node = cut_network(module, "first")
    assert node == "first"
    with pytest.raises(InvalidInput, match=r"Branches has no submodule 'x'.* torch\.fx cannot"):
        cut_network(Branches(nn.ReLU()), "x")
    with pytest.raises(InvalidInput, match=r"Branches cannot be traced by torch\.fx \(.+\)\. Pass"):
        cut_layers(Branches(nn.ReLU()), ["first"])
