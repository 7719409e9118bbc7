"""What is in front of a layer's last activation: by definition, in any network, and refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

from blcf import ConvFeatures
from blcf.errors import InvalidInput
from blcf.features.fusing import fuse_network
from blcf.features.lite import LITE
from blcf.features.networks import cut_layers, cut_network
from blcf.features.signed import signed_features, split_layer


def test_directions_are_kept_and_lengths_are_those_of_the_positive_part():
    generator = torch.Generator().manual_seed(0)
    maps = torch.randn(2, 5, 3, 4, generator=generator)
    maps[0, :, 1, 1] = -maps[0, :, 1, 1].abs()  # nothing positive
    maps[1, :, 2, 0] = 0
    found = signed_features(maps).numpy()
    for number, row, column in np.ndindex(2, 3, 4):
        before = maps[number, :, row, column].double().numpy()
        length = np.linalg.norm(np.maximum(before, 0))
        whole = np.linalg.norm(before)
        expected = before * length / whole if whole else before
        np.testing.assert_allclose(found[number, :, row, column], expected, rtol=1e-6, atol=1e-7)
    assert not found[0, :, 1, 1].any() and not found[1, :, 2, 0].any()
    assert signed_features(maps.bfloat16()).dtype == torch.bfloat16


def test_gradients_are_finite_where_nothing_is():
    maps = torch.zeros(1, 3, 2, 2, requires_grad=True)
    signed_features(maps).sum().backward()
    assert maps.grad.isfinite().all()


def test_the_suffix():
    assert split_layer("fire9:signed") == ("fire9", True)
    assert split_layer("fire9") == ("fire9", False)
    assert split_layer(None) == (None, False)


class _Ways(nn.Module):
    """Activations as functions, methods and modules, side by side."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, 4, 3, padding=1) for _ in range(4))
        self.act = nn.ReLU(inplace=True)

    def forward(self, pixels):
        first, second, third, fourth = (conv(pixels) for conv in self.convs)
        parts = [functional.relu(first), second.relu(), self.act(third), torch.relu(fourth)]
        return torch.cat(parts, dim=1)

    def front(self, pixels):
        return torch.cat([conv(pixels) for conv in self.convs], dim=1)


def _front_of_fire9(module, pixels):
    fire = module.features[12]
    squeezed = fire.squeeze_activation(fire.squeeze(module.features[:12](pixels)))
    return torch.cat([fire.expand1x1(squeezed), fire.expand3x3(squeezed)], dim=1)


def _front_of_layer3(module, pixels):
    maps = module.maxpool(module.relu(module.bn1(module.conv1(pixels))))
    maps = module.layer3[0](module.layer2(module.layer1(maps)))
    block = module.layer3[1]
    return block.bn2(block.conv2(block.relu(block.bn1(block.conv1(maps))))) + maps


def _front_of_an_inverted_bottleneck(module, pixels):
    convolution, norm, _ = module.features[14].conv[0]
    return norm(convolution(module.features[:14](pixels)))


FRONTS = {
    ("squeezenet1_1", "fire9"): _front_of_fire9,
    ("vgg11", "conv5_1"): lambda module, pixels: module.features[:17](pixels),
    ("resnet18", "layer3"): _front_of_layer3,
    ("mobilenet_v2", "features.14.conv.0"): _front_of_an_inverted_bottleneck,
}


@pytest.mark.parametrize(("network", "layer"), FRONTS)
def test_in_front_of_the_activation(network, layer):
    torch.manual_seed(0)
    module = torchvision.models.get_model(network, weights=None).eval()
    pixels = torch.randn(1, 3, 96, 64)
    part, node = cut_network(module, f"{layer}:signed")
    assert node.endswith(":signed")
    with torch.inference_mode():
        found = part(pixels.clone())["map"]
        expected = signed_features(FRONTS[network, layer](module, pixels.clone()))
        fused = fuse_network(part, torch.float32)(pixels.clone())["map"]
        behind = cut_network(module, layer)[0](pixels.clone())["map"]
    assert found.min() < 0
    assert torch.equal(found, expected)
    torch.testing.assert_close(fused, found, rtol=1e-3, atol=1e-5 * float(found.abs().max()))
    if network != "mobilenet_v2":  # whose ReLU6 ends at 6
        torch.testing.assert_close(found.norm(dim=1), behind.norm(dim=1), rtol=1e-4, atol=1e-5)


def test_every_way_to_call_an_activation():
    torch.manual_seed(0)
    module = _Ways().eval()
    pixels = torch.randn(2, 3, 8, 8)
    part, _ = cut_network(module, "cat:signed")
    with torch.inference_mode():
        found = part(pixels.clone())["map"]
        assert torch.equal(found, signed_features(module.front(pixels)))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("features.0:signed", "ends in an activation"),
        ("fire99:signed", "has no layer 'fire99'"),
        (":signed", "has no layer ''"),
    ],
)
def test_layers_without_an_activation_are_refused(layer, message):
    with pytest.raises(InvalidInput, match=message):
        cut_network(torchvision.models.squeezenet1_1(weights=None).eval(), layer)


def test_a_network_that_cannot_be_traced_is_refused():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 4, 3), nn.ReLU()

        def forward(self, pixels):
            maps = self.act(self.conv(pixels))
            return maps if maps.sum() > 0 else -maps

    with pytest.raises(InvalidInput, match="Name the one in front of the activation, or 'act'"):
        cut_network(Branches().eval(), "act:signed")


def test_a_map_is_that_of_its_picture_alone(data):
    squeezenet_file = data / "weights" / "squeezenet1_1_features.pth"
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (60, 96, 3), dtype=np.uint8) for _ in range(5)]
    for network, weights in ((LITE, None), ("squeezenet1_1", squeezenet_file)):
        extractor = ConvFeatures(network, weights=weights, side=96, device="cpu")
        assert extractor.layer_.endswith(":signed")
        together = extractor.extract_many(pictures)
        for picture, one in zip(pictures, together, strict=True):
            assert np.array_equal(extractor.extract(picture), one)


def test_an_activation_in_place_that_something_else_needs():
    """It would write over what is in front of it before the concatenation is made."""
    torch.manual_seed(0)
    module = torchvision.models.squeezenet1_1(weights=None).eval()
    pixels = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        alone = {
            layer: cut_network(module, layer)[0](pixels.clone())["map"]
            for layer in ("fire8:signed", "fire9", "fire9:signed")
        }
        together = cut_layers(module, list(alone))(pixels.clone())
    for layer, expected in alone.items():
        assert torch.equal(together[layer], expected), layer


class _Chain(nn.Module):
    """One branch goes on from the activation of the other; channels last behind it if asked."""

    def __init__(self, is_last: bool = False):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.act, self.is_last = nn.ReLU(inplace=True), is_last

    def forward(self, pixels):
        first = self.act(self.first(pixels))
        second = torch.relu_(self.second(first))
        maps = torch.cat([first, second], dim=1)
        return functional.relu(maps.permute(0, 2, 3, 1) - 0.1) if self.is_last else maps


def test_a_branch_that_goes_on_from_an_activation():
    torch.manual_seed(0)
    module = _Chain().eval()
    pixels = torch.randn(1, 3, 16, 16)
    part, _ = cut_network(module, "cat:signed")
    with torch.inference_mode():
        found = part(pixels.clone())["map"]
        front = module.first(pixels)
        parts = [front, module.second(front.relu())]
        assert torch.equal(found, signed_features(torch.cat(parts, dim=1)))


def test_channels_on_the_last_axis_are_refused():
    with pytest.raises(InvalidInput, match="channels last. Leave ':signed' away"):
        ConvFeatures(_Chain(is_last=True), layer="relu:signed", side=64, device="cpu")
