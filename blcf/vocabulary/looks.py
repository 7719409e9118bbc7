"""How an iteration of k-means looks for the word of each feature: exactly, near by, in two levels.

A near look takes the neighbours of the word that a feature has. Between exact looks it finds most
of the moves at a tenth of their cost or less.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from blcf.vocabulary.alone import alone
from blcf.vocabulary.assignment import best_words, nearest_words
from blcf.vocabulary.moving import sort_by_word
from blcf.vocabulary.rows import Rows
from blcf.vocabulary.two_level import TwoLevel

__all__ = ["N_NEAR", "Look", "look", "nearest_among_neighbours"]

Look = Callable[[str, Rows, np.ndarray, np.ndarray, str, str], "tuple[np.ndarray, np.ndarray]"]
"""`look`, or what does the same elsewhere than in this process."""

# How many neighbours of its word a feature is offered in a near look, the word among them.
N_NEAR = 64

# Cells looked at by a look in two levels: 95 % of the words are the exact ones.
_N_PROBED = 16

# Features gathered at a time: 8,192 x 128 float32 are 4 MB.
_GATHERED = 8_192


def look(
    kind: str,
    rows: Rows,
    centroids: np.ndarray,
    words: np.ndarray,
    device: str,
    precision: str,
) -> tuple[np.ndarray, np.ndarray]:
    """The word of each row that counts, and the squared distance to it.

    Parameters
    ----------
    kind : "exact", "near", or "two-level", which is on the CPU
    centroids : float32 (n_words, n_components)
    words : int32 (len(rows),), the words of an earlier look; empty before the first
    precision : of an exact look, see `blcf.vocabulary.assignment.nearest_words`

    Returns
    -------
    int32 and float32 (len(rows),)
    """
    found, scores = np.empty(len(rows), np.int32), np.empty(len(rows), np.float32)
    on_device = torch.from_numpy(centroids).to(device)
    if kind == "near":
        order, starts = sort_by_word(words, len(centroids))
        neighbours = best_words(on_device, on_device, min(N_NEAR, len(centroids)))[0]
        best = nearest_among_neighbours(
            rows.sample, rows.places[order], starts, on_device, neighbours
        )
        found[order], scores[order] = (one.cpu().numpy() for one in best)
    else:
        two_level = TwoLevel(torch.from_numpy(centroids)) if kind == "two-level" else None
        for part, block in rows.blocks():
            features = torch.from_numpy(block)
            if two_level is not None:
                best = two_level.nearest(features, _N_PROBED)
            else:
                guess = torch.from_numpy(words[part]).long().to(device) if len(words) else None
                best = nearest_words(
                    features.to(device), on_device, precision=precision, guess=guess
                )
            found[part], scores[part] = (one.cpu().numpy() for one in best)
    return found, np.maximum(rows.squared_lengths - 2 * scores, 0)


@torch.inference_mode()
def nearest_among_neighbours(
    features: np.ndarray,
    order: np.ndarray,
    starts: np.ndarray,
    centroids: torch.Tensor,
    neighbours: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest of the neighbours of each feature's word, in the order of `order`.

    Features of one word share their candidates: with n of them, a product (n, d) by (d, n_near).
    Words with about as many features go together, so that little is padded.

    Parameters
    ----------
    features : float32 (n, n_components)
    order : int64 (m,), the rows of `features` to look at, word by word
    starts : int64 (n_words + 1,), where a word's features begin in `order`
    centroids : float32 (n_words, n_components)
    neighbours : int64 (n_words, n_near), on the same device as the centroids

    Returns
    -------
    words : int64 (m,), of the features in the order of `order`
    scores : float32 (m,), ``x.c - |c|^2 / 2``
    """
    device = centroids.device
    half_norms = centroids.square().sum(dim=1) / 2
    words = torch.empty(len(order), dtype=torch.int64, device=device)
    scores = torch.empty(len(order), device=device)
    counts = np.diff(starts)
    largest_first = np.argsort(-counts, kind="stable")
    largest_first = largest_first[: np.count_nonzero(counts)]
    groups: list[np.ndarray] = []
    first = 0
    while first < len(largest_first):
        size = int(counts[largest_first[first]])
        groups.append(largest_first[first : first + max(1, _GATHERED // size)])
        first += len(groups[-1])

    def look_at(group: np.ndarray) -> None:
        # A word with fewer features has its last one again in the places left over.
        size = int(counts[group[0]])
        places = np.minimum(starts[group, None] + np.arange(size), starts[group + 1, None] - 1)
        rows = torch.from_numpy(features[order[places]]).to(device)  # (n_group, size, d)
        candidates = neighbours[torch.from_numpy(group).to(device)]  # (n_group, n_near)
        near, bias = centroids[candidates].transpose(1, 2), -half_norms[candidates][:, None]
        if device.type == "cpu":
            products = torch.from_numpy(np.matmul(rows.numpy(), near.numpy())).add_(bias)
        else:
            products = torch.baddbmm(bias, rows, near)
        best = products.max(dim=2)
        at = torch.from_numpy(places).to(device)
        words[at] = candidates.gather(1, best.indices)
        scores[at] = best.values

    for _ in alone(look_at, groups, device.type):
        pass
    return words, scores
