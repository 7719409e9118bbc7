"""expand="auto": expands with sure hits, where there are enough; sure hits keep their places."""

from __future__ import annotations

import numpy as np
import oracle_expansion
import pytest
from planted import ONE_SIZE

from blcf import SearchOptions
from blcf.records import Ranking
from blcf.searching import searcher as flow
from blcf.searching.outcome import Outcome
from blcf.searching.places import keep_places


def ranking(ids, scores):
    return Ranking([f"{one}.png" for one in ids], np.float32(scores), np.array(ids, np.int64))


@pytest.mark.parametrize("seed", range(10))
def test_places_equal_the_plain_twin(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 9))
    lists = [
        list(zip(rng.permutation(n).tolist(), np.sort(rng.random(n))[::-1].tolist()))
        for _ in range(2)
    ]
    n_kept = int(rng.integers(0, n + 1))
    before, after = (Outcome(name, ranking(*zip(*one))) for name, one in zip("bA", lists))
    merged = keep_places(before, after, n_kept)
    wanted = oracle_expansion.keep_places(*lists, n_kept)
    assert merged.ranking.ids.tolist() == [one for one, _ in wanted]
    np.testing.assert_allclose(merged.ranking.scores, [score for _, score in wanted], rtol=1e-5)
    assert (np.diff(merged.ranking.scores) <= 0).all()
    assert merged.kept.keys() == {one for one, _ in lists[0][:n_kept]}


def test_too_few_hits_leave_the_search_as_it_is(planted):
    """Twelve pictures are too few to tell what is sure."""
    engine = planted.engine()
    for rerank in (True, False):
        options = {"box": planted.box, "rerank": rerank, **ONE_SIZE}
        plain, auto = (
            engine.search(planted.picture, expand=how, **options) for how in ("none", "auto")
        )
        assert auto.names == plain.names
        np.testing.assert_array_equal(auto.scores, plain.scores)


@pytest.fixture
def sure(monkeypatch):
    """Half of the hits are sure, the first two very."""

    def told(outcome, options):
        sure = np.zeros(len(outcome.ranking), np.float32)
        sure[:6], sure[:2] = 0.6, 0.9
        return sure

    monkeypatch.setattr(flow, "sure_of", told)
    monkeypatch.setattr("blcf.searching.expansion.sure_of", told)
    monkeypatch.setattr("blcf.expansion.sure.ALIKE", 1.1)  # the planted objects are all alike
    monkeypatch.setattr("blcf.expansion.sure.FEWEST", 4)  # and six


@pytest.mark.parametrize("rerank_again", [True, False])
@pytest.mark.parametrize("rounds", [1, 2])
def test_sure_hits_expand_and_keep_their_places(planted, sure, rounds, rerank_again):
    engine = planted.engine()
    options = {"box": planted.box, "windows": "grid", "shares": (1,), **ONE_SIZE}
    plain = engine.search(planted.picture, expand="none", **options)
    more = {"expand": "auto", "rounds": rounds, "rerank_again": rerank_again}
    auto = engine.search(planted.picture, **more, **options)
    assert abs(auto.answer.vector - plain.answer.vector).sum() > 0.01
    assert auto.names[:2] == plain.names[:2] and sorted(auto.names) == sorted(plain.names)
    np.testing.assert_array_equal(auto.scores[:2], plain.scores[:2])
    np.testing.assert_array_equal(auto.boxes[:2], plain.boxes[:2])
    assert (np.diff(auto.scores) <= 0).all()
    for hit in auto:
        assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)


def test_hits_that_keep_their_places_are_as_sure_as_they_were(planted, monkeypatch):
    def told(outcome, options):
        """Of the first ranking: six sure; of the second, whose scores are others: other ones."""
        first = not outcome.kept
        sure = np.full(len(outcome.ranking), 0.3, np.float32)
        sure[:6], sure[:2] = (0.6, (0.95, 0.9)) if first else (0.7, 0.7)
        return sure

    monkeypatch.setattr(flow, "sure_of", told)
    monkeypatch.setattr("blcf.searching.expansion.sure_of", told)
    monkeypatch.setattr("blcf.expansion.sure.ALIKE", 1.1)
    monkeypatch.setattr("blcf.expansion.sure.FEWEST", 4)
    engine = planted.engine()
    options = {"box": planted.box, "windows": "grid", "shares": (1,), "expand": "auto", **ONE_SIZE}
    hits = engine.search(planted.picture, **options)
    sure = [hit.confidence for hit in hits]
    assert sure[:7] == pytest.approx([0.95, 0.9, *[0.6] * 4, 0.3])
    assert sure == sorted(sure, reverse=True)
    assert len(engine.search(planted.picture, min_confidence=0.8, **options)) == 2


@pytest.mark.parametrize("rerank_again", [True, False])
@pytest.mark.parametrize("n_sure", [0, 1, 2])
def test_a_round_that_finds_nothing_sure_leaves_the_query_as_it_is(
    planted, sure, monkeypatch, rerank_again, n_sure
):
    """Three rounds, of which all from some one on find nothing, are the rounds before."""
    engine, rounds = planted.engine(), []
    plain = {"box": planted.box, "windows": "grid", "shares": (1,), "expand": "none", **ONE_SIZE}
    options = {**plain, "expand": "auto", "rerank_again": rerank_again}
    wanted = engine.search(planted.picture, **options, rounds=n_sure) if n_sure else None
    wanted = wanted or engine.search(planted.picture, **plain)
    real = flow.expand

    def expand(searchable, options, vector, outcome, among):
        rounds.append(1)
        if len(rounds) > n_sure:
            return vector
        return real(searchable, options, vector, outcome, among)

    monkeypatch.setattr(flow, "expand", expand)
    found = engine.search(planted.picture, **options, rounds=3)
    assert len(rounds) == n_sure + 1
    assert found.names == wanted.names
    np.testing.assert_array_equal(found.scores, wanted.scores)
    assert (found.boxes is None) == (wanted.boxes is None)
    if found.boxes is not None:
        np.testing.assert_array_equal(found.boxes, wanted.boxes)


def test_it_is_for_what_is_reranked(planted, sure):
    assert SearchOptions().expands_locally
    engine, options = planted.engine(), {"box": planted.box, "rerank": False, **ONE_SIZE}
    plain = engine.search(planted.picture, expand="none", **options)
    auto = engine.search(planted.picture, expand="auto", **options)
    np.testing.assert_array_equal(auto.scores, plain.scores)
    assert auto.boxes is None
