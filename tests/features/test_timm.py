"""Networks of timm by name: maps of every family, boxes, weights, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from blcf import SearchEngine
from blcf.errors import InvalidInput, VocabularyMismatch, WeightsError
from blcf.features import CodeFeatures, ConvFeatures
from blcf.features.networks import build_network, cut_network, default_layer, network_names
from blcf.features.timm_networks import TIMM
from blcf.images import read_image

timm = pytest.importorskip("timm")

# Small ones, by family: default layer, channels, stride.
FAMILIES = {
    "test_resnet": ("layer3", 192, 16),
    "resnet10t": ("layer3", 256, 16),
    "regnetx_002": ("s3", 152, 16),
    "densenet121": ("features.denseblock3", 1024, 16),
    "test_convnext": ("stages.2", 48, 16),
    "tf_efficientnet_lite0": ("blocks.4", 112, 16),
    "efficientnet_lite0": ("blocks.4", 112, 16),
    "mobilenetv3_small_050": ("blocks.3", 24, 16),
    "hgnetv2_b0": ("stages.2", 512, 16),
    "repvgg_a0": ("stages.2", 192, 16),
    "test_nfnet": ("stages.2", 96, 16),
    "pvt_v2_b0": ("stages.2", 160, 16),
    "swin_tiny_patch4_window7_224": ("layers.2", 384, 16),
    "test_vit": ("blocks.4", 64, 16),
    "test_vit3": ("blocks.6", 96, 16),  # pools by attention, as SigLIP
    "deit_tiny_distilled_patch16_224": ("blocks.8", 192, 16),  # two tokens of no patch
    "eva02_tiny_patch14_224": ("blocks.8", 192, 14),  # rotary positions
    "vit_tiny_patch16_dinov3_qkvb": ("blocks.8", 192, 16),  # registers
}
# The larger ones; twelve are left.
SLOW = (
    *("resnet10t", "densenet121", "efficientnet_lite0", "repvgg_a0", "pvt_v2_b0"),
    "swin_tiny_patch4_window7_224",
)
CONVOLUTIONAL = tuple(name for name in tuple(FAMILIES)[:11] if name not in SLOW)
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.integers(0, 256, (131, 187, 3), dtype=np.uint8)


def cells(length: int, stride: int) -> int:
    """Of a side of a picture, which is brought to the nearest multiple (halves up)."""
    return (2 * length + stride) // (2 * stride)


def saved(folder: Path, name: str, **changes: Any) -> Path:
    """A file of weights of timm's own making, with a classifier, under timm's names."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        module = timm.create_model(name, **changes)
    path = folder / f"{name}.pth"
    torch.save(module.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def extractors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ConvFeatures]:
    """Of every family, made when it is asked for."""
    folder = tmp_path_factory.mktemp("weights")

    class Made(dict):
        def __missing__(self, name: str) -> ConvFeatures:
            weights = saved(folder, name)
            made = ConvFeatures(
                TIMM + name, weights=weights, side=200, device="cpu", dtype="float32"
            )
            weights.unlink()
            return self.setdefault(name, made)

    return Made()


@pytest.mark.parametrize(
    "name",
    [pytest.param(one, marks=pytest.mark.slow) if one in SLOW else one for one in FAMILIES],
)
def test_maps_of_a_family(extractors: dict[str, ConvFeatures], name: str) -> None:
    """Any side and aspect ratio; in a batch as alone; the same again."""
    layer, n_channels, stride = FAMILIES[name]
    extractor = extractors[name]
    assert (extractor.layer_, extractor.n_channels_) == (layer, n_channels)
    assert extractor.describe()["placing"][:2] == [stride, stride]
    maps = extractor.extract_many([IMAGE, IMAGE[:, ::-1], IMAGE[:, :60]])
    # Resized to 200 x 140 and 92 x 200 pixels.
    assert maps[0].shape == maps[1].shape == (n_channels, cells(140, stride), cells(200, stride))
    assert maps[2].shape == (n_channels, cells(200, stride), cells(92, stride))
    alone = extractor.extract(IMAGE[:, ::-1])
    np.testing.assert_allclose(maps[1], alone, atol=1e-4 * np.abs(alone).max())
    np.testing.assert_array_equal(extractor.extract(IMAGE[:, ::-1]), alone)
    assert min(extractor.extract(IMAGE, side=33).shape[1:]) >= 1
    assert extractor.extract(IMAGE, side=304).shape[1:] == (cells(213, stride), cells(304, stride))
    assert np.ptp(maps[0]) > 0


@pytest.mark.parametrize("name", [*CONVOLUTIONAL, "test_vit", "vit_tiny_patch16_dinov3_qkvb"])
def test_a_cell_looks_at_its_share_of_the_picture(
    extractors: dict[str, ConvFeatures], name: str
) -> None:
    """The gradient of a cell lies around the middle of its share, within a third of a cell."""
    extractor = extractors[name]
    size = torch.Size((1, 3, 26 * 16, 26 * 16))
    pixels = torch.rand(size, generator=torch.Generator().manual_seed(2)).sub_(0.5)
    pixels.requires_grad_()
    with torch.enable_grad():
        maps = extractor._part(pixels)["map"]
        assert maps.shape[2:] == (26, 26)
        (slope,) = torch.autograd.grad(maps[0, :, 12, 14].sum(), pixels)
    by_pixel = slope[0].abs().sum(dim=0)
    if name not in CONVOLUTIONAL:  # attention sees all of it, the cell itself the most
        by_cell = by_pixel.reshape(26, 16, 26, 16).sum(dim=(1, 3))
        assert divmod(int(by_cell.argmax()), 26) == (12, 14)
        return
    middles = torch.arange(0.5, 416) / 16
    rows, columns = by_pixel.sum(dim=1), by_pixel.sum(dim=0)
    assert float((rows * middles).sum() / rows.sum()) == pytest.approx(12.5, abs=0.34)
    assert float((columns * middles).sum() / columns.sum()) == pytest.approx(14.5, abs=0.34)


def test_a_bright_square_is_where_it_is(extractors: dict[str, ConvFeatures]) -> None:
    """Patches of 14 pixels in a picture whose sides are no multiples of it."""
    extractor = extractors["eva02_tiny_patch14_224"]
    grey = np.full((150, 200, 3), 127, dtype=np.uint8)
    for x, y in ((20, 30), (100, 30), (170, 120), (5, 140)):
        image = grey.copy()
        image[max(0, y - 5) : y + 5, max(0, x - 5) : x + 5] = 255
        change = np.abs(extractor.extract(image) - extractor.extract(grey)).sum(axis=0)
        row, column = np.unravel_index(change.argmax(), change.shape)
        assert abs((row + 0.5) * 150 / change.shape[0] - y) <= 10
        assert abs((column + 0.5) * 200 / change.shape[1] - x) <= 10


def test_bfloat16_is_near(extractors: dict[str, ConvFeatures], tmp_path: Path) -> None:
    name = "eva02_tiny_patch14_224"
    options = {"weights": saved(tmp_path, name), "side": 200, "device": "cpu"}
    half = ConvFeatures(TIMM + name, dtype="bfloat16", **options).extract(IMAGE)
    full = extractors[name].extract(IMAGE)
    assert (half * full).sum() / np.linalg.norm(half) / np.linalg.norm(full) > 0.999


def test_stages_and_submodules_are_one_network(tmp_path: Path) -> None:
    """What a submodule gives and what timm says of a stage; what lies behind is not asked for."""
    weights = saved(tmp_path, "test_resnet")
    options = {"weights": weights, "side": 128, "device": "cpu", "dtype": "float32"}
    stage = ConvFeatures("timm:test_resnet", layer="layer2", **options)
    inner = ConvFeatures("timm:test_resnet", layer="layer2.0.act2", **options)
    np.testing.assert_array_equal(stage.extract(IMAGE), inner.extract(IMAGE))
    names = inner._part.state_dict().keys()
    assert "layer2.0.conv1.weight" in names and not any("layer3" in one for one in names)
    vit = saved(tmp_path, "test_vit")
    options["weights"] = vit
    block = ConvFeatures("timm:test_vit", layer="blocks.3", **options)
    tokens = ConvFeatures("timm:test_vit", layer="blocks.3.drop_path2", **options)
    assert tokens.extract(IMAGE).shape == block.extract(IMAGE).shape == (64, 6, 8)
    mixed = ConvFeatures("timm:test_vit", layer="blocks.3.attn.qkv", **options)
    assert mixed.extract(IMAGE).shape == (3 * 64, 6, 8)


def test_weights_of_other_forms(tmp_path: Path) -> None:
    """With and without a classifier, as safetensors, of another size, by other names."""
    from safetensors.torch import save_file

    plain = saved(tmp_path, "test_vit")
    tensors = torch.load(plain, weights_only=True)
    headless = {name: one for name, one in tensors.items() if not name.startswith("head")}
    forms = {"headless.pth": headless, "model.pth": {"model": tensors, "epoch": 3}}
    for file_name, content in forms.items():
        torch.save(content, tmp_path / file_name)
    save_file(headless, tmp_path / "some.safetensors")
    digests = {
        ConvFeatures("timm:test_vit", weights=tmp_path / one, device="cpu").weights_digest_
        for one in ("test_vit.pth", *forms, "some.safetensors")
    }
    assert len(digests) == 1
    larger = saved(tmp_path, "test_vit", img_size=320)  # positions of 20 x 20 patches
    assert ConvFeatures("timm:test_vit", weights=larger, device="cpu").n_channels_ == 64


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    other = saved(tmp_path, "test_resnet")
    with pytest.raises(WeightsError, match=r"do not fit: of \d+ tensors the layer needs, the file"):
        ConvFeatures("timm:test_vit", weights=other)
    damaged = tmp_path / "some.safetensors"
    damaged.write_bytes(b"12345678")
    with pytest.raises(WeightsError, match="no file of tensors that can be read safely"):
        ConvFeatures("timm:test_vit", weights=damaged)
    with pytest.raises(WeightsError, match="No weights file at"):
        ConvFeatures("timm:test_vit", weights=tmp_path / "none.safetensors")


def test_no_connection_says_what_to_get(monkeypatch: pytest.MonkeyPatch) -> None:
    create = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: Any) -> Any:
        if pretrained:
            raise OSError("no route to host\nand more")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        WeightsError,
        match=r"weights of timm:test_vit \(no route to host\).*https://huggingface.co/timm/test_vit"
        r".*--weights FILE",
    ):
        ConvFeatures("timm:test_vit")
    with pytest.raises(WeightsError, match="No weights of timm:starnet_s050 are published"):
        ConvFeatures("timm:starnet_s050")


def test_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`pretrained=True` is what timm is asked for; the tag and the preprocessing are its own."""
    create, asked = timm.create_model, []

    def online(name: str, pretrained: bool = False, **options: Any) -> Any:
        asked.append((name, pretrained))
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", online)
    extractor = ConvFeatures("timm:test_vit.r160_in1k", device="cpu")
    assert ("test_vit.r160_in1k", True) in asked
    assert extractor.weights_ == "timm test_vit.r160_in1k"
    assert extractor.preprocessing_.mean == (0.5, 0.5, 0.5)
    assert extractor.describe()["network"] == "timm:test_vit.r160_in1k"


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ("timm:tf_efficientnet_lite22", "has no network .*; did you mean timm:tf_efficientnet_l"),
        ("timm:qqqqqq", r"has no network 'qqqqqq'; timm\.list_models\(\) lists them"),
        ("timm:", "has no network ''"),
        ("timm:test_vit.other", "no weights 'other' of test_vit; known: r160_in1k"),
        ("convnext_atto", "did you mean .*timm:convnext_atto"),
    ],
)
def test_unknown_names(network: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        ConvFeatures(network)
    assert not any(name.startswith(TIMM) for name in network_names())


def test_layers_that_are_none() -> None:
    with pytest.raises(InvalidInput, match=r"no layer 'layer9'.*Its maps: act1, layer1, layer2"):
        cut_network(build_network("timm:test_resnet"), "layer9")
    with pytest.raises(InvalidInput, match=r"no layer ''"):
        cut_network(build_network("timm:test_resnet"), "")
    module = build_network("timm:test_resnet")
    with pytest.raises(InvalidInput, match=r"to give maps .* got \(1, 96\)"):
        ConvFeatures(module, layer="global_pool")
    with pytest.raises(InvalidInput, match="does not take pictures of any size"):
        cut_network(build_network("timm:gmlp_ti16_224"), "blocks.3")


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InvalidInput, match=r"need the package timm .*'blcf\[timm\]'"):
        ConvFeatures("timm:test_vit")
    with pytest.raises(InvalidInput, match="got 'vgg17'; did you mean vgg1"):
        ConvFeatures("vgg17")


def test_a_collection_remembers_its_network(tmp_path: Path, call: Any) -> None:
    """From the command line, and opened again with other weights."""
    weights = saved(tmp_path, "test_vit")
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.fromarray(np.roll(IMAGE, 9 * number, axis=1)).save(
            tmp_path / "pictures" / f"{number}.png"
        )
    path = tmp_path / "c.blcf"
    made = call(
        *("index", path, tmp_path / "pictures", "--network", "timm:test_vit"),
        *("--weights", weights, "--side", 100, "--words", 8, "--components", 16),
        *("--vocabulary", "own"),
    )
    assert made[0] == 0, made
    with SearchEngine.open(path) as engine:
        assert engine.search(tmp_path / "pictures" / "1.png", box=(0, 0, 120, 90))
    torch.save({}, weights)
    other = saved(tmp_path, "test_vit3")
    with pytest.raises(WeightsError):
        SearchEngine.open(path).search(tmp_path / "pictures" / "1.png")
    with pytest.raises(WeightsError, match="do not fit"):
        SearchEngine.open(path, weights=other).search(tmp_path / "pictures" / "1.png")
    changed = timm.create_model("test_vit").state_dict()
    torch.save(changed, weights)
    with pytest.raises(VocabularyMismatch, match="was made with weights_digest"):
        SearchEngine.open(path).search(tmp_path / "pictures" / "1.png")
    status, _, said = call("index", tmp_path / "d.blcf", tmp_path, "--network", "timm:test_vitt")
    assert status == 2 and "did you mean timm:test_vit" in said


def test_a_real_network_classifies(data: Path) -> None:
    """TensorFlow's EfficientNet-Lite2: padding, preprocessing and weights are right."""
    weights = data / "weights" / "tf_efficientnet_lite2.pth"
    codes = CodeFeatures(
        "timm:tf_efficientnet_lite2",
        layer="global_pool",
        weights=weights,
        input_size=260,
        fit="crop",
        device="cpu",
    )
    assert codes.preprocessing_.mean == codes.preprocessing_.std == (0.5, 0.5, 0.5)
    paths = sorted((data / "natural" / "imagenet").glob("*.jpg"))  # one of each class, in order
    chosen = range(0, len(paths), 25)
    found = codes.extract_many([read_image(paths[place]) for place in chosen])
    tensors = torch.load(weights, weights_only=True)
    scores = found @ tensors["classifier.weight"].numpy().T + tensors["classifier.bias"].numpy()
    right = (scores.argmax(axis=1) == np.array(chosen)).mean()
    assert right >= 0.8  # .884 of 250 with timm's own crop


class SideBySide(torch.nn.Module):
    """The maps of two networks as one, each cell of either L2-normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.ours, _ = cut_network(build_network("blcf-lite").to_empty(device="cpu"), "conv5")
        self.theirs, _ = cut_network(build_network("timm:tf_efficientnet_lite0"), "blocks.4")
        self.joined = torch.nn.Identity()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        maps = [part(pixels)["map"] for part in (self.ours, self.theirs)]
        size = maps[0].shape[2:]
        maps = [torch.nn.functional.interpolate(one, size, mode="bilinear") for one in maps]
        return self.joined(torch.cat([torch.nn.functional.normalize(one) for one in maps], dim=1))


def test_two_networks_side_by_side() -> None:
    """As a module of one's own, which torch.fx cannot trace."""
    module = SideBySide()
    with torch.no_grad():
        for parameter in module.ours.parameters():
            parameter.fill_(0.01)
    both = ConvFeatures(module, layer="joined", side=128, device="cpu", dtype="float32")
    assert both.n_channels_ == 512 + 112
    found = both.extract(IMAGE)
    assert found.shape == (624, 5, 8)
    np.testing.assert_allclose(np.linalg.norm(found[512:], axis=0), 1, rtol=1e-5)


def test_default_layers_by_name_alone() -> None:
    assert default_layer("timm:test_vit") == "blocks.4"
