"""What runs on a worker of a cluster: it draws features, looks for words, and says what it sees.

A worker loads a network once, and keeps it as long as it lives; every job says with which blcf and
which network its results must be made.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from blcf import __version__
from blcf.adding.sample import Drawn, draw_features
from blcf.collection import Collection, Model, Settings
from blcf.collection.manifest import digest_of
from blcf.collection.network import load_extractor
from blcf.errors import BlcfError, ClusterError
from blcf.images import Source

if TYPE_CHECKING:
    from blcf.features import ConvFeatures

__all__ = [
    "How",
    "Kept",
    "Own",
    "draw_part",
    "look_at_rows",
    "model_of",
    "named",
    "sees",
    "worker_name",
]

T = TypeVar("T")

_MOST_KEPT = 2  # networks, and vocabularies, of a worker


@dataclass(frozen=True)
class How:
    """How pictures are indexed; small, it goes with every job.

    Attributes
    ----------
    version : of blcf
    of : the collection, for messages
    settings, extractor : what its manifest says
    weights, device, dtype : see `blcf.SearchEngine.open`
    """

    version: str
    of: str
    settings: dict[str, Any]
    extractor: dict[str, Any]
    weights: str | None = None
    device: str = "auto"
    dtype: str = "auto"

    def check(self) -> None:
        """Raise `ClusterError` where this worker runs another blcf."""
        if self.version != __version__:
            raise ClusterError(
                f"Worker {worker_name()} runs blcf {__version__}, expected {self.version}, which "
                "the program that asks runs. Install the same on both."
            )


@dataclass(frozen=True)
class Own:
    """What of a network is the caller's own, and may be large: it is sent to a worker once.

    Attributes
    ----------
    network : a torch module, or None
    functions : see `blcf.collection.Model`
    """

    network: Any = None
    functions: dict[str, Callable[[np.ndarray], Any] | None] = field(default_factory=dict)


class Kept:
    """Networks, and whitening and vocabularies, that a worker has loaded."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._held: dict[str, Any] = {}

    def get(self, key: str, load: Callable[[], T]) -> T:
        """What is kept under a key; loaded where it is not."""
        with self._loading:
            if key in self._held:
                self._held[key] = self._held.pop(key)  # used last
            else:
                found = load()
                while len(self._held) >= 2 * _MOST_KEPT:
                    self._held.pop(next(iter(self._held)))
                self._held[key] = found
            return self._held[key]


def _kept() -> Kept:
    from distributed import get_worker

    return get_worker().extensions.setdefault("blcf", Kept())


def worker_name() -> str:
    """Name, address, machine and process of the worker that runs this."""
    from distributed import get_worker

    worker = get_worker()
    return f"{worker.name} ({worker.address}, PID {os.getpid()} on {socket.gethostname()})"


def named(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function; an error of ours says which worker it comes from."""
    try:
        return function(*arguments)
    except BlcfError as error:
        if not isinstance(error, ClusterError):
            error.args = (f"{error} So says worker {worker_name()}.",)
        raise


def extractor_of(how: How, own: Own) -> ConvFeatures:
    """The network of a collection, checked to be the one that it was made with."""
    how.check()
    key = digest_of([how.settings, how.extractor, how.weights, how.device, how.dtype])
    return _kept().get(
        f"network {key}",
        lambda: load_extractor(
            how.extractor,
            Settings.from_dict(how.settings),
            how.of,
            network=own.network,
            weights=how.weights,
            device=how.device,
            dtype=how.dtype,
        ),
    )


def model_of(how: How, own: Own, collection: Collection) -> Model:
    """The model of a collection, with the network and vocabulary that this worker keeps."""
    extractor = extractor_of(how, own)
    model = Model(
        collection,
        network=own.network,
        weights=how.weights,
        device=how.device,
        dtype=how.dtype,
        functions=own.functions,
    )
    entry = model.entry
    key = f"{entry['whitening_digest']} {entry['vocabulary_digest']} {how.device}"
    learned = _kept().get(f"words {key}", lambda: (model.whitening, model.vocabulary))
    return Model(collection, extractor=extractor, functions=own.functions, learned=learned)


def draw_part(
    how: How, own: Own, images: Source, numbers: Sequence[int], n_features: int
) -> list[Drawn]:
    """What is drawn from the pictures of a part, see `blcf.adding.sample.Draw`."""
    extractor = extractor_of(how, own)
    settings = Settings.from_dict(how.settings)
    return list(draw_features(extractor, settings, images, images.names, numbers, n_features))


def look_at_rows(
    kind: str, rows: np.ndarray, centroids: np.ndarray, words: np.ndarray, precision: str
) -> tuple[np.ndarray, np.ndarray]:
    """The words of some features, on this worker's device; see `blcf.vocabulary.looks.look`.

    Parameters
    ----------
    rows : float32 (n, n_components)
    """
    from blcf.devices import usable_device
    from blcf.vocabulary.looks import look
    from blcf.vocabulary.rows import Rows

    device = usable_device("auto") if kind == "exact" else "cpu"
    return look(kind, Rows(rows, None, 0), centroids, words, device, precision)


def sees(paths: Sequence[str]) -> list[bool]:
    """Which folders this worker sees."""
    return [Path(path).is_dir() for path in paths]
