"""A network of timm up to one layer: its stages as timm gives them, or any of its submodules."""

from __future__ import annotations

import difflib
import math
from typing import Any

import torch
from torch import nn

from blcf.errors import InvalidInput
from blcf.features.shared_parts import HookedPart, SharedPart, patch_of
from blcf.features.timm_networks import timm_layers

__all__ = ["timm_part"]

# Pixels of the shorter side of the pictures by which sizes, and where cells look, are found out.
_LEAST, _WIDE = 96, 352
_PULL = 0.3  # cells; what is less is no padding


class StagePart(SharedPart):
    """A network up to one of the layers that timm gives as maps.

    Its ``forward_intermediates`` puts the tokens of patches in their places, whatever their order
    within, and leaves out those of no patch. Before the last normalisation.

    Parameters
    ----------
    network : of timm, in eval mode; it loses what is behind the layer
    place : the layer's among those of `timm_layers`
    """

    def __init__(self, network: nn.Module, place: int):
        network.prune_intermediate_layers([place], prune_norm=True, prune_head=True)  # type: ignore
        super().__init__(network)  # behind the pruning, which may fill other dictionaries
        self.place = place

    def layer_of(self, pixels: torch.Tensor) -> Any:
        """The map, float (n, C, h, w)."""
        return self.network[0].forward_intermediates(  # type: ignore[operator]
            pixels,
            indices=[self.place],
            norm=False,
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )[0]


def timm_part(network: nn.Module, layer: str) -> SharedPart:
    """A network of timm up to a layer.

    Parameters
    ----------
    network : in eval mode; it is the part's own from now on, and loses what is not run
    layer : one of `timm_layers`, or any submodule

    Raises
    ------
    InvalidInput
        No such layer (the message names near ones), or a network of pictures of one size.
    """
    layers = timm_layers(network)
    strides = sorted({stride for _, stride in layers.values()}) or [32]
    if layer in layers:
        place, stride = layers[layer]
        part: SharedPart = StagePart(network, place)
        _choose_multiple(part, [stride, *strides])
        _centre(part)
        return part
    if not layer or layer not in dict(network.named_modules()):
        names = [name for name, _ in network.named_modules() if name]
        near = difflib.get_close_matches(layer, [*layers, *names], n=4, cutoff=0.6)
        raise InvalidInput(
            f"{type(network).__name__} has no layer {layer!r}. "
            + (f"Near: {', '.join(near)}. " if near else "")
            + f"Its maps: {', '.join(layers)}."
        )
    part = HookedPart(network, layer)
    _choose_multiple(part, strides[::-1])
    part.truncate(_black(part.multiple, _LEAST))
    # A layer that gives no map (a vector) may do without any.
    _choose_multiple(part, [_stride_of(part) or 1, part.multiple])
    _centre(part)
    return part


def _black(multiple: int, side: int) -> torch.Tensor:
    """A picture of other height than width, both of an odd number of multiples."""
    n_cells = math.ceil(side / multiple) // 2 * 2 + 1
    return torch.zeros(1, 3, n_cells * multiple, (n_cells + 2) * multiple)


@torch.inference_mode()
def _choose_multiple(part: SharedPart, candidates: list[int]) -> None:
    """Find out to which multiples pictures have to be brought, the first of some that will do."""
    reason: Exception | None = None
    for multiple in candidates:
        part.multiple = multiple
        try:
            part(_black(multiple, _LEAST))
            part(_black(multiple, _WIDE))
            return
        except Exception as error:  # whatever the network's own code raises
            reason = reason or error
    network = part.network[0]
    raise InvalidInput(
        f"{type(network).__name__} does not take pictures of any size "
        f"({(str(reason) or type(reason).__name__).splitlines()[0]}). Choose a network that does: "
        "a convolutional one, or a transformer whose positions can be interpolated."
    )


def _centre(part: SharedPart) -> None:
    """Find out where cells look: by the gradient of the middle one over a picture of noise.

    Measured in cells, of those with random weights: -.45 to -.55 where it should be -.5 (ResNet,
    RegNet, MobileNetV3, EfficientNet), .45 where .5 (TensorFlow's EfficientNet), within .03 where 0
    (ConvNeXt, VGG); windows of a Swin pull it by .25. In pictures smaller than what a cell sees
    it comes out too small.
    """
    if part.multiple == patch_of(part.network[0]):  # a cell is a patch
        part.stride = part.multiple
        return
    n_cells = math.ceil(_WIDE / part.multiple) // 2 * 2 + 1
    size = 1, 3, n_cells * part.multiple, n_cells * part.multiple
    pixels = torch.rand(size, generator=torch.Generator().manual_seed(0)).sub_(0.5).requires_grad_()
    with torch.enable_grad():
        maps = part(pixels)["map"]
        if not isinstance(maps, torch.Tensor) or maps.ndim != 4 or maps.shape[2] != maps.shape[3]:
            return
        if not maps.shape[2] or size[2] % maps.shape[2]:
            return
        part.stride, middle = size[2] // maps.shape[2], maps.shape[2] // 2
        if not maps.requires_grad:
            return
        (slope,) = torch.autograd.grad(maps[0, :, middle, middle].sum(), pixels)
    by_pixel = slope[0].double().abs().sum(dim=0)  # (height, width)
    by_place = (by_pixel.sum(dim=0) + by_pixel.sum(dim=1)) / (2 * by_pixel.sum())
    seen = float((by_place * torch.arange(0.5, size[2])).sum()) / part.stride
    if math.isfinite(seen) and abs(offset := seen - middle - 0.5) > _PULL:
        part.lead = 1 if offset > 0 else -1


@torch.inference_mode()
def _stride_of(part: SharedPart) -> int | None:
    """Pixels from cell to cell, if the layer gives a map."""
    pixels = _black(part.multiple, _LEAST)
    shape = tuple(getattr(part(pixels)["map"], "shape", ()))
    height, width = pixels.shape[2:]
    for h, w in (shape[2:], shape[1:3]) if len(shape) == 4 else ():  # channels first, or last
        if h and w and height % h == 0 and height // h == width / w:
            return height // h
    return None
