"""The value types: how a ranking is read, and the aspect of a query."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from blcf.errors import InvalidInput
from blcf.records import Evidence, Hit, Query, Ranking, View


def ranking(n=3, boxes=None):
    names = [f"{i}.jpg" for i in range(n)]
    scores = (1 - np.arange(n) / 16).astype(np.float32)
    return Ranking(names, scores, np.arange(n)[::-1].copy(), boxes)


def test_positions():
    three = ranking()
    assert len(three) == 3 and bool(three)
    assert isinstance(three[0], Hit)
    assert (three[0].name, three[0].score, three[0].box) == ("0.jpg", 1.0, None)
    assert type(three[1].score) is float
    assert three[-1].name == three[2].name == "2.jpg"
    assert three[np.int64(1)].name == "1.jpg"
    for position in (3, -4):
        with pytest.raises(IndexError):
            three[position]


@pytest.mark.parametrize("part", [slice(0, 2), slice(None), slice(5, 9), slice(None, None, -1)])
def test_slices_are_rankings(part):
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    cut = ranking(boxes=boxes)[part]
    assert isinstance(cut, Ranking)
    assert cut.names == ["0.jpg", "1.jpg", "2.jpg"][part]
    assert cut.scores.tolist() == [1, 0.9375, 0.875][part]
    assert cut.ids.tolist() == [2, 1, 0][part]
    assert cut.boxes.tolist() == boxes.tolist()[part]
    assert ranking()[part].boxes is None


def test_iteration():
    hits = list(ranking())
    assert [hit.name for hit in hits] == ["0.jpg", "1.jpg", "2.jpg"]
    assert [hit.name for hit in reversed(ranking())] == ["2.jpg", "1.jpg", "0.jpg"]
    assert list(ranking(0)) == [] and not ranking(0)


def test_row_of_nan_is_no_box():
    boxes = np.array([[1, 2, 3, 4], [np.nan] * 4, [5, 6, 7, 8]], dtype=np.float32)
    boxed = ranking(boxes=boxes)
    assert boxed[0].box.tolist() == [1, 2, 3, 4]
    assert boxed[1].box is None
    assert [hit.box is None for hit in boxed] == [False, True, False]
    assert boxed[1:][0].box is None


def test_repr_shows_ten():
    assert repr(ranking(0)) == "Ranking of 0 images"
    assert repr(ranking(2)).splitlines() == [
        "Ranking of 2 images",
        "    1  1.0000  0.jpg",
        "    2  0.9375  1.jpg",
    ]
    lines = repr(ranking(13)).splitlines()
    assert len(lines) == 12 and lines[0] == "Ranking of 13 images" and lines[-1] == "  ... 3 more"
    assert "more" not in repr(ranking(10))


def test_repr_is_short():
    box = np.array([1, 2, 30.26, 4], dtype=np.float32)
    assert repr(Hit("a.jpg", 0.5)) == "Hit('a.jpg', score=0.5000, box=None)"
    explained = Hit("a.jpg", 0.5, box, np.stack([box] * 9), lambda: None)
    assert repr(explained) == "Hit('a.jpg', score=0.5000, box=[1.0, 2.0, 30.3, 4.0])"
    view = View(np.zeros((2, 2), np.int32), np.ones((2, 2), np.float32), sp.csr_matrix((1, 4)))
    text = "Query(1 view of a picture of 40x30 pixels, box=[1.0, 2.0, 30.3, 4.0])"
    assert repr(Query((view,), (40, 30), box)) == text
    text = "Query(2 views of a picture of 40x30 pixels, box=None)"
    assert repr(Query((view, view), (40, 30), None)) == text
    cells = np.zeros((3, 3), dtype=np.int32)
    found = Evidence(np.array([5, 5, 7]), cells, cells[:, 1:], np.ones(3) / 8, ((1, 1),), (1, 1))
    assert repr(found) == "Evidence(score=0.3750, 3 pairs of 2 words)"


def test_aspect_and_bag_of_a_query():
    bag = sp.csr_matrix((1, 4), dtype=np.float32)
    view = View(np.zeros((2, 2), dtype=np.int32), np.ones((2, 2), dtype=np.float32), bag)
    box = np.array([10, 10, 40, 20], dtype=np.float32)
    assert Query((view,), (400, 100), None).aspect == 4
    assert Query((view,), (400, 100), box).aspect == 3
    assert Query((view,), (400, 100), box).bag is bag


def test_evidence_is_that_of_an_engine():
    with pytest.raises(InvalidInput, match="Expected a hit of SearchEngine.search"):
        ranking()[0].evidence()
    made = Evidence(*[np.zeros(0)] * 4, ((1, 1),), (1, 1))
    assert Hit("a.jpg", 1.0, explain=lambda: made).evidence() is made


def test_heat_and_score_of_evidence():
    evidence = Evidence(
        np.array([5, 5, 7, 2]),
        np.array([[0, 1, 0], [1, 2, 1], [-1, -1, -1], [0, 1, 0]]),
        np.array([[3, 0], [3, 0], [0, 1], [1, 1]]),
        np.array([0.5, 0.25, 0.125, -0.0625]),
        ((1, 2), (2, 3)),
        (2, 4),
    )
    assert evidence.score == 0.8125
    assert evidence.image_heat().tolist() == [[0, 0, 0, 0.75], [0.125, -0.0625, 0, 0]]
    assert evidence.query_heat().tolist() == [[0, 0.4375]]
    assert evidence.query_heat(1).tolist() == [[0, 0, 0], [0, 0, 0.25]]
    for example in (-1, 2):
        with pytest.raises(InvalidInput, match=f"one of 2 examples, 0 the first, got {example}"):
            evidence.query_heat(example)
