"""What a Dask worker does for a search: it opens shards once, mapped, and answers for them.

No pictures travel: vectors, words of the query's pictures and of the windows that were found, boxes
and scores do.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from blcf import __version__
from blcf.collection.manifest import MANIFEST
from blcf.errors import BlcfError, VocabularyMismatch
from blcf.sharded.held import UnknownEpoch
from blcf.sharded.shard import Shard

__all__ = ["Call", "OpenShards", "Refused", "answer", "held_shards"]

_MOST = 256  # shards that a worker has open at once


@dataclass(frozen=True, eq=False)
class Call:
    """A question to a shard: Dask looks into tuples and lists, and not into this.

    Attributes
    ----------
    path, model, shift : of the shard, see `blcf.sharded.Shard`
    version : of blcf that asks
    method, arguments : of `Shard`
    """

    path: Path
    model: str
    shift: int
    version: str
    method: str
    arguments: tuple[Any, ...]


class OpenShards:
    """The shards that a worker has open, those of one model with one copy of its features."""

    def __init__(self) -> None:
        self._opening = threading.Lock()
        self._open: OrderedDict[tuple[Path, str, int], Shard] = OrderedDict()
        self._features: dict[str, np.ndarray] = {}  # of words, by model

    def get(self, path: Path, model: str, shift: int) -> Shard:
        """A shard, opened where it is not yet."""
        key = path, model, shift
        with self._opening:
            shard = self._open.pop(key, None)
            if shard is None:
                shard = Shard(path, model, shift, partial(self._centroids, path, model, shift))
            self._open[key] = shard
            while len(self._open) > _MOST:  # its maps go with the last who uses it
                self._open.popitem(last=False)
            return shard

    def _centroids(self, path: Path, model: str, shift: int) -> np.ndarray:
        """The features of a model's words, of the shard that needs them first."""
        if model not in self._features:
            self._features[model] = Shard(path, model, shift).centroids
        return self._features[model]


def held_shards(paths: Sequence[Path]) -> tuple[str, list[bool]]:
    """The version of blcf here, and which folders are collections that this machine can see."""
    return __version__, [os.path.isfile(path / MANIFEST) for path in paths]


@dataclass(frozen=True, eq=False)
class Refused:
    """An error that is an answer: Dask would write one that is raised into the worker's log."""

    error: Exception


def answer(call: Call) -> Any:
    """What a shard answers, on the worker that this is; `Refused` where that is an error."""
    try:
        return _answer(call)
    except (BlcfError, UnknownEpoch) as error:
        return Refused(error)


def _answer(call: Call) -> Any:
    from distributed import get_worker

    worker = get_worker()
    if call.version != __version__:
        raise VocabularyMismatch(
            f"The worker {worker.address} runs blcf {__version__}, who asks runs {call.version}. "
            "Install one version on all machines."
        )
    # The worker keeps them as long as it lives, whichever client asks.
    opened: OpenShards = worker.__dict__.setdefault("_blcf_shards", OpenShards())
    shard = opened.get(call.path, call.model, call.shift)
    return getattr(shard, call.method)(*call.arguments)
