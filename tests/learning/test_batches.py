"""Batches of several classes, several pictures of each."""

from __future__ import annotations

import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.learning.sampling import sample_batches

SIZES = (9, 8, 4, 2, 1, 21)
CLASSES = np.random.default_rng(0).permutation(np.repeat(np.arange(len(SIZES)) * 7, SIZES))


@pytest.mark.parametrize("seed", range(5))
def test_every_picture_is_in_an_epoch(seed):
    batches = sample_batches(CLASSES, 3, 4, seed)
    drawn = np.concatenate(batches)
    left_out = set(range(len(CLASSES))) - set(drawn.tolist())
    assert all(len(one) <= 12 and len(np.unique(CLASSES[one])) > 1 for one in batches)
    # 15 groups: of 21 pictures six, and what is left of a class at the end may be alone.
    assert len(left_out) <= 12
    assert len(drawn) <= len(CLASSES) + 3 * len(SIZES)
    for one in batches:
        _, counts = np.unique(one, return_counts=True)
        assert counts.max() == 1 or len(one) - len(counts) <= 3
    again = sample_batches(CLASSES, 3, 4, seed)
    assert all(np.array_equal(a, b) for a, b in zip(batches, again))


def test_groups_are_filled_from_their_class():
    batches = sample_batches(np.repeat([0, 1, 2], (6, 5, 2)), 10, 4, 0)
    (only,) = batches
    assert np.bincount(np.repeat([0, 1, 2], (6, 5, 2))[only]).tolist() == [8, 8, 2]
    assert len(np.unique(only)) == 13


def test_a_picture_without_another_stands_twice():
    (only,) = sample_batches(np.array([0, 1, 1, 2]), 10, 3, 0)
    assert sorted(only.tolist()) == [0, 0, 1, 2, 3, 3]
    assert all(len(one) == 2 for one in sample_batches(np.arange(4), 2, 1, 0))


def test_what_does_not_fit_is_named():
    assert sample_batches(np.zeros(5, int), 2, 2, 0) == []
    with pytest.raises(InvalidInput, match="n_each"):
        sample_batches(CLASSES, 3, 0, 0)
    with pytest.raises(InvalidInput, match="classes"):
        sample_batches(CLASSES * 0.5, 3, 2, 0)
