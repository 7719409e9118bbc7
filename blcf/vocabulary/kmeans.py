"""k-means (Lloyd) for large vocabularies: seeded, in blocks, over growing parts of the sample."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from blcf.errors import InvalidInput
from blcf.vocabulary.assignment import as_float32, nearest_words, squared_distances_to

__all__ = ["KMeansResult", "kmeans"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class KMeansResult:
    """What k-means found.

    Attributes
    ----------
    centroids : float32 (n_words, n_components)
    inertia_history : float (n_iter,), mean squared distance of a feature to its word at the
        start of each iteration (over the part of the sample that the iteration saw)
    sample_sizes : int (n_iter,), how many features each iteration saw
    n_reseeded : how many empty words were given a new place, in all
    """

    centroids: np.ndarray
    inertia_history: list[float]
    sample_sizes: list[int]
    n_reseeded: int


def kmeans(
    sample: np.ndarray,
    n_words: int,
    *,
    max_iter: int = 10,
    tol: float = 1e-3,
    max_features_per_word: int | None = None,
    random_state: int = 0,
    device: str = "cpu",
    on_iteration: Callable[[int, float], None] | None = None,
) -> KMeansResult:
    """Lloyd's k-means from a random start.

    The sample is shuffled once; the first words are its first features; early iterations see a
    part of it only, which doubles until all is seen, because the first moves need no precision.
    A word without features is placed on the feature that lies farthest from its own word.

    Parameters
    ----------
    sample : float32 (n, n_components), n >= n_words
    max_iter : iterations over the growing and the whole sample together
    tol : stop when an iteration over the whole sample lowers the inertia by less than this share
    max_features_per_word : how much of the sample is used, None for all of it
    on_iteration : called with (iteration, inertia)

    Raises
    ------
    InvalidInput
        Fewer (distinct) features than words; features that are not finite.
    """
    sample = np.asarray(sample)
    if sample.ndim != 2 or not 1 <= n_words <= len(sample):
        raise InvalidInput(
            f"Expected at least as many sampled features as words ({n_words}), got shape "
            f"{sample.shape}. Ask for fewer words or add pictures."
        )
    if max_iter < 1:
        raise InvalidInput(f"Expected max_iter to be 1 or more, got {max_iter!r}.")
    if not np.isfinite(sample).all():
        raise InvalidInput("Expected finite features for k-means, got NaN or infinity.")
    order = np.random.default_rng(random_state).permutation(len(sample))
    if max_features_per_word is not None:
        order = order[: n_words * max(1, max_features_per_word)]
    features = as_float32(sample[order], device)
    centroids = features[_distinct_rows(features, n_words)].clone()
    history: list[float] = []
    sizes: list[int] = []
    n_reseeded = 0
    for iteration, n_seen in enumerate(_schedule(len(features), n_words, max_iter)):
        seen = features[:n_seen]
        words, scores = nearest_words(seen, centroids)
        distances = squared_distances_to(seen, scores)
        history.append(float(distances.cpu().mean(dtype=torch.float64)))
        sizes.append(n_seen)
        if on_iteration is not None:
            on_iteration(iteration, history[-1])
        settled = (
            iteration > 0
            and n_seen == sizes[-2] == len(features)
            and history[-2] - history[-1] <= tol * history[-2]
        )
        n_reseeded += _move(centroids, seen, words, distances)
        if settled:
            break
    return KMeansResult(centroids.cpu().numpy(), history, sizes, n_reseeded)


def _schedule(n_features: int, n_words: int, max_iter: int) -> list[int]:
    """How many features each iteration sees: 4 a word, doubling, then all."""
    sizes = [min(n_features, 4 * n_words * 2**i) for i in range(max_iter)]
    sizes[-1] = n_features  # the last words are means over everything
    return sizes


def _distinct_rows(features: torch.Tensor, n_words: int) -> torch.Tensor:
    """Places of the first `n_words` distinct rows."""
    n_tried = n_words
    while True:
        n_tried = min(2 * n_tried, len(features))
        rows = features[:n_tried].cpu().numpy()
        _, first = np.unique(rows, axis=0, return_index=True)
        if len(first) >= n_words:
            return torch.from_numpy(np.sort(first)[:n_words]).to(features.device)
        if n_tried == len(features):
            raise InvalidInput(
                f"Expected at least {n_words} distinct features for {n_words} words, got "
                f"{len(first)} among the {len(features)} looked at. Ask for fewer words, add "
                "pictures or raise max_features_per_word."
            )


def _move(
    centroids: torch.Tensor, features: torch.Tensor, words: torch.Tensor, distances: torch.Tensor
) -> int:
    """Put each word at the mean of its features, in place; give back how many were empty."""
    n_words, n_components = centroids.shape
    # Sums in double precision, which Apple's devices do not have.
    device = torch.device("cpu") if features.device.type == "mps" else features.device
    sums = torch.zeros(n_words, n_components, dtype=torch.float64, device=device)
    for start in range(0, len(features), 65_536):
        rows = slice(start, start + 65_536)
        sums.index_add_(0, words[rows].to(device), features[rows].to(device).double())
    counts = torch.bincount(words.to(device), minlength=n_words)
    means = (sums / counts.clamp(min=1)[:, None]).float().to(features.device)
    filled = (counts > 0).to(features.device)
    centroids[filled] = means[filled]
    empty = torch.nonzero(~filled).ravel()
    if len(empty):
        farthest = torch.sort(distances, descending=True, stable=True).indices[: len(empty)]
        centroids[empty[: len(farthest)]] = features[farthest]
    return len(empty)
