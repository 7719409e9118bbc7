"""Parts of networks that are run as they are, for those that torch.fx cannot draw.

A part shares the dictionaries of its network, so that its weights have the network's names, and
what changes them (devices, types, loading) changes both. Nothing behind the layer is run.
"""

from __future__ import annotations

import difflib
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from blcf.errors import InvalidInput

__all__ = ["HookedPart", "SharedPart", "as_map", "fitted", "patch_of"]


class SharedPart(nn.Module):
    """A network up to a layer: pixels (n, 3, height, width) to ``{"map": what the layer gives}``.

    Parameters
    ----------
    network : in eval mode
    multiple : pixels; pictures are brought to multiples of it, see `fitted`

    Attributes
    ----------
    stride, lead : pixels from cell to cell; and 1 where a cell looks half a cell behind the middle
        of its share of the picture, -1 where before it, 0 where at it. Pictures are then moved by
        half a cell, into the zeros that the network puts around them anyway, for cells to look
        where they are: 3x3 convolutions of step two, padded on both sides, look at the pixels 0,
        16, 32 ... (torch's networks), with all zeros behind at 15, 31 ... (TensorFlow's).
    """

    def __init__(self, network: nn.Module, multiple: int = 1):
        super().__init__()
        # Not as a child: the names of the weights would begin with its name.
        self._modules, self._parameters = network._modules, network._parameters
        self._buffers = network._buffers
        self._non_persistent_buffers_set = network._non_persistent_buffers_set
        self.network = (network,)  # a tuple, so that torch does not see it
        self.multiple = multiple
        self.stride, self.lead = multiple, 0

    def forward(self, pixels: torch.Tensor) -> dict[str, Any]:
        """Float (n, 3, height, width)."""
        pixels = fitted(pixels, self.multiple)
        if not self.lead:
            return {"map": self.layer_of(pixels)}
        before, first = self.stride // 2, 0 if self.lead > 0 else 1
        behind = self.multiple - before
        maps = self.layer_of(functional.pad(pixels, (before, behind, before, behind)))
        rows, columns = (length // self.stride for length in pixels.shape[2:])
        return {"map": maps[:, :, first : first + rows, first : first + columns]}

    def layer_of(self, pixels: torch.Tensor) -> Any:
        """What the layer gives for pixels that have their size."""
        raise NotImplementedError


class HookedPart(SharedPart):
    """A network that is stopped behind a submodule.

    Parameters
    ----------
    network : any module in eval mode; it is the part's own from now on, and loses what is not run
    layer : name of a submodule; if it is called several times, its first call counts
    multiple : see `SharedPart`
    """

    def __init__(self, network: nn.Module, layer: str, multiple: int = 1):
        super().__init__(network, multiple)
        self.layer = layer
        network.get_submodule(layer).register_forward_hook(_stop)

    @classmethod
    def of(cls, network: nn.Module, layer: str) -> HookedPart:
        """The part of a network of any kind.

        Raises
        ------
        InvalidInput
            No such submodule; the message names the near ones.
        """
        names = [name for name, _ in network.named_modules() if name]
        if layer not in names:
            near = difflib.get_close_matches(str(layer), names, n=4, cutoff=0.4) or names[-8:]
            raise InvalidInput(
                f"{type(network).__name__} has no submodule {layer!r}, where torch.fx cannot trace "
                f"it. Near: {', '.join(near)}."
            )
        return cls(network, layer, patch_of(network) or 1)

    def layer_of(self, pixels: torch.Tensor) -> Any:
        """What the submodule gives; of tokens of patches the map."""
        network = self.network[0]
        try:
            network(pixels)
        except _Reached as reached:
            return as_map(network, reached.output, pixels)
        raise RuntimeError(f"it does not call its submodule {self.layer}")

    @torch.inference_mode()
    def truncate(self, pixels: torch.Tensor) -> None:
        """Leave out the submodules that are not run on the way: neither kept nor asked for.

        Parameters
        ----------
        pixels : a picture that the network takes
        """
        network = self.network[0]
        called, finished = set[nn.Module](), set[nn.Module]()
        hooks = []
        for module in network.modules():
            hooks.append(module.register_forward_pre_hook(lambda one, _: called.add(one)))
            hooks.append(module.register_forward_hook(lambda one, *_: finished.add(one)))
        try:
            before = self(pixels)["map"]
        finally:
            for hook in hooks:
                hook.remove()
        # A module that is entered and not left stands around the layer. What it holds and has not
        # called comes later; what a finished one holds may be used without being called.
        around = called - finished - {network.get_submodule(self.layer)}
        left_out = [
            (module, name, child)
            for module in around
            for name, child in module.named_children()
            if child not in called
        ]
        for module, name, _ in left_out:
            module._modules[name] = nn.Identity()
        try:
            after = self(pixels)["map"]
            same = not isinstance(before, torch.Tensor) or torch.equal(
                before.nan_to_num(), after.nan_to_num()
            )
        except Exception:  # whatever its code raises that looks at what it does not call
            same = False
        if not same:
            for module, name, child in left_out:
                module._modules[name] = child


class _Reached(Exception):
    """Raised behind the layer, with what it gave."""

    def __init__(self, output: Any):
        super().__init__()
        self.output = output


def _stop(module: nn.Module, inputs: Any, output: Any) -> None:
    raise _Reached(output)


def as_map(network: nn.Module, output: Any, pixels: torch.Tensor) -> Any:
    """Tokens (n, n_tokens, C) of a transformer of patches as a map (n, C, h, w).

    The tokens in front that belong to no patch (class, registers) are left out. What is no such
    tokens is given back as it is: a network says by ``patch_embed.patch_size`` and
    ``num_prefix_tokens``, as those of timm do, that its tokens are in the order of its patches.
    """
    patch, n_prefix = patch_of(network), getattr(network, "num_prefix_tokens", None)
    if not isinstance(output, torch.Tensor) or output.ndim != 3 or not patch or n_prefix is None:
        return output
    rows, columns = (length // patch for length in pixels.shape[2:])
    for n_others in (n_prefix, 0):
        if output.shape[1] == n_others + rows * columns:
            cells = output[:, n_others:].transpose(1, 2)  # (n, C, rows * columns)
            return cells.reshape(len(output), -1, rows, columns)
    return output


def patch_of(network: nn.Module) -> int | None:
    """Pixels of a patch of a transformer, either way; None where it says no such number."""
    size: Any = getattr(getattr(network, "patch_embed", None), "patch_size", None)
    square = isinstance(size, tuple) and len(set(size)) == 1 and isinstance(size[0], int)
    return size[0] if square else None


def fitted(pixels: torch.Tensor, multiple: int) -> torch.Tensor:
    """Pictures resized to the nearest multiples of some pixels, at least one, either way.

    A map of such a picture covers it to its edges, each cell its own ``multiple`` pixels, so that
    cells and boxes go by shares of the picture. By at most half a cell, with Pillow's cubic
    filter: padding would have made cells of nothing, and moved the others.

    Parameters
    ----------
    pixels : float (n, 3, height, width)
    multiple : pixels
    """
    size = [
        max(1, (2 * length + multiple) // (2 * multiple)) * multiple for length in pixels.shape[2:]
    ]
    if size == list(pixels.shape[2:]):
        return pixels
    resized = functional.interpolate(pixels.float(), size=size, mode="bicubic", antialias=True)
    return resized.to(pixels.dtype)
