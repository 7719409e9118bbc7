"""The network of a collection: loaded, and checked to be the one that it was made with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blcf.collection.settings import Settings
from blcf.errors import InvalidInput, VocabularyMismatch, WeightsError

if TYPE_CHECKING:
    from torch import nn

    from blcf.features import ConvFeatures

__all__ = ["IDENTITY", "load_extractor"]

# What of an extractor must be the same for its features to mean the same words.
IDENTITY = ("node", "n_channels", "side", "weights_digest", "mean", "std", "placing")


def load_extractor(
    made: Mapping[str, Any],
    settings: Settings,
    of: str,
    *,
    network: nn.Module | None = None,
    weights: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: str = "auto",
) -> ConvFeatures:
    """The network of a collection.

    Parameters
    ----------
    made : what its manifest says of the extractor
    settings : of the collection
    of : its path, for messages
    network, weights, device, dtype : see `blcf.collection.Model`

    Raises
    ------
    InvalidInput
        The collection was made with a module of the caller's, which is not given.
    WeightsError
        The weights are not where they were.
    VocabularyMismatch
        It is another network, or has other weights.
    """
    from blcf.features import ConvFeatures

    if settings.network == "module" and network is None:
        raise InvalidInput(
            f"{of} was made with your own {made['network']}: pass it with network=... to "
            "SearchEngine.open."
        )
    weights = weights or settings.weights
    if weights is not None and not Path(weights).is_file():
        raise WeightsError(
            f"The weights of {of} are not at {weights}. Say where they are now with weights=FILE "
            "(--weights FILE)."
        )
    extractor = ConvFeatures(
        network or settings.network,
        layer=made["layer"],  # where none was named the default of then, not that of today
        weights=weights,
        side=settings.side,
        device=device,
        dtype=dtype,
    )
    now = extractor.describe()
    for key in IDENTITY:
        if made.get(key) == now.get(key):  # the last one is of some networks only
            continue
        if key == "weights_digest" and network is None and weights is None:
            raise VocabularyMismatch(
                f"{of} was made when the weights {now['weights']} were others ({made[key]}, now "
                f"{now[key]}). Index its pictures again in a new collection, or pass the file of "
                "then with weights=FILE (--weights FILE)."
            )
        raise VocabularyMismatch(
            f"{of} was made with {key} {made.get(key)} ({made['weights']}), the network given "
            f"has {now.get(key)} ({now['weights']}). Pass the same weights with weights=FILE "
            "(--weights FILE)."
        )
    return extractor
