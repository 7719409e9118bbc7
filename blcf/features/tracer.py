"""torchvision's tracer of networks, which names nodes by path, made deaf to other threads."""

from __future__ import annotations

import inspect
import math
import threading
from typing import Any

import torchvision
from torch import nn
from torchvision.models.feature_extraction import NodePathTracer

__all__ = ["OneThreadTracer"]


class OneThreadTracer(NodePathTracer):
    """Draws the graph of a network that its own thread calls.

    While it does, every call of a module in the process comes here. Those of other threads are
    other networks at work: without this they end with "module is not installed as a submodule".
    The settings are those of torchvision's ``create_feature_extractor``, and so are the names.
    """

    def __init__(self) -> None:
        operations = [each for _, each in inspect.getmembers(torchvision.ops, inspect.isclass)]
        super().__init__(
            autowrap_modules=(math, torchvision.ops),
            leaf_modules=[each for each in operations if issubclass(each, nn.Module)],
        )
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        """What torch.fx calls in the place of a module."""
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """What torch.fx calls when an attribute of a module is read."""
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)
