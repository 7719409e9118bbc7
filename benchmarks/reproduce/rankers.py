"""How descriptors rank: vectors in a flat index, or the crops of pictures one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import blcf.descriptors as descriptors
from benchmarks.reproduce.conditions import System
from blcf.descriptors import DescriptorSearch, NeuralCodes, RmacReranker, spatial_search_scores
from blcf.features import FeatureStore
from blcf.learning.descriptor_file import read_descriptor

__all__ = ["CropRanker", "Ranker", "StoredMaps", "fit_descriptor"]


def fit_descriptor(system: System, learned: FeatureStore, names: list[str], label: str) -> Any:
    """The estimator of a system, learned on the pictures of a store."""
    if system.file:
        return read_descriptor(system.file)
    if system.kind == "crops":
        n_components = system.options.get("n_components", 500)
        # Of all crops: of whole pictures only, mAP is .28 in place of .42 (logos, MobileNetV2).
        sample = np.concatenate([learned.map(name) for name in names])
        return NeuralCodes(min(n_components, *sample.shape)).fit(sample, learned_on=label)
    kind: Any = NeuralCodes
    if system.kind == "descriptor":
        kind = getattr(descriptors, system.descriptor)
    return kind(**system.options).fit(StoredMaps(learned, names), learned_on=label)


class Ranker:
    """Descriptors of maps or codes in a flat index."""

    def __init__(self, descriptor: Any, store: FeatureStore, names: list[str]):
        self._descriptor, self._store = descriptor, store
        self._search = DescriptorSearch(descriptor).add(names, store.maps(names))

    def rank(
        self, arrays: list[np.ndarray], search: dict[str, Any], aspect: float | None
    ) -> tuple[list[str], np.ndarray]:
        """All images, best first: names, scores."""
        k = max(1, self._search.n_images)
        how: dict[str, Any] = {"n_expand": search.get("expand", 0)}
        if search.get("rerank"):
            how = {
                "reranker": RmacReranker(
                    self._descriptor,
                    depth=search["rerank"],
                    n_expand=search.get("expand", 0),
                ),
                "open_map": lambda name: (self._store.map(name), self._store.size(name)),
                "aspect": aspect,
            }
        ranking = self._search.search(arrays, k, **how)
        return ranking.names, ranking.scores


class CropRanker:
    """Codes of the crops of pictures, compared crop by crop."""

    def __init__(self, system: System, codes: Any, store: FeatureStore, names: list[str]):
        self._codes, self._names = codes, names
        self._levels = system.options.get("n_query_levels", 3)
        rows = [codes.transform(store.map(name)) for name in names]
        self._crops = np.stack(rows)  # (n, p, d)

    def rank(
        self, arrays: list[np.ndarray], search: dict[str, Any], aspect: float | None
    ) -> tuple[list[str], np.ndarray]:
        """All images, best first: names, scores; the best example counts."""
        n_crops = sum((level + 1) ** 2 for level in range(self._levels))
        per_example = [
            spatial_search_scores(self._codes.transform(one[:n_crops]), self._crops)
            for one in arrays
        ]
        scores = np.max(per_example, axis=0)
        order = np.argsort(-scores, kind="stable")
        return [self._names[row] for row in order], scores[order]


class StoredMaps(Sequence):
    """The arrays of a store as a sequence that can be read again: one at a time in memory."""

    def __init__(self, store: FeatureStore, names: list[str]):
        self._store, self._names = store, names

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, position: Any) -> Any:
        return self._store.map(self._names[position])
