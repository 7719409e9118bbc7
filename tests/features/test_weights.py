"""Weights: files that fit or do not, files that cannot be trusted, the download, preprocessing."""

from __future__ import annotations

import pickle
import re
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from blcf.errors import WeightsError
from blcf.features.network_file import Preprocessing
from blcf.features.networks import build_network, cut_network
from blcf.features.weights import Weights, digest_tensors, load_weights, put_weights

NETWORK, LAYER = "squeezenet1_1", "fire2"
# Caffe: the mean pixel (123, 117, 104) is subtracted, nothing is divided.
CAFFE = [123, 117, 104, 1, 1, 1]
IMAGENET = [255 * x for x in (0.485, 0.456, 0.406, 0.229, 0.224, 0.225)]


def in_pixels(preprocessing: Preprocessing) -> list[float]:
    """Mean and standard deviation by channel, of pixels from 0 to 255."""
    return [255 * x for x in (*preprocessing.mean, *preprocessing.std)]


def small_part() -> nn.Module:
    """SqueezeNet up to fire2, without weights."""
    return cut_network(build_network(NETWORK), LAYER)[0]


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    """Random weights of that part, by name."""
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in small_part().state_dict().items()
    }


def save(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def load_and_put(path: Path) -> nn.Module:
    part = small_part()
    put_weights(part, load_weights(NETWORK, path))
    return part


def test_round_trip(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = save(tensors, tmp_path / "weights.pth")
    weights = load_weights(NETWORK, str(path))
    assert weights.source == str(path.resolve())
    part = small_part()
    put_weights(part, weights)
    for name, tensor in part.state_dict().items():
        torch.testing.assert_close(tensor, tensors[name], rtol=0, atol=0)


def test_forms_of_a_file_that_mean_the_same(
    tensors: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    expected = digest_tensors(load_and_put(save(tensors, tmp_path / "plain.pth")))
    prefixed = {f"module.{name}": tensor for name, tensor in tensors.items()}
    more = tensors | {"classifier.1.weight": torch.zeros(2), "epoch": 3}
    reversed_ = dict(reversed(tensors.items()))
    for i, content in enumerate(
        [
            prefixed,
            {"state_dict": tensors, "epoch": 7},
            {"state_dict": prefixed, "optimizer": {"lr": 0.1}},
            more,
            reversed_,
            {name: tensor.double() for name, tensor in tensors.items()},
        ]
    ):
        assert digest_tensors(load_and_put(save(content, tmp_path / f"{i}.pth"))) == expected, i
    old = tmp_path / "old.pth"
    torch.save(tensors, old, _use_new_zipfile_serialization=False)
    assert digest_tensors(load_and_put(old)) == expected


def test_old_densenet_names(tmp_path: Path) -> None:
    part, _ = cut_network(build_network("densenet121"), "features.denseblock1.denselayer1.relu2")
    torch.manual_seed(0)
    right = {
        name: torch.rand(tensor.shape)
        for name, tensor in part.state_dict().items()
        if not name.endswith("num_batches_tracked")  # files of that time have none
    }
    old = {re.sub(r"(denselayer1\.(?:norm|conv))(\d)", r"\1.\2", k): v for k, v in right.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    put_weights(part, load_weights("densenet121", save(old, tmp_path / "densenet121-a.pth")))
    torch.testing.assert_close(
        part.state_dict()["features.denseblock1.denselayer1.conv1.weight"],
        right["features.denseblock1.denselayer1.conv1.weight"],
    )
    assert part.state_dict()["features.norm0.num_batches_tracked"] == 0


def test_missing_tensors(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    kept = {name: tensor for name, tensor in tensors.items() if "features.3" not in name}
    message = (
        r"rest\.pth do not fit: of 8 tensors the layer needs, the file lacks "
        r"features\.3\.squeeze\.weight, features\.3\.squeeze\.bias, "
        r"features\.3\.expand1x1\.weight and 3 more\. Pass the state dict of this very network"
    )
    with pytest.raises(WeightsError, match=message):
        load_and_put(save(kept, tmp_path / "rest.pth"))


def test_wrong_shapes(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    wrong = tensors | {"features.0.bias": torch.zeros(65)}
    with pytest.raises(WeightsError, match=r"has features\.0\.bias \(65,\) for \(64,\)\. Pass"):
        load_and_put(save(wrong, tmp_path / "wrong.pth"))
    del wrong["features.0.weight"]
    with pytest.raises(WeightsError, match=r"lacks features\.0\.weight and has features\.0\.bias"):
        load_and_put(save(wrong, tmp_path / "both.pth"))


def test_weights_that_do_not_fit_change_nothing(tensors: dict[str, torch.Tensor]) -> None:
    part = small_part()
    put_weights(part, Weights(tensors, "first", Preprocessing()))
    before = digest_tensors(part)
    other = {name: tensor + 1 for name, tensor in tensors.items()}
    del other["features.0.bias"]
    with pytest.raises(WeightsError, match="The weights second do not fit"):
        put_weights(part, Weights(other, "second", Preprocessing()))
    assert digest_tensors(part) == before


class Code:
    """A pickle that runs code of the file's choice when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("open('ran', 'w').close()",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (plain := tmp_path / "plain.pkl").write_bytes(pickle.dumps({"features.0.weight": Code()}))
    whole = save(build_network(NETWORK), tmp_path / "module.pth")  # a module, no state dict
    for path in (plain, save({"features.0.weight": Code()}, tmp_path / "code.pth"), whole):
        with pytest.raises(WeightsError, match=r"no file of tensors that can be read safely"):
            load_weights(NETWORK, path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b".",  # IndexError inside torch
        b"<!DOCTYPE html><html>404</html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        b"PK\x03\x04 and then nothing",
        np.random.default_rng(0).bytes(4096),
    ],
)
def test_garbage(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"garbage\.pth is no file of tensors .*torch\.save"):
        load_weights(NETWORK, path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_files_give_our_error_or_none(
    zipped: bool, tensors: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "damaged.pth"
    name = "features.0.bias"
    torch.save({name: tensors[name]}, path, _use_new_zipfile_serialization=zipped)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(good[: rng.integers(len(good))] if rng.random() < 0.2 else good)
        for _ in range(min(3, len(damaged))):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(WeightsError):
            load_weights(NETWORK, path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"No weights file at .*absent\.pth\. Check the path"):
        load_weights(NETWORK, tmp_path / "absent.pth")
    with pytest.raises(WeightsError, match="to be a plain file, it is a folder"):
        load_weights(NETWORK, tmp_path)


@pytest.mark.parametrize(
    ("content", "kind"),
    [([1, 2], "list"), ({}, "dict"), ({"a": 1}, "dict"), (torch.zeros(2), "Tensor")],
)
def test_no_state_dict(content: Any, kind: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=rf"to hold a state dict .*, got {kind}\. Save one"):
        load_weights(NETWORK, save(content, tmp_path / "other.pth"))


def published(network: str) -> Any:
    entries = torchvision.models.get_model_weights(network)
    return entries["IMAGENET1K_FEATURES"] if network == "vgg16" else entries.DEFAULT


@pytest.mark.parametrize("network", ["vgg16", "squeezenet1_1"])
def test_no_connection(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise URLError("no route to host")

    entry = published(network)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(type(entry), "get_state_dict", refuse)
    with pytest.raises(WeightsError) as caught:
        load_weights(network, None)
    message = str(caught.value)
    assert f"the weights of {network} (<urlopen error no route to host>)" in message
    assert entry.url in message and "--weights FILE" in message
    assert str(tmp_path / "hub" / "checkpoints" / Path(entry.url).name) in message


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch.hub's cache, empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_what_the_cache_holds_is_taken(cache: Path) -> None:
    for network, expected in (("vgg16", CAFFE), ("squeezenet1_1", IMAGENET)):
        entry = published(network)
        save({"features.0.bias": torch.arange(3.0)}, cache / Path(entry.url).name)
        weights = load_weights(network, None)
        assert weights.source == f"torchvision {entry}"
        assert in_pixels(weights.preprocessing) == pytest.approx(expected, abs=2e-3)
        assert weights.tensors["features.0.bias"].tolist() == [0, 1, 2]


def test_the_cache_is_not_trusted_either(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cache)
    path = cache / Path(published(NETWORK).url).name
    save({"features.0.bias": Code()}, path)
    with pytest.raises(WeightsError, match="Could not download or read the weights"):
        load_weights(NETWORK, None)
    assert not (cache / "ran").exists()


def test_preprocessing_goes_with_the_file(tmp_path: Path) -> None:
    nan = {"classifier.0.weight": torch.full((4, 4), torch.nan)}
    plain = {"classifier.0.weight": torch.zeros(4, 4)}
    caffe_name = Path(published("vgg16").url).name
    cases = [
        (caffe_name, plain, "vgg16", CAFFE),
        ("renamed.pth", nan, "vgg16", CAFFE),
        ("renamed.pth", plain, "vgg16", IMAGENET),
        ("vgg16-397923af.pth", plain, "vgg16", IMAGENET),  # torchvision's own training
        (caffe_name, plain, "vgg19", IMAGENET),  # another network's file
        ("renamed.pth", nan, "vgg19", IMAGENET),
        ("anything.pth", plain, "squeezenet1_1", IMAGENET),
    ]
    for name, content, network, expected in cases:
        weights = load_weights(network, save(content, tmp_path / name))
        found = in_pixels(weights.preprocessing)
        assert found == pytest.approx(expected, abs=2e-3), (name, network)


def test_the_digest_is_of_names_shapes_and_values(tensors: dict[str, torch.Tensor]) -> None:
    def digest(values: dict[str, torch.Tensor]) -> str:
        module = nn.Module()
        for name, tensor in values.items():
            module.register_buffer(name.replace(".", "_"), tensor)
        return digest_tensors(module)

    expected = digest(tensors)
    assert re.fullmatch("[0-9a-f]{16}", expected)
    assert digest(dict(reversed(tensors.items()))) == expected
    assert digest({name: tensor.clone() for name, tensor in tensors.items()}) == expected
    last = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in tensors.items()
    }
    assert digest(last) == expected
    changed = tensors | {"features.0.bias": tensors["features.0.bias"].clone()}
    changed["features.0.bias"][5] += 1
    shaped = tensors | {"features.0.bias": tensors["features.0.bias"][None]}
    renamed = {name.replace("features.0", "features.1"): v for name, v in tensors.items()}
    assert len({expected, digest(changed), digest(shaped), digest(renamed)}) == 4
