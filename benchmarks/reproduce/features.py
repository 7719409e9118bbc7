"""Networks, what they made of pictures and queries, and what was learned of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.reproduce.conditions import System
from benchmarks.reproduce.data import DataSet
from benchmarks.reproduce.rankers import fit_descriptor
from blcf import ConvFeatures
from blcf.datasets import TrueExample
from blcf.descriptors import CropCodes, crop_map
from blcf.features import CodeFeatures, FeatureStore, feature_key
from blcf.features.codes import crop_image
from blcf.images import display_name, read_image

__all__ = ["Features", "pairs"]


class Features:
    """Stores of features in a folder, by data set and system, and the networks that fill them.

    Parameters
    ----------
    folder : of the stores
    sets : {name: `DataSet`}
    weights : {network: file}; torchvision's own for the others
    """

    def __init__(self, folder: Path, sets: dict[str, DataSet], weights: dict[str, Path]):
        self.folder, self.sets, self.weights = folder, sets, weights
        self._extractors: dict[tuple, Any] = {}
        self._stores: dict[tuple, FeatureStore] = {}
        self._fitted: dict[str, Any] = {}
        self._cut: dict[tuple, np.ndarray] = {}  # what the network made of cut queries

    def extractor(self, system: System) -> Any:
        """The network of a system, opened once.

        Raises
        ------
        WeightsError
            They are not at hand.
        """
        key = (system.kind, system.network, system.layer, system.side, system.file)
        if key not in self._extractors:
            self._extractors.clear()  # one network in memory at a time
            self._cut.clear()
            common: dict[str, Any] = {"layer": system.layer}
            common["weights"] = system.file or self.weights.get(system.network)
            if system.kind in ("codes", "crops"):
                made: Any = CodeFeatures(system.network, input_size=system.side, **common)
                if system.kind == "crops":
                    made = CropCodes(made, system.options.get("n_levels", 4))
            else:
                made = ConvFeatures(system.network, side=system.side, **common)
            self._extractors[key] = made
        return self._extractors[key]

    def store(self, system: System, name: str) -> FeatureStore:
        """Where the features of a set are kept."""
        key = (name, system.kind, system.network, system.layer, system.side, system.file)
        if key not in self._stores:
            features = feature_key(self.extractor(system))
            self._stores[key] = FeatureStore(self.folder / name, features)
        return self._stores[key]

    def fill(
        self, system: System, name: str, paths: dict[str, Path], progress: Callable[[str], None]
    ) -> None:
        """Extract what is missing."""

        def say(n_done: int, n_all: int) -> None:
            if n_done and n_done % 500 == 0:
                progress(f"{name}: {n_done:,} of {n_all:,} pictures through the network")

        # Also where nothing is missing: files that changed and maps that are damaged are found.
        store = self.store(system, name)
        store.extract(pairs(paths), self.extractor(system), say)
        for picture in store.skipped.keys() & paths.keys():
            progress(f"skipped {display_name(picture)}: {store.skipped[picture]}")

    def fit(self, system: System, other: str) -> Any:
        """The descriptor of a system; the last one is kept, for further sets."""
        key = json.dumps([asdict(system), other], sort_keys=True, default=str)
        if key not in self._fitted:
            learned = self.store(system, other)
            names = [name for name in self.sets[other].paths if name not in learned.skipped]
            self._fitted = {key: fit_descriptor(system, learned, names, other)}
        return self._fitted[key]

    def look(
        self,
        system: System,
        queries: str,
        name_of: dict[Path, str],
        example: TrueExample,
        mode: str,
    ) -> np.ndarray:
        """What an example is to a descriptor.

        Its map, or the cells of the map under the box (LS), or the map of the picture cut along
        the box, at the scale of the whole (crop); of codes that of the whole picture or of the cut
        one.
        """
        extractor, box = self.extractor(system), example.box if mode != "GS" else None
        store, name = self.store(system, queries), name_of[example.image]
        if box is None:
            return store.map(name)
        if mode == "LS" and system.kind == "descriptor":
            return crop_map(store.map(name), box, store.size(name))
        key = (str(example.image), *box.tolist())
        if key not in self._cut:
            image = read_image(example.image)
            if system.kind in ("codes", "crops"):
                self._cut[key] = extractor.extract(image, box)
            else:
                cut = crop_image(image, box)
                share = max(cut.shape[:2]) / max(image.shape[:2])
                side = max(64, round(extractor.side * share))
                self._cut[key] = extractor.extract(cut, side=side)
        return self._cut[key]


def pairs(paths: dict[str, Path]) -> tuple[list[str], list[Path]]:
    """Names and paths, as stores take them."""
    return list(paths), list(paths.values())
