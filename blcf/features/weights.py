"""Weights of a network: our own, torchvision's download or a file, checked against the layer's."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from blcf.errors import FormatError, WeightsError
from blcf.features.lite import LITE, PACKAGED, read_lite
from blcf.features.network_file import Preprocessing, is_network_file, read_network_file
from blcf.features.published import torchvision_models
from blcf.features.timm_networks import TIMM, converted, downloaded, timm_preprocessing
from blcf.storage import open_plain

__all__ = ["Weights", "digest_tensors", "load_weights", "put_weights"]


@dataclass(frozen=True)
class Weights:
    """A state dict, where it came from, the preprocessing that belongs to it, the layer that it was
    trained for, where it says so, and what gives the same tensors by the network's names, where
    there are files by other names."""

    tensors: Mapping[str, torch.Tensor]
    source: str
    preprocessing: Preprocessing
    layer: str | None = None
    convert: Callable[[], Mapping[str, torch.Tensor]] | None = None


def load_weights(network: str, weights: str | os.PathLike[str] | None) -> Weights:
    """Weights of a network.

    Parameters
    ----------
    network : blcf-lite, or a name in torchvision
    weights : path of a state dict written by ``torch.save``, or of a network that was trained here
        (`blcf.features.network_file`); None takes the package's own for blcf-lite, and else
        downloads torchvision's default (for VGG16 ``IMAGENET1K_FEATURES``, the original Caffe
        weights) or takes it from torch.hub's cache

    Raises
    ------
    WeightsError
        No connection (the message says which file to get), a file that is missing or no state dict,
        or that says that it is of another network.
    """
    if weights is not None:
        path = Path(weights)
        if is_network_file(path):
            return _trained(network, path)
        tensors = _read(path)
        if network.startswith(TIMM):
            return Weights(
                tensors,
                str(path.resolve()),
                timm_preprocessing(network),
                convert=lambda: converted(network, tensors),
            )
        return Weights(tensors, str(path.resolve()), _preprocessing_of(network, path, tensors))
    if network == LITE:
        try:
            return Weights(read_lite(), f"of the package ({PACKAGED.name})", Preprocessing())
        except FormatError as error:
            raise WeightsError(f"{error} They belong to the package: install it again.") from error
    if network.startswith(TIMM):
        tensors, source = downloaded(network)
        return Weights(tensors, source, timm_preprocessing(network))
    entry = _published(network)
    try:
        tensors = entry.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except Exception as error:  # urllib's; a bad hash; whatever a damaged file leads to
        cache = Path(torch.hub.get_dir()) / "checkpoints" / Path(entry.url).name
        raise WeightsError(
            f"Could not download or read the weights of {network} ({error}). On a connected "
            f"machine get {entry.url} and pass it with weights=FILE (--weights FILE), or put it at "
            f"{cache}."
        ) from error
    return Weights(tensors, f"torchvision {entry}", _preset(entry))


def _trained(network: str, path: Path) -> Weights:
    """The weights of a file that says what it is."""
    try:
        content = read_network_file(path)
    except FormatError as error:
        raise WeightsError(str(error)) from error
    if content.network != network:
        raise WeightsError(
            f"The weights {path} are of network {content.network}, got {network}. Use "
            f"network={content.network!r} (--network {content.network}), or other weights."
        )
    return Weights(content.tensors, str(path.resolve()), content.preprocessing, content.layer)


def _published(network: str) -> Any:
    """The entry of torchvision's weights that is the default here."""
    entries = torchvision_models().get_model_weights(network)
    return entries["IMAGENET1K_FEATURES"] if network == "vgg16" else entries.DEFAULT


def _preset(entry: Any) -> Preprocessing:
    preset = entry.transforms()
    return Preprocessing(tuple(preset.mean), tuple(preset.std))


def _read(path: Path) -> Mapping[str, torch.Tensor]:
    """The state dict of a file, without running any code that the file may carry."""
    try:
        with open_plain(path) as file:
            if path.suffix == ".safetensors":
                content: Any = _safetensors(file.read())
            else:
                content = torch.load(file, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except FormatError as error:
        raise WeightsError(str(error)) from error
    except FileNotFoundError as error:
        raise WeightsError(f"No weights file at {path}. Check the path.") from error
    except Exception as error:  # damaged bytes can make torch.load raise anything
        raise WeightsError(
            f"{path} is no file of tensors that can be read safely ({type(error).__name__}). "
            "Save a state dict with torch.save(network.state_dict(), FILE)."
        ) from error
    for key in ("state_dict", "model"):  # as programs that train keep it, among other things
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = isinstance(content, Mapping) and {
        # Training in parallel prefixes names; old DenseNet files write norm.1 for norm1.
        re.sub(
            r"(denselayer\d+\.(?:norm|relu|conv))\.(\d)", r"\1\2", str(name).removeprefix("module.")
        ): value
        for name, value in content.items()
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise WeightsError(
            f"Expected {path} to hold a state dict (names to tensors), got "
            f"{type(content).__name__}. Save one with torch.save(network.state_dict(), FILE)."
        )
    return tensors


def _safetensors(content: bytes) -> Mapping[str, torch.Tensor]:
    try:
        from safetensors.torch import load
    except ImportError as error:
        raise WeightsError(
            "Files of safetensors need the package safetensors. Install it with "
            "pip install 'blcf[timm]', or save a state dict with torch.save."
        ) from error
    return load(content)


def _preprocessing_of(
    network: str, path: Path, tensors: Mapping[str, torch.Tensor]
) -> Preprocessing:
    """The preprocessing that belongs to a file: of the published weights it is, else ImageNet's.

    A file is known by its published name. torchvision fills the classifier that the Caffe VGG16
    lacks with NaN, which tells a renamed copy.
    """
    entries = [] if network == LITE else list(torchvision_models().get_model_weights(network))
    for entry in entries:
        if path.name == Path(entry.url).name:
            return _preset(entry)
    classifier = tensors.get("classifier.0.weight")
    if network == "vgg16" and classifier is not None and bool(classifier[:1, :1].isnan().all()):
        return _preset(_published(network))
    return Preprocessing()


def put_weights(part: nn.Module, weights: Weights) -> None:
    """Load the tensors that a cut network needs, every one of them.

    Raises
    ------
    WeightsError
        A tensor is missing or has another shape.
    """
    chosen, faults = _chosen(part, weights.tensors)
    if faults and weights.convert is not None:
        chosen, others = _chosen(part, weights.convert())
        faults = others and faults
    if faults:
        raise WeightsError(
            f"The weights {weights.source} do not fit: of {len(part.state_dict())} tensors the "
            f"layer needs, the file {faults}. Pass the state dict of this very network."
        )
    part.load_state_dict(chosen, assign=True)


def _chosen(
    part: nn.Module, tensors: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], str]:
    """The tensors that a cut network needs, and which of them are not there, in words."""
    chosen, missing, wrong = {}, [], []
    for name, tensor in part.state_dict().items():
        found = tensors.get(name)
        if found is None and name.endswith("num_batches_tracked"):  # of no use at inference
            found = torch.zeros(tensor.shape, dtype=tensor.dtype)
        if found is None:
            missing.append(name)
        elif found.shape != tensor.shape:
            wrong.append(f"{name} {tuple(found.shape)} for {tuple(tensor.shape)}")
        else:
            chosen[name] = found.to(tensor.dtype)
    faults = [f"lacks {_some(missing)}"] * bool(missing) + [f"has {_some(wrong)}"] * bool(wrong)
    return chosen, " and ".join(faults)


def _some(items: list[str]) -> str:
    return ", ".join(items[:3]) + (f" and {len(items) - 3} more" if len(items) > 3 else "")


def digest_tensors(module: nn.Module) -> str:
    """SHA-256 (first 16 hex digits) of every weight of a module, with names and shapes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        if name.endswith("num_batches_tracked"):
            continue
        array = tensor.detach().cpu().float().contiguous().numpy()
        digest.update(f"{name} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]
