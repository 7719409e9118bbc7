"""From labelled photographs to a file of weights: what ``blcf train`` does."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from blcf.devices import usable_device
from blcf.errors import InvalidInput
from blcf.images import Source, display_name
from blcf.learning.bag_settings import BagSettings
from blcf.learning.bag_training import BagTraining
from blcf.learning.labels import FOLDERS, Labels, label_pictures
from blcf.learning.local_network import LocalNetwork
from blcf.learning.photographs import Photographs
from blcf.progress import tqdm

__all__ = ["TrainReport", "run_folder", "train_network"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainReport:
    """What a training did.

    Attributes
    ----------
    out : the file of weights
    folder : of the run, with its state and its record
    network, layer : names
    n_pictures, n_classes : that it learned from or was measured by
    n_lonely : classes of one picture
    n_unlabelled : pictures without a label
    unknown : labels of pictures that are not there
    skipped : {name: reason} of pictures that could not be read
    record : of each epoch: epoch, loss, rate, seconds, mAP where classes were held out
    """

    out: Path
    folder: Path
    network: str
    layer: str
    n_pictures: int
    n_classes: int
    n_lonely: int
    n_unlabelled: int
    unknown: list[str]
    skipped: dict[str, str]
    record: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"out": str(self.out), "folder": str(self.folder)}


def train_network(
    source: Source,
    out: str | os.PathLike[str],
    labels: Labels = FOLDERS,
    *,
    network: str = "blcf-lite",
    layer: str | None = None,
    weights: str | os.PathLike[str] | None = None,
    settings: BagSettings = BagSettings(),
    others: Source | None = None,
    folder: str | os.PathLike[str] | None = None,
    device: str = "auto",
    progress: bool = True,
) -> TrainReport:
    """Learn local features by which pictures of one label share words; write the weights.

    The same call goes on where an earlier one was stopped.

    Parameters
    ----------
    source : the photographs, see `blcf.images.find_images`
    out : the file of weights, made when all epochs are done; ``SearchEngine.create(weights=out)``
        takes it
    labels : see `blcf.learning.labels.label_pictures`
    network, layer, weights : to begin with, see `blcf.ConvFeatures`
    settings : how
    others : photographs of anything else, of which no label is needed: by these the network keeps
        what it knows (`settings.keep`), not by those it learns from; None: by those
    folder : of the run; None: `out` with ``.training`` behind it
    device : "auto", "cpu", "cuda"
    progress : whether a bar is shown

    Raises
    ------
    Diverged, FormatError, InvalidInput, StorageError, WeightsError

    Notes
    -----
    `blcf.learning.bag_training` says what is learned, and from where it is taken.
    """
    labelled = label_pictures(source, labels)
    path = Path(out)
    run = Path(folder) if folder is not None else run_folder(path)
    if path.is_dir() or not path.parent.is_dir():
        raise InvalidInput(f"Expected the name of a file in a folder that exists, got {path}.")
    trained = LocalNetwork(network, layer=layer, weights=weights)
    training = BagTraining(trained, settings, device=usable_device(device))
    kept = Photographs(others, others.names, settings.side) if others is not None else None
    photographs = Photographs(source, labelled.names, settings.side, kept)
    counts = f"{len(labelled.names):,} pictures of {len(labelled.labels):,} labels"
    logger.info("learning from %s", counts)
    record = training.run(
        photographs, labelled.classes, run, bar=_bar(training) if progress else iter
    )
    facts = {
        "trained on": counts,
        "trained for": "the bag of words",
        "began with": trained.begins_with,
        "settings": json.dumps(asdict(settings)),
        "record": json.dumps(record),
    }
    trained.write(path, facts, settings.blend)
    return TrainReport(
        path,
        run,
        trained.network,
        trained.layer,
        len(labelled.names),
        len(labelled.labels),
        labelled.n_lonely,
        len(labelled.unlabelled),
        [display_name(name) for name in labelled.unknown],
        photographs.skipped | (kept.skipped if kept is not None else {}),
        record,
    )


def run_folder(out: str | os.PathLike[str]) -> Path:
    """Where the run of a file of weights keeps its state, unless it is told."""
    return Path(out).with_name(f"{Path(out).name}.training")


def _bar(training: BagTraining) -> Callable[[Any], Any]:
    """A bar an epoch, which says how the one before went."""

    def bar(steps: Any) -> Any:
        shown = tqdm(
            steps,
            desc=f"epoch {training.epoch + 1} of {training.settings.epochs}",
            unit=" step",
        )
        if training.record:
            last = training.record[-1]
            said = f"loss {last['loss']:.3f}"
            said += f", mAP {last['mAP']:.3f}" if np.isfinite(last.get("mAP", np.nan)) else ""
            shown.set_postfix_str(said, refresh=False)
        return shown

    return bar
