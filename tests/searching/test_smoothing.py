"""A search whose reranked hits are scored among their like."""

from __future__ import annotations

import numpy as np
import oracle_expansion
import pytest
from planted import ONE_SIZE

from blcf import Example
from blcf.rerank.neighbours import WEIGHT, smoothed_scores
from blcf.searching import reranker, scales


@pytest.fixture
def few_are_enough(monkeypatch):
    monkeypatch.setattr(scales, "LEAST", 3)


@pytest.fixture
def given(monkeypatch):
    """What is smoothed, in the order of the ranking."""
    seen = []

    def smooth(scores, vectors, n_neighbours):
        seen.append((scores, vectors, n_neighbours))
        return smoothed_scores(scores, vectors, n_neighbours)

    monkeypatch.setattr(reranker, "smoothed_scores", smooth)
    return seen


@pytest.mark.parametrize("windows", ["votes", "grid"])
def test_scores_are_the_oracle(planted, few_are_enough, given, windows):
    engine = planted.engine(weighting="norm")
    options = {"windows": windows, "scales_by": "alike", **ONE_SIZE}
    plain = engine.search(planted.picture, n_neighbours=0, **options)
    assert not given
    hits = engine.search(planted.picture, n_neighbours=2, **options)
    ((scores, vectors, n_neighbours),) = given
    assert n_neighbours == 2
    np.testing.assert_array_equal(np.sort(scores)[::-1], plain.scores)
    wanted = oracle_expansion.smoothed_scores(scores, vectors.toarray(), 2, WEIGHT)
    wanted = np.where(scores > 0, wanted, scores)  # what shares no word with the query stays
    np.testing.assert_allclose(hits.scores, np.sort(wanted)[::-1], rtol=1e-6)
    assert sorted(hits.names[:6]) == sorted(plain.names[:6])
    assert windows == "grid" or (hits.scores != plain.scores).any()
    for hit in hits:
        before = next(one for one in plain if one.name == hit.name)
        np.testing.assert_array_equal(hit.box, before.box)
        assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)


def test_of_few_pictures_scores_stay(planted, given):
    engine = planted.engine(weighting="norm")
    engine.search(planted.picture, planted.box, **ONE_SIZE)
    assert not given


def test_those_behind_the_head_score_no_more(planted, few_are_enough):
    engine = planted.engine(weighting="norm")
    whole = engine.search(planted.picture, rerank=False, **ONE_SIZE)
    hits = engine.search(planted.picture, depth=5, **ONE_SIZE)
    assert hits.names[5:] == whole.names[5:] and (np.diff(hits.scores) <= 0).all()
    assert (hits.scores[5:] == np.minimum(whole.scores[5:], hits.scores[4])).all()


def test_a_picture_of_the_collection_still_comes_first(planted, few_are_enough):
    engine = planted.engine(weighting="norm", idf=False)
    for number in (3, 9):
        hits = engine.search(planted.path(number), box=(33, 40, 118, 90))
        assert hits[0].name == f"{number:02d}.png"
        assert hits[0].score == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "more",
    [{"fusion": "max"}, {"expand": "local"}, {"expand": "auto"}, {"pyramid": True}, {"gamma": 5}],
    ids=str,
)
def test_with_other_options(planted, few_are_enough, more):
    engine = planted.engine(weighting="norm", idf=False)
    examples, negatives = [Example(planted.path(3))], [Example(planted.path(8))]
    hits = engine.search(
        planted.picture, planted.box, examples=examples, negatives=negatives, **more
    )
    assert len(hits) == 12 and (np.diff(hits.scores) <= 0).all() and hits.scores[0] <= 1
