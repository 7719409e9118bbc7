"""blcf-lite and its trained form: shapes, where cells look, and that both compute the same."""

from __future__ import annotations

import pytest
import torch

from blcf.features.lite import LAYERS, LITE, LiteNetwork
from blcf.features.networks import cut_network, default_layer
from blcf.learning.student import Student, export, unfold


def _trained() -> Student:
    """A student whose statistics and weights are those of nobody in particular."""
    torch.manual_seed(0)
    student = Student(8, 4)
    with torch.no_grad():
        for layer in student.layers.values():
            layer.norm.weight.uniform_(0.5, 1.5)
            layer.norm.bias.normal_(0, 0.2)
            layer.norm.running_mean.normal_(0, 0.2)
            layer.norm.running_var.uniform_(0.5, 2)
    return student.eval()


@pytest.mark.parametrize("size", [(64, 96), (97, 113), (32, 33)])
def test_export_computes_what_the_student_computes(size):
    student = _trained()
    network = export(student)
    pixels = torch.randn(2, 3, *size)
    with torch.inference_mode():
        shallow, deep = student(pixels)
        found = cut_network(network, default_layer(LITE))[0](pixels)["map"]
        middle = network.features[:6](pixels)
    torch.testing.assert_close(found, deep, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(middle, shallow, rtol=1e-4, atol=1e-4)
    assert found.shape[1:] == (512, size[0] // 16, size[1] // 16)
    assert middle.shape[1:] == (112, size[0] // 8, size[1] // 8)


def test_a_student_goes_on_from_a_network():
    network = export(_trained())
    torch.manual_seed(1)
    student = Student(8, 4)
    pixels = torch.randn(4, 3, 64, 64)
    unfold(network, student, pixels)
    again = export(student.eval())
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=1e-4, atol=1e-4)
    with torch.inference_mode():  # normalised by these pictures: by batch it computes the same
        signed = cut_network(network, default_layer(LITE))[0](pixels)["map"]
        torch.testing.assert_close(student.train()(pixels)[1], signed, rtol=1e-2, atol=1e-2)


def test_a_trained_layer_has_a_shortcut_where_shapes_allow():
    student = Student(8, 4)
    shortcuts = [name for name, layer in student.layers.items() if layer.shortcut]
    assert shortcuts == ["conv2_2", "conv3_2", "conv3_3", "conv4_2", "conv4_3", "conv4_4"]
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in LiteNetwork().modules())


def test_size_of_the_network():
    network = LiteNetwork()
    assert sum(tensor.numel() for tensor in network.parameters()) <= 1_500_000
    assert {kernel for _, _, kernel, _ in LAYERS} == {1, 3}


@pytest.mark.parametrize("layer, stride, middle", [("conv5", 16, 7), ("conv3_3", 8, 7)])
def test_where_a_cell_looks(layer, stride, middle):
    """The pixels that a cell depends on lie around the middle of its share of the picture."""
    network = LiteNetwork().double()
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.fill_(0.01)  # all positive: no ReLU hides a path
    n_layers = [name for name, *_ in LAYERS].index(layer) + 1
    pixels = torch.rand(1, 3, 384, 384, dtype=torch.float64, requires_grad=True)
    cell = 192 // stride
    network.features[:n_layers](pixels)[0, :, cell, cell].sum().backward()
    seen = pixels.grad[0].abs().sum(0)
    for axis in (0, 1):
        (places,) = torch.nonzero(seen.sum(1 - axis), as_tuple=True)
        assert float(places[0] + places[-1]) / 2 == stride * cell + middle
