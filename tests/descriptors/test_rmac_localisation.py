"""Localisation by integral max pooling, and the reranking by regions."""

from __future__ import annotations

import math

import numpy as np
import oracle_integral
import pytest

from blcf.descriptors import RMAC
from blcf.descriptors.localisation import approximate_max_pool, localise_descriptor
from blcf.descriptors.pooling import max_pool
from blcf.descriptors.reranking import RmacReranker
from blcf.errors import InvalidInput
from blcf.expansion.average import average_descriptor
from blcf.index import FlatIndex


def random_map(rng, n_channels=24, h=8, w=10):
    values = rng.exponential(20, (n_channels, h, w)) * (rng.random((n_channels, h, w)) < 0.15)
    return values.astype(np.float32)


def planted(rng, h=14, w=18, n_channels=24):
    """A map with an object of its own channels in it, the query's maxima, and where it is."""
    feature_map = random_map(rng, n_channels, h, w)
    feature_map[: n_channels // 2] *= 0.1
    height, width = 5, 6
    y, x = int(rng.integers(0, h - height + 1)), int(rng.integers(0, w - width + 1))
    part = rng.uniform(20, 60, (n_channels // 2, height, width)).astype(np.float32)
    feature_map[:, y : y + height, x : x + width] = 0
    feature_map[: n_channels // 2, y : y + height, x : x + width] = part
    query = np.zeros((n_channels, height, width), dtype=np.float32)
    query[: n_channels // 2] = part
    return feature_map, query, (x, y, x + width, y + height)


def overlap(one, other):
    width = max(0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (one, other)]
    return width * height / (sum(areas) - width * height)


def test_pooling_is_near_the_maximum():
    rng = np.random.default_rng(0)
    for scale in (1e-30, 1.0, 1e30):
        feature_map = (random_map(rng, 6) * np.float32(scale)).astype(np.float32)
        for rectangle in oracle_integral.every_rectangle(8, 10)[::37]:
            pooled = approximate_max_pool(feature_map, rectangle)
            assert pooled.dtype == np.float32
            x1, y1, x2, y2 = rectangle
            exact = feature_map[:, y1:y2, x1:x2].max(axis=(1, 2))
            n_cells = (x2 - x1) * (y2 - y1)
            least = 0.03 * feature_map.max(axis=(1, 2))  # below it nothing may be left
            assert (pooled <= exact * n_cells**0.1 * 1.0001).all()
            assert (pooled[exact > least] >= exact[exact > least] * 0.99).all()
            nearer = approximate_max_pool(feature_map, rectangle, alpha=40)
            high = exact > 0.6 * feature_map.max(axis=(1, 2))
            most = n_cells ** (1 / 40) - 1
            np.testing.assert_allclose(nearer[high], exact[high], rtol=most + 0.01)


def test_the_score_is_near_that_of_exact_maxima():
    """Every rectangle of small maps: the paper's figure 3 has cosines near .99 too."""
    rng, gaps = np.random.default_rng(1), []
    for _ in range(4):
        feature_map, query = random_map(rng, 12, 5, 6), rng.random(12)
        for rectangle in oracle_integral.every_rectangle(5, 6):
            near = approximate_max_pool(feature_map, rectangle)
            exact = oracle_integral.score(feature_map.tolist(), query.tolist(), rectangle)
            gaps.append(abs(oracle_integral.cosine(query.tolist(), near.tolist()) - exact))
    assert np.mean(gaps) < 0.01 and max(gaps) < 0.06


def test_the_window_is_at_least_as_good_as_the_grid_and_at_most_the_best():
    rng, shares = np.random.default_rng(2), []
    for _ in range(6):
        feature_map, query = random_map(rng, 12, 7, 8), rng.random(12)
        window = localise_descriptor(feature_map, query)

        def score_of(rectangle, feature_map=feature_map, query=query):
            pooled = approximate_max_pool(feature_map, rectangle)
            return oracle_integral.cosine(query.tolist(), pooled.tolist())

        assert window.score == pytest.approx(score_of(window.cells), abs=1e-6)
        coarse = localise_descriptor(feature_map, query, refine=0)
        start = max(score_of(one) for one in oracle_integral.grid(7, 8, 3, 0, 1.1))
        assert coarse.score == pytest.approx(start, abs=1e-6)
        best = max(score_of(one) for one in oracle_integral.every_rectangle(7, 8))
        assert start - 1e-6 <= window.score <= best + 1e-6
        full = localise_descriptor(feature_map, query, step=1, refine=0)
        assert full.score == pytest.approx(best, abs=1e-6)
        shares.append(window.score / best)
    assert np.mean(shares) > 0.97


def test_planted_objects_are_found():
    rng, overlaps = np.random.default_rng(3), []
    for _ in range(20):
        feature_map, query, truth = planted(rng)
        window = localise_descriptor(feature_map, max_pool(query), aspect=6 / 5)
        overlaps.append(overlap(window.cells, truth))
    assert np.mean(overlaps) > 0.6


def test_scale_order_of_channels_and_unused_channels_change_nothing():
    rng = np.random.default_rng(4)
    feature_map, query, _ = planted(rng)
    mac = max_pool(query)
    window = localise_descriptor(feature_map, mac, aspect=1.2)
    for scale in (2.0**-100, 2.0**80):
        scaled = localise_descriptor(feature_map * np.float32(scale), mac * 8, aspect=1.2)
        assert scaled.cells == window.cells and scaled.score == pytest.approx(window.score)
    more = np.concatenate([feature_map, np.zeros_like(feature_map[:3])])
    wider = localise_descriptor(more, np.append(mac, np.zeros(3)).astype(np.float32), aspect=1.2)
    assert wider == window
    transposed = localise_descriptor(np.ascontiguousarray(feature_map.transpose(0, 2, 1)), mac)
    assert transposed.score == pytest.approx(localise_descriptor(feature_map, mac).score, abs=0.05)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (9, 1), (2, 11)])
def test_maps_too_small_for_the_grid(shape):
    feature_map = random_map(np.random.default_rng(5), 6, *shape) + 1
    window = localise_descriptor(feature_map, np.ones(6), aspect=30)
    x1, y1, x2, y2 = window.cells
    assert 0 <= x1 < x2 <= shape[1] and 0 <= y1 < y2 <= shape[0] and window.score > 0


def test_nothing_active():
    empty = np.zeros((3, 4, 5), dtype=np.float32)
    assert localise_descriptor(empty, np.ones(3)).score == 0
    assert localise_descriptor(empty + 1, np.zeros(3)).score == 0
    assert not approximate_max_pool(empty, (0, 0, 5, 4)).any()


MAP = np.ones((3, 4, 5), dtype=np.float32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aspect": 0}, "aspect, width over height, to be above 0, got 0"),
        ({"aspect": math.nan}, "aspect"),
        ({"max_aspect_change": 0.9}, "max_aspect_change to be 1 or more, got 0.9"),
        ({"max_aspect_change": math.nan}, "max_aspect_change"),
        ({"step": 0}, "step"),
        ({"refine": -1}, "refine"),
        ({"n_rounds": 1.5}, "n_rounds"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": 101}, "alpha to be an integer of 1 to 100"),
        ({"feature_map": -MAP}, "activations >= 0 for integral max pooling, got -1"),
        ({"feature_map": MAP[0]}, "feature map"),
        ({"feature_map": MAP * np.float32(np.nan)}, "finite"),
        ({"query": np.ones(4)}, r"a query of 3 finite numbers.*ndarray of shape \(4,\)"),
        ({"query": [1, 2, 3]}, "got list"),
        ({"query": np.array([1, np.inf, 0])}, "a query of 3 finite numbers"),
    ],
)
def test_bad_arguments(options, message):
    arguments = {"feature_map": MAP, "query": np.ones(3), **options}
    with pytest.raises(InvalidInput, match=message):
        localise_descriptor(**arguments)


@pytest.mark.parametrize(
    "cells", [(0, 0, 6, 4), (0, 0, 0, 4), (-1, 0, 2, 2), (0, 0, 2), (0.5, 0, 1, 1)]
)
def test_bad_rectangles(cells):
    with pytest.raises(InvalidInput, match="Expected a rectangle"):
        approximate_max_pool(MAP, cells)


@pytest.fixture(scope="module")
def collection():
    """Thirty images, every third with the object of image 0; their maps, names and sizes."""
    rng = np.random.default_rng(6)
    first, query, truth = planted(rng)
    x1, y1, x2, y2 = truth
    maps, truths = {}, {}
    for i in range(30):
        feature_map, name = random_map(rng, 24, 14, 18), f"{i}.jpg"
        if i % 3 == 0:
            y, x = int(rng.integers(0, 10)), int(rng.integers(0, 13))
            feature_map[:, y : y + 5, x : x + 6] = first[:, y1:y2, x1:x2]
            truths[name] = (x, y, x + 6, y + 5)
        maps[name] = feature_map
    return maps, truths, query


def searched(collection, k=30):
    maps, _, query = collection
    rmac = RMAC(n_components=12)
    rows = rmac.fit_transform(list(maps.values()))
    index = FlatIndex(rows.shape[1]).add(list(maps), rows)
    return rmac, index.search(rmac.transform([query])[0], k)


def test_reranking_by_hand(collection):
    """R: the cosine of the descriptors of the regions; QE: of the mean of the best five."""
    maps, truths, query = collection
    rmac, ranking = searched(collection)
    once = RmacReranker(rmac, n_expand=0).rerank(ranking, query, lambda n: (maps[n], (180, 140)))
    assert sorted(once.names) == sorted(maps) and once.boxes.dtype == np.float32
    vector, rows = rmac.transform([query])[0], []
    for hit in once:
        window = localise_descriptor(maps[hit.name], max_pool(query), aspect=6 / 5)
        assert hit.box.tolist() == [10 * edge for edge in window.cells]
        x1, y1, x2, y2 = window.cells
        rows.append(rmac.transform([maps[hit.name][:, y1:y2, x1:x2]])[0])
    np.testing.assert_allclose(once.scores, rows @ vector, atol=1e-6)
    assert (np.diff(once.scores) <= 0).all()
    twice = RmacReranker(rmac).rerank(ranking, query, lambda n: (maps[n], (180, 140)))
    scores = np.array(rows) @ average_descriptor(vector, np.array(rows[:5]))
    order = np.argsort(-scores, kind="stable")
    assert twice.names == [once.names[i] for i in order]
    np.testing.assert_allclose(twice.scores, scores[order], atol=1e-6)
    np.testing.assert_array_equal(twice.boxes, once.boxes[order])
    overlaps = [
        overlap(once[i].box / 10, truths[name])
        for i, name in enumerate(once.names)
        if name in truths
    ]
    assert len(overlaps) == 10 and np.mean(overlaps) > 0.5
    assert set(twice.names[:8]) <= set(truths)


def test_aspect_in_pixels(collection):
    """Cells of a picture that was squeezed: the ratio is that of pixels."""
    maps, _, query = collection
    rmac, ranking = searched(collection, k=3)
    reranker = RmacReranker(rmac, n_expand=0)
    plain = reranker.rerank(ranking, query, lambda n: (maps[n], (180, 140)), aspect=1.2)
    squeezed = reranker.rerank(ranking, query, lambda n: (maps[n], (360, 140)), aspect=2.4)
    np.testing.assert_array_equal(squeezed.boxes, plain.boxes * [2, 1, 2, 1])


@pytest.mark.parametrize("depth", [1, 7, 29, 30, 1000])
def test_hits_behind_the_depth_follow_as_they_were(collection, depth):
    maps, _, query = collection
    rmac, ranking = searched(collection)
    opened = []

    def open_map(name):
        opened.append(name)
        return maps[name], (180, 140)

    reranked = RmacReranker(rmac, depth=depth).rerank(ranking, query, open_map)
    assert opened == ranking.names[:depth]
    assert reranked.names[depth:] == ranking.names[depth:]
    assert sorted(reranked.names[:depth]) == sorted(ranking.names[:depth])
    assert (np.diff(reranked.scores) <= 0).all()
    assert np.isnan(reranked.boxes[depth:]).all() and not np.isnan(reranked.boxes[:depth]).any()
    names = dict(zip(ranking.ids.tolist(), ranking.names))
    assert [names[i] for i in reranked.ids.tolist()] == reranked.names


def test_nothing_to_rerank(collection):
    maps, _, query = collection
    rmac, ranking = searched(collection)
    assert len(RmacReranker(rmac).rerank(ranking[:0], query, maps.__getitem__)) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [({"depth": 0}, "depth"), ({"n_expand": -1}, "n_expand"), ({"step": 0}, "step")],
)
def test_bad_options(collection, options, message):
    maps, _, query = collection
    rmac, ranking = searched(collection, k=2)
    with pytest.raises(InvalidInput, match=message):
        RmacReranker(rmac, **options).rerank(ranking, query, lambda n: (maps[n], (180, 140)))
    with pytest.raises(InvalidInput, match="activations >= 0"):
        RmacReranker(rmac).rerank(ranking, -query, lambda n: (maps[n], (180, 140)))
    with pytest.raises(InvalidInput, match="activations >= 0"):
        RmacReranker(rmac).rerank(ranking, query, lambda n: (-maps[n], (180, 140)))
