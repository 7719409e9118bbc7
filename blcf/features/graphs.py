"""Graphs of networks: their nodes by name, and the part of a network up to some of them.

torch.fx draws a graph by running the network once with stand-ins for tensors, and meanwhile takes
the place of ``nn.Module.__call__`` for all threads of the process. So one thread draws at a time,
and the others' calls are let through (`blcf.features.tracer`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from torch import fx, nn

from blcf.features.signed import before_activation, split_layer

__all__ = ["TRACING", "NamedGraph", "chain_graph", "trace_graph"]

# Of torch.fx, and of `with torch.device("meta")`, which keeps the device before in a global too.
TRACING = threading.RLock()


class NamedGraph:
    """The graph of a network, and the names of its nodes.

    Attributes
    ----------
    names : of the nodes, in the order in which they are computed: the path of a module
        (``features.25``), or that of the module around an operation, and its name
        (``layer1.0.add``); what comes again has a number behind it
    """

    def __init__(self, module: nn.Module, graph: fx.Graph, names: Mapping[fx.Node, str]):
        self.names = list(names.values())
        self._module, self._graph, self._names = module, graph, names

    def _last(self, name: str) -> fx.Node | None:
        """The node of a name, or the last one within the module of a name."""
        found = None
        for node, each in self._names.items():
            if each == name or each.startswith(f"{name}."):
                found = node
        return found

    def __contains__(self, name: str) -> bool:
        return self._last(name) is not None

    def cut(self, outputs: Mapping[str, str]) -> fx.GraphModule:
        """The part of the network that makes some nodes, in eval mode; it shares the weights.

        Parameters
        ----------
        outputs : {key: name of a node, or of a module}, each in the graph; with ``:signed`` behind
            it what is in front of its activation, see `blcf.features.signed`

        Returns
        -------
        a module whose output is ``{key: what the node gives}``
        """
        graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
        graph.graph_copy(self._graph, copies)
        made = {}
        for key, layer in outputs.items():
            name, is_signed = split_layer(layer)
            node = self._last(name)
            if node is not None:
                copy = copies[node]
                made[key] = before_activation(self._module, graph, copy) if is_signed else copy
        graph.output(made)
        fx.GraphModule(self._module, graph)  # it asks its owner whether a node can go
        graph.eliminate_dead_code()
        return fx.GraphModule(self._module, graph, type(self._module).__name__).eval()


def chain_graph(module: nn.Module, paths: Iterable[str]) -> NamedGraph:
    """The graph of a network whose modules are called one behind the other.

    As `trace_graph` would draw it, without torchvision and without running anything.

    Parameters
    ----------
    paths : of the modules
    """
    graph = fx.Graph()
    value = graph.placeholder("pixels")
    names = {value: "pixels"}
    for path in paths:
        value = graph.call_module(path, (value,))
        names[value] = path
    return NamedGraph(module, graph, names)


def trace_graph(module: nn.Module) -> NamedGraph:
    """The graph of any network in eval mode, drawn by torch.fx with torchvision's names.

    Raises whatever the module's own code raises when it is given no tensor.
    """
    with TRACING:
        from blcf.features.tracer import OneThreadTracer  # torchvision, where it is needed

        tracer, training = OneThreadTracer(), module.training
        module.eval()
        try:
            graph = tracer.trace(module)
        finally:
            module.train(training)
    return NamedGraph(module, graph, tracer.node_to_qualname)
