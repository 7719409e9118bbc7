"""How features and maps get their words: exactly, or in two levels where words are many."""

from __future__ import annotations

import threading
from copy import copy
from typing import Any, Protocol

import numpy as np
import torch

from blcf.devices import memory_said
from blcf.errors import InvalidInput
from blcf.forking import use_threads
from blcf.vocabulary.assignment import as_float32, nearest_words
from blcf.vocabulary.interpolated import (
    Words,
    assign_in_two_levels,
    assign_interpolated,
)
from blcf.vocabulary.interpolation import check_factor, interpolate_map
from blcf.vocabulary.two_level import TwoLevel, check_n_probed

__all__ = [
    "ASSIGNMENTS",
    "TWO_LEVELS_FROM",
    "Assigner",
    "Transform",
    "check_features",
    "resolve_assignment",
]

# What the product of features and words is computed in.
PRECISIONS = ("float32", "bfloat16")

ASSIGNMENTS = ("auto", "exact", "two_level")

# assignment="auto": two levels from this many words on the CPU, where they take less than half the
# time, see benchmarks/large_vocabulary/README.md. Below there is little to gain.
TWO_LEVELS_FROM = 100_000

# Among a million words the cells take seconds to learn: not once for each thread that asks first.
# Of the module, so that a vocabulary can be copied and pickled.
_LEARNING = threading.Lock()


class Transform(Protocol):
    """What turns raw local features into the space of the words (a whitening).

    One with ``mean_``, float32 (n_channels,), and ``projection_``, (n_channels, n_components),
    states that it is ``y = L2((L2(x) - mean_) projection_)``, which is what assignment is fast for.
    """

    def transform(self, features: np.ndarray) -> np.ndarray:
        """(n, n_channels) to (n, n_components), both float32."""
        ...


def resolve_assignment(assignment: Any, n_words: int, device: str) -> str:
    """What "auto" means for a vocabulary: "exact" or "two_level"."""
    if assignment not in ASSIGNMENTS:
        raise InvalidInput(
            f"Expected assignment to be one of {', '.join(ASSIGNMENTS)}, got {assignment!r}."
        )
    if assignment != "auto":
        return assignment
    return "two_level" if n_words >= TWO_LEVELS_FROM and device == "cpu" else "exact"


class Assigner:
    """The words of a vocabulary and the way in which they are looked for.

    Parameters
    ----------
    centroids : float32 (n_words, n_components), on the device of the assignment
    assignment : "exact", or "two_level": the words of the nearest cells, on the CPU
    n_probed : how many cells, see `blcf.vocabulary.two_level.TwoLevel.nearest`
    random_state : of the cells
    """

    def __init__(self, centroids: torch.Tensor, assignment: str, n_probed: int, random_state: int):
        self.words = Words(centroids)
        self.assignment = assignment
        self.n_probed = check_n_probed(n_probed)
        self.random_state = random_state
        self._two_level: TwoLevel | None = None

    @property
    def two_level(self) -> TwoLevel:
        """The words by their cells, learned when they are first used, by one thread."""
        if self._two_level is not None:  # who learns others may wait for the thread that asks
            return self._two_level
        with _LEARNING:
            if self._two_level is None:
                self._two_level = TwoLevel(
                    self.words.centroids.cpu(), random_state=self.random_state
                )
            return self._two_level

    def take_cells(self, cells: np.ndarray, cell_of_word: np.ndarray) -> None:
        """Take the cells that were learned earlier."""
        self._two_level = TwoLevel.from_cells(self.words.centroids.cpu(), cells, cell_of_word)

    def looking(self, assignment: str, n_probed: int) -> Assigner:
        """The same words (and cells, where they were learned), looked for in another way."""
        other = copy(self)
        other.assignment, other.n_probed = assignment, check_n_probed(n_probed)
        return other

    def assign_features(self, features: np.ndarray) -> np.ndarray:
        """int32 (n,), for features (n, n_components)."""
        use_threads()
        centroids = self.words.centroids
        if self.assignment == "two_level":
            words = self.two_level.nearest(as_float32(features, "cpu"), self.n_probed)[0]
        else:
            words = nearest_words(as_float32(features, str(centroids.device)), centroids)[0]
        return words.cpu().numpy().astype(np.int32)

    def assign_maps(
        self,
        feature_maps: np.ndarray | torch.Tensor,
        upsample: int,
        whitening: Transform | None,
        precision: str,
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `blcf.vocabulary.Vocabulary.assign_maps`."""
        use_threads()
        check_factor(upsample)
        if precision not in PRECISIONS:
            raise InvalidInput(
                f"Expected precision to be one of {', '.join(PRECISIONS)}, got {precision!r}."
            )
        mean: Any = getattr(whitening, "mean_", None)
        projection: Any = getattr(whitening, "projection_", None)
        n_channels, n_components = feature_maps.shape[1], self.words.centroids.shape[1]
        if whitening is None:
            fits = n_channels == n_components
        else:
            fits = np.shape(mean) + np.shape(projection) == (n_channels, n_channels, n_components)
        if not fits:  # another transform, or a mistake, which is named on the way
            if isinstance(feature_maps, torch.Tensor):
                feature_maps = feature_maps.float().cpu().numpy()
            large = [interpolate_map(each, upsample) for each in feature_maps]
            return (
                np.stack([self._assign_plainly(each, whitening) for each in large]),
                np.stack([np.linalg.norm(each, axis=0) for each in large]),
            )
        device = "cpu" if self.assignment == "two_level" else str(self.words.centroids.device)
        with memory_said(
            f"the words of {len(feature_maps)} maps at once", "Pass fewer, or take device='cpu'."
        ):
            maps = as_float32(feature_maps, device)
            mean = None if mean is None else as_float32(mean, device)
            projection = None if projection is None else as_float32(projection, device)
            if self.assignment == "two_level":
                words, norms = assign_in_two_levels(
                    maps, self.two_level, self.n_probed, upsample, mean, projection
                )
            else:
                words, norms = assign_interpolated(
                    maps, self.words, upsample, mean, projection, precision=precision
                )
            return words.cpu().numpy(), norms.cpu().numpy()

    def _assign_plainly(self, large: np.ndarray, whitening: Transform | None) -> np.ndarray:
        """The words of an interpolated map (C, H, W) through any transform: int32 (H, W)."""
        features = large.reshape(len(large), -1).T
        if whitening is not None:
            features = whitening.transform(features)
        n_components = self.words.centroids.shape[1]
        check_features(features, n_components)
        return self.assign_features(features).reshape(large.shape[1:])


def check_features(features: np.ndarray, n_components: int) -> None:
    """Raise `InvalidInput` where features are not of the space of the words."""
    if features.ndim != 2 or features.shape[1] != n_components:
        also = " Reshape your data: x.reshape(1, -1) for one." if features.ndim < 2 else ""
        raise InvalidInput(
            f"Expected features of shape (n, {n_components}), got shape {features.shape}. Whiten "
            f"them as those that the vocabulary was learned from.{also}"
        )
