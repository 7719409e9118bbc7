"""Calls of a Sequential in a graph, as calls of what is in it."""

from __future__ import annotations

from torch import fx, nn

__all__ = ["call_each"]


def call_each(graph: fx.Graph, node: fx.Node, called: nn.Module | None) -> fx.Node | None:
    """Put calls of its modules in front of the call of a Sequential; gives the last of them.

    torchvision's tracer does not look into those that it has classes of its own for.

    Parameters
    ----------
    graph : changed; the call itself stays
    node, called : the call, of one argument, and the module that it calls

    Returns
    -------
    None where it is no Sequential, or an empty one
    """
    if not isinstance(called, nn.Sequential) or type(called).forward is not nn.Sequential.forward:
        return None
    value = None
    for name in called._modules:  # named_children leaves out what comes a second time
        with graph.inserting_before(node):
            arguments = node.args if value is None else (value,)
            value = graph.call_module(f"{node.target}.{name}", arguments)
    return value
