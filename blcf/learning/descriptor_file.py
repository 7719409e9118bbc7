"""A network with a head as a file, and the head as a descriptor of the literature.

The file is one of weights (`blcf.features.network_file`), so that ``ConvFeatures(weights=path)``
and ``blcf index --weights`` take it as well; it has the head's tensors beside the network's.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from blcf.descriptors import MAC, RMAC, GeM, MapDescriptor, SPoC
from blcf.errors import BlcfError, FormatError, InvalidInput
from blcf.features.network_file import NetworkFile, read_network_file, write_network_file
from blcf.features.whitening import Whitening
from blcf.learning.heads import GeMHead, Head, MACHead, RMACHead, SPoCHead

__all__ = ["head_of", "read_descriptor", "to_descriptor", "write_descriptor"]

_HEAD = "head"  # the fact that describes it, and what its tensors' names begin with
_KINDS: dict[str, tuple[type[Head], type[MapDescriptor], tuple[str, ...]]] = {
    "mac": (MACHead, MAC, ()),
    "spoc": (SPoCHead, SPoC, ("center_prior",)),
    "gem": (GeMHead, GeM, ("p",)),
    "rmac": (RMACHead, RMAC, ("n_scales",)),
}


def to_descriptor(head: Head, *, learned_on: str = "") -> MapDescriptor:
    """The descriptor that computes what a head does, fitted: for searches without torch.

    Parameters
    ----------
    head : a `MACHead`, `SPoCHead`, `GeMHead` or `RMACHead`, with a whitening
    learned_on : name of what it was trained on

    Raises
    ------
    InvalidInput
        Another head, or one without a whitening.
    """
    _, kind, options = _KINDS[_kind_of(head)]
    layer = head.whitening
    if layer is None:
        raise InvalidInput("Expected a head with a whitening: a descriptor learns one of its own.")
    weight = layer.linear.weight.detach().cpu().float().numpy()
    shift = layer.shift.detach().cpu().float().numpy()
    return kind.from_whitening(
        Whitening.from_parts(-shift, weight.T),
        learned_on=learned_on,
        **{name: _plain(getattr(head, name)) for name in options},
    )


def head_of(descriptor: MapDescriptor) -> Head:
    """A head that begins as a fitted descriptor; the reverse of `to_descriptor`.

    Raises
    ------
    InvalidInput
        A descriptor that no head computes, or that has learned no whitening.
    """
    for head, kind, options in _KINDS.values():
        if type(descriptor) is kind:
            if getattr(descriptor, "whitening_", None) is None:
                raise InvalidInput("Expected a descriptor that has learned a whitening: call fit.")
            return head(
                descriptor.whitening_, **{name: getattr(descriptor, name) for name in options}
            )
    known = ", ".join(kind.__name__ for _, kind, _ in _KINDS.values())
    raise InvalidInput(f"Expected one of {known}, got {type(descriptor).__name__}.")


def write_descriptor(path: str | os.PathLike[str], network: NetworkFile, head: Head) -> None:
    """Write a network with a head.

    Parameters
    ----------
    path : the file; it appears whole or not at all
    network : weights, and what they are, without a head
    head : see `to_descriptor`

    Raises
    ------
    InvalidInput, StorageError
    """
    name = _kind_of(head)
    to_descriptor(head)  # what cannot be read again is not written
    said = {option: _plain(getattr(head, option)) for option in _KINDS[name][2]}
    own = {
        f"{_HEAD}.{part}": tensor
        for part, tensor in head.state_dict().items()
        if part.startswith("whitening.")
    }
    facts = {**network.facts, _HEAD: json.dumps({"kind": name, **said})}
    tensors = {**network.tensors, **own}
    write_network_file(Path(path), replace(network, tensors=tensors, facts=facts))


def read_descriptor(path: str | os.PathLike[str]) -> MapDescriptor:
    """The descriptor of a file; its maps are those of ``ConvFeatures(network, weights=path)``.

    Raises
    ------
    FormatError
        The file is missing or damaged, or has no head.
    """
    content = read_network_file(Path(path))
    if _HEAD not in content.facts:
        raise FormatError(
            f"Expected {path} to hold a network with a head, got {content.network} alone: it is "
            "for an index. `write_descriptor` writes one."
        )
    try:
        said = dict(json.loads(content.facts[_HEAD]))
        head, _, options = _KINDS[said.pop("kind")]
        shift = content.tensors[f"{_HEAD}.whitening.shift"].numpy()
        weight = content.tensors[f"{_HEAD}.whitening.linear.weight"].numpy()
        whitening = Whitening.from_parts(-shift, np.ascontiguousarray(weight.T))
        built = head(whitening, **{name: said[name] for name in options})
    except (KeyError, TypeError, ValueError, BlcfError) as error:
        raise FormatError(
            f"{path} is damaged: its head is none ({type(error).__name__}). Train it again."
        ) from error
    return to_descriptor(built, learned_on=content.facts.get("trained on", ""))


def _kind_of(head: Head) -> str:
    for name, (kind, _, _) in _KINDS.items():
        if type(head) is kind:
            return name
    raise InvalidInput(f"Expected a head of {', '.join(_KINDS)}, got {type(head).__name__}.")


def _plain(value: Any) -> Any:
    return float(value.detach()) if isinstance(value, torch.Tensor) else value
