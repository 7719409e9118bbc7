"""Graphs of networks: torchvision's names and parts, by whatever way they are drawn."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from blcf.features.fusing import FusedConvolution, fuse_network, has_fused_convolutions
from blcf.features.graphs import chain_graph, trace_graph
from blcf.features.lite import LAYERS, LiteNetwork, read_lite
from blcf.features.networks import build_network, cut_layers, cut_network
from blcf.features.weights import digest_tensors
from blcf.features.winograd import WinogradConvolution


def run(part: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return part(inputs.clone())["map"]


@pytest.mark.parametrize("network", ["squeezenet1_1", "resnet18", "mobilenet_v3_small"])
def test_names_and_parts_are_those_of_torchvision(network: str) -> None:
    module = build_network(network)
    names = get_graph_node_names(module, suppress_diff_warning=True)[1]
    assert trace_graph(module).names == names
    for layer in (names[len(names) // 2], names[-1], names[-1].split(".")[0]):
        part, node = cut_network(module, layer)
        theirs = create_feature_extractor(module, {node: "map"}, suppress_diff_warning=True)
        assert part.code == theirs.eval().code
        assert list(part.state_dict()) == list(theirs.state_dict())


def test_tracing_leaves_the_mode_of_a_module() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout())
    assert not cut_network(module, "1")[0].training and module.training
    assert not cut_network(module.eval(), "1")[0].training and not module.training


def test_blcf_lite_is_cut_as_it_would_be_traced() -> None:
    """Every node, every module around some and every layer: the same bits, fused or not."""
    network = LiteNetwork().eval()
    network.load_state_dict(read_lite())
    drawn, traced = chain_graph(network, network.paths()), trace_graph(network)
    assert drawn.names == traced.names
    assert len(drawn.names) == 1 + 2 * len(LAYERS) + 4  # pixels; conv, relu; four paddings
    layers = [name for name, *_ in LAYERS]
    names = {*drawn.names, *(f"features.{name}" for name in layers), "features", *layers}
    inputs = torch.randn(1, 3, 34, 50, generator=torch.Generator().manual_seed(0))
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    for name in sorted(names):
        part, node = cut_network(network, name)
        expected = traced.cut({"map": node})
        weights, theirs = part.state_dict(), expected.state_dict()
        assert list(weights) == list(theirs)
        assert all(weights[each].data_ptr() == theirs[each].data_ptr() for each in weights)
        assert torch.equal(run(part, inputs), run(expected, inputs))
        if not has_fused_convolutions(torch.float32):
            continue
        fused, as_traced = (fuse_network(each, torch.float32) for each in (part, expected))
        assert not any(type(each) is nn.Conv2d for each in fused.modules())
        n_convolutions = sum(isinstance(each, nn.Conv2d) for each in part.modules())
        kinds = (FusedConvolution, WinogradConvolution)
        for either in (fused, as_traced):
            n_fused = sum(isinstance(each, kinds) for each in either.modules())
            assert n_fused == n_convolutions
        assert torch.equal(run(fused, inputs), run(as_traced, inputs))
    whole = traced.cut({"map": "features.conv5.relu"})
    assert digest_tensors(cut_network(network, "conv5")[0]) == digest_tensors(whole)


def test_several_layers_at_once() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU()).eval()
    part = cut_layers(module, ["1", "3"])
    inputs = torch.randn(1, 3, 16, 16)
    with torch.inference_mode():
        maps = part(inputs)
    assert list(maps) == ["1", "3"]
    for layer, values in maps.items():
        assert torch.equal(values, run(cut_network(module, layer)[0], inputs))


class CallsAnotherMeanwhile(nn.Module):
    """While it is traced, another thread runs another network."""

    def __init__(self, other: nn.Module):
        super().__init__()
        self.relu = nn.ReLU()
        self.found: list[torch.Tensor] = []
        self._other = (other,)  # no submodule

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        def run_other() -> None:
            self.found.append(self._other[0](torch.ones(1, 3, 8, 8)))

        thread = threading.Thread(target=run_other)
        thread.start()
        thread.join(60)
        return self.relu(pixels)


def test_networks_of_other_threads_run_on_while_one_is_traced() -> None:
    """torch.fx answers every call of a module in the process: "not installed as a submodule"."""
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()).eval().requires_grad_(False)
    expected = other(torch.ones(1, 3, 8, 8))
    module = CallsAnotherMeanwhile(other).eval()
    part, node = cut_network(module, "relu")
    assert node == "relu" and [each.op for each in part.graph.nodes] == [
        "placeholder",
        "call_module",
        "output",
    ]
    (found,) = module.found
    assert torch.equal(found, expected)
