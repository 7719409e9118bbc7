"""Late fusion of rankings."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from blcf.errors import InvalidInput
from blcf.expansion import fuse_rankings
from blcf.records import Ranking


def ranking_of(scores, boxed=True):
    """The ranking of {id: score}; the box of an image holds its id and score."""
    rows = sorted(scores.items(), key=lambda row: (-np.float32(row[1]), row[0]))
    ids = np.array([image for image, _ in rows], dtype=np.int64)
    values = np.array([score for _, score in rows], dtype=np.float32)
    boxes = np.stack([ids, values, ids + 1, values + 1], axis=1).astype(np.float32)
    return Ranking([f"{i}.jpg" for i in ids], values, ids, boxes if boxed else None)


def test_by_hand():
    one = ranking_of({7: 0.75, 2: 0.5, 5: 0.25})
    other = ranking_of({2: 0.75, 5: 0.25, 9: 0.125}, boxed=False)
    fused, came_from = fuse_rankings([one, other])
    assert fused.ids.tolist() == [2, 7, 5, 9] and came_from.tolist() == [1, 0, 0, 1]
    assert fused.scores.tolist() == [0.75, 0.75, 0.25, 0.125]
    assert fused.names == ["2.jpg", "7.jpg", "5.jpg", "9.jpg"]
    assert [hit.box is None for hit in fused] == [True, False, False, True]
    assert fused.boxes[1].tolist() == [7, 0.75, 8, 1.75]
    fused, came_from = fuse_rankings([one, other], how="mean")
    assert fused.ids.tolist() == [2, 7, 5, 9] and came_from.tolist() == [1, 0, 0, 1]
    assert fused.scores.tolist() == [0.625, 0.375, 0.25, 0.0625]


@pytest.mark.parametrize("how", ["max", "mean"])
def test_equals_the_plain_twin(how):
    rng = np.random.default_rng(0)
    for _ in range(100):
        scores = []
        for _ in range(rng.integers(1, 5)):
            ids = rng.permutation(12)[: rng.integers(0, 12)]
            scores.append({int(i): float(rng.integers(-2, 5)) / 4 for i in ids})
        rankings = [ranking_of(one) for one in scores]
        fused, came_from = fuse_rankings(rankings, how)
        twin = oracle.fuse(scores, how)
        assert [row[0] for row in twin] == fused.ids.tolist()
        assert [row[2] for row in twin] == came_from.tolist()
        np.testing.assert_allclose(fused.scores, [row[1] for row in twin], rtol=1e-6)
        assert fused.scores.dtype == np.float32 and fused.ids.dtype == np.int64
        for hit, number in zip(fused, came_from):
            ranking = rankings[number]
            place = ranking.names.index(hit.name)
            assert np.array_equal(hit.box, ranking.boxes[place])


@pytest.mark.parametrize("how", ["max", "mean"])
def test_one_ranking_is_itself_and_a_copy_changes_nothing(how):
    one = ranking_of({4: 0.5, 1: 0.5, 3: 0.75, 8: -0.25}, boxed=False)
    for rankings in ([one], [one, one, one]):
        fused, came_from = fuse_rankings(rankings, how)
        assert fused.names == one.names and np.array_equal(fused.ids, one.ids)
        assert np.array_equal(fused.scores, one.scores) and fused.boxes is None
        assert came_from.tolist() == [0] * 4
    empty, came_from = fuse_rankings([ranking_of({}), ranking_of({})], how)
    assert len(empty) == came_from.size == 0


def test_bad_values():
    one = ranking_of({1: 0.5})
    with pytest.raises(InvalidInput, match="how to be one of max, mean, got 'min'"):
        fuse_rankings([one], "min")
    with pytest.raises(InvalidInput, match="one ranking or more, got none"):
        fuse_rankings([])
    renamed = Ranking(["x.jpg"], one.scores, one.ids)
    with pytest.raises(InvalidInput, match="got image 1 as '1.jpg' and 'x.jpg'"):
        fuse_rankings([one, renamed])
    twice = Ranking(["1.jpg"] * 2, np.ones(2, np.float32), np.array([1, 1]))
    with pytest.raises(InvalidInput, match="each image once in a ranking"):
        fuse_rankings([twice])
