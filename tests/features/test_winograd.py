"""Convolutions by minimal filtering in networks: torch's own, and when they are taken."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torch.nn import functional

from blcf.errors import InvalidInput
from blcf.features import ConvFeatures
from blcf.features.fusing import has_fused_convolutions
from blcf.features.winograd import WinogradConvolution, can_be_filtered
from blcf.threads import in_order, openmp_threads

needs_onednn = pytest.mark.skipif(
    not has_fused_convolutions(torch.float32), reason="this torch has no fused convolutions"
)


def convolution(
    n_channels: int = 16, m: int = 24, *, seed: int = 0, bias: bool = True
) -> nn.Conv2d:
    torch.manual_seed(seed)
    return nn.Conv2d(n_channels, m, 3, padding=1, bias=bias).requires_grad_(False)


def run(module: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return module(inputs)


@pytest.mark.parametrize("shape", [(1, 16, 1, 1), (2, 16, 9, 14), (1, 16, 40, 61), (0, 16, 8, 8)])
@pytest.mark.parametrize("bias", [True, False])
def test_equals_torch(shape, bias) -> None:
    one, inputs = convolution(bias=bias), torch.randn(shape)
    exact = functional.conv2d(inputs.double(), one.weight.double(), padding=1)
    if one.bias is not None:
        exact += one.bias.double()[:, None, None]
    for activation, scalars, expected in (
        ("none", [], exact),
        ("relu", [], exact.relu()),
        ("hardtanh", [0.0, 0.5], exact.clamp(0, 0.5)),
    ):
        found = run(WinogradConvolution(one, activation, scalars), inputs)
        torch.testing.assert_close(found, expected.float(), rtol=1e-5, atol=1e-5)
        assert found.is_contiguous(memory_format=torch.channels_last) or 0 in shape


def test_how_pictures_lie_in_memory_does_not_matter() -> None:
    module = WinogradConvolution(convolution(), "relu", [])
    inputs = torch.randn(3, 16, 20, 15)
    expected = run(module, inputs)
    assert torch.equal(run(module, inputs.contiguous(memory_format=torch.channels_last)), expected)
    wide = torch.randn(3, 16, 40, 15)
    wide[:, :, ::2] = inputs
    assert torch.equal(run(module, wide[:, :, ::2]), expected)


def test_a_map_is_that_of_its_picture_alone_whatever_the_threads() -> None:
    """To the last bit; the layer is large enough that threads share it."""
    module = WinogradConvolution(convolution(128, 128), "relu", [])
    inputs = torch.randn(3, 128, 45, 50)
    before = torch.get_num_threads()
    found = []
    try:
        for n_threads in (1, 2, 3, 5):
            torch.set_num_threads(n_threads)
            found.append(run(module, inputs))
            found.append(torch.cat([run(module, each[None]) for each in inputs]))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(each, found[0]) for each in found[1:])


@pytest.mark.parametrize(
    "inputs",
    [
        torch.zeros(1, 8, 9, 9),
        torch.zeros(1, 32, 9, 9),
        torch.zeros(16, 9, 9),
        torch.zeros(1, 16, 9, 9, dtype=torch.float64),
        torch.zeros(1, 16, 9, 9, dtype=torch.int64),
    ],
)
def test_what_does_not_fit_is_refused(inputs) -> None:
    """By itself: the kernel would read behind the weights."""
    with pytest.raises(RuntimeError, match="expected float32 input of shape"):
        run(WinogradConvolution(convolution(), "relu", []), inputs)


def test_a_network_whose_channels_do_not_meet() -> None:
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 32, 3), convolution(16, 32)

        def forward(self, x):
            return self.two(self.one(x))

    with pytest.raises(InvalidInput, match="could not take a picture"):
        ConvFeatures(Own(), layer="two", device="cpu", dtype="float32")


def test_threads_that_were_granted_are_taken() -> None:
    """Within a thread of others, too, as a query's sizes are."""
    module = WinogradConvolution(convolution(128, 128), "relu", [])
    inputs, names = torch.randn(1, 128, 90, 90), set()
    expected, plain = run(module, inputs), module._convolve

    def noted(*arguments):
        names.add(threading.current_thread().name)
        plain(*arguments)

    module._convolve = noted

    def one(_):
        torch.get_num_threads()
        with openmp_threads(3):
            return run(module, inputs)

    for found in in_order(one, range(2), 2):
        assert torch.equal(found, expected)
    assert len(names) > 2


def test_what_is_not_a_number_stays_so() -> None:
    inputs = torch.zeros(1, 16, 8, 8)
    inputs[0, 3, 2, 2] = torch.inf
    found = run(WinogradConvolution(convolution(), "none", []), inputs)
    assert not bool(found[0, :, 1:4, 1:4].isfinite().any())


def test_which_convolutions_are_filtered() -> None:
    def conv(**options):
        return nn.Conv2d(**{"in_channels": 16, "out_channels": 16, "kernel_size": 3, **options})

    taken = conv(padding=1)
    assert can_be_filtered(taken, "relu", torch.float32)
    assert can_be_filtered(taken, "none", torch.float32)
    assert can_be_filtered(taken, "hardtanh", torch.float32)
    assert not can_be_filtered(taken, "swish", torch.float32)
    assert not can_be_filtered(taken, "relu", torch.bfloat16)
    for options in (
        {},
        {"padding": 1, "stride": 2},
        {"padding": 2, "dilation": 2},
        {"padding": (1, 0)},
        {"padding": 1, "groups": 16},
        {"padding": 1, "in_channels": 3},
        {"padding": 1, "out_channels": 8},
        {"kernel_size": 1, "padding": 1},
        {"kernel_size": 5, "padding": 1},
    ):
        assert not can_be_filtered(conv(**options), "relu", torch.float32)


@needs_onednn
def test_the_package_s_network_takes_them_in_float32() -> None:
    kinds = {
        dtype: [
            type(each)
            for each in ConvFeatures(side=64, device="cpu", dtype=dtype)._part.modules()
            if isinstance(each, WinogradConvolution)
        ]
        for dtype in ("float32", "bfloat16")
    }
    assert len(kinds["float32"]) == 6 and not kinds["bfloat16"]
