"""Feature maps: those of the plain network, in the order of the pictures, from the right pixels."""

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
from blcf.features import ConvFeatures
from blcf.images import read_image, resize_image

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def plain_forward(module: nn.Module, image: np.ndarray) -> np.ndarray:
    """What torchvision's own recipe gives for pixels of the final size."""
    pixels = torch.from_numpy(image).permute(2, 0, 1) / 255
    with torch.inference_mode():
        return module(((pixels - MEAN) / STD)[None])[0].numpy()


def small_module() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 8, 3, stride=2), nn.ReLU()
    ).eval()


@pytest.fixture(scope="module")
def small() -> ConvFeatures:
    return ConvFeatures(
        small_module(), layer="3", side=96, batch_size=3, device="cpu", dtype="float32"
    )


@pytest.fixture(scope="module")
def squeezenet_file(data: Path) -> Path:
    return data / "weights" / "squeezenet1_1_features.pth"


@pytest.fixture(scope="module")
def squeezenet(squeezenet_file: Path) -> ConvFeatures:
    return ConvFeatures(
        "squeezenet1_1", weights=squeezenet_file, side=160, device="cpu", dtype="float32"
    )


def test_a_module_of_your_own(small: ConvFeatures) -> None:
    image = noise(96, 70)
    found = small.extract(image)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert found.shape == (small.n_channels_, 23, 16) == (8, 23, 16)
    np.testing.assert_allclose(found, plain_forward(small_module(), image), atol=1e-4)
    assert small.describe()["network"] == "module Sequential"
    assert small.describe()["weights"] == "its own"


def test_your_module_stays_as_it_was() -> None:
    module = small_module().train()
    extractor = ConvFeatures(module, layer="1", side=64, dtype="bfloat16", device="cpu")
    assert module.training and all(child.training for child in module.children())
    assert all(p.requires_grad and p.dtype == torch.float32 for p in module.parameters())
    before = extractor.extract(noise(64, 64))
    with torch.no_grad():  # training goes on: the extractor keeps what its digest says
        module.get_parameter("0.weight").zero_()
    np.testing.assert_array_equal(extractor.extract(noise(64, 64)), before)


@pytest.mark.parametrize(
    ("network", "layer", "cut"), [("alexnet", "conv5", 12), ("squeezenet1_0", "fire4", 6)]
)
def test_equals_torchvision_with_random_weights(
    network: str, layer: str, cut: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = torchvision.models.get_model(network, weights=None).eval()
    torch.save(module.state_dict(), tmp_path / "random.pth")
    extractor = ConvFeatures(
        network,
        layer=layer,
        weights=tmp_path / "random.pth",
        side=128,
        device="cpu",
        dtype="float32",
    )
    image = noise(200, 150)
    expected = plain_forward(module.features[:cut], resize_image(image, 128))
    found = extractor.extract(image)
    assert found.shape == expected.shape and found.min() >= 0
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_equals_torchvision_with_real_weights(squeezenet_file: Path, data: Path) -> None:
    how = {"weights": squeezenet_file, "side": 160, "device": "cpu", "dtype": "float32"}
    extractor = ConvFeatures("squeezenet1_1", layer="fire9", **how)
    module = torchvision.models.squeezenet1_1(weights=None).eval()
    module.load_state_dict(torch.load(squeezenet_file, weights_only=True), strict=False)
    for path in sorted((data / "photos").iterdir())[:3]:
        if path.suffix.lower() not in (".jpg", ".jpeg", ".bmp"):
            continue
        image = read_image(path)
        expected = plain_forward(module.features, resize_image(image, 160))
        scale = expected.max()  # activations reach hundreds
        np.testing.assert_allclose(extractor.extract(image) / scale, expected / scale, atol=1e-4)


def test_the_aspect_is_kept(squeezenet: ConvFeatures) -> None:
    assert squeezenet.n_channels_ == 512
    assert squeezenet.extract(noise(300, 300)).shape == (512, 9, 9)
    assert squeezenet.extract(noise(150, 300)).shape == (512, 4, 9)
    assert squeezenet.extract(noise(300, 150)).shape == (512, 9, 4)
    assert squeezenet.extract(noise(40, 400)).shape == (512, 1, 9)  # 32 pixels at least


def test_another_side_for_one_picture(small: ConvFeatures) -> None:
    image = noise(80, 120)
    larger = small.extract(image, side=192)
    np.testing.assert_allclose(
        larger, plain_forward(small_module(), resize_image(image, 192)), atol=1e-4
    )
    assert small.extract(image).shape == small.extract(image, side=96).shape != larger.shape
    with pytest.raises(InvalidInput, match="side=31"):
        small.extract(image, side=31)


def test_a_batch_is_one_by_one_in_order(small: ConvFeatures) -> None:
    # 4 + 3 + 1 pictures of three shapes, interleaved: batches of 3, 1, 3 and 1.
    shapes = [(96, 64), (64, 96), (96, 64), (96, 96), (64, 96), (96, 64), (64, 96), (96, 64)]
    images = [noise(*shape, seed=i) for i, shape in enumerate(shapes)]
    copies = [image.copy() for image in images]
    maps = small.extract_many(images)
    assert len(maps) == len(images)
    for image, copy, found in zip(images, copies, maps):
        np.testing.assert_array_equal(image, copy)
        np.testing.assert_allclose(found, small.extract(image), rtol=1e-5, atol=1e-6)
    assert small.extract_many([]) == []


def test_pictures_of_the_right_size_are_taken_as_they_are(small: ConvFeatures) -> None:
    image = noise(150, 200)
    np.testing.assert_array_equal(
        small.extract(image), small.extract(resize_image(image, small.side))
    )


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_short_floats_are_close(dtype: str, squeezenet_file: Path, data: Path) -> None:
    image = read_image(data / "natural" / "imagenet" / "n01443537_goldfish.jpg")
    arguments: dict[str, Any] = {"weights": squeezenet_file, "side": 160, "device": "cpu"}
    exact = ConvFeatures("squeezenet1_1", dtype="float32", **arguments)
    short = ConvFeatures("squeezenet1_1", dtype=dtype, **arguments)
    one, other = exact.extract(image), short.extract(image)
    assert other.dtype == np.float32
    cosine = (one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other)
    assert 0.999 < cosine < 1 - 1e-9  # close, and not the same arithmetic
    # Collections made with either can be searched with the other: the weights are the same.
    assert exact.describe() == short.describe()


def test_the_arithmetic_is_chosen_by_the_device(squeezenet_file: Path) -> None:
    """bfloat16 where the processor says that it has it."""
    chosen = ConvFeatures("squeezenet1_1", weights=squeezenet_file, side=64, device="cpu").dtype_
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        flags = []
    has_it = not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)
    assert chosen == ("bfloat16" if has_it else "float32")


def test_describe(squeezenet: ConvFeatures, squeezenet_file: Path) -> None:
    described = squeezenet.describe()
    digest = described.pop("weights_digest")
    assert digest == squeezenet.weights_digest_ and len(digest) == 16
    assert described == {
        "network": "squeezenet1_1",
        "layer": "fire9:signed",
        "node": "features.12:signed",
        "n_channels": 512,
        "side": 160,
        "weights": str(squeezenet_file.resolve()),
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }


def test_the_digest_is_of_the_part_that_is_used(squeezenet_file: Path) -> None:
    def digest(layer: str) -> str:
        extractor = ConvFeatures(
            "squeezenet1_1", layer=layer, weights=squeezenet_file, side=64, device="cpu"
        )
        return extractor.weights_digest_

    assert digest("fire9") == digest("features.12") != digest("fire8")


def test_the_preprocessing_lets_the_network_see(data: Path) -> None:
    """SqueezeNet 1.0 names photographs (.61 of 1,000 in full size), less surely if pixels differ.

    Mean log probability of the right class on these 25: -1.35; -2.6 with the channels in BGR
    order, -2.8 without the mean, -3.2 without mean and scale, -55 with the scale of Caffe.
    """
    # One picture a class, named by WordNet id: sorted, they are in the order of the classes.
    paths = sorted((data / "natural" / "imagenet").glob("*.jpg"))
    assert len(paths) == 1000
    classifier = ConvFeatures(
        "squeezenet1_0",
        layer="classifier.3",  # (1000, 1, 1): a map of one cell
        weights=data / "weights" / "squeezenet1_0.pth",
        side=320,
        device="cpu",
    )
    chosen = range(0, 1000, 40)
    scores = np.stack([classifier.extract(read_image(paths[i]))[:, 0, 0] for i in chosen])
    right = np.array(chosen)
    assert np.mean(scores.argmax(axis=1) == right) >= 0.6
    log_sums = np.log(np.exp(scores.astype(np.float64)).sum(axis=1))
    assert np.mean(scores[np.arange(len(right)), right] - log_sums) > -1.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"side": 31}, r"from 32 to 8192, got 31"),
        ({"side": 8193}, r"from 32 to 8192, got 8193"),
        ({"side": 64.0}, r"from 32 to 8192, got 64\.0"),
        ({"dtype": "float64"}, r"a dtype of auto, float32, bfloat16, float16, got 'float64'"),
        ({"device": "gpu"}, r"Device 'gpu' cannot be used \(.*\)\. Try device='cpu'"),
        ({"device": "cuda:99"}, r"Device 'cuda:99' cannot be used"),
        ({"layer": "4"}, r"Sequential has no layer '4'\. Near: "),
        ({"layer": None}, r"A module of your own needs layer="),
        ({"weights": "file.pth"}, r"brings its weights: leave weights=None"),
        ({"batch_size": 0}, r"batch_size to be at least 1, got 0"),
        ({"batch_size": 1.5}, r"batch_size to be at least 1, got 1\.5"),
    ],
)
def test_arguments_that_cannot_be(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"layer": "1", "side": 64, "device": "cpu"} | change
    with pytest.raises(InvalidInput, match=message):
        ConvFeatures(small_module(), **arguments)


def test_a_layer_that_gives_no_map() -> None:
    torch.manual_seed(0)
    head = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
    message = (
        r"Expected layer 3 of module Sequential to give maps of shape \(n, C, h, w\), got "
        r"\(1, 5\)\. Choose a convolutional layer"
    )
    with pytest.raises(InvalidInput, match=message):
        ConvFeatures(head, layer="3", side=64, device="cpu")


def test_a_picture_that_is_too_small_for_the_layer() -> None:
    deep = nn.Sequential(nn.Conv2d(3, 4, 33), nn.ReLU())
    extractor = ConvFeatures(deep, layer="1", side=64, device="cpu")
    assert extractor.extract(noise(64, 64)).shape == (4, 32, 32)
    message = r"could not take a picture of 64x32 pixels up to layer 1 \(.*\)\. Try a larger side"
    with pytest.raises(InvalidInput, match=message):
        extractor.extract(noise(32, 64))


def test_what_is_no_picture(small: ConvFeatures) -> None:
    with pytest.raises(InvalidInput, match="uint8"):
        small.extract(noise(64, 64).astype(np.float32))
    with pytest.raises(InvalidInput, match="uint8"):
        small.extract(noise(64, 64)[..., :2])


def test_a_picture_of_any_form(small: ConvFeatures, tmp_path: Path) -> None:
    picture = noise(50, 64)
    Image.fromarray(picture).save(tmp_path / "a.png")
    forms = [tmp_path / "a.png", (tmp_path / "a.png").read_bytes(), Image.fromarray(picture)]
    for one in [*forms, np.dstack([picture, np.full((50, 64), 255, np.uint8)])]:
        np.testing.assert_array_equal(small.extract(one, 96), small.extract(picture, 96))
    grey = picture[..., 0]
    expected = small.extract_many([np.dstack([grey] * 3), picture], 96)
    for found, one in zip(small.extract_many([grey, *forms[:1]], 96), expected):
        np.testing.assert_array_equal(found, one)


def test_weights_of_another_network(squeezenet_file: Path) -> None:
    message = r"lacks features\.3\.weight.* and has features\.0\.weight \(64, 3, 3, 3\) for"
    with pytest.raises(WeightsError, match=message):
        ConvFeatures("alexnet", weights=squeezenet_file, side=64, device="cpu")
