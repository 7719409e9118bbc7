"""Hits that stand out from chance."""

from __future__ import annotations

import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.expansion import trusted_hits


def test_by_hand():
    scores = [0.625, 0.375, 0.25, 0.25, 0.125]  # median .25
    assert trusted_hits(scores, margin=0.125).tolist() == [True, True, False, False, False]
    assert trusted_hits(scores, margin=0.25).tolist() == [True, False, False, False, False]
    assert trusted_hits(scores, margin=1).tolist() == [False] * 5
    assert trusted_hits(scores, margin=0).tolist() == [True, True, True, True, False]
    assert trusted_hits([]).tolist() == [] and trusted_hits([0.9]).tolist() == [False]


def test_only_the_best_hundred_say_what_chance_is():
    scores = np.concatenate([np.full(51, 0.5), np.full(49, 0.25), np.zeros(1000)])
    assert not trusted_hits(scores).any()  # the median is .5: more than half are good
    assert trusted_hits(scores[2:]).tolist() == [True] * 49 + [False] * 1049


def test_any_order_and_shift():
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.integers(0, 64, 150) / 64  # exact
        trusted = trusted_hits(scores, margin=0.25)
        order = rng.permutation(150)
        assert np.array_equal(trusted_hits(scores[order], margin=0.25), trusted[order])
        assert np.array_equal(trusted_hits(scores + 0.5, margin=0.25), trusted)
        assert trusted_hits(scores, margin=0.5).sum() <= trusted.sum()


def test_bad_values():
    with pytest.raises(InvalidInput, match="margin to be a finite number, 0 or more"):
        trusted_hits([0.5], margin=-0.1)
    with pytest.raises(InvalidInput, match=r"scores of hits of shape \(n,\) got shape \(1, 1\)"):
        trusted_hits([[0.5]])
    with pytest.raises(InvalidInput, match="scores of hits to be finite"):
        trusted_hits([np.nan])
