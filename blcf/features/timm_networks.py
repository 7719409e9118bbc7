"""The networks of timm by name: ``timm:NAME``, convolutional ones and transformers of patches.

timm (Wightman, "PyTorch Image Models") is imported where one of its networks is asked for.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from blcf.errors import InvalidInput, WeightsError
from blcf.features.network_file import Preprocessing

__all__ = [
    "TIMM",
    "build_timm",
    "converted",
    "downloaded",
    "is_timm",
    "near_timm",
    "timm_layers",
    "timm_preprocessing",
    "usual_layer",
]

TIMM = "timm:"

# What makes a network of timm take pictures of any size, where it can: position embeddings are
# interpolated (ViT, Eva), windows are filled up (Swin). Each is known to some of them only.
_ANY_SIZE: tuple[dict[str, Any], ...] = (
    {"dynamic_img_size": True},
    {"strict_img_size": False},
    {},
)

# Of the blocks of a transformer that all have the same stride, the last one of this share: where
# Keetha et al. ("AnyLoc", 2023, section IV) found the best places of DINOv2 (layer 31 of 40).
_DEPTH = 0.75
_STRIDE = 16  # that of a default layer, at most


def timm_module() -> Any:
    """The package ``timm``.

    Raises
    ------
    InvalidInput
        It cannot be imported.
    """
    try:
        import timm
    except (ImportError, OSError, RuntimeError) as error:
        raise InvalidInput(
            f"Networks of timm need the package timm ({str(error).splitlines()[0]}). Install it "
            "with pip install 'blcf[timm]', or take blcf-lite."
        ) from error
    return timm


def near_timm(name: str, n: int = 3) -> list[str]:
    """Names, as `blcf.ConvFeatures` takes them, of networks of timm that a name may have meant.

    None where timm is not there.
    """
    try:
        names = timm_module().list_models()
    except InvalidInput:
        return []
    wanted = name.lower().replace("-", "_")
    base = wanted.partition(".")[0]
    near = difflib.get_close_matches(base, names, n=n, cutoff=0.6)
    near = near or [each for each in names if base and base in each][:n]
    return [f"{TIMM}{each}" for each in near]


def build_timm(network: str) -> nn.Module:
    """A network of timm without its classifier, in eval mode, with random weights.

    Not on the meta device: what it computes while it is made (tables of positions) is no weight.

    Parameters
    ----------
    network : ``timm:NAME`` or ``timm:NAME.TAG``, the tag being that of published weights

    Raises
    ------
    InvalidInput
        No timm, no such network (the message names near ones) or no such tag.
    """
    _check_name(network)
    try:
        return _created(network, pretrained=False)
    except Exception as error:  # whatever a network's own code raises
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InvalidInput(f"timm cannot make {network} ({reason}). Choose another.") from error


def _created(network: str, *, pretrained: bool) -> nn.Module:
    timm, name = timm_module(), network.removeprefix(TIMM)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # the same where it is found out where cells look
        for options in _ANY_SIZE[:-1]:
            try:
                made = timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
                return made.eval()
            except TypeError:  # it does not know the option
                continue
        return timm.create_model(name, pretrained=pretrained, num_classes=0).eval()


def _check_name(network: str) -> None:
    timm, name = timm_module(), network.removeprefix(TIMM)
    base, _, tag = name.partition(".")
    if not timm.is_model(base):
        near = near_timm(base)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models() lists them."
        raise InvalidInput(f"timm {timm.__version__} has no network {name!r}; {hint}")
    tags = [each.partition(".")[2] for each in timm.list_pretrained(f"{base}.*")]
    if tag and tag not in tags:
        raise InvalidInput(
            f"timm has no weights {tag!r} of {base}; "
            + (f"known: {', '.join(tags)}." if tags else "none are published.")
        )


def timm_preprocessing(network: str) -> Preprocessing:
    """The mean and standard deviation of the published weights, by channel, of values 0..1."""
    entry = timm_module().models.get_pretrained_cfg(network.removeprefix(TIMM))
    if entry is None:
        return Preprocessing()
    mean, std = (tuple(map(float, each)) for each in (entry.mean, entry.std))
    if len(mean) != 3 or len(std) != 3:
        raise InvalidInput(f"{network} does not take pictures of three channels. Choose another.")
    return Preprocessing(mean, std)


def downloaded(network: str) -> tuple[Mapping[str, torch.Tensor], str]:
    """The published weights, downloaded or from the cache of the hub, and where they are from.

    Raises
    ------
    WeightsError
        None are published, or no connection; the message says what to get.
    """
    name = network.removeprefix(TIMM)
    entry = timm_module().models.get_pretrained_cfg(name)
    if entry is None or not entry.has_weights:
        raise WeightsError(
            f"No weights of {network} are published. Pass a file with weights=FILE "
            "(--weights FILE), or choose another network."
        )
    hub = f"https://huggingface.co/{entry.hf_hub_id}" if entry.hf_hub_id else None
    place = hub or entry.url or f"https://huggingface.co/timm/{name}"
    try:
        tensors = _created(network, pretrained=True).state_dict()
    except Exception as error:  # those of the hub, of requests, of a damaged file
        raise WeightsError(
            f"Could not download or read the weights of {network} "
            f"({(str(error) or type(error).__name__).splitlines()[0]}). On a connected machine get "
            f"them from {place} and pass the file with weights=FILE (--weights FILE)."
        ) from error
    tag = f"{entry.architecture}.{entry.tag}" if entry.tag else name
    return tensors, f"timm {tag}"


def converted(network: str, tensors: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """A state dict by other names, or of another picture size, as timm reads it for a network."""
    module = _created(network, pretrained=False)
    convert = getattr(sys.modules[type(module).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return tensors
    try:
        found = convert(dict(tensors), module)
    except Exception:  # a dictionary of another network can make it raise anything
        return tensors
    return {name: value for name, value in found.items() if isinstance(value, torch.Tensor)}


def is_timm(module: nn.Module) -> bool:
    """Whether a network has what those of timm have, whoever made it."""
    return hasattr(module, "forward_intermediates") and hasattr(module, "feature_info")


def timm_layers(module: nn.Module) -> dict[str, tuple[int, int]]:
    """The layers that timm gives as maps: {name: (its place among them, stride in pixels)}."""
    said: Any = module.feature_info
    info = getattr(said, "info", said)
    found: dict[str, tuple[int, int]] = {}
    for place, each in enumerate(info):
        found.setdefault(str(each["module"]), (place, int(each["reduction"])))
    return found


def usual_layer(module: nn.Module, network: str) -> str:
    """The layer taken where none is named: of stride 16 or less, as deep as that goes.

    Measured with EfficientNet-Lite2 on logos (mAP of boxes, 2,000 words, no reranking): .626 there
    (``blocks.4``), .412 a stage before, .467 a stage behind, .575 at the wide node behind it that
    is MobileNetV2's default. Of transformers whose blocks all have one stride that at three
    quarters of the depth.

    Raises
    ------
    InvalidInput
        The network has no maps.
    """
    layers = timm_layers(module) if is_timm(module) else {}
    if not layers:
        raise InvalidInput(
            f"{network} does not say which of its layers are maps: name one with layer=... "
            "(--layer ...), or choose another network."
        )
    strides = [stride for _, stride in layers.values()]
    stride = max((each for each in strides if each <= _STRIDE), default=min(strides))
    alike = [name for name, (_, each) in layers.items() if each == stride]
    return alike[math.ceil(_DEPTH * len(alike)) - 1]
