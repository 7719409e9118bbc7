"""How much each size of a query counts."""

from __future__ import annotations

import numpy as np
import oracle_expansion
import pytest

from blcf import Example, SearchOptions
from blcf.expansion import joint_query
from blcf.searching import scales
from blcf.searching.queries import describe_examples
from blcf.searching.scales import shares_of_gaps, sizes_of

GAP = {"scales_by": "gap", "query_scales": (1, 0.5, 2)}


def test_shares_are_the_oracle():
    rng = np.random.default_rng(0)
    for _ in range(100):
        scores = [
            np.sort(rng.exponential(0.1, int(rng.integers(90, 260))))[::-1].astype(np.float32)
            for _ in range(int(rng.integers(2, 7)))
        ]
        sizes = rng.uniform(0.2, 2, len(scores)).tolist()
        found = shares_of_gaps(scores, sizes)
        wanted = oracle_expansion.shares_of_gaps(scores, sizes)
        np.testing.assert_allclose(found, wanted, rtol=1e-5)
        assert np.mean(found) == pytest.approx(1)
    flat = np.full(150, 0.3, np.float32)
    assert shares_of_gaps([flat, flat], [1, 0.5]) == [1, 1]  # nothing stands out
    steep = np.append(np.full(31, 0.9), np.full(150, 0.1))
    assert shares_of_gaps([flat, steep], [1, 0.5]) == [0, 2]
    small, large = shares_of_gaps([steep, steep], [0.35, 1])
    assert small > large  # of equal gaps that of a small size says more


def test_sizes_are_those_that_were_asked_for(planted):
    engine = planted.engine()
    asked = describe_examples(
        engine.searcher.searchable, [Example(planted.picture)], SearchOptions(**GAP)
    )
    assert sizes_of(asked.queries[0]) == pytest.approx([1, 0.5, 2], rel=0.15)


@pytest.fixture
def few_are_enough(monkeypatch):
    for name, value in {"BEST": 2, "AMONG": 12, "LEAST": 3}.items():
        monkeypatch.setattr(scales, name, value)


def test_a_search_by_gaps(planted, few_are_enough):
    engine = planted.engine(weighting="norm")
    index = engine.searcher.searchable.index
    hits = engine.search(planted.picture, planted.box, **GAP)
    query = hits.asked.queries[0]
    views = query.views
    scores = [index.search(index.weigh(view.bag), 12, weighed=True).scores for view in views]
    shares = shares_of_gaps(scores, sizes_of(query))
    assert len(set(shares)) > 1
    vectors = [index.weigh(view.bag) for view in views]
    wanted = joint_query(scales.sp.vstack(vectors, format="csr"), shares)
    assert abs(hits.answer.vector - wanted).max() < 1e-12
    for hit in hits:
        assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)


def test_of_one_size_or_few_pictures_all_count_alike(planted):
    engine = planted.engine(weighting="norm")
    for options in ({}, {"query_scales": (1,)}):
        alike = engine.search(planted.picture, scales_by="alike", **options)
        by_gap = engine.search(planted.picture, **options)  # the default
        np.testing.assert_array_equal(alike.scores, by_gap.scores)
        assert alike.names == by_gap.names


def test_a_picture_of_the_collection_still_comes_first(planted, few_are_enough):
    engine = planted.engine(weighting="norm", idf=False)
    for number in (6, 9):
        hits = engine.search(planted.path(number), box=(33, 40, 118, 90), **GAP)
        assert hits[0].name == f"{number:02d}.png"
        assert hits[0].score == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "more",
    [{}, {"fusion": "max"}, {"expand": "local", "guard": "none"}, {"pyramid": True}],
    ids=str,
)
def test_with_other_options(planted, few_are_enough, more):
    engine = planted.engine(weighting="norm")
    examples, negatives = [Example(planted.path(3))], [Example(planted.path(8))]
    hits = engine.search(
        planted.picture, planted.box, examples=examples, negatives=negatives, **GAP, **more
    )
    assert len(hits) and (np.diff(hits.scores) <= 1e-6).all()
