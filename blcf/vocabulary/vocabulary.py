"""The visual vocabulary: learned by k-means, and the assignment of feature maps to its words."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from blcf.devices import usable_device
from blcf.errors import InvalidInput
from blcf.estimator import Estimator, as_rows
from blcf.storage import StoredGroup, array_digest, open_h5, write_h5
from blcf.vocabulary.assigner import (
    Assigner,
    Transform,
    check_features,
    resolve_assignment,
)
from blcf.vocabulary.assignment import as_float32
from blcf.vocabulary.kmeans import MAX_ITER, kmeans
from blcf.vocabulary.looks import Look
from blcf.vocabulary.moving import absorb
from blcf.vocabulary.rows import at_most_distinct
from blcf.vocabulary.size import SAMPLED_PER_WORD, auto_n_words, check_n_words, check_random_state
from blcf.vocabulary.stored import StoredVocabulary, as_words, read_stored, write_stored
from blcf.vocabulary.two_level import N_PROBED

__all__ = ["Vocabulary"]

FORMAT_VERSION = 1


class Vocabulary(Estimator):
    """A visual vocabulary.

    Parameters
    ----------
    n_words : int, or "auto": one word per 150 features that are given to `fit`, at most 25,000, see
        `blcf.vocabulary.auto_n_words`; no more than there are distinct ones
    max_features_per_word : how many of the features k-means looks at; None for all
    max_iter, tol, random_state : of k-means, see `blcf.vocabulary.kmeans.kmeans`
    device : "cpu", "cuda", ...; "auto" takes CUDA where there is one
    assignment : "exact"; "two_level" looks for a feature's word in the cells of the space nearest
        to it only, which gives another word to about one feature of 40; "auto" is exact below
        100,000 words and on other devices than the CPU, and in two levels from there
    n_probed : how many cells "two_level" looks at in the mean; as many as there are: all

    Attributes
    ----------
    centroids_ : float32 (n_words_, n_components); a row is a visual word
    n_words_ : int
    n_features_in_ : int, components, by scikit-learn's name
    inertia_history_ : list of float, one per iteration
    n_iter_ : int, how many those are
    counts_ : int64 (n_words_,), how many of the features that were looked at each word had
    digest_ : str, SHA-256 (first 16 hex digits) of the words
    assignment_ : str, "exact" or "two_level"

    Examples
    --------
    >>> import numpy as np
    >>> sample = np.random.default_rng(0).random((200, 8), dtype=np.float32)
    >>> vocabulary = Vocabulary(n_words=10, random_state=0).fit(sample)
    >>> vocabulary.assign(sample[:6].T.reshape(8, 2, 3), upsample=2).shape
    (4, 6)
    """

    _learned = "centroids_"
    _takes_rows = True

    def __init__(
        self,
        n_words: int | str = "auto",
        *,
        max_features_per_word: int | None = SAMPLED_PER_WORD,
        max_iter: int = MAX_ITER,
        tol: float = 1e-3,
        random_state: int = 0,
        device: str = "auto",
        assignment: str = "auto",
        n_probed: int = N_PROBED,
    ):
        self.n_words = n_words
        self.max_features_per_word = max_features_per_word
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.device = device
        self.assignment = assignment
        self.n_probed = n_probed

    def _state(self) -> str:
        return f"{self.n_words_:,} words of {self.n_features_in_:,} components"

    @classmethod
    def from_parts(
        cls,
        centroids: np.ndarray,
        *,
        counts: np.ndarray | None = None,
        inertia_history: Sequence[float] = (),
        cells: tuple[np.ndarray, np.ndarray] | None = None,
        **parameters: Any,
    ) -> Vocabulary:
        """A vocabulary of words that were learned elsewhere or earlier.

        Parameters
        ----------
        centroids, counts, inertia_history : see the attributes; without counts `partial_fit` takes
            words for nothing
        cells : `cells` and `cell_of_word` of `blcf.vocabulary.two_level.TwoLevel`, for two levels
        parameters : of the constructor

        Raises
        ------
        InvalidInput
            Words or counts of other shapes, or words that are not finite.
        """
        words, counts = as_words(centroids, counts)
        vocabulary = cls(**{"n_words": len(words), **parameters})
        vocabulary._set(words, list(inertia_history), counts)
        if cells is not None and vocabulary.assignment_ == "two_level":
            vocabulary._assigner.take_cells(*cells)
        return vocabulary

    def with_assignment(self, assignment: str, n_probed: int = N_PROBED) -> Vocabulary:
        """The same words, looked for in another way; the parameters are those of the class."""
        self._check_fitted()
        other = copy(self).set_params(assignment=assignment, n_probed=n_probed)
        way = resolve_assignment(assignment, self.n_words_, usable_device(self.device))
        other._take(self._assigner.looking(way, n_probed))
        return other

    def fit(
        self,
        features: np.ndarray,
        y: object = None,
        *,
        on_iteration: Callable[[int, float], None] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        look: Look | None = None,
    ) -> Vocabulary:
        """Learn the words from whitened features.

        Parameters
        ----------
        features : float (n, n_components); float32 is read in place, from a memory map too
        on_iteration, checkpoint, look : see `blcf.vocabulary.kmeans.kmeans`
        """
        features = as_rows(features)
        n_words = check_n_words(self.n_words)
        check_random_state(self.random_state)
        if n_words == "auto":
            n_words = at_most_distinct(features, auto_n_words(len(features)))
        result = kmeans(
            features,
            int(n_words),
            max_features_per_word=self.max_features_per_word,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=self.random_state,
            device=usable_device(self.device),
            checkpoint=None if checkpoint is None else Path(checkpoint),
            on_iteration=on_iteration,
            look=look,
        )
        self._set(result.centroids, result.inertia_history, result.counts)
        return self

    def fit_transform(self, features: np.ndarray, y: object = None) -> np.ndarray:
        """`fit`, then `transform` of the same features."""
        return self.fit(features).transform(features)

    def partial_fit(self, features: np.ndarray, y: object = None) -> Vocabulary:
        """Learn from one more part of features that do not fit into the memory together.

        The first part is learned from as by `fit`; of a later one each feature pulls its word by
        one over the number of features that the word has had. Words change, and with them what
        maps are assigned to: learn first, index then.

        Parameters
        ----------
        features : float (n, n_components); of the first part at least as many as there are words

        Notes
        -----
        Source: Sculley, WWW 2010, algorithm 1, with parts in the place of mini-batches.
        """
        if not hasattr(self, "centroids_"):
            return self.fit(features)
        features = as_rows(features)
        check_features(features, self.centroids_.shape[1])
        if not np.isfinite(features).all():
            raise InvalidInput("Expected finite features for k-means, got NaN or infinity.")
        if len(features):
            moved = absorb(self.centroids_, self.counts_, features, usable_device(self.device))
            self._set(moved[0], [*self.inertia_history_, moved[2]], moved[1])
        return self

    def _set(self, centroids: np.ndarray, history: list[float], counts: np.ndarray) -> None:
        self.counts_ = counts
        self.inertia_history_ = history
        self.n_iter_ = len(history)
        self.n_words_, self.n_features_in_ = centroids.shape
        self.digest_ = array_digest(centroids)
        device = usable_device(self.device)
        way = resolve_assignment(self.assignment, len(centroids), device)
        words = as_float32(centroids, device)
        self._take(Assigner(words, way, self.n_probed, int(self.random_state)))
        self.centroids_ = centroids

    def _take(self, assigner: Assigner) -> None:
        self._assigner, self.assignment_ = assigner, assigner.assignment

    def assign_features(self, features: np.ndarray) -> np.ndarray:
        """The nearest word of each feature: int32 (n,), for float32 (n, n_components)."""
        self._check_fitted()
        features = as_rows(features)
        check_features(features, self.centroids_.shape[1])
        return self._assigner.assign_features(features)

    def transform(self, features: np.ndarray) -> np.ndarray:
        """`assign_features`, by the name that a pipeline calls."""
        return self.assign_features(features)

    def assign(
        self,
        feature_map: np.ndarray,
        *,
        upsample: int = 2,
        whitening: Transform | None = None,
        precision: str = "float32",
    ) -> np.ndarray:
        """The assignment map of a raw feature map, float (C, h, w): int32 (upsample h, upsample w).

        The other parameters are those of `assign_maps`.
        """
        if feature_map.ndim != 3 or not feature_map.size:
            raise InvalidInput(
                f"Expected a feature map of shape (C, h, w), got shape {feature_map.shape}."
            )
        return self.assign_maps(
            feature_map[None], upsample=upsample, whitening=whitening, precision=precision
        )[0][0]

    def assign_maps(
        self,
        feature_maps: np.ndarray | torch.Tensor,
        *,
        upsample: int = 2,
        whitening: Transform | None = None,
        precision: str = "float32",
    ) -> tuple[np.ndarray, np.ndarray]:
        """The assignment maps of raw feature maps of one shape, and the norms of their cells.

        Parameters
        ----------
        feature_maps : float (n, C, h, w); a tensor stays on its device, if that is ours
        upsample : factor of bilinear interpolation, before any normalisation
        whitening : what the features go through, None where they are in the words' space already
        precision : "float32" is exact; "bfloat16" takes half the time on processors that know it,
            and gives another word to less than one cell of a thousand; two levels are in float32

        Returns
        -------
        assignment_maps : int32 (n, upsample h, upsample w)
        norms : float32 (n, upsample h, upsample w), L2 norms of the interpolated raw features
        """
        self._check_fitted()
        if len(feature_maps.shape) != 4 or 0 in feature_maps.shape:
            shape = tuple(feature_maps.shape)
            raise InvalidInput(f"Expected feature maps of shape (n, C, h, w), got shape {shape}.")
        return self._assigner.assign_maps(feature_maps, upsample, whitening, precision)

    def _check_fitted(self) -> None:
        if not hasattr(self, "centroids_"):
            raise InvalidInput("This vocabulary has no words yet: call fit first.")

    def write(self, group: h5py.Group, dtype: type = np.float32) -> None:
        """Write the words into an HDF5 group; as float16 they are read back rounded."""
        self._check_fitted()
        two_level = self.assignment_ == "two_level" and self._assigner.two_level
        stored = StoredVocabulary(
            self.centroids_.astype(dtype),
            {name: getattr(self, name) for name in ("random_state", "assignment", "n_probed")},
            self.inertia_history_,
            self.counts_,
            (two_level.cells.numpy(), two_level.cell_of_word) if two_level else None,
        )
        write_stored(group, stored)

    @classmethod
    def read(cls, group: StoredGroup, device: str = "auto") -> Vocabulary:
        """A vocabulary from a stored group; `FormatError` where it is not what was written."""
        stored = read_stored(group)
        return cls.from_parts(
            stored.centroids,
            counts=stored.counts,
            inertia_history=stored.inertia_history,
            cells=stored.cells,
            device=device,
            **stored.parameters,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the vocabulary to an HDF5 file of its own, which appears whole or not at all."""
        with write_h5(Path(path), "vocabulary", FORMAT_VERSION) as file:
            self.write(file)

    @classmethod
    def open(cls, path: str | os.PathLike[str], device: str = "auto") -> Vocabulary:
        """Open a saved vocabulary; `FormatError` where it is none."""
        with open_h5(Path(path), "vocabulary", FORMAT_VERSION) as file:
            return cls.read(file, device)
