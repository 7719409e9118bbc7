"""Kernels of k-means against plain sorting and plain means."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from blcf.kernels.nearest import keep_best_bits, keep_best_scores, mean_of_groups


def best_of(scores: np.ndarray, n_kept: int) -> tuple[list, list]:
    """Words and scores of each row, best first, of equal ones the lower word first."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n_kept]
    return order.tolist(), np.take_along_axis(scores, order, axis=1).tolist()


@pytest.mark.parametrize("n_kept", [1, 2, 7])
@pytest.mark.parametrize("n_words", [7, 255, 256, 600])
def test_scores(n_kept: int, n_words: int) -> None:
    scores = np.random.default_rng(n_words).integers(-9, 90, (30, n_words)).astype(np.float32)
    top = np.full((30, n_kept), -np.inf, np.float32)
    words = np.zeros((30, n_kept), np.int32)
    for first in range(0, n_words, 300):
        block = np.ascontiguousarray(scores[:, first : first + 300])
        keep_best_scores(block, first, top, words)
    assert (words.tolist(), top.tolist()) == best_of(scores, n_kept)


def test_a_score_that_is_not_above_is_not_kept() -> None:
    top, words = np.array([[5.0], [5.0]], np.float32), np.array([[3], [3]], np.int32)
    scores = np.array([[5.0, np.nan, 4.0], [np.nan, 6.0, 6.0]], np.float32)
    keep_best_scores(scores, 10, top, words)
    assert words.tolist() == [[3], [11]] and top.tolist() == [[5.0], [6.0]]


@pytest.mark.parametrize("n_words", [2, 256, 700])
@pytest.mark.parametrize("shift", [-300.0, 0.0, 300.0])
def test_bits(n_words: int, shift: float) -> None:
    rng = np.random.default_rng(n_words)
    scores = torch.from_numpy(rng.normal(size=(30, n_words)) * 100 + shift).bfloat16()
    top = np.full((30, 2), -0x8000, np.int16)
    words = np.zeros((30, 2), np.int32)
    for first in range(0, n_words, 300):
        block = scores[:, first : first + 300].contiguous().view(torch.int16).numpy()
        keep_best_bits(block, first, top, words)
    expected = best_of(scores.float().numpy(), 2)
    assert words.tolist() == expected[0]
    bits = np.where(top < 0, top ^ 0x7FFF, top).astype(np.int16)
    assert torch.from_numpy(bits).view(torch.bfloat16).float().tolist() == expected[1]


def test_means() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(50, 3)).astype(np.float32)
    groups = rng.integers(0, 6, 40)
    groups[groups == 4] = 5  # an empty group
    places = rng.permutation(50)[:40]
    order = places[np.argsort(groups, kind="stable")]
    starts = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=6))])
    means = np.full((6, 3), 7, np.float32)
    mean_of_groups(rows, order, starts, means)
    for group in range(6):
        held = rows[places[groups == group]]
        expected = held.mean(axis=0, dtype=np.float64) if len(held) else np.full(3, 7)
        np.testing.assert_allclose(means[group], expected, rtol=1e-6)
