"""The heap of the best k against sorting; interpreted as well, with the other kernels."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from blcf.kernels.top import raise_to_tiles, sort_top, take_top


def best(parts, k):
    """The best k of some parts, each (scores, scale), numbered one behind the other."""
    top_scores = np.full(k, -np.inf, dtype=np.float32)
    top_images = np.zeros(k, dtype=np.int64)
    first = 0
    for scores, scale in parts:
        offered = np.array(scores, dtype=np.float64)
        take_top(offered, np.array(scale, dtype=np.float64), first, top_scores, top_images)
        assert not offered.any() and not np.signbit(offered).any()  # wiped for the next part
        first += len(scores)
    sort_top(top_scores, top_images)
    n = int((top_scores > -np.inf).sum())
    assert (top_scores[n:] == -np.inf).all()
    return list(zip(top_images[:n].tolist(), top_scores[:n].tolist()))


def sorted_best(parts, k):
    """The plain twin, on the figures that are shown: float32."""
    shown = [
        None if np.isnan(scale) else float(np.float32(score * scale))
        for one in parts
        for score, scale in zip(*one)
    ]
    return oracle.best(dict(enumerate(shown)), k)


def whole(scores):
    return [(scores, np.ones(len(scores)))]


@pytest.mark.parametrize("n_values", [1, 2, 3, 100])
def test_every_k(n_values):
    rng = np.random.default_rng(n_values)
    for n in (*range(9), 31):
        parts = whole(rng.integers(0, n_values, n))  # ties in plenty
        for k in range(1, n + 4):  # more than there are: all, and no padding
            assert best(parts, k) == sorted_best(parts, k), (parts, k)


@pytest.mark.parametrize(
    "scores",
    [np.arange(20), -np.arange(20), np.zeros(20), np.array([-1, 0, -1, 0, 5] * 4), -np.ones(20)],
)
def test_in_order_and_equal_and_negative(scores):
    for k in (1, 2, 7, 19, 20, 25):
        assert best(whole(scores), k) == sorted_best(whole(scores), k)


def test_every_small_ranking():
    for number in range(3**5):
        parts = whole([number // 3**i % 3 for i in range(5)])
        for k in range(1, 7):
            assert best(parts, k) == sorted_best(parts, k)


def test_parts_one_after_the_other():
    rng = np.random.default_rng(1)
    for _ in range(60):
        sizes = rng.integers(0, 8, int(rng.integers(0, 6)))
        parts = [(rng.integers(-3, 4, n), rng.choice([0.0, 0.5, 1.0, np.nan], n)) for n in sizes]
        for k in (1, 2, 5, 40):
            assert best(parts, k) == sorted_best(parts, k), (parts, k)


def test_removed_images_never_appear():
    assert best([([9, 1, 9], [np.nan, 1, np.nan]), ([0], [np.nan])], 5) == [(1, 1.0)]
    assert best([([9, 1], [np.nan, np.nan])], 2) == []


def test_order_is_decided_on_the_figures_shown():
    """Two sums that differ in double precision alone are one float32: the first image leads."""
    scores = [0.1, np.nextafter(0.1, 1), np.nextafter(0.1, 0), 0.2]
    assert [image for image, _ in best(whole(scores), 4)] == [3, 0, 1, 2]
    assert [image for image, _ in best(whole(scores), 2)] == [3, 0]


def test_zeros_of_both_signs_tie():
    scores = [-0.0, 0.0, -1e-300, 0.0, 1.0, -1.0]  # the third is -0.0 in float32
    for k in range(1, 7):
        assert [image for image, _ in best(whole(scores), k)] == [4, 0, 1, 2, 3, 5][:k]


def test_numbers_beyond_32_bits():
    top_scores, top_images = np.full(2, -np.inf, dtype=np.float32), np.zeros(2, dtype=np.int64)
    take_top(np.array([1.0, 2.0, 2.0]), np.ones(3), 5_000_000_000, top_scores, top_images)
    sort_top(top_scores, top_images)
    assert top_images.tolist() == [5_000_000_001, 5_000_000_002]


@pytest.mark.parametrize("n_tiles", [1, 4, 9])
def test_the_best_tile_counts(n_tiles):
    rng = np.random.default_rng(n_tiles)
    scores, scale = rng.integers(-2, 6, (2, 7, n_tiles)).astype(np.float64)
    whole = rng.integers(-2, 20, 7).astype(np.float64)
    whole[3] = np.nan  # it is removed
    expected = [
        one if np.isnan(one) else max([one, *(a * b for a, b in zip(of_tiles, scales))])
        for one, of_tiles, scales in zip(whole.tolist(), scores.tolist(), scale.tolist())
    ]
    left = scores.ravel().copy()
    raise_to_tiles(left, scale.ravel(), n_tiles, whole)
    np.testing.assert_array_equal(whole, expected)
    assert not left.any()
