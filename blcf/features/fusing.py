"""A cut network made ready for inference on the CPU: what belongs together is computed at once.

A convolution, the batch norm behind it and the activation behind that become one call of oneDNN, in
float32 one of a kernel of ours where that is faster (`winograd.py`): SqueezeNet 1.1 in bfloat16
takes 2.9 ms a picture instead of 3.3, VGG16 74 instead of 77. Packing the weights in oneDNN's order
once gained another .1 ms and 2 ms where the order was the right one; it depends on sizes, and a
batch of one picture took 7.5 ms instead of 3.6 where it was another.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from blcf.features.sequences import call_each
from blcf.features.winograd import WinogradConvolution, can_be_filtered

__all__ = ["FusedConvolution", "fuse_network", "has_fused_convolutions", "largest_activation"]

# Activations by the names that oneDNN has for them, and their numbers.
_MODULES: dict[type[nn.Module], tuple[str, list[Any]]] = {
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
    nn.Hardswish: ("hardswish", []),
    nn.SiLU: ("swish", []),
}
_FUNCTIONS: dict[Any, tuple[str, list[Any]]] = {
    functional.relu: ("relu", []),
    torch.relu: ("relu", []),
    torch.relu_: ("relu", []),
}


class FusedConvolution(nn.Module):
    """A convolution and the activation behind it, in one call.

    Parameters
    ----------
    convolution : of zero padding; its weights are shared
    activation, scalars : the name that oneDNN has for it ("none" for none), and its numbers
    """

    def __init__(
        self, convolution: nn.Conv2d, activation: str = "none", scalars: list[Any] | None = None
    ):
        super().__init__()
        self.weight, self.bias = convolution.weight, convolution.bias
        padding, stride = convolution.padding, convolution.stride
        self.options = (padding, stride, convolution.dilation, convolution.groups)
        self.activation = (activation, scalars or [], "")

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Float (n, C, h, w) to (n, C', h', w')."""
        return torch.ops.mkldnn._convolution_pointwise(
            inputs, self.weight, self.bias, *self.options, *self.activation
        )


@cache
def has_fused_convolutions(dtype: torch.dtype) -> bool:
    """Whether this torch has the call that `FusedConvolution` takes, which has no public name."""
    if dtype not in (torch.float32, torch.bfloat16) or not torch.backends.mkldnn.is_available():
        return False
    # From the meta device, with `to_empty`, it would cost the import of sympy: .8 s.
    with torch.random.fork_rng(devices=[]):
        convolution = nn.Conv2d(2, 3, 3, padding=1)
    # Small integers, exact in either arithmetic; sums of both signs.
    weight = torch.arange(54.0).reshape(3, 2, 3, 3) % 5 - 2
    convolution.load_state_dict({"weight": weight, "bias": torch.tensor([-3.0, 0, 3])})
    convolution.to(dtype).requires_grad_(False)
    inputs = (torch.arange(70.0).reshape(1, 2, 5, 7) % 3 - 1).to(dtype)
    try:
        with torch.inference_mode():
            found = FusedConvolution(convolution, "relu")(inputs)
            return torch.equal(found, convolution(inputs).relu())
    except (AttributeError, RuntimeError, TypeError):
        return False


def fuse_network(part: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A cut network in eval mode, on the CPU, as one of the same function that takes less time.

    Its results differ by rounding: a batch norm is folded into the weights, an activation takes
    sums that were not rounded yet. What cannot be fused is kept as it is; the whole network where
    this torch lacks the call.

    Parameters
    ----------
    part : float32, what `cut_network` gives; it is left as it is and shares its weights
    dtype : the arithmetic that it will be brought to
    """
    if not isinstance(part, fx.GraphModule) or not has_fused_convolutions(dtype):
        return part
    # A graph of its own, which is changed below.
    graph = fx.Graph()
    graph.output(graph.graph_copy(part.graph, {}))
    fused = fx.GraphModule(part, graph).eval()
    while any([_open_sequential(fused, node) for node in list(graph.nodes)]):
        pass  # what was in one may be another
    for node in list(graph.nodes):
        convolution = _module(fused, node)
        if type(convolution) is nn.Conv2d and not isinstance(convolution.padding, str):
            if convolution.padding_mode == "zeros":
                _fuse_behind(fused, node, convolution, dtype)
    fused.delete_all_unused_submodules()
    fused.recompile()
    return fused


def _open_sequential(fused: fx.GraphModule, node: fx.Node) -> bool:
    """Put the calls of its modules in the place of one call of a Sequential, if it is one."""
    value = call_each(fused.graph, node, _module(fused, node))
    if value is None:
        return False
    node.replace_all_uses_with(value)
    fused.graph.erase_node(node)
    return True


def _fuse_behind(
    fused: fx.GraphModule, node: fx.Node, convolution: nn.Conv2d, dtype: torch.dtype
) -> None:
    """Put one module in the place of a convolution and what can go with it."""
    taken, user = [node], _only_user(node)
    norm = _module(fused, user)
    if user is not None and type(norm) is nn.BatchNorm2d and norm.running_mean is not None:
        convolution = fuse_conv_bn_eval(convolution, norm)
        taken, user = [*taken, user], _only_user(user)
    activation = None
    if user is not None:
        module = _module(fused, user)
        activation = _MODULES.get(type(module)) if module else _FUNCTIONS.get(user.target)
        taken += [user] if activation else []
    name = f"fused_{node.name}"
    activation = activation or ("none", [])
    filtered = can_be_filtered(convolution, activation[0], dtype)
    kind = WinogradConvolution if filtered else FusedConvolution
    fused.add_submodule(name, kind(convolution, *activation))
    with fused.graph.inserting_before(node):
        new = fused.graph.call_module(name, node.args, node.kwargs)
    taken[-1].replace_all_uses_with(new)
    for each in reversed(taken):
        fused.graph.erase_node(each)


def _only_user(node: fx.Node) -> fx.Node | None:
    """The node that takes a node's result, where there is one and it takes nothing else."""
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].all_input_nodes == [node] else None


def _module(part: fx.GraphModule, node: fx.Node | None) -> nn.Module | None:
    """The module that a node calls with one argument, if it does and that is all that happens."""
    if node is None or node.op != "call_module" or len(node.args) != 1 or node.kwargs:
        return None
    module = part.get_submodule(str(node.target))
    # Hooks see or make what a fused call would not have, as those of weight_norm do.
    return None if module._forward_hooks or module._forward_pre_hooks else module


class _Meter(fx.Interpreter):
    """Runs a graph and keeps the size of the largest tensor that it made."""

    most = 0

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if isinstance(result, torch.Tensor):
            self.most = max(self.most, result.nbytes)
        return result


@torch.inference_mode()
def largest_activation(part: nn.Module, inputs: torch.Tensor) -> int:
    """Bytes of the largest tensor on the way of inputs through a cut network.

    Where it is not a graph, of those that its modules give.
    """
    if isinstance(part, fx.GraphModule):
        meter = _Meter(part)
        meter.run(inputs)
        return meter.most
    most = inputs.nbytes

    def look(module: nn.Module, _: Any, output: Any) -> None:
        nonlocal most
        if isinstance(output, torch.Tensor):
            most = max(most, output.nbytes)

    # In front of what a hook may raise behind a layer.
    hooks = [one.register_forward_hook(look, prepend=True) for one in part.modules()]
    try:
        part(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return most
