"""The ranking of shards is that of one collection, whatever is asked, and whatever was changed."""

from __future__ import annotations

import importlib.util

import archive
import numpy as np
import pytest
import tiles

from blcf import Example
from blcf.errors import InvalidInput


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return archive.make_source(tmp_path_factory.mktemp("source") / "a.blcf", weighting="norm")


@pytest.fixture(scope="module", params=[1, 2, 3, 7])
def both(request, source, tmp_path_factory):
    """An engine of shards that were changed, and one of the same in one piece."""
    made = archive.make_archive(source, tmp_path_factory.mktemp("shards"), request.param)
    archive.change(made)
    with made.open() as engine, made.merge() as whole:
        yield engine, whole


@pytest.fixture(autouse=True)
def few_are_enough(monkeypatch):
    """Sizes of a query count by their hits, and hits by their like, in small collections too."""
    monkeypatch.setattr("blcf.searching.scales.LEAST", 3)


CAN_REFINE = importlib.util.find_spec("cv2") is not None
PICTURE = tiles.paint(archive.maps_of([0])[0])
BOX = (16, 16, 100, 100)


def options_of(rng):
    """A search of some kind."""
    pick = rng.choice

    def some(*values):
        return values[int(rng.integers(len(values)))]

    windows = some("votes", "votes", "grid", "all", "coarse")
    options = {
        "k": some(1, 5, 30, 1000),
        "rerank": bool(pick([True, True, False])),
        "depth": some(3, 20, 100),
        "windows": windows,
        "pyramid": windows in ("votes", "grid") and bool(pick([True, False])),
        "keep_whole": bool(pick([True, False])),
        "n_neighbours": some(0, 2, 5),
        "n_boxes": some(1, 3),
        "refine": some(None, None, "keypoints") if CAN_REFINE else None,
        "expand": some("none", "global", "local", "auto"),
        "expand_by": some("average", "alpha", "svm"),
        "n_expand": some(2, 10),
        "rerank_again": bool(pick([True, False])),
        "rounds": some(1, 2),
        "guard": some("scores", "none"),
        "query_scales": some((1,), (1, 0.5)),
        "query_flip": bool(pick([True, False])),
        "scales_by": some("alike", "gap"),
        "fusion": some("average", "max"),
        "negatives_by": some("rocchio", "svm"),
        "approximate": some(None, None, 0.2),
        "where": some(None, None, "camera = 'A'", "time > 10 AND rating < 3", "video IS NULL"),
        "min_confidence": some(0, 0, 0.3),
    }
    return options


def asked_of(rng, names):
    def some():
        if rng.integers(2):
            return Example(frame=names[int(rng.integers(len(names)))], box=BOX)
        return Example(PICTURE, box=BOX)

    asked = {"examples": [some() for _ in range(int(rng.integers(1, 3)))]}
    if rng.integers(3) == 0:
        asked["negatives"] = [some()]
    return asked


@pytest.mark.parametrize("seed", range(24))
def test_any_search_is_that_of_one_collection(both, seed):
    engine, whole = both
    rng = np.random.default_rng(seed)
    options, asked = options_of(rng), asked_of(rng, list(whole.names))
    found, expected = engine.search(**asked, **options), whole.search(**asked, **options)
    archive.same(found, expected)
    assert found.missing_shards == ()
    for row in range(0, len(expected), 7):
        mine, other = found[row].evidence(), expected[row].evidence()
        np.testing.assert_array_equal(mine.words, other.words)
        np.testing.assert_array_equal(mine.image_cells, other.image_cells)
        np.testing.assert_allclose(mine.contributions, other.contributions, atol=1e-6)
        assert found[row].facts == expected[row].facts
    for by in ("shot", "video", "near"):
        mine, other = found.group(by), expected.group(by)
        assert mine.rows == other.rows and repr(mine) == repr(other)


def test_several_rankings_at_once_are_those_of_each(both):
    mine, other = (engine.searcher.searchable.index for engine in both)
    bags, *_ = other.bags()
    for n_threads in (1, None):
        found = mine.search_many(bags[:6], 9, n_threads=n_threads)
        for one, expected, bag in zip(found, other.search_many(bags[:6], 9), bags[:6]):
            for alone in (expected, mine.search(bag, 9)):
                np.testing.assert_array_equal(one.ids, alone.ids)
                np.testing.assert_allclose(one.scores, alone.scores, atol=1e-6)
    assert mine.search_many(bags[:0]) == []
    with pytest.raises(InvalidInput, match="Use search_many for several"):
        mine.search(bags[:2])


def test_ties_are_in_the_order_of_insertion_of_all(both):
    engine, whole = both
    for frame in whole.names[5], whole.names[-1]:
        found = engine.search(frame=frame, rerank=False, k=1000)
        expected = whole.search(frame=frame, rerank=False, k=1000)
        assert len(found) == len(whole) > len(set(expected.scores.tolist())), "no ties"
        archive.same(found, expected, atol=0)


def test_many_searches_are_each_that_of_one(both):
    engine, whole = both
    queries = [Example(PICTURE, box=BOX), PICTURE, Example(frame=whole.names[3])]
    for one, other in zip(*(e.search_many(queries, k=9, progress=False) for e in both)):
        archive.same(one, other)
    query = engine.describe(PICTURE, box=BOX)
    from blcf.searching import SearchOptions

    archive.same(*(e.search_query(query, SearchOptions(k=4)) for e in (engine, whole)))


def test_pictures_have_the_same_names_numbers_and_facts(both):
    engine, whole = both
    assert list(engine.names) == list(whole.names) and len(engine) == len(whole)
    assert engine.names[3:9] == whole.names[3:9] and engine.names[-1] == whole.names[-1]
    assert repr(engine.names) == repr(whole.names)
    name = whole.names[20]
    assert name in engine and f"/pictures/{name}" in engine and "no.png" not in engine
    assert engine.names.index(name) == 20
    assert engine.facts(name) == whole.facts(name) and engine.facts(name)["camera"] in "AB"
    mine, other = engine.collection, whole.collection
    for column in ("sizes", "times", "shots", "n_bytes", "mtimes"):
        np.testing.assert_array_equal(mine.column(column), other.column(column))
    films = [
        [one.manifest["videos"][n] for n in one.column("videos") if n >= 0] for one in (mine, other)
    ]
    assert films[0] == films[1]
    assert mine.roots == other.roots
    assert sorted(mine.names_under("/pictures")) == sorted(other.names_under("/pictures"))
    ids = mine.column("ids")
    assert len(set(ids.tolist())) == len(ids) and (ids[1:] > ids[:-1]).all()
    np.testing.assert_array_equal(mine.ids_of(list(whole.names)), ids)
    np.testing.assert_array_equal(mine.matching("rating = 2"), other.matching("rating = 2"))


def test_it_says_what_it_is(both):
    engine, whole = both
    mine, other = engine.info(), whole.info()
    for key in ("n_images", "n_skipped", "n_words", "words_used", "list_lengths"):
        assert mine[key] == other[key], key
    assert mine["imbalance"] == other["imbalance"] and mine["n_shards"] >= 1
    assert {*mine["fact_columns"]} == {*other["fact_columns"]}
    assert f"{len(whole)} pictures" in repr(engine)
    assert "tile" in engine._repr_html_().lower()


def test_a_condition_that_is_none_is_said(both):
    for engine in both:
        with pytest.raises(InvalidInput, match="no such column: colour"):
            engine.search(frame=engine.names[0], where="colour = 1")
        with pytest.raises(InvalidInput, match="holds no 'nothing.png'"):
            engine.search(frame="nothing.png")
        with pytest.raises(InvalidInput, match="Nothing is known of it"):
            engine.facts("nothing.png")
