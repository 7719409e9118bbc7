"""A search looks into the map that makes the score of a picture: the whole's, or the larger."""

from __future__ import annotations

import numpy as np
import pytest
import tiles
from two_maps import PLACE, PLANTED, made, scene

from blcf import SearchOptions
from blcf.boxes import iou
from blcf.rerank import LocalSearch
from blcf.searching.looking import Looker
from blcf.searching.tiles import best_part, looked_at

PLAIN = {"query_scales": (1,), "expand": "none"}


def test_a_small_object_is_placed_by_the_larger_map(folder, tmp_path):
    query, box = tiles.paint(scene(9)), np.array([32, 48, 96, 112])
    query[48:112, 32:96] = tiles.paint(PLANTED)
    with made(tmp_path / "a.blcf", folder) as engine:
        hits = engine.search(query, box, **PLAIN)
        hit = next(one for one in hits if one.name == "large.png")
        assert iou(hit.box[None], 16 * np.array([PLACE]))[0, 0] > 0.5
        assert hit.evidence().image_shape == (16, 16)
        assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)
        # Those that show it as large as the query does are placed by the map of the whole.
        for one in hits[:4]:
            assert one.evidence().score == pytest.approx(one.score, abs=2e-5)
        assert {one.evidence().image_shape for one in hits} == {(8, 8), (16, 16)}
        expanded = engine.search(query, box, query_scales=(1,), expand="local", n_expand=3)
        again = engine.search_many([query], progress=False, query_scales=(1,))
        assert len(expanded) == len(again[0]) == 13


def test_a_picture_of_the_collection_comes_first_with_score_1(folder, tmp_path):
    with made(tmp_path / "a.blcf", folder) as engine:
        for name in ("large.png", "03.png"):
            width = 256 if name == "large.png" else 128
            box = (width // 4, width // 4, width // 2, width // 2)
            for example in ({"image": folder / name}, {"frame": name}):
                hits = engine.search(box=box, **example)
                assert hits.names[0] == name and hits[0].score == pytest.approx(1, abs=1e-5)
                np.testing.assert_allclose(hits[0].box, box)


def test_an_approximate_search_looks_where_its_score_is_of(folder, tmp_path):
    with made(tmp_path / "a.blcf", folder) as engine:
        searchable, n_tiles = engine.searcher.searchable, 0
        for number in range(4):
            query = engine.describe(folder / f"{number:02d}.png", (32, 32, 96, 96))
            options = SearchOptions(approximate=0.7, query_scales=(1,), expand="none")
            before = SearchOptions(approximate=0.7, query_scales=(1,), rerank=False)
            vector = searchable.index.weigh(query.views[0].bag)
            asked = looked_at(vector, searchable.index, 0.7)
            ranking = engine.searcher.answer(query, before).ranking
            ids = [int(one) for one in ranking.ids]
            looker = Looker(searchable, [query], options)
            found = looker.look(vector, None, ids, ranking.scores)
            for image_id, one in zip(ids, found):
                is_tile = best_part(searchable, asked, image_id)[1] is not None
                assert one.of_tiles == (is_tile and one.weights is None), image_id
                n_tiles += is_tile
        assert n_tiles > 3


def test_windows_of_the_larger_map_count_like_its_tiles(folder, tmp_path):
    with made(tmp_path / "a.blcf", folder) as engine:
        searchable = engine.searcher.searchable
        query = engine.describe(folder / "01.png", (32, 32, 96, 96))
        vector = searchable.index.weigh(query.views[0].bag)
        options = SearchOptions(query_scales=(1,), keep_whole=False)
        ranking = searchable.index.search(vector, 13, weighed=True)
        ids = [int(one) for one in ranking.ids]
        found = Looker(searchable, [query], options).look(vector, None, ids, ranking.scores)
        local = LocalSearch(searchable.index.idf_, sqrt=searchable.index.sqrt)
        dense = local.prepare(vector)
        assert any(one.of_tiles for one in found)
        for image_id, one in zip(ids, found):
            if one.weights is None:
                _, words, norms = searchable.snapshot.seen("norm", image_id, one.of_tiles)
                cosine = local.score_of_window(dense, words, one.cells, weights=norms)
                share = 0.7 if one.of_tiles else 1
                assert one.score == pytest.approx(share * cosine, abs=1e-6)


def test_tiles_in_the_size_of_the_whole_are_of_its_map(folder, tmp_path):
    same = made(tmp_path / "a.blcf", folder, tile_side=128)
    none = made(tmp_path / "b.blcf", folder, tile_side=None)
    assert not same.settings.looks_twice and same.collection.segments[0].tile_maps is None
    options = SearchOptions(query_scales=(1,))
    query = same.describe(folder / "03.png", (32, 32, 96, 96))
    found, expected = (one.search_query(query, options) for one in (same, none))
    assert found.names == expected.names and np.array_equal(found.scores, expected.scores)


def test_saliency_weighs_the_whole(folder, tmp_path):
    how = {"weighting": "saliency", "saliency": tiles.redness}
    with made(tmp_path / "a.blcf", folder, **how) as engine:
        snapshot = engine.searcher.searchable.snapshot
        assert snapshot.seen("saliency", 0)[2].shape == (8, 8)
        hits = engine.search(folder / "01.png", (32, 32, 96, 96))
        assert hits.names[0] == "01.png" and hits[0].score == pytest.approx(1, abs=1e-5)
        for hit in hits[:3]:
            assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)
