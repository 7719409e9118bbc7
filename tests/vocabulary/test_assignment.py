"""The nearest word: against the plain twin, at equal distances, whatever the size of the blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracle import nearest_word

from blcf.vocabulary import assignment
from blcf.vocabulary.assignment import best_words, nearest_words, squared_distances_to


def integers(n: int, n_components: int, *, top: int, seed: int) -> torch.Tensor:
    """Small integers: every score is exact in float32, and equal distances are many."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(0, top, (n, n_components)).astype(np.float32))


def words_of(features: torch.Tensor, centroids: torch.Tensor) -> list[int]:
    return nearest_words(features, centroids)[0].tolist()


@pytest.mark.parametrize("top", [3, 50])
@pytest.mark.parametrize("n_components", [1, 2, 7])
def test_equals_the_plain_twin(top: int, n_components: int) -> None:
    features = integers(300, n_components, top=top, seed=0)
    centroids = integers(40, n_components, top=top, seed=1)
    expected = [nearest_word(feature, centroids.tolist()) for feature in features.tolist()]
    assert words_of(features, centroids) == expected


def test_equals_the_plain_twin_on_unit_vectors() -> None:
    rng = np.random.default_rng(2)
    features, centroids = (
        torch.nn.functional.normalize(torch.from_numpy(rng.normal(size=(n, 16))).float())
        for n in (400, 60)
    )
    expected = [nearest_word(feature, centroids.tolist()) for feature in features.tolist()]
    assert words_of(features, centroids) == expected


def test_equal_distances_take_the_lowest_word() -> None:
    centroids = torch.tensor([[9.0, 9.0], [2.0, 0.0], [0.0, 2.0], [2.0, 0.0]])
    features = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0], [0.0, 2.0]])
    assert words_of(features, centroids) == [1, 1, 1, 2]
    assert words_of(features, torch.zeros(5, 2)) == [0, 0, 0, 0]


@pytest.mark.parametrize("n_cells", [1, 7, 99, 100, 101])
@pytest.mark.parametrize("n_words", [1, 3, 29, 30, 31])
def test_blocks_change_nothing(n_cells: int, n_words: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Equal distances lie across the blocks too: 4 places for 30 centroids.
    features = integers(100, 2, top=4, seed=3)
    centroids = integers(30, 2, top=2, seed=4)
    words, scores = nearest_words(features, centroids)
    monkeypatch.setattr(assignment, "_FEATURES", n_cells)
    monkeypatch.setattr(assignment, "_WORDS", n_words)
    in_blocks, scores_in_blocks = nearest_words(features, centroids)
    assert in_blocks.tolist() == words.tolist()
    assert scores_in_blocks.tolist() == scores.tolist()


def test_more_than_a_block_of_each() -> None:
    n_cells, n_words = assignment._FEATURES + 5, assignment._WORDS + 3
    centroids = torch.arange(n_words, dtype=torch.float32)[:, None] % (n_words - 1)
    features = torch.arange(n_cells, dtype=torch.float32)[:, None]
    # The last word repeats word 0, which is of another block and comes first.
    assert words_of(features, centroids) == list(range(n_cells))
    assert words_of(torch.tensor([[n_words + 8.0], [-3.0]]), centroids) == [n_words - 2, 0]


def test_scores_give_the_squared_distances() -> None:
    features = integers(50, 3, top=20, seed=5)
    centroids = integers(9, 3, top=20, seed=6)
    words, scores = nearest_words(features, centroids)
    assert words.dtype == torch.int64 and scores.dtype == torch.float32
    expected = (features - centroids[words]).square().sum(dim=1)
    assert squared_distances_to(features, scores).tolist() == expected.tolist()


def test_distances_are_never_negative() -> None:
    rng = np.random.default_rng(7)
    features = torch.from_numpy(rng.random((200, 64), dtype=np.float32) * 100)
    _, scores = nearest_words(features, features)  # rounding would give -0.1
    distances = squared_distances_to(features, scores)
    assert distances.min() >= 0 and distances.max() < 1


def test_no_features() -> None:
    words, scores = nearest_words(torch.zeros(0, 3), torch.zeros(4, 3))
    assert words.shape == scores.shape == (0,)


def unit(n: int, n_components: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    rows = torch.from_numpy(rng.normal(size=(n, n_components))).float()
    return torch.nn.functional.normalize(rows)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_guess_changes_nothing(precision: str) -> None:
    features, centroids = unit(3_000, 16, seed=0), unit(5_000, 16, seed=1)
    words, scores = nearest_words(features, centroids, precision=precision)
    others = torch.arange(3_000) % 5_000
    for guess in (words, others):
        again = nearest_words(features, centroids, precision=precision, guess=guess)
        assert torch.equal(again[0], words) and torch.equal(again[1], scores)


@pytest.mark.parametrize("scale", [0.01, 1, 2])
def test_bfloat16_finds_nearly_all(scale: float) -> None:
    # Far from unit length, scores of a feature and its nearest word are negative too.
    features, centroids = unit(2_000, 32, seed=2), scale * unit(6_000, 32, seed=3)
    words, scores = nearest_words(features, centroids)
    low_words, low_scores = nearest_words(features, centroids, precision="bfloat16")
    found = features @ centroids.T - centroids.square().sum(dim=1) / 2
    torch.testing.assert_close(low_scores, found.gather(1, low_words[:, None])[:, 0])
    assert float((low_words == words).float().mean()) > 0.97
    assert float((scores - low_scores).max()) <= 0.02 * scale * (1 + scale)


def test_a_feature_that_is_not_finite_has_word_0() -> None:
    features = torch.tensor([[np.nan, 1.0], [0.9, 1.0]])
    assert words_of(features, torch.eye(2)) == [0, 1]


@pytest.mark.parametrize("n_kept", [1, 3, 40])
def test_the_best_words_of_each(n_kept: int) -> None:
    features, centroids = integers(200, 3, top=9, seed=7), integers(40, 3, top=9, seed=8)
    words, scores = best_words(features, centroids, n_kept)
    every = features @ centroids.T - centroids.square().sum(dim=1) / 2
    expected = every.sort(dim=1, descending=True, stable=True)
    assert torch.equal(words, expected.indices[:, :n_kept])
    assert torch.equal(scores, expected.values[:, :n_kept])


@pytest.mark.parametrize("n_kept", [1, 5])
def test_by_operations_of_torch(n_kept: int) -> None:
    scores = integers(60, 30, top=12, seed=9)
    scores[3, 4] = torch.nan
    tops = torch.full((60, n_kept), -torch.inf), torch.full((60, n_kept), -torch.inf)
    words = torch.zeros((60, n_kept), dtype=torch.int32), torch.zeros((60, n_kept)).int()
    for first in (0, 10, 20):
        block = scores[:, first : first + 10]
        assignment._keep_best(block, first, tops[0], words[0])
        assignment.keep_best_scores(block.numpy(), first, tops[1].numpy(), words[1].numpy())
    assert torch.equal(*tops) and torch.equal(*words)
