"""The visual vocabulary: learned by k-means, and the assignment of feature maps to its words."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import torch

from blcf.errors import FormatError, InvalidInput
from blcf.storage import open_h5, write_h5
from blcf.vocabulary.assignment import as_float32, nearest_words
from blcf.vocabulary.interpolated import (
    Words,
    assign_interpolated,
    check_factor,
    interpolate_map,
)
from blcf.vocabulary.kmeans import kmeans

__all__ = ["LARGEST_AUTO", "SAMPLED_PER_WORD", "Vocabulary", "auto_n_words"]

FORMAT_VERSION = 1

# n_words="auto": the paper's size where a collection has this many local features a word, else
# fewer. Measured in benchmarks/README.md, "Accuracy".
LARGEST_AUTO = 25_000
FEATURES_PER_WORD = 150

# How many local features a word k-means looks at: more cost time and gain nothing.
SAMPLED_PER_WORD = 20


# What the product of features and words is computed in.
PRECISIONS = ("float32", "bfloat16")


class Transform(Protocol):
    """What turns raw local features into the space of the words (a whitening).

    One with ``mean_``, float32 (n_channels,), and ``projection_``, (n_channels, n_components),
    states that it is ``y = L2((L2(x) - mean_) projection_)``, which is what assignment is fast for.
    """

    def transform(self, features: np.ndarray) -> np.ndarray:
        """(n, n_channels) to (n, n_components), both float32."""
        ...


def auto_n_words(n_features: int) -> int:
    """The rule behind ``n_words="auto"``: one word per 150 local features, at most 25,000."""
    return max(1, min(LARGEST_AUTO, n_features // FEATURES_PER_WORD))


class Vocabulary:
    """A visual vocabulary.

    Parameters
    ----------
    n_words : int, or "auto": one word per 150 features that are given to `fit`, at most 25,000
    max_features_per_word : how many of the features k-means looks at; None for all
    max_iter, tol : of k-means, see `blcf.vocabulary.kmeans.kmeans`
    random_state : int
    device : "cpu", "cuda", ...; "auto" takes CUDA where there is one

    Attributes
    ----------
    centroids_ : float32 (n_words_, n_components); a row is a visual word
    n_words_ : int
    inertia_history_ : list of float, one per iteration
    digest_ : str, SHA-256 (first 16 hex digits) of the words

    Examples
    --------
    >>> import numpy as np
    >>> sample = np.random.default_rng(0).random((200, 8), dtype=np.float32)
    >>> vocabulary = Vocabulary(n_words=10, random_state=0).fit(sample)
    >>> vocabulary.assign(sample[:6].T.reshape(8, 2, 3), upsample=2).shape
    (4, 6)
    """

    def __init__(
        self,
        n_words: int | str = "auto",
        *,
        max_features_per_word: int | None = SAMPLED_PER_WORD,
        max_iter: int = 10,
        tol: float = 1e-3,
        random_state: int = 0,
        device: str = "auto",
    ):
        self.n_words = n_words
        self.max_features_per_word = max_features_per_word
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.device = device

    def fit(
        self, features: np.ndarray, on_iteration: Callable[[int, float], None] | None = None
    ) -> Vocabulary:
        """Learn the words from whitened features, float32 (n, n_components)."""
        n_words = check_n_words(self.n_words)
        if not _is_integer(self.random_state):
            raise InvalidInput(
                f"Expected random_state to be an integer, got {self.random_state!r}."
            )
        if n_words == "auto":
            n_words = auto_n_words(len(features))
        result = kmeans(
            features,
            int(n_words),
            max_features_per_word=self.max_features_per_word,
            max_iter=self.max_iter,
            tol=self.tol,
            random_state=self.random_state,
            device=_device(self.device),
            on_iteration=on_iteration,
        )
        self._set(result.centroids, result.inertia_history)
        return self

    def _set(self, centroids: np.ndarray, history: list[float]) -> None:
        self.centroids_ = centroids
        self.inertia_history_ = history
        self.n_words_ = len(centroids)
        digest = hashlib.sha256(str(centroids.shape).encode())
        digest.update(np.ascontiguousarray(centroids).tobytes())
        self.digest_ = digest.hexdigest()[:16]
        self._words = Words(as_float32(centroids, _device(self.device)))

    def assign_features(self, features: np.ndarray) -> np.ndarray:
        """The nearest word of each feature: int32 (n,), for float32 (n, n_components)."""
        self._check_fitted()
        if features.ndim != 2 or features.shape[1] != self.centroids_.shape[1]:
            raise InvalidInput(
                f"Expected features of shape (n, {self.centroids_.shape[1]}), got shape "
                f"{features.shape}. Whiten them as those that the vocabulary was learned from."
            )
        centroids = self._words.centroids
        words, _ = nearest_words(as_float32(features, str(centroids.device)), centroids)
        return words.cpu().numpy().astype(np.int32)

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
        feature_maps: np.ndarray,
        *,
        upsample: int = 2,
        whitening: Transform | None = None,
        precision: str = "float32",
    ) -> tuple[np.ndarray, np.ndarray]:
        """The assignment maps of raw feature maps of one shape, and the norms of their cells.

        Parameters
        ----------
        feature_maps : float (n, C, h, w)
        upsample : factor of bilinear interpolation, before any normalisation
        whitening : what the features go through, None where they are in the words' space already
        precision : "float32" is exact; "bfloat16" takes half the time on processors that know it,
            and gives another word to less than one cell of a thousand

        Returns
        -------
        assignment_maps : int32 (n, upsample h, upsample w)
        norms : float32 (n, upsample h, upsample w), L2 norms of the interpolated raw features
        """
        self._check_fitted()
        if feature_maps.ndim != 4 or not feature_maps.size:
            raise InvalidInput(
                f"Expected feature maps of shape (n, C, h, w), got shape {feature_maps.shape}."
            )
        check_factor(upsample)
        if precision not in PRECISIONS:
            raise InvalidInput(
                f"Expected precision to be one of {', '.join(PRECISIONS)}, got {precision!r}."
            )
        mean: Any = getattr(whitening, "mean_", None)
        projection: Any = getattr(whitening, "projection_", None)
        n_channels, n_components = feature_maps.shape[1], self.centroids_.shape[1]
        if whitening is None:
            fits = n_channels == n_components
        else:
            fits = np.shape(mean) + np.shape(projection) == (n_channels, n_channels, n_components)
        if not fits:  # another transform, or a mistake, which is named on the way
            maps = [interpolate_map(each, upsample) for each in feature_maps]
            return (
                np.stack([self._assign_plainly(each, whitening) for each in maps]),
                np.stack([np.linalg.norm(each, axis=0) for each in maps]),
            )
        device = str(self._words.centroids.device)
        words, norms = assign_interpolated(
            as_float32(feature_maps, device),
            self._words,
            upsample,
            None if mean is None else as_float32(mean, device),
            None if projection is None else as_float32(projection, device),
            precision=precision,
        )
        return words.cpu().numpy(), norms.cpu().numpy()

    def _assign_plainly(self, large: np.ndarray, whitening: Transform | None) -> np.ndarray:
        """The words of an interpolated map (C, H, W) through any transform: int32 (H, W)."""
        features = large.reshape(len(large), -1).T
        if whitening is not None:
            features = whitening.transform(features)
        return self.assign_features(features).reshape(large.shape[1:])

    def _check_fitted(self) -> None:
        if not hasattr(self, "centroids_"):
            raise InvalidInput("This vocabulary has no words yet: call fit first.")

    def write(self, group: h5py.Group) -> None:
        """Write the words into an HDF5 group."""
        self._check_fitted()
        group.attrs["digest"] = np.bytes_(self.digest_)  # fixed length, see blcf.storage.write_h5
        group.attrs["random_state"] = self.random_state
        group.attrs["inertia_history"] = self.inertia_history_
        group.create_dataset("centroids", data=self.centroids_)

    @classmethod
    def read(cls, group: h5py.Group, device: str = "auto") -> Vocabulary:
        """A vocabulary from an HDF5 group; `FormatError` where it is not what was written."""
        centroids = group["centroids"][:]
        vocabulary = cls(
            len(centroids), random_state=int(group.attrs["random_state"]), device=device
        )
        vocabulary._set(centroids, [float(x) for x in group.attrs["inertia_history"]])
        if vocabulary.digest_.encode() != group.attrs["digest"]:
            raise FormatError(
                f"The words of {group.file.filename} do not match their digest: the file is "
                "damaged. Restore it from a copy, or index again."
            )
        return vocabulary

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the vocabulary to an HDF5 file of its own, which appears whole or not at all."""
        with write_h5(Path(path), "vocabulary", FORMAT_VERSION) as file:
            self.write(file)

    @classmethod
    def open(cls, path: str | os.PathLike[str], device: str = "auto") -> Vocabulary:
        """Open a saved vocabulary; `FormatError` where it is none."""
        with open_h5(Path(path), "vocabulary", FORMAT_VERSION) as file:
            return cls.read(file, device)


def check_n_words(n_words: Any) -> int | str:
    """Give back a number of words or "auto", or raise `InvalidInput`."""
    if n_words == "auto":
        return "auto"
    if _is_integer(n_words) and n_words > 0:
        return int(n_words)
    raise InvalidInput(f"Expected n_words to be a positive integer or 'auto', got {n_words!r}.")


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(
            f"Device {device!r} cannot be used ({reason}). Try device='cpu'."
        ) from error
    return device
