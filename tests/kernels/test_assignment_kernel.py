"""The kernel that interpolates scores and keeps the best words, against the oracle."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from blcf.kernels import assignment
from blcf.kernels.assignment import keep_best_words
from blcf.vocabulary.interpolation import places_of


def random_case(shape, n_words, factor, seed):
    """Small integers: sums of their halves and quarters are exact, and ties are many."""
    rng = np.random.default_rng(seed)
    n, h, w = shape

    def draw(*size):
        return rng.integers(-4, 5, size).astype(np.float32)

    return {
        "products": draw(n, h, w, n_words),
        "bias": draw(n_words),
        "half_norms": np.abs(draw(n_words)),
        "shifts": draw(n, factor * h, factor * w),
        "scales": np.abs(draw(n, factor * h, factor * w)),
    }


def kernel_words(case, factor, n_kept=1, blocks=1):
    n, height, width = case["shifts"].shape
    scores = np.full((n, height, width, n_kept), -np.inf, np.float32)
    words = np.zeros(scores.shape, np.int32)
    places = (*places_of(height, factor), *places_of(width, factor))
    for block in np.array_split(np.arange(case["bias"].size), blocks):
        part = slice(block[0], block[-1] + 1)
        keep_best_words(
            np.ascontiguousarray(case["products"][..., part]),
            case["bias"][part],
            case["half_norms"][part],
            case["shifts"],
            case["scales"],
            *places,
            part.start,
            scores,
            words,
        )
    return words, scores


def plain_scores(case, factor):
    """Scores of all words at all cells, (n, H, W, n_words)."""
    large = [
        [oracle.interpolate(one[..., w], factor) for w in range(one.shape[2])]
        for one in case["products"]
    ]
    return (
        np.moveaxis(np.array(large), 1, 3)
        - case["shifts"][..., None] * case["bias"]
        - case["scales"][..., None] * case["half_norms"]
    )


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("n_kept", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 4), (1, 5, 1), (2, 3, 4)])
def test_equals_the_plain_twin(shape, n_kept, factor):
    case = random_case(shape, 11, factor, seed=factor)
    words, scores = kernel_words(case, factor, n_kept)
    expected = plain_scores(case, factor)
    order = np.argsort(-expected, axis=3, kind="stable")[..., :n_kept]
    np.testing.assert_array_equal(words, order)  # of equal scores the lower word
    np.testing.assert_array_equal(scores, np.take_along_axis(expected, order, 3))


def test_thirds():
    case = random_case((1, 3, 4), 11, 3, seed=0)
    words, scores = kernel_words(case, 3)
    expected = plain_scores(case, 3)
    np.testing.assert_allclose(scores[..., 0], expected.max(axis=3), atol=1e-5)
    found = np.take_along_axis(expected, words.astype(np.int64), 3)
    np.testing.assert_allclose(found[..., 0], expected.max(axis=3), atol=1e-5)


@pytest.mark.parametrize("n_kept", [1, 2])
@pytest.mark.parametrize("n_words", [1, 2, assignment._TILE, 2 * assignment._TILE + 1])
def test_blocks_and_tiles_change_nothing(n_words, n_kept):
    case = random_case((1, 2, 3), n_words, 2, seed=n_words)
    whole, scores = kernel_words(case, 2, n_kept)
    expected = plain_scores(case, 2)
    np.testing.assert_array_equal(whole[..., 0], expected.argmax(axis=3))
    for blocks in {1, min(n_words, 3), n_words}:
        words, same_scores = kernel_words(case, 2, n_kept, blocks)
        np.testing.assert_array_equal(words, whole)
        np.testing.assert_array_equal(same_scores, scores)


def test_what_is_not_a_number_is_never_kept():
    case = random_case((1, 1, 2), 5, 1, seed=0)
    case["products"][0, 0, 1] = np.nan
    case["products"][0, 0, 0, 2] = np.nan
    words, scores = kernel_words(case, 1, 2)
    assert scores[0, 0, 1].tolist() == [-np.inf, -np.inf] and words[0, 0, 1].tolist() == [0, 0]
    assert 2 not in words[0, 0, 0] and np.isfinite(scores[0, 0, 0]).all()
