"""Values in front of a layer's last activation: local features that tell more apart.

A ReLU keeps how much of a pattern is there and forgets how much it is not: directions of features
in front of it, which have both signs, find objects better than those behind it (benchmarks/
accuracy.md, "How the defaults were chosen"). What is behind it says better how much a cell
matters, so that its length is kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from blcf.errors import InvalidInput
from blcf.features.sequences import call_each

__all__ = ["SIGNED", "before_activation", "signed_features", "split_layer"]

SIGNED = ":signed"  # behind the name of a layer

_MODULES = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU, nn.ELU, nn.LeakyReLU, nn.Mish)
_FUNCTIONS: tuple[Any, ...] = (
    *(functional.relu, functional.relu6, functional.hardswish, functional.silu, functional.gelu),
    *(torch.relu, torch.relu_),
)
_METHODS: tuple[Any, ...] = ("relu", "relu_")


def split_layer(layer: str) -> tuple[str, bool]:
    """The name of a layer, and whether it is taken in front of its last activation."""
    if isinstance(layer, str) and layer.endswith(SIGNED):
        return layer.removesuffix(SIGNED), True
    return layer, False


def signed_features(maps: torch.Tensor) -> torch.Tensor:
    """Local features as long as their positive part, which is what a ReLU gives.

    Parameters
    ----------
    maps : float (n, C, h, w), in front of the activation

    Returns
    -------
    of the same type; a feature without a positive component is all 0
    """
    of_each = {"dim": 1, "keepdim": True, "dtype": torch.float32}
    positive = torch.linalg.vector_norm(maps.clamp(min=0), **of_each)
    whole = torch.linalg.vector_norm(maps, **of_each)
    return maps * (positive / whole.clamp(min=1e-12)).to(maps.dtype)


def before_activation(module: nn.Module, graph: fx.Graph, node: fx.Node) -> fx.Node:
    """A new node in a graph: what `node` gives in front of its activation, by `signed_features`.

    A concatenation of activations is one of what is in front of each (a fire module of SqueezeNet).

    Parameters
    ----------
    module : the owner of what the graph calls
    graph : changed; what is not needed any more stays in it

    Raises
    ------
    InvalidInput
        The node is no activation.
    """
    front = _front(module, graph, node)
    with graph.inserting_after(front):
        return graph.call_function(signed_features, (front,))


def _copied(graph: fx.Graph, front: fx.Node) -> fx.Node:
    """A copy, made before an activation that something else needs writes into what it is given."""
    with graph.inserting_after(front):
        return graph.call_method("clone", (front,))


def _front(module: nn.Module, graph: fx.Graph, node: fx.Node) -> fx.Node:
    if node.op == "call_function" and node.target in (torch.cat, torch.concat):
        values: Any = node.args[0] if node.args else ()
        if isinstance(values, (list, tuple)):
            parts = [_copied(graph, _front(module, graph, each)) for each in values]
            with graph.inserting_after(node):
                return graph.call_function(torch.cat, (parts, *node.args[1:]), node.kwargs)
    activations = {"call_function": _FUNCTIONS, "call_method": _METHODS}
    if node.target in activations.get(node.op, ()):
        return node.all_input_nodes[0]
    if node.op == "call_module":
        called = module.get_submodule(str(node.target))
        if isinstance(called, _MODULES):
            return node.all_input_nodes[0]
        last = call_each(graph, node, called) if len(node.args) == 1 else None
        if last is not None:
            return _front(module, graph, last)
    raise InvalidInput(
        f"Expected a layer that ends in an activation in front of {SIGNED!r}, got {node.name}, "
        "which has none. Leave the suffix away, or name another layer."
    )
