"""Localisation measures by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from blcf.evaluation import best_overlaps, localise
from blcf.records import Ranking

NAN = [np.nan] * 4
SIZES = {name: (10, 10) for name in "abcd"}


def ranking(boxes):
    rows = np.array(list(boxes.values()), dtype=np.float32).reshape(-1, 4)
    n = len(boxes)
    return Ranking(list(boxes), np.zeros(n, np.float32), np.arange(n), rows)


def test_best_overlaps():
    boxes = np.array([[0, 0, 2, 2], [0, 0, 4, 4], [8, 8, 9, 9]])
    truth = np.array([[0, 0, 4, 4], [1, 0, 3, 2]])
    np.testing.assert_allclose(best_overlaps(boxes, truth), [1 / 3, 1, 0], rtol=1e-15)


def test_by_hand():
    found = ranking({"a": [0, 0, 5, 10], "b": [0, 0, 10, 10], "c": [0, 0, 5, 5]})
    truth = {
        "a": np.array([[0, 0, 5, 10]]),
        "b": np.array([[0, 0, 1, 1], [0, 0, 5, 10]]),
        "c": np.array([[5, 5, 10, 10]]),
    }
    result = localise(found, truth, SIZES)
    np.testing.assert_allclose(result.overlaps, [1, 0.5, 0])
    np.testing.assert_allclose(result.whole_image, [0.5, 0.5, 0.25])
    assert result.mean_iou == pytest.approx(0.5)
    assert result.mean_iou_whole_image == pytest.approx(1.25 / 3)
    assert result.corloc == pytest.approx(2 / 3)  # one half is enough


def test_hits_that_do_not_count():
    whole = [0, 0, 10, 10]
    found = ranking({"a": NAN, "b": whole, "c": whole, "d": whole, "e": whole})
    truth = {name: np.array([whole]) for name in "ade"} | {"c": np.empty((0, 4))}
    # a has no box, b and c no truth, e no size: d is left.
    result = localise(found, truth, SIZES)
    assert result.overlaps.tolist() == [1] and result.whole_image.tolist() == [1]


def test_the_answer_whole_picture_scores_like_the_picture():
    sizes = {"a": (40, 30)}
    found = ranking({"a": [0, 0, 40, 30]})
    result = localise(found, {"a": np.array([[10, 10, 20, 20.5]])}, sizes)
    assert result.overlaps.tolist() == result.whole_image.tolist() == [105 / 1200]


@pytest.mark.parametrize("truth", [{}, {"b": np.array([[0, 0, 1, 1]])}])
def test_nothing_localised(truth):
    result = localise(ranking({"a": [0, 0, 1, 1]}), truth, SIZES)
    assert result.overlaps.shape == result.whole_image.shape == (0,)
    for value in (result.mean_iou, result.mean_iou_whole_image, result.corloc):
        assert math.isnan(value)


def test_ranking_without_boxes():
    plain = Ranking(["a"], np.zeros(1, np.float32), np.zeros(1, int))
    assert localise(plain, {"a": np.array([[0, 0, 1, 1]])}, SIZES).overlaps.size == 0
