"""Networks and layers by name: torchvision's, timm's and our own, with the papers' layer names.

A layer is a node of the network's graph (``features.25``), or one of the papers' names
(``conv5_1``, ``pool5``, ``fire9``), which stand for the activations after the ReLU as in Caffe;
with ``:signed`` behind it what is in front of them (`blcf.features.signed`).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
from torch import fx, nn

from blcf.errors import InvalidInput
from blcf.features.graphs import TRACING, NamedGraph, chain_graph, trace_graph
from blcf.features.lite import LAYERS, LITE, LiteNetwork
from blcf.features.published import torchvision_models
from blcf.features.shared_parts import HookedPart
from blcf.features.signed import SIGNED, split_layer
from blcf.features.timm_networks import TIMM, build_timm, is_timm, near_timm, usual_layer
from blcf.features.timm_parts import timm_part

__all__ = [
    "build_network",
    "cut_layers",
    "cut_network",
    "default_layer",
    "layer_aliases",
    "network_names",
]

# Where the maps have stride 16, as conv5_1 of VGG16 has; before the projection where a block
# narrows its channels (the wide node of an inverted bottleneck). After the activation, but where it
# was measured that features in front of it find more (benchmarks/accuracy.md, "How the defaults
# were chosen"). VGG16's is the paper's; its weights were not at hand.
_DEFAULT_LAYERS = {
    LITE: "conv5:signed",
    "vgg": "conv5_1",
    "alexnet": "conv5",
    "squeezenet": "fire9:signed",
    "resnet": "layer3",
    "resnext": "layer3",
    "wide_resnet": "layer3",
    "mobilenet_v2": "features.14.conv.0",
    "mobilenet_v3_large": "features.13.block.0",
    "mobilenet_v3_small": "features.9.block.0",
    "efficientnet": "features.6.0.block.0",
    "convnext": "features.5",
    "densenet": "features.transition3.relu",
    "regnet": "trunk_output.block3",
    "mnasnet": "layers.12.0.layers.2",
    "googlenet": "inception4e",
    "inception_v3": "Mixed_6e",
    "shufflenet": "stage3",
}


class Untraceable(InvalidInput):
    """torch.fx cannot draw a network."""


def network_names() -> list[str]:
    """Names of the networks: the package's own and torchvision's for classification."""
    models = torchvision_models()
    return [LITE, *models.list_models(module=models)]


def build_network(network: str) -> nn.Module:
    """A network whose weights are not set yet.

    It is made on torch's meta device, which takes no memory and no time.

    Raises
    ------
    InvalidInput
        No such network; the message names the near ones. Or one of torchvision's, which cannot be
        imported.
    """
    if network == LITE:
        with TRACING, torch.device("meta"):
            return LiteNetwork().eval()
    if isinstance(network, str) and network.startswith(TIMM):
        return build_timm(network)
    names = network_names()
    if network not in names:
        near = difflib.get_close_matches(str(network).lower(), names, n=3, cutoff=0.5)
        near += near_timm(str(network), n=2)
        hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}."
        raise InvalidInput(
            f"Expected {LITE}, a torchvision classification network or {TIMM}NAME, got "
            f"{network!r}; {hint}"
        )
    # The published weights of these two were trained with their inputs transformed inside.
    inside = {"transform_input": True, "init_weights": False}
    options = inside if network in ("googlenet", "inception_v3") else {}
    models = torchvision_models()
    try:
        with TRACING, torch.device("meta"):
            return models.get_model(network, weights=None, **options).eval()
    except NotImplementedError:  # RegNet reads tensors while it is made
        return models.get_model(network, weights=None, **options).eval()


def default_layer(network: str, module: nn.Module | None = None) -> str:
    """The layer taken where none is named: stride 16.

    Parameters
    ----------
    network : name
    module : the network, if it is made already; of timm's it says which layers are maps

    Raises
    ------
    InvalidInput
        A family without maps or without a choice of ours.
    """
    if isinstance(network, str) and network.startswith(TIMM):
        return usual_layer(build_timm(network) if module is None else module, network)
    families = [family for family in _DEFAULT_LAYERS if network.startswith(family)]
    if not families:
        raise InvalidInput(
            f"No default layer for network {network!r}: name one with layer=... (--layer ...)."
        )
    return _DEFAULT_LAYERS[max(families, key=len)]


def layer_aliases(module: nn.Module) -> dict[str, str]:
    """Names of the layers of blcf-lite, and the papers' names of those of VGG, AlexNet and
    SqueezeNet: {"conv5_1": "features.25"}.

    Convolutions are named for the ReLU behind them. Other networks have none.
    """
    features = getattr(module, "features", None)
    if isinstance(module, LiteNetwork):
        return {name: f"features.{name}.relu" for name, *_ in LAYERS}
    if not isinstance(features, nn.Sequential):
        return {}
    models = torchvision_models()
    if isinstance(module, models.VGG):
        return _vgg_aliases(features)
    if isinstance(module, (models.AlexNet, models.SqueezeNet)):
        return _numbered_aliases(features, models.squeezenet.Fire)
    return {}


def _vgg_aliases(features: nn.Sequential) -> dict[str, str]:
    """conv<stage>_<n> and pool<stage>."""
    aliases, stage, number = {}, 1, 0
    for position, layer in enumerate(features):
        if isinstance(layer, nn.ReLU):
            number += 1
            aliases[f"conv{stage}_{number}"] = f"features.{position}"
        elif isinstance(layer, nn.MaxPool2d):
            aliases[f"pool{stage}"] = f"features.{position}"
            stage, number = stage + 1, 0
    return aliases


def _numbered_aliases(features: nn.Sequential, fire: type[nn.Module]) -> dict[str, str]:
    """conv<n>, fire<n> counted together, and pool<n> named for the layer before it."""
    aliases, number = {}, 0
    for position, layer in enumerate(features):
        if isinstance(layer, nn.ReLU):
            number += 1
            aliases[f"conv{number}"] = f"features.{position}"
        elif isinstance(layer, fire):
            number += 1
            aliases[f"fire{number}"] = f"features.{position}"
        elif isinstance(layer, nn.MaxPool2d):
            aliases[f"pool{number}"] = f"features.{position}"
    return aliases


def cut_network(module: nn.Module, layer: str) -> tuple[nn.Module, str]:
    """The part of a network up to a layer, whose output is ``{"map": (n, C, h, w)}``.

    The graph of torch.fx up to there. Networks of timm, and those that torch.fx cannot trace, run
    as they are, and stop behind the submodule; they are the part's own from then on.

    Parameters
    ----------
    module : the network
    layer : a node of its graph, the name of a submodule, or a paper's name

    Returns
    -------
    the part (it shares the weights), the name of the node

    Raises
    ------
    InvalidInput
        No such layer (the message names the near ones).
    """
    if is_timm(module):
        return timm_part(module, _plain(layer)), layer
    try:
        graph = _graph(module)
    except Untraceable:
        return HookedPart.of(module, _plain(layer)), layer
    node = _node(module, graph, layer)
    return graph.cut({"map": node}), node


def _plain(layer: str) -> str:
    """The layer of a network that runs as it is, where nothing can be taken out."""
    name, is_signed = split_layer(layer)
    if is_signed:
        raise InvalidInput(
            f"Expected a submodule of a network that torch.fx does not trace, got {layer!r}. Name "
            f"the one in front of the activation, or {name!r} as it is."
        )
    return layer


def cut_layers(module: nn.Module, layers: Sequence[str]) -> fx.GraphModule:
    """The part of a network up to several layers: its output is ``{layer: (n, C, h, w)}``.

    Raises `InvalidInput` as `cut_network` does.
    """
    graph = _graph(module)
    return graph.cut({layer: _node(module, graph, layer) for layer in layers})


def _graph(module: nn.Module) -> NamedGraph:
    if type(module) is LiteNetwork:  # a chain: it needs no tracing, and no torchvision
        return chain_graph(module, module.paths())
    torchvision_models()  # which names the nodes
    try:
        return trace_graph(module)
    except Exception as error:  # torch.fx raises anything that the module's own code raises
        raise Untraceable(
            f"{type(module).__name__} cannot be traced by torch.fx ({error}). Pass a module whose "
            "forward has no branches that depend on data."
        ) from error


def _node(module: nn.Module, graph: NamedGraph, layer: str) -> str:
    """The name of the node or module that a layer stands for; ``:signed`` stays with it."""
    aliases = layer_aliases(module)
    layer, is_signed = split_layer(layer)
    node = aliases.get(layer, layer)
    if node not in graph:
        known = [*aliases, *graph.names]
        near = difflib.get_close_matches(str(layer), known, n=4, cutoff=0.4) or known[-8:]
        raise InvalidInput(
            f"{type(module).__name__} has no layer {layer!r}. Near: {', '.join(near)}."
        )
    return f"{node}{SIGNED}" if is_signed else node
