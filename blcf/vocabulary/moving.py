"""Where words go in a step of k-means: to the means of their features, or past them."""

from __future__ import annotations

import numpy as np
import torch

from blcf.kernels.nearest import mean_of_groups
from blcf.vocabulary.assignment import as_float32, nearest_words, squared_distances_to

__all__ = ["absorb", "move_words", "sort_by_word"]


def sort_by_word(words: np.ndarray, n_words: int) -> tuple[np.ndarray, np.ndarray]:
    """Features by their words: order, int64 (n,), and where a word begins, int64 (n_words + 1,)."""
    order = torch.from_numpy(words).sort(stable=True).indices.numpy()
    return order, np.concatenate([[0], np.cumsum(np.bincount(words, minlength=n_words))])


def move_words(
    features: np.ndarray,
    places: np.ndarray,
    words: np.ndarray,
    distances: np.ndarray,
    past: float,
    centroids: np.ndarray,
) -> int:
    """Put each word at the mean of its features or past it; gives how many words had none.

    A word without features goes to the feature farthest from its own word, the second one to the
    second farthest, and so on.

    Parameters
    ----------
    features : float32 (n_features, n_components)
    places : int64 (n,), the rows of `features` that count
    words, distances : int32 and float32 (n,), the word of each and its squared distance
    past : how far past the mean a word goes, as a share of its way there; 0 puts it at the mean
    centroids : float32 (n_words, n_components), changed in place
    """
    n_words = len(centroids)
    order, starts = sort_by_word(words, n_words)
    before = centroids.copy() if past else centroids
    mean_of_groups(features, places[order], starts, centroids)
    if past:
        centroids += np.float32(past) * (centroids - before)
    empty = np.flatnonzero(np.diff(starts) == 0)
    if len(empty):
        farthest = torch.from_numpy(distances).sort(descending=True, stable=True).indices.numpy()
        farthest = farthest[: len(empty)]
        centroids[empty[: len(farthest)]] = features[places[farthest]]
    return len(empty)


def absorb(
    centroids: np.ndarray, counts: np.ndarray, features: np.ndarray, device: str
) -> tuple[np.ndarray, np.ndarray, float]:
    """Move words by more features, as if each were the mean of all that it had so far.

    Parameters
    ----------
    centroids, counts : float32 (n_words, n_components) and int64 (n_words,), the words and how
        many features they stand for
    features : float (n, n_components)

    Returns
    -------
    the same two, moved; the mean squared distance of these features to their words before

    Notes
    -----
    Source: Sculley, WWW 2010 (web-scale k-means clustering), algorithm 1.
    """
    # A copy of what may not be written, a map of a file: torch warns of tensors over such.
    rows = as_float32(np.require(features, requirements=["W"]), device)
    words, scores = nearest_words(rows, as_float32(centroids, device))
    inertia = squared_distances_to(rows, scores).cpu().numpy().mean(dtype=np.float64)
    order, starts = sort_by_word(words.cpu().numpy().astype(np.int32), len(centroids))
    means = np.zeros_like(centroids)
    mean_of_groups(rows.cpu().numpy(), order, starts, means)
    n_more = np.diff(starts)
    shares = n_more / np.maximum(counts + n_more, 1)
    moved = centroids + shares[:, None] * (means.astype(np.float64) - centroids)
    return moved.astype(np.float32), counts + n_more, float(inertia)
