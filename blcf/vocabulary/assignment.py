"""Nearest visual word of each local feature, exact, in blocks that bound the memory."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch.nn.functional import linear

from blcf.kernels.nearest import keep_best_bits, keep_best_scores
from blcf.vocabulary.alone import alone

__all__ = ["as_float32", "best_words", "nearest_words", "product", "squared_distances_to"]

# A block of scores is features x words: 8 MB. From 16 MB on the allocator gives each block back to
# the system, and its pages cost three times the product: 138 instead of 400 GFLOP/s.
_FEATURES, _WORDS = 1_024, 2_048

# Features whose best words are chosen together: torch's small operations have a price of their own.
_CHOSEN = 16_384


def product(
    rows: torch.Tensor, centroids: torch.Tensor, bias: torch.Tensor | None = None
) -> torch.Tensor:
    """``rows @ centroids.T + bias``, float32 whatever the inputs are.

    In float32 on the CPU through oneDNN: 336 x 512 x 25,000 take 47 ms on one core of an AMD EPYC,
    ``torch.mm`` 97 ms (its library, MKL, leaves AVX-512 alone on AMD), numpy 97, a convolution 150.
    """
    if rows.device.type == "cpu" and rows.dtype == torch.float32 and len(rows) and _has_onednn():
        return torch.ops.mkldnn._linear_pointwise(rows, centroids, bias, "none", [], "")
    return linear(rows, centroids, bias).float()


@cache
def _has_onednn() -> bool:
    """Whether this torch has the product that `product` takes, which has no public name."""
    if not torch.backends.mkldnn.is_available():
        return False
    eye = torch.eye(3)
    try:
        found = torch.ops.mkldnn._linear_pointwise(eye, 2 * eye, eye[0], "none", [], "")
    except (AttributeError, RuntimeError):
        return False
    return torch.equal(found, 2 * eye + eye[0])


@torch.inference_mode()
def nearest_words(
    features: torch.Tensor,
    centroids: torch.Tensor,
    *,
    precision: str = "float32",
    guess: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The word whose centroid is nearest (Euclidean), the lowest number of equal ones.

    ``argmin_w |x - c_w|^2 = argmax_w (x.c_w - |c_w|^2 / 2)``: one matrix product.

    Parameters
    ----------
    features : float32 (n, n_components)
    centroids : float32 (n_words, n_components), on the same device
    precision : "float32", or "bfloat16" (on the CPU) for the product: its two best words are then
        scored in float32
    guess : int64 (n,), words that are near; it saves time and changes nothing

    Returns
    -------
    words : int64 (n,); 0 where a feature is not finite
    scores : float32 (n,), ``x.c - |c|^2 / 2`` of that word
    """
    if features.device.type == "cpu" and precision == "bfloat16":
        return _nearest_in_bfloat16(features, centroids, guess)
    least = None
    if guess is not None:
        # Less than the score by more than rounding: the word itself is found again.
        scores = _score(features, centroids, guess[:, None])[:, 0]
        lengths = torch.linalg.vector_norm(features, dim=1)
        largest = torch.linalg.vector_norm(centroids, dim=1).max()
        least = scores - 1e-4 * (lengths + largest) * largest
    words, scores = best_words(features, centroids, 1, least)
    return words[:, 0], scores[:, 0]


def best_words(
    features: torch.Tensor,
    centroids: torch.Tensor,
    n_kept: int,
    least: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest `n_kept` words of each feature, nearest first, of equal ones the lower first.

    Parameters
    ----------
    features, centroids : see `nearest_words`
    n_kept : at most n_words
    least : float32 (n,), words of this score or less are of no interest

    Returns
    -------
    words : int64 (n, n_kept)
    scores : float32 (n, n_kept)
    """
    n, device = len(features), features.device
    half_norms = centroids.square().sum(dim=1) / 2
    top_words = torch.zeros((n, n_kept), dtype=torch.int32, device=device)
    top_scores = torch.full((n, n_kept), -torch.inf, device=device)
    if least is not None:
        top_scores[:] = least[:, None]
    at_home = device.type == "cpu"
    # Few features are shared by threads as well: packing the words once more costs a block little.
    n_features = _FEATURES // 4 if n <= 4 * _FEATURES else _FEATURES
    n_features = n_features if at_home else 16 * _FEATURES

    def look(start: int) -> None:
        part = slice(start, start + n_features)
        for first in range(0, len(centroids), _WORDS):
            block = slice(first, first + _WORDS)
            scores = product(features[part], centroids[block], -half_norms[block])
            if at_home:
                keep_best_scores(
                    scores.numpy(), first, top_scores[part].numpy(), top_words[part].numpy()
                )
            else:
                _keep_best(scores, first, top_scores[part], top_words[part])

    for _ in alone(look, range(0, n, n_features), device.type):
        pass
    return top_words.long(), top_scores


def _keep_best(
    scores: torch.Tensor, first_word: int, top_scores: torch.Tensor, top_words: torch.Tensor
) -> None:
    """`keep_best_scores` by operations of torch, for any device."""
    n_kept = top_scores.shape[1]
    scores = torch.where(scores.isnan(), -torch.inf, scores)
    # Stable: of equal scores the word kept earlier stays, and the lower of a block goes first.
    values, order = torch.cat([top_scores, scores], dim=1).sort(dim=1, descending=True, stable=True)
    numbers = torch.arange(
        first_word, first_word + scores.shape[1], dtype=torch.int32, device=scores.device
    ).expand(len(scores), -1)
    top_words[:] = torch.cat([top_words, numbers], dim=1).gather(1, order[:, :n_kept])
    top_scores[:] = values[:, :n_kept]


def _nearest_in_bfloat16(
    features: torch.Tensor, centroids: torch.Tensor, guess: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    n, n_words = len(features), 2 * _WORDS
    low, bias = centroids.bfloat16(), -(centroids.square().sum(dim=1) / 2).bfloat16()
    words = torch.empty(n, dtype=torch.int64)
    scores = torch.empty(n)
    for start in range(0, n, _CHOSEN):
        part = slice(start, start + _CHOSEN)
        rows = features[part]
        top_words = np.zeros((len(rows), 2), np.int32)
        top_keys = np.full((len(rows), 2), -0x8000, np.int16)
        if guess is not None:
            near = _score(rows, centroids, guess[part, None])
            # 8 bits: less than the rounded score of the word, which is found again.
            near -= (near.abs() + 0.25) / 64
            top_words[:] = guess[part, None].numpy()
            top_keys[:] = _keys(near)

        def look_at(few: tuple[torch.Tensor, np.ndarray, np.ndarray]) -> None:
            low_rows = few[0].bfloat16()
            for first in range(0, len(low), n_words):
                block = slice(first, first + n_words)
                bits = linear(low_rows, low[block], bias[block]).view(torch.int16).numpy()
                keep_best_bits(bits, first, *few[1:])

        blocks = [slice(at, at + _FEATURES) for at in range(0, len(rows), _FEATURES)]
        for _ in alone(look_at, [(rows[few], top_keys[few], top_words[few]) for few in blocks]):
            pass
        candidates = torch.from_numpy(top_words).long().sort(dim=1).values
        exact = _score(rows, centroids, candidates)
        best = exact.argmax(dim=1, keepdim=True)
        words[part] = candidates.gather(1, best)[:, 0]
        scores[part] = exact.gather(1, best)[:, 0]
    return words, scores


def _score(features: torch.Tensor, centroids: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Scores of features, (n, d), with some words each, (n, k): float32 (n, k)."""
    near = centroids[words]  # (n, k, d)
    products = (features[:, None] * near).sum(dim=2)  # einsum's come of a library's product
    return products - near.square().sum(dim=2) / 2


def _keys(scores: torch.Tensor) -> np.ndarray:
    """Scores as the integers that `keep_best_bits` compares."""
    bits = scores.bfloat16().view(torch.int16).numpy()
    return np.where(bits < 0, bits ^ 0x7FFF, bits).astype(np.int16)


def squared_distances_to(features: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Squared distances to the nearest centroids: float32 (n,), >= 0."""
    return (features.square().sum(dim=1) - 2 * scores).clamp_(min=0)


def as_float32(array: np.ndarray | torch.Tensor, device: str) -> torch.Tensor:
    """An array as a float32 tensor on a device (no copy where none is needed)."""
    if isinstance(array, torch.Tensor):
        return array.to(device, torch.float32).contiguous()
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32).to(device)
