"""The model of a sharded collection: an ordinary collection without pictures, beside the shards.

Words are learned in it, as in any collection, and shards are made like it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blcf.checks import check_known
from blcf.collection import Model, Settings
from blcf.collection.joining import create_like
from blcf.collection.manifest import MANIFEST
from blcf.collection.opening import Collection
from blcf.collection.shards import TEMPLATE, Shards, is_sharded
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput, VocabularyMismatch

__all__ = ["Options", "discard_template", "open_template"]


@dataclass(frozen=True)
class Options:
    """How pictures are indexed, see `blcf.distributed.Cluster.index`."""

    n_shards: int | None = None
    folder: str | None = None
    network: Any = None
    weights: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    functions: dict[str, Callable[[np.ndarray], Any] | None] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    replace: bool = False
    progress: bool = True


def open_template(folder: Path, options: Options) -> Model:
    """The model of a sharded collection, made where there is none yet (the caller has the lock).

    Raises
    ------
    VocabularyMismatch
        It was made with other settings.
    CollectionExists, InvalidInput, WeightsError, StorageError
    """
    check_known(Settings, options.settings)
    path = folder / TEMPLATE
    if (folder / MANIFEST).exists():
        raise InvalidInput(
            f"Expected a sharded collection at {folder}, it is an ordinary one. Make shards of it "
            f"first: blcf split {folder} OUT --shards N."
        )
    if is_sharded(folder) and not path.is_dir():
        with Collection.open(Shards.read(folder).paths[0]) as shard:
            create_like(path, shard).close()
    own = None if isinstance(options.network, str) else options.network
    how: dict[str, Any] = {
        "weights": options.weights,
        "device": options.device,
        "dtype": options.dtype,
    }
    how |= options.functions
    if not (path / MANIFEST).exists():
        network = Settings.network if options.network is None else options.network
        made = SearchEngine.create(path, network, **how, **options.settings)
        return made.model
    model = SearchEngine.open(path, network=own, **how).model
    given = dict(options.settings)
    if isinstance(options.network, str):
        given["network"] = options.network
    extractor = model.collection.manifest["extractor"]
    for name, value in given.items():
        made_with = getattr(model.settings, name)
        same = (
            (made_with, extractor["layer"], extractor["node"]) if name == "layer" else (made_with,)
        )
        if value not in same:
            raise VocabularyMismatch(
                f"{folder} was made with {name} {made_with!r}, got {value!r}. Leave it out to add "
                "to it, or index into another folder."
            )
    return model


def discard_template(folder: Path, model: Model) -> None:
    """Take away what was made for pictures that nothing can be learned from."""
    if not model.is_learned and not is_sharded(folder):
        model.collection.discard()
