"""Networks that are run as they are and stopped behind a submodule."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from blcf.errors import InvalidInput
from blcf.features import ConvFeatures
from blcf.features.networks import cut_network
from blcf.features.shared_parts import fitted

IMAGE = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)


def seeded(module: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module


class Padded(nn.Module):
    """Branches on the size of its input, as TensorFlow's padding does."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.late = nn.Sequential(nn.Conv2d(8, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 1))
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True)
        self.head = nn.Linear(6, 10)
        self.n_behind = 0

    def forward(self, pixels):
        pixels = pixels + self.shift
        if pixels.shape[2] % 2 or float(pixels.sum()) > 1e9:
            pixels = nn.functional.pad(pixels, (0, 1, 0, 1))
        maps = self.late(self.stem(pixels).relu())
        cells = maps.flatten(2).transpose(1, 2)
        mixed, _ = self.attention(cells, cells, cells)
        self.n_behind += 1
        return self.head(mixed.mean(dim=1))


def test_what_a_submodule_gives() -> None:
    module = seeded(Padded())
    extractor = ConvFeatures(module, layer="late.1", side=128, device="cpu", dtype="float32")
    assert extractor.n_channels_ == 6 and extractor.node_ == "late.1"
    pixels = extractor._inputs([IMAGE])
    with torch.inference_mode():
        expected = module.late[:2](module.stem(pixels + module.shift).relu())[0].numpy()
    np.testing.assert_allclose(extractor.extract(IMAGE), expected, rtol=1e-5, atol=1e-4)
    assert module.n_behind == 0, "nothing behind the layer is run"
    assert not module._forward_hooks and not module.late[1]._forward_hooks, "its owner's is kept"


def test_in_threads() -> None:
    extractor = ConvFeatures(seeded(Padded()), layer="late", side=128, device="cpu")
    images = [np.roll(IMAGE, 5 * i, axis=1) for i in range(16)]
    alone = [extractor.extract(one) for one in images]
    with ThreadPoolExecutor(4) as pool:
        for one, expected in zip(pool.map(extractor.extract, images), alone, strict=True):
            np.testing.assert_array_equal(one, expected)


def test_the_names_of_the_weights_are_the_networks() -> None:
    module = seeded(Padded())
    part, _ = cut_network(module, "attention")
    part.truncate(torch.zeros(1, 3, 32, 32))
    names = part.state_dict().keys()
    assert {"shift", "stem.weight", "late.2.bias"} <= names
    assert "attention.out_proj.weight" in names, "used without being called"
    assert not any(name.startswith("head") for name in names)
    state = {name: torch.zeros_like(tensor) for name, tensor in part.state_dict().items()}
    part.load_state_dict(state, assign=True)
    assert not module.shift.any() and not module.stem.weight.any()
    assert copy.deepcopy(part).to(torch.bfloat16).state_dict()["shift"].dtype == torch.bfloat16
    assert module.shift.dtype == torch.float32


class Skipping(nn.Module):
    """Calls one of two submodules, and looks at what the other one is."""

    def __init__(self):
        super().__init__()
        self.one, self.other = nn.Conv2d(3, 4, 2, stride=2), nn.Conv2d(3, 4, 3)

    def forward(self, pixels):
        if float(pixels.sum()) > 1e9:
            return self.other(pixels)
        return self.one(pixels * self.other.weight.mean())


def test_a_network_that_reads_what_it_does_not_call_is_kept_whole() -> None:
    part, _ = cut_network(seeded(Skipping()), "one")
    part.truncate(torch.ones(1, 3, 8, 8))
    assert "other.weight" in part.state_dict()
    assert part(torch.ones(1, 3, 8, 8))["map"].shape == (1, 4, 4, 4)


def test_a_submodule_that_is_not_called() -> None:
    with pytest.raises(InvalidInput, match=r"up to layer other \(it does not call its submodule"):
        ConvFeatures(Skipping(), layer="other", device="cpu")


@pytest.mark.parametrize(
    ("size", "expected"),
    [((96, 128), (96, 128)), ((100, 120), (96, 128)), ((3, 8), (16, 16)), ((250, 39), (256, 32))],
)
def test_pictures_are_brought_to_multiples(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    """Without moving what is in them."""
    rows = torch.linspace(0, 1, size[0]).view(1, 1, -1, 1).expand(1, 3, *size)
    found = fitted(rows, 16)
    assert found.shape[2:] == expected
    if size == expected:
        assert found is rows
    elif min(size) > 16:
        steps = (torch.arange(expected[0]) + 0.5) * size[0] / expected[0] - 0.5
        ideal = (steps / (size[0] - 1)).clamp(0, 1)
        torch.testing.assert_close(found[0, 0, 4:-4, 0], ideal[4:-4], atol=1e-3, rtol=0)
    assert fitted(rows.bfloat16(), 16).dtype == torch.bfloat16
