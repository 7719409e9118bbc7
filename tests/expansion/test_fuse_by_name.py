"""Late fusion of rankings over several collections of the same pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.expansion import fuse_by_name
from blcf.records import Ranking


def ranking_of(scores, boxes=None):
    values = np.array([*scores.values()], np.float32)
    order = np.argsort(-values, kind="stable")
    names = [[*scores][row] for row in order]
    if boxes is not None:
        nothing = [np.nan] * 4
        boxes = np.array([boxes.get(name, nothing) for name in names], np.float32)
    return Ranking(names, values[order], 100 + order, boxes)


def test_by_hand():
    one = ranking_of({"a": 0.75, "b": 0.5, "c": 0.25})
    other = ranking_of({"b": 0.75, "d": 0.5, "c": 0.25})
    fused = fuse_by_name([one, other])
    assert fused.names == ["b", "a", "c", "d"]  # the last two in the order of coming
    assert fused.scores.tolist() == [0.625, 0.375, 0.25, 0.25]
    assert fused.ids.tolist() == [1, 0, 2, 3] and fused.boxes is None
    weighed = fuse_by_name([one, other], weights=[3, 1])
    assert weighed.names == ["a", "b", "c", "d"]
    assert weighed.scores.tolist() == [0.5625, 0.5625, 0.25, 0.125]
    assert weighed.scores.dtype == np.float32 and weighed.ids.dtype == np.int64


@pytest.mark.parametrize("how", ["sum", "product"])
def test_it_is_the_plain_sum_or_product(how):
    rng = np.random.default_rng(0)
    for _ in range(30):
        n = int(rng.integers(1, 5))
        given = [
            {f"{i}": float(rng.integers(-2, 5)) / 4 for i in rng.permutation(9)[: rng.integers(9)]}
            for _ in range(n)
        ]
        weights = rng.integers(1, 4, n).tolist()
        fused = fuse_by_name([ranking_of(one) for one in given], how, weights=weights)
        names = {name for one in given for name in one}
        assert sorted(fused.names) == sorted(names)
        for hit in fused:
            scores = [one.get(hit.name, 0) for one in given]
            if how == "sum":
                wanted = sum(w * score for w, score in zip(weights, scores)) / sum(weights)
            else:
                wanted = math.prod(max(s, 0) ** (w / sum(weights)) for w, s in zip(weights, scores))
            assert hit.score == pytest.approx(wanted, abs=1e-6)
        assert (np.diff(fused.scores) <= 0).all()


def test_one_ranking_is_itself():
    one = ranking_of({"a": 0.75, "b": 0.5, "c": 0.5}, {"a": [1, 2, 3, 4]})
    for weights in (None, [0.3]):
        fused = fuse_by_name([one], weights=weights)
        assert fused.names == one.names and np.array_equal(fused.scores, one.scores)
        np.testing.assert_array_equal(fused.boxes, one.boxes)
    assert len(fuse_by_name([one[:0]])) == 0


def test_the_box_is_of_what_counts_most_and_has_one():
    one = ranking_of({"a": 0.5, "b": 0.75, "c": 0.5}, {"a": [1, 1, 2, 2], "c": [3, 3, 4, 4]})
    other = ranking_of({"a": 0.75, "b": 0.5}, {"a": [5, 5, 6, 6], "b": [7, 7, 8, 8]})
    found = {hit.name: hit.box for hit in fuse_by_name([one, other])}
    assert [found[name][0] for name in "abc"] == [5, 7, 3]
    found = {hit.name: hit.box for hit in fuse_by_name([one, other], weights=[2, 1])}
    assert [found[name][0] for name in "abc"] == [1, 7, 3]
    assert fuse_by_name([ranking_of({"a": 0.5}), other])[0].box is not None


@pytest.mark.parametrize(
    "weights", [[1], [1, 0], [1, -1], [1, np.nan], [1, np.inf], ["a", "b"], [True, True], "ab", 3]
)
def test_weights_that_are_none(weights):
    with pytest.raises(InvalidInput, match="weights above 0, one for each of 2 rankings"):
        fuse_by_name([ranking_of({"a": 0.5})] * 2, weights=weights)


def test_rankings_that_are_none():
    with pytest.raises(InvalidInput, match="how to be one of|sum, product"):
        fuse_by_name([ranking_of({"a": 0.5})], how="max")
    with pytest.raises(InvalidInput, match="one ranking or more"):
        fuse_by_name([])
    twice = Ranking(["a", "a"], np.float32([1, 0.5]), np.arange(2))
    with pytest.raises(InvalidInput, match="once in a ranking"):
        fuse_by_name([twice])
