"""A search through the stages: several examples, negatives, order, edges, threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
import tiles
import torch
from planted import ONE_SIZE

from blcf.boxes import iou
from blcf.errors import InvalidInput
from blcf.records import Query, View
from blcf.searching.options import SearchOptions
from blcf.searching.queries import Example


def in_order(hits):
    """By score, then by order of insertion; every image once."""
    order = np.lexsort((hits.ids, -hits.scores))
    return order.tolist() == list(range(len(hits))) and len(set(hits.ids.tolist())) == len(hits)


def same(hits, others):
    assert hits.names == others.names
    np.testing.assert_array_equal(hits.scores, others.scores)
    np.testing.assert_array_equal(hits.boxes, others.boxes)


@pytest.mark.parametrize("windows", ["votes", "grid"])
def test_an_example_twice_is_the_example(planted, windows):
    options = {"windows": windows, "k": 12}
    one = Example(planted.path(2), box=(16, 0, 90, 100))
    once = planted.engine().search(examples=[one], **options)
    twice = planted.engine().search(examples=[one, one], **options)
    best = planted.engine().search(examples=[one, one], fusion="max", **options)
    same(best, once)
    assert twice.names == once.names
    np.testing.assert_allclose(twice.scores, once.scores, atol=1e-6)
    np.testing.assert_allclose(twice.boxes, once.boxes, atol=1e-3)


@pytest.mark.parametrize("options", [{"windows": "votes", "n_boxes": 2}, {"rerank": False}])
def test_the_best_of_several_rankings(planted, options):
    engine = planted.engine()
    examples = [Example(frame="01.png"), Example(frame="08.png"), Example(planted.path(9))]
    options = {**options, **ONE_SIZE}
    fused = engine.search(examples=examples, fusion="max", **options)
    alone = [engine.search(examples=[one], **options) for one in examples]
    by_id = [dict(zip(one.ids.tolist(), one)) for one in alone]
    assert in_order(fused) and len(fused) == 12
    for image_id, hit in zip(fused.ids.tolist(), fused):
        best = max((one[image_id] for one in by_id), key=lambda one: one.score)
        assert hit.score == best.score and hit.name == best.name
        for mine, other in ((hit.box, best.box), (hit.boxes, best.boxes)):
            assert (mine is None) == (other is None)
            np.testing.assert_array_equal(mine, other)
    few = engine.search(examples=examples, fusion="max", **{**options, "k": 4})
    assert few.names == fused.names[:4] and few.scores.tolist() == fused.scores[:4].tolist()


@pytest.mark.parametrize("fusion", ["average", "max"])
@pytest.mark.parametrize("by", ["rocchio", "svm"])
def test_a_negative_pushes_its_likeness_down(planted, by, fusion):
    engine = planted.engine(idf=False)  # with idf the background hardly counts
    options = {"rerank": False, "fusion": fusion, **ONE_SIZE}
    examples = [Example(planted.path(0)), Example(frame="01.png")]
    before = engine.search(examples=examples, **options)
    distractor = next(name for name in before.names if name >= "06.png")
    unwanted = [Example(frame=distractor)]
    after = engine.search(
        examples=examples, negatives=unwanted, negatives_by=by, gamma=0.5, **options
    )
    assert after.names.index(distractor) > before.names.index(distractor)
    assert after.scores[after.names.index(distractor)] < before.scores.max()
    assert len(after) == 12 and in_order(after)
    vector = after.answer.vector
    index, bags = engine.searcher.searchable.index, engine.model.bags_of_images
    sums = [
        (index.weigh(bags.encode(words)) @ vector.T).sum()
        for words in map(engine.collection.words, after.ids.tolist())
    ]
    if fusion == "average":  # one query: its products with the images, below 0 as well
        np.testing.assert_allclose(after.scores, sums, atol=1e-6)
    if by == "rocchio":
        assert sorted(after.ids[:6]) == list(range(6))
        nothing = engine.search(examples=examples, negatives=unwanted, gamma=0, **options)
        np.testing.assert_allclose(nothing.scores, before.scores, atol=1e-6)


@pytest.mark.parametrize("windows", ["votes", "grid", "all", "coarse"])
@pytest.mark.parametrize("keep_whole", [True, False])
def test_scores_below_zero_are_ordered_too(planted, windows, keep_whole):
    unwanted = [Example(planted.path(number)) for number in (0, 1)]
    options = {"windows": windows, "keep_whole": keep_whole, "gamma": 5, "depth": 6, **ONE_SIZE}
    hits = planted.engine(idf=False).search(planted.path(7), negatives=unwanted, **options)
    assert len(hits) == 12 and hits.scores[-1] < 0 and (np.diff(hits.scores) <= 0).all()


def test_a_search_without_examples_is_refused(planted):
    with pytest.raises(InvalidInput, match="one example of the object or more, got none"):
        planted.engine().searcher.search([], SearchOptions())


@pytest.mark.parametrize("windows", ["votes", "grid", "all", "coarse"])
@pytest.mark.parametrize("changes", [{}, {"keep_whole": False}])
def test_order_of_a_ranking_that_is_reranked_in_part(planted, windows, changes):
    engine = planted.engine(weighting="norm")
    options = {"box": (0, 16, 64, 64), "windows": windows, **changes}
    for number in range(6, 9):
        first = engine.search(planted.path(number), rerank=False, **{**options, **ONE_SIZE})
        hits = engine.search(planted.path(number), depth=5, **{**options, **ONE_SIZE})
        assert in_order(first) and in_order(hits[:5])
        assert (np.diff(hits.scores) <= 0).all()
        assert sorted(hits.names[:5]) == sorted(first.names[:5])
        assert hits.names[5:] == first.names[5:], "the others follow as they were"
        assert [hit.box is None for hit in hits] == 5 * [False] + 7 * [True]
        for k in (1, 3, 8):
            few = engine.search(planted.path(number), depth=5, **options, query_scales=(1,), k=k)
            # Hits that are asked for are ranked again: the depth counts, not k.
            same(few, hits[:k])
        more = engine.search(planted.path(number), depth=5, **options, query_scales=(1,), k=999)
        same(more, hits)


@pytest.mark.parametrize("expand", ["global", "local"])
@pytest.mark.parametrize("rerank", [True, False])
@pytest.mark.parametrize("by", ["average", "alpha", "svm"])
def test_expansion_of_more_hits_than_are_reranked(planted, expand, rerank, by):
    options = {"expand": expand, "rerank": rerank, "expand_by": by, "guard": "none", **ONE_SIZE}
    searched = {"image": planted.picture, "box": planted.box, "windows": "grid", **options}
    few = planted.engine().search(**searched, depth=2, n_expand=5)
    assert len(few) == 12 and (np.diff(few.scores) <= 0).all()
    assert sorted(few.ids[:6]) == list(range(6))
    again = planted.engine().search(**searched, depth=2, n_expand=99, rounds=3)
    assert len(again) == 12 and (np.diff(again.scores) <= 0).all()


def test_each_round_of_a_local_expansion_has_windows(planted):
    """What is shown makes no difference to what is searched for: a bug gave later rounds none."""
    options = {"expand": "local", "rounds": 2, "n_expand": 6, "guard": "none", "windows": "grid"}
    searched = {"image": planted.picture, "box": planted.box, **options, **ONE_SIZE}
    shown = planted.engine(idf=False).search(**searched)
    ranked = planted.engine(idf=False).search(**searched, rerank=False)
    difference = shown.answer.vector - ranked.answer.vector
    assert abs(difference).max() < 1e-12 and ranked.boxes is None


@pytest.mark.parametrize("expand", ["none", "global", "local"])
def test_hits_of_the_expanded_query_need_not_be_reranked(planted, expand):
    engine = planted.engine(idf=False)
    options = {"expand": expand, "rounds": 2, "guard": "none", "windows": "grid", **ONE_SIZE}
    both = engine.search(planted.picture, planted.box, **options)
    once = engine.search(planted.picture, planted.box, rerank_again=False, **options)
    assert abs(both.answer.vector - once.answer.vector).max() < 1e-12
    if expand == "none":
        same(once, both)
    else:
        ranking = engine.searcher.searchable.index.search(once.answer.vector, 12, weighed=True)
        assert once.names == ranking.names and once.scores.tolist() == ranking.scores.tolist()
        assert once.boxes is None and both.boxes is not None and once[0].boxes is None


@pytest.mark.parametrize("guard", ["scores", "none"])
@pytest.mark.parametrize("rerank", [True, False])
def test_guards(planted, guard, rerank):
    """The planted scenes take part, others do not: the query's own words are all that count."""
    options = {"expand": "global", "guard": guard, "rerank": rerank, "n_expand": 12, **ONE_SIZE}
    options.update(windows="grid", box=planted.box)
    plain = planted.engine().search(planted.picture, **{**options, "expand": "none"})
    hits = planted.engine().search(planted.picture, **options)
    assert sorted(hits.ids[:6]) == list(range(6))
    assert (hits.answer.vector != plain.answer.vector).nnz
    # Where nothing is found, only "none" expands.
    del options["box"]
    nothing = planted.engine().search_query(empty_query(), SearchOptions(**options))
    assert (nothing.answer.vector.nnz > 0) == (guard == "none")


def empty_query():
    view = View(np.zeros((3, 5), np.int32), np.zeros((3, 5), np.float32), sp.csr_matrix((1, 24)))
    return Query((view, view), (80, 48), np.array([0, 0, 16, 16], np.float32))


@pytest.mark.parametrize("windows", ["votes", "grid", "all", "coarse"])
def test_a_query_without_words(planted, windows):
    options = SearchOptions(windows=windows, expand="local")
    hits = planted.engine(weighting="norm").search_query(empty_query(), options)
    assert hits.ids.tolist() == list(range(12)) and not hits.scores.any()
    assert hits[0].evidence().words.size == 0 and hits[0].box is not None
    for changes in ({"pyramid": True}, {"fusion": "max"}):
        changed = SearchOptions(**{**vars(options), "windows": "grid", **changes})
        answer = planted.engine().searcher.answer([empty_query()] * 2, changed)
        assert len(answer.ranking) == 12 and not answer.ranking.scores.any()
        assert answer.evidence(11).score == 0


@pytest.mark.parametrize("windows", ["votes", "grid", "all", "coarse"])
@pytest.mark.parametrize("weighting", ["uniform", "norm"])
def test_one_picture_of_one_cell(tmp_path, windows, weighting):
    network = tiles.TileNetwork()
    network.pool = torch.nn.AvgPool2d(32)
    settings = {**tiles.SETTINGS, "side": 32, "n_words": 2, "idf": False, "weighting": weighting}
    engine = tiles.SearchEngine.create(tmp_path / "c.blcf", network, dtype="float32", **settings)
    two = [tiles.save(tmp_path / f"{name}.png", np.full((2, 2), name)) for name in (5, 9)]
    engine.add(two, root=tmp_path, progress=False)
    engine.remove(["9.png"])
    assert engine.collection.words(0).shape == (1, 1)
    options = {"windows": windows, "expand": "local", "n_boxes": 3}
    for changes in ({}, {"query_scales": (1, 3)}, {"query_flip": True, "fusion": "max"}):
        hits = engine.search(tmp_path / "5.png", box=(1, 1, 2, 2), **options, **changes)
        assert hits.names == ["5.png"] and hits[0].score == pytest.approx(1)
        assert hits[0].box.tolist() == [1, 1, 2, 2], "its own"
        assert hits[0].evidence().score == hits[0].score
    pyramid = engine.search(frame="5.png", pyramid=True, windows="grid", keep_whole=False)
    assert pyramid[0].score == pytest.approx(1)


@pytest.mark.parametrize("windows", ["votes", "grid", "all", "coarse"])
def test_a_query_larger_than_the_pictures(planted, windows):
    large = np.full((20, 30), 8)
    large[3:19, 5:29] = np.kron(planted.object, np.ones((4, 6), dtype=int))
    options = {"query_side": 480, "windows": windows, **ONE_SIZE}
    hits = planted.engine().search(tiles.paint(large), box=(80, 48, 464, 304), **options)
    assert hits.asked.queries[0].views[0].assignment_map.shape == (20, 30)
    assert sorted(hits.ids[:6]) == list(range(6)) and in_order(hits)


def test_several_boxes_of_an_object_that_is_there_twice(planted, tmp_path):
    places = [(0, 0, 4, 4), (4, 4, 8, 8)]
    scene = np.random.default_rng(1).integers(8, tiles.N_COLOURS, (8, 8))
    for x1, y1, x2, y2 in places:
        scene[y1:y2, x1:x2] = planted.object
    tiles.save(tmp_path / "scenes" / "twice.png", scene)
    for number in range(4, 8):
        tiles.save(tmp_path / "scenes" / f"{number}.png", planted.maps[number])
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(tmp_path / "scenes", progress=False)
    hits = engine.search(planted.picture, box=planted.box, n_boxes=3, **ONE_SIZE)
    by_name = {hit.name: hit for hit in hits}
    twice = by_name["twice.png"]
    assert len(twice.boxes) >= 2 and twice.box.tolist() == twice.boxes[0].tolist()
    overlaps = iou(np.array(places) * tiles.TILE, twice.boxes[:2]) > 0
    assert overlaps.sum(axis=0).tolist() == overlaps.sum(axis=1).tolist() == [1, 1]
    listed = {one["name"]: one for one in hits.to_dicts()}
    assert len(listed["twice.png"]["boxes"]) == len(twice.boxes)
    one = engine.search(planted.picture, box=planted.box, **ONE_SIZE)
    assert all(len(hit.boxes) == 1 for hit in one) and "boxes" not in one.to_dicts()[0]


@pytest.mark.parametrize("options", [{}, {"windows": "grid", "pyramid": True}])
def test_threads_search_as_one_does(planted, options):
    engine = tiles.reopen(planted.engine(weighting="norm").collection.path)
    options = {"expand": "local", "expand_by": "svm", "rounds": 2, "guard": "none", **options}

    def search(number):
        hits = engine.search(frame=f"{number % 12:02d}.png", k=12, **options)
        return hits.names, hits.scores.tolist(), hits.boxes.tolist(), hits[3].evidence().score

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(search, range(24)))
    assert together == [search(number) for number in range(24)]
