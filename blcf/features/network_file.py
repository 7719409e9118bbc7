"""Files of network weights that say what they are: network, layer, preprocessing, and facts.

The weights of blcf-lite are one, and whatever was trained here is another. A state dict of
``torch.save`` says none of this; it is read by `blcf.features.weights`.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from blcf.errors import FormatError
from blcf.storage import Place, open_h5, open_plain, write_h5

__all__ = [
    "NetworkFile",
    "Preprocessing",
    "is_network_file",
    "read_network_file",
    "write_network_file",
]

_KIND, _VERSION = "network", 1
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_OURS = ("network", "layer", "preprocessing", "kind", "format_version")


@dataclass(frozen=True)
class Preprocessing:
    """How pixels become the network's input: ``(rgb / 255 - mean) / std``, by channel."""

    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class NetworkFile:
    """What such a file holds.

    Attributes
    ----------
    network : a name that `blcf.ConvFeatures` takes
    layer : the last one that the weights reach, None where that is all of them
    preprocessing : that belongs to the weights
    tensors : {name in a state dict: tensor}
    facts : what else a stranger should know: what it was trained on, how, by what licence
    """

    network: str
    tensors: Mapping[str, torch.Tensor]
    layer: str | None = None
    preprocessing: Preprocessing = Preprocessing()
    facts: Mapping[str, str] = field(default_factory=dict)


def write_network_file(path: Place, content: NetworkFile, *, half: bool = False) -> None:
    """Write a file that appears whole or not at all.

    Parameters
    ----------
    path : where
    content : what it shall say
    half : keep the numbers in half precision: half the bytes, an error of a thousandth
    """
    with write_h5(path, _KIND, _VERSION) as file:
        said = {"network": content.network, **content.facts}
        if content.layer is not None:
            said["layer"] = content.layer
        if content.preprocessing != Preprocessing():
            both = {"mean": content.preprocessing.mean, "std": content.preprocessing.std}
            said["preprocessing"] = json.dumps(both)
        for name, value in said.items():
            file.attrs[name] = np.bytes_(value.encode())
        for name, tensor in content.tensors.items():
            array = tensor.detach().cpu().float().contiguous().numpy()
            file.create_dataset(name, data=array.astype(np.float16) if half else array)


def is_network_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as such a file does; what cannot be read does not."""
    try:
        with open_plain(path) as file:
            return file.read(len(_SIGNATURE)) == _SIGNATURE
    except (OSError, FormatError):
        return False


def read_network_file(path: Place) -> NetworkFile:
    """Read a file, its tensors as float32.

    Raises
    ------
    FormatError
        The file is missing or damaged, or no file of a network.
    """
    with open_h5(path, _KIND, _VERSION) as file:
        network = file.value("network", str)
        layer = file.value("layer", str) if "layer" in file.values else None
        preprocessing = Preprocessing()
        if "preprocessing" in file.values:
            try:
                said = json.loads(file.value("preprocessing", str))
                preprocessing = Preprocessing(_three(said["mean"]), _three(said["std"]))
            except (ValueError, KeyError, TypeError) as error:
                raise file.damaged("its preprocessing is none") from error
        facts = {name: file.value(name, str) for name in file.values if name not in _OURS}
        tensors = {name: torch.from_numpy(file.array(name).copy()).float() for name in file}
    return NetworkFile(network, tensors, layer, preprocessing, facts)


def _three(values: object) -> tuple[float, float, float]:
    """Three finite numbers; ValueError or TypeError where they are not."""
    red, green, blue = (float(value) for value in values)  # type: ignore[attr-defined]
    if not all(map(math.isfinite, (red, green, blue))):
        raise ValueError
    return red, green, blue
