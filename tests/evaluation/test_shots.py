"""Frames to shots."""

from __future__ import annotations

import random

import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.evaluation import rank_groups

FRAMES = ["a1", "b1", "a2", "c1", "b2"]


def first_letter(name):
    return name[0]


def test_by_hand():
    groups, scores = rank_groups(FRAMES, [1, 2, 3, 3, 0], first_letter)
    assert groups == ["a", "c", "b"] and scores.tolist() == [3, 3, 2]  # a appears before c
    groups, scores = rank_groups(FRAMES, [0, 0, 0, 0, 0], first_letter, k=2)
    assert groups == ["a", "b"] and scores.tolist() == [0, 0]
    groups, scores = rank_groups([], [], first_letter, k=1000)
    assert groups == [] and scores.shape == (0,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.uint8])
def test_a_dictionary_and_any_dtype(dtype):
    group_of = {name: name[0] for name in FRAMES}
    groups, scores = rank_groups(FRAMES, np.array([1, 9, 3, 4, 200], dtype), group_of)
    assert groups == ["b", "c", "a"] and scores.tolist() == [200, 4, 3] and scores.dtype == dtype


def test_random_frames():
    rng = random.Random(0)
    for _ in range(100):
        names = [f"{rng.choice('abcdef')}{i}" for i in range(rng.randint(0, 20))]
        given = [rng.randint(0, 4) for _ in names]
        best = {}
        for name, score in zip(names, given):
            best[name[0]] = max(score, best.get(name[0], 0))
        firsts = list(dict.fromkeys(name[0] for name in names))
        expected = sorted(firsts, key=lambda group: (-best[group], firsts.index(group)))
        groups, scores = rank_groups(names, given, first_letter, k=4)
        assert groups == expected[:4]
        assert scores.tolist() == [best[group] for group in groups]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1, 2], r"a score of each of 5 frames, got shape \(2,\)"),
        ([[1], [2], [3], [4], [5]], r"got shape \(5, 1\)"),
        ([1, 2, 3, 4, "x"], "dtype <U"),
        ([1, 2, 3, 4, [5]], "dtype object"),
        (None, "dtype object"),
        ([1, 2, np.nan, 4, 5], "got NaN for a2"),
    ],
)
def test_bad_scores(scores, message):
    with pytest.raises(InvalidInput, match=message):
        rank_groups(FRAMES, scores, first_letter)


def test_bad_groups_and_k():
    with pytest.raises(InvalidInput, match="Expected a group of every frame, 'b1' has none"):
        rank_groups(FRAMES, range(5), {"a1": "a"})
    for k in (0, -1, 1.5, "all"):
        with pytest.raises(InvalidInput, match="number of groups >= 1, got"):
            rank_groups(FRAMES, range(5), first_letter, k=k)
