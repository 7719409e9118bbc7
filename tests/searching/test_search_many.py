"""Many searches at once are those searches one by one, to the last bit."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from PIL import Image

from blcf import Example
from blcf.errors import InvalidInput, UnreadableImage
from blcf.searching import asking, queries
from blcf.searching.searcher import Searcher
from blcf.threads import in_order


def same(hits, others):
    assert hits.names == others.names and hits.paths == others.paths
    np.testing.assert_array_equal(hits.scores, others.scores)
    np.testing.assert_array_equal(hits.boxes, others.boxes)
    np.testing.assert_array_equal(hits.query_box, others.query_box)
    for one, two in zip(hits.asked.queries, others.asked.queries, strict=True):
        for view, expected in zip(one.views, two.views, strict=True):
            np.testing.assert_array_equal(view.assignment_map, expected.assignment_map)
            np.testing.assert_array_equal(view.weights, expected.weights)


@pytest.fixture
def asked(planted):
    """Queries of every form: shapes, boxes, a frame, an array, bytes."""
    polygon = [(0, 0), (70, 9), (40, 80)]
    wide = np.vstack([planted.picture, planted.picture])[:, :100]
    return [
        Example(planted.path(0), box=(16, 16, 96, 80)),
        planted.path(1),
        Example(planted.picture, planted.box),
        Example(frame="03.png", box=(0, 0, 64, 64)),
        wide,
        planted.path(2).read_bytes(),
        Example(wide, polygon=polygon, how="soft"),
        str(planted.path(4)),
        Example(planted.path(0), mask=np.eye(128)),
        Image.open(planted.path(5)),
    ]


@pytest.mark.parametrize("options", [{}, {"query_flip": True, "expand": "local", "depth": 5}])
def test_many_are_those_one_by_one(planted, asked, options, monkeypatch):
    engine = planted.engine(weighting="norm")
    monkeypatch.setattr(queries, "_TOGETHER", 4)  # more than one batch
    found = engine.search_many((one for one in asked), k=7, progress=False, **options)
    assert len(found) == len(asked)
    for one, hits in zip(asked, found):
        examples = [one if isinstance(one, Example) else Example(one)]
        alone = engine.search(examples=examples, k=7, **options)
        same(hits, alone)
        assert hits[2].evidence().score == alone[2].evidence().score
        assert len(hits) == 7


def test_pictures_of_one_shape_share_a_batch(planted, monkeypatch):
    engine, sizes = planted.engine(), []
    forward = engine.model.extractor._forward

    def counted(images):
        sizes.append(len(images))
        return forward(images)

    monkeypatch.setattr(engine.model.extractor, "_forward", counted)
    engine.search_many([planted.path(n) for n in range(6)], progress=False, query_scales=(1, 0.5))
    assert sizes == [6, 6]


def test_no_queries_are_no_hits(planted):
    assert planted.engine().search_many([], progress=False) == []


def test_frames_need_no_network(planted, monkeypatch):
    engine = planted.engine()
    monkeypatch.delattr(type(engine.model), "extractor")
    (hits,) = engine.search_many([Example(frame="03.png")], progress=False, rerank=False)
    assert hits[0].name == "03.png"


@pytest.mark.parametrize(
    ("bad", "kind", "message"),
    [
        ("none.png", UnreadableImage, "Query 2 .0 is the first.: none.png: there is no such file"),
        (Example("00.png", box=(9, 9, 1, 1)), InvalidInput, "Query 2 .*: .*no such file"),
        (Example(frame="x.png"), InvalidInput, "Query 2 .*: Expected pictures of .* no 'x.png'"),
        (5, InvalidInput, "Query 2 .*: Expected a picture: .* got int"),
        (np.zeros((9, 9)), InvalidInput, "Query 2 .*: .* got float64"),
    ],
)
def test_a_bad_query_is_named_by_its_place(planted, bad, kind, message):
    good = planted.path(0)
    with pytest.raises(kind, match=message) as caught:
        planted.engine().search_many([good, good, bad, good], progress=False)
    assert getattr(caught.value, "reason", "") in str(caught.value)


@pytest.mark.parametrize("one", ["a.png", b"GIF89a", np.zeros((64, 64, 3), np.uint8), 5])
def test_one_query_is_no_list(planted, one):
    with pytest.raises(InvalidInput, match="Expected several queries in a list, got one"):
        planted.engine().search_many(one)


def test_options_are_checked_first(planted):
    with pytest.raises(InvalidInput, match="Expected k to be an integer from 1"):
        planted.engine().search_many(["none.png"], k=0)


def test_a_picture_of_any_form(planted):
    engine = planted.engine()
    expected = engine.search(planted.path(0), planted.box)
    with Image.open(planted.path(0)) as image:
        forms = [image, np.asarray(image), planted.path(0).read_bytes(), str(planted.path(0))]
        rgba = np.dstack([np.asarray(image), np.full((128, 128), 255, np.uint8)])
        for form in [*forms, rgba]:
            hits = engine.search(form, planted.box)
            same(hits, expected)
            assert hits.query is form or hits.query == planted.path(0)
            bag = engine.describe(form, planted.box).bag
            assert (bag != expected.asked.queries[0].bag).nnz == 0
    grey = np.asarray(Image.open(planted.path(0)).convert("L"))
    same(engine.search(grey), engine.search(np.dstack([grey] * 3)))
    hits.plot()  # a picture that was given as an array of four channels
    with pytest.raises(UnreadableImage, match="a picture of 3 bytes: it is not a picture"):
        engine.search(b"abc")


def test_searches_run_beside_each_other_each_in_one_thread(planted, monkeypatch):
    """Two searches wait for each other: one after the other they never would end."""
    both, threads = threading.Barrier(2), set()
    answer = Searcher.answer

    def met(self, *arguments):
        both.wait(60)
        threads.add(threading.get_ident())
        assert (
            list(in_order(lambda _: threading.get_ident(), range(3), 3))
            == [threading.get_ident()] * 3
        )
        return answer(self, *arguments)

    engine = planted.engine()
    frames = [Example(frame=f"{number:02d}.png") for number in range(4)]
    expected = [engine.search(examples=[one]).names for one in frames]
    monkeypatch.setattr(asking, "n_cores", lambda: 2)
    monkeypatch.setattr(Searcher, "answer", met)
    found = engine.search_many(frames, progress=False)
    assert [hits.names for hits in found] == expected
    assert len(threads) == 2


def test_a_search_that_fails_ends_the_others(planted, monkeypatch):
    answer = Searcher.answer

    def failing(self, queries, *arguments):
        if queries[0].frame == "01.png":
            raise UnreadableImage("01.png: it was taken away")
        return answer(self, queries, *arguments)

    monkeypatch.setattr(Searcher, "answer", failing)
    frames = [Example(frame=f"{number:02d}.png") for number in range(4)]
    with pytest.raises(UnreadableImage, match="it was taken away"):
        planted.engine().search_many(frames, progress=False)
    assert not [one for one in threading.enumerate() if one.name.startswith("blcf-read-ahead")]
