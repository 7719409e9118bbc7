"""Neural codes: those of the plain network, of the whole picture or of a box."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from blcf.errors import InvalidInput, WeightsError
from blcf.features import CodeFeatures
from blcf.features.codes import crop_image
from blcf.features.networks import build_network
from blcf.images import read_image

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
PLAIN: dict[str, Any] = {"device": "cpu", "dtype": "float32"}


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def stretched(image: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BILINEAR))


def plain_forward(module: Any, pixels: np.ndarray) -> np.ndarray:
    """What torchvision's own recipe gives for pixels of the final size."""
    inputs = torch.from_numpy(np.array(pixels)).permute(2, 0, 1) / 255
    with torch.inference_mode():
        return module(((inputs - MEAN) / STD)[None])[0].flatten().numpy()


def small_module() -> nn.Sequential:
    torch.manual_seed(0)
    convolutions = [nn.Conv2d(3, 6, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()]
    return nn.Sequential(*convolutions, nn.Linear(24, 5), nn.ReLU()).eval()


@pytest.fixture(scope="module")
def small() -> CodeFeatures:
    return CodeFeatures(small_module(), layer="5", input_size=64, batch_size=3, **PLAIN)


def test_a_module_of_your_own(small: CodeFeatures) -> None:
    image = noise(96, 70)
    code = small.extract(image)
    assert code.dtype == np.float32 and code.shape == (small.n_channels_,) == (5,)
    expected = plain_forward(small_module(), stretched(image, 64))
    np.testing.assert_allclose(code, expected, atol=1e-5)
    same = noise(64, 64)  # has the size already
    np.testing.assert_allclose(small.extract(same), plain_forward(small_module(), same), atol=1e-5)


def test_many_are_one_by_one_in_order(small: CodeFeatures) -> None:
    images = [noise(40 + 9 * i, 90 - 7 * i, seed=i) for i in range(7)]
    codes = small.extract_many(images)
    assert codes.shape == (7, 5) and codes.dtype == np.float32
    for image, code in zip(images, codes):
        np.testing.assert_allclose(code, small.extract(image), rtol=1e-5, atol=1e-6)
    assert small.extract_many([]).shape == (0, 5)


def test_the_code_of_a_box(small: CodeFeatures) -> None:
    image = noise(90, 120)
    inside = image[10:51, 20:80].copy()
    for box in ((20, 10, 80, 51), (20.9, 10.2, 79.1, 50.5)):  # every pixel that is touched
        np.testing.assert_array_equal(small.extract(image, box), small.extract(inside))
    np.testing.assert_array_equal(small.extract(image, (0, 0, 120, 90)), small.extract(image))
    assert crop_image(image, (5, 6, 5.1, 6.1)).shape == (1, 1, 3)
    with pytest.raises(InvalidInput, match="inside the image of 120x90 pixels"):
        small.extract(image, (130, 10, 140, 20))


def test_the_square_in_the_middle() -> None:
    middle = CodeFeatures(small_module(), layer="5", input_size=64, fit="crop", **PLAIN)
    image = noise(64, 128)
    np.testing.assert_array_equal(middle.prepare(image), image[:, 32:96])
    np.testing.assert_array_equal(middle.prepare(image[:, 32:96]), image[:, 32:96])
    tall = noise(200, 100)
    np.testing.assert_array_equal(middle.prepare(tall), stretched(tall[50:150], 64))


def small_alexnet() -> torchvision.models.AlexNet:
    """AlexNet with random weights and short codes."""
    torch.manual_seed(0)
    with torch.device("meta"):
        module = torchvision.models.alexnet(weights=None)
    module.features.to_empty(device="cpu")
    for tensor in module.features.state_dict().values():
        tensor.normal_(0, 0.05)
    hidden = [nn.Dropout(), nn.Linear(9216, 16), nn.ReLU(True), nn.Dropout(), nn.Linear(16, 12)]
    module.classifier = nn.Sequential(*hidden, nn.ReLU(True), nn.Linear(12, 10))
    return module.eval()


def test_connected_layers_by_the_papers_names() -> None:
    module = small_alexnet()
    image = noise(100, 150)
    pixels = stretched(image, 224)
    convolutions = nn.Sequential(module.features, module.avgpool, nn.Flatten())
    for layer, end, n_channels in (("fc6", 3, 16), ("fc7", 6, 12), ("fc8", 7, 10)):
        codes = CodeFeatures(module, layer=layer, **PLAIN)
        assert codes.node_ == f"classifier.{end - 1}" and codes.n_channels_ == n_channels
        expected = plain_forward(nn.Sequential(convolutions, module.classifier[:end]), pixels)
        np.testing.assert_allclose(codes.extract(image), expected, atol=1e-4)
    # Babenko's L6, in front of the ReLU, and L5.
    assert CodeFeatures(module, layer="classifier.1", **PLAIN).extract(image).min() < 0
    pooled = CodeFeatures(module, layer="pool5", **PLAIN)
    expected = plain_forward(module.features, pixels)
    assert pooled.n_channels_ == expected.size == 9216
    np.testing.assert_allclose(pooled.extract(image), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("network", "layer", "node"),
    [
        ("alexnet", None, "classifier.2"),
        ("alexnet", "fc7", "classifier.5"),
        ("vgg16", None, "classifier.1"),
        ("vgg16", "fc7", "classifier.4"),
        ("vgg19_bn", "fc7", "classifier.4"),
        ("resnet18", None, "flatten"),
        ("resnet18", "avgpool", "avgpool"),
        ("mobilenet_v2", None, "flatten"),
        ("squeezenet1_0", None, "flatten"),
    ],
)
def test_nodes_of_other_networks(
    network: str, layer: str | None, node: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which node it is: without weights, for VGG16's would take half a gigabyte."""

    class Found(Exception):
        pass

    def stop(name: str, weights: Any) -> None:
        raise Found

    monkeypatch.setattr("blcf.features.part.load_weights", stop)
    codes = CodeFeatures.__new__(CodeFeatures)
    with pytest.raises(Found):
        codes.__init__(network, layer=layer, **PLAIN)  # type: ignore[misc]
    assert codes.node_ == node


def test_real_codes(data: Path) -> None:
    """MobileNetV2's pool, SqueezeNet 1.0's scores: those of torchvision's own forward."""
    image = read_image(data / "natural" / "imagenet" / "n01443537_goldfish.jpg")
    pixels = stretched(image, 224)
    for network, n_channels, head in (("mobilenet_v2", 1280, True), ("squeezenet1_0", 1000, False)):
        path = data / "weights" / f"{network}.pth"
        codes = CodeFeatures(network, weights=path, **PLAIN)
        module = build_network(network)
        module.load_state_dict(torch.load(path, weights_only=True), assign=True)
        code = codes.extract(image)
        assert code.shape == (n_channels,) == (codes.n_channels_,)
        scores = module.classifier(torch.from_numpy(code)).detach().numpy() if head else code
        expected = plain_forward(module, pixels)
        assert expected.argmax() == 1  # a goldfish
        np.testing.assert_allclose(scores, expected, atol=2e-3)


def test_describe(small: CodeFeatures) -> None:
    assert small.describe() == {
        "network": "module Sequential",
        "layer": "5",
        "node": "5",
        "n_channels": 5,
        "input_size": 64,
        "fit": "stretch",
        "weights": "its own",
        "weights_digest": small.weights_digest_,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }


def test_weights_without_a_classifier() -> None:
    """torchvision's Caffe VGG16 has NaN where its classifier would be."""
    module = small_alexnet()
    for tensor in module.classifier.state_dict().values():
        tensor.fill_(torch.nan)
    assert CodeFeatures(module, layer="pool5", **PLAIN).n_channels_ == 9216
    with pytest.raises(WeightsError, match=r"have no classifier\.1\.\w+, which layer fc6 needs"):
        CodeFeatures(module, layer="fc6", **PLAIN)


class Strange(nn.Module):
    """A layer that gives one vector for all pictures."""

    def forward(self, x):
        return x.mean(dim=(0, 2, 3)).relu()


@pytest.mark.parametrize(
    ("module", "change", "message"),
    [
        (None, {"input_size": 31}, "in pixels, to be an integer from 32 to 8192, got 31"),
        (None, {"fit": "pad"}, "fit to be stretch or crop, got 'pad'"),
        (None, {"layer": None}, "A module of your own needs layer="),
        (None, {"layer": "9"}, "has no layer '9'"),
        (None, {"batch_size": 0}, "batch_size to be at least 1"),
        (None, {"input_size": 32, "layer": "4", "module": "small"}, "could not take a picture"),
        (Strange(), {"layer": "relu"}, r"to give \(n, d\) or \(n, d, 1, 1\), got \(3,\)"),
    ],
)
def test_arguments_that_cannot_be(module: Any, change: dict, message: str) -> None:
    arguments = {"layer": "5", "input_size": 64, **PLAIN} | change
    if arguments.pop("module", None):  # its layers fit pictures of 64 pixels only
        module = nn.Sequential(
            nn.Conv2d(3, 2, 8, stride=8), nn.ReLU(), nn.ReLU(), nn.Flatten(), nn.Linear(128, 3)
        )
    with pytest.raises(InvalidInput, match=message):
        CodeFeatures(module or small_module(), **arguments)


def test_pictures_that_are_none(small: CodeFeatures) -> None:
    for image in (noise(9, 9).astype(float), noise(9, 9)[..., :2], noise(0, 9), None):
        with pytest.raises(InvalidInput, match="Expected a picture"):
            small.extract(image)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput, match="Expected an RGB picture, uint8"):
            small.prepare(image)  # type: ignore[arg-type]
