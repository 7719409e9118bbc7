"""From pictures to ranked boxes: a planted object with exact answers, and a real network."""

from __future__ import annotations

import json

import numpy as np
import oracle
import oracle_evaluation
import pytest
import tiles

from blcf import SearchEngine
from blcf.boxes import iou


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    maps, planted, places = tiles.planted_scenes()
    for number, one in enumerate(maps):
        tiles.save(folder / f"scene {number:02d}.png", one)
    query = np.full((8, 8), 8)
    query[2:6, 2:6] = planted
    return folder, maps, places, query


@pytest.fixture(scope="module", params=[(False, False), (True, True)], ids=["plain", "sqrt idf"])
def engine(request, scenes, tmp_path_factory):
    idf, sqrt = request.param
    path = tmp_path_factory.mktemp("engine") / "scenes.blcf"
    made = SearchEngine.create(path, tiles.TileNetwork(), idf=idf, sqrt=sqrt, **tiles.SETTINGS)
    made.add(scenes[0], progress=False)
    return SearchEngine.open(path, network=tiles.TileNetwork())


BOX = np.array([2, 2, 6, 6]) * tiles.TILE
# A tile is a cell at one size only; the windows of the paper have exact answers.
EXACT = {"query_scales": (1,), "windows": "grid", "k": 12}


def test_the_words_are_the_tiles(engine, scenes):
    """One word for one colour, everywhere."""
    pairs = set()
    for number, one in enumerate(scenes[1]):
        pairs |= set(zip(one.ravel().tolist(), engine.collection.words(number).ravel().tolist()))
    assert len(pairs) == len({colour for colour, _ in pairs}) == len({word for _, word in pairs})


@pytest.mark.parametrize("box", [None, BOX], ids=["GS", "LS"])
def test_ranking_is_the_oracles(engine, scenes, box):
    maps, query = scenes[1], scenes[3]
    wanted = query if box is None else query[2:6, 2:6]
    bags = [oracle.bag(one) for one in maps]
    settings = engine.settings
    expected = oracle.rank(
        oracle.bag(wanted), bags, 24, use_idf=settings.idf, sqrt=settings.sqrt, k=12
    )
    hits = engine.search(tiles.paint(query), box=box, rerank=False, **EXACT)
    np.testing.assert_allclose(hits.scores, [score for _, score in expected], atol=1e-5)
    assert list(hits.ids) == [image for image, _ in expected]


def test_boxes_are_where_the_object_is(engine, scenes):
    _, maps, places, query = scenes
    hits = engine.search(tiles.paint(query), box=BOX, shares=(1, 2, 4), **EXACT)
    assert sorted(hits.ids[:6]) == list(range(6)), "the scenes with the object come first"
    for image, hit in zip(hits.ids[:6], hits):
        assert hit.score == pytest.approx(1, abs=1e-5)
        x1, y1, x2, y2 = hit.box / tiles.TILE
        px1, py1, px2, py2 = places[image]
        assert x1 <= px1 and y1 <= py1 and x2 >= px2 and y2 >= py2
        if not engine.settings.idf:
            # Words of every picture have idf 0: larger windows may score the same, and win ties.
            assert (x1, y1, x2, y2) == (px1, py1, px2, py2)


def test_votes_put_the_box_on_the_object(engine, scenes):
    _, maps, places, query = scenes
    hits = engine.search(tiles.paint(query), box=BOX, query_scales=(1,), k=12)
    assert sorted(hits.ids[:6]) == list(range(6)), "the scenes with the object come first"
    for image, hit in zip(hits.ids[:6], hits):
        # Eight colours are of the object, twice each, some alike: the place is a coarse one.
        assert iou(hit.box, np.array(places[image]) * tiles.TILE)[0, 0] > 0.4


def test_reranked_scores_are_the_oracles(engine, scenes):
    _, maps, _, query = scenes
    settings = engine.settings
    bags = [oracle.bag(one) for one in maps]
    weights = oracle.idf(bags, 24, settings.idf)
    wanted = oracle.vector(oracle.bag(query[2:6, 2:6]), weights, settings.sqrt)
    hits = engine.search(tiles.paint(query), box=BOX, **EXACT)
    for image, hit in zip(hits.ids, hits):
        best = max(
            oracle.window_score(maps[image], window, wanted, weights, settings.sqrt)
            for window in oracle.windows(8, 8)
            if window[2] - window[0] > 2 and window[3] - window[1] > 2  # whole and half sides
        )
        assert hit.score == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("expand", ["global", "local"])
def test_expansion_is_the_average(engine, scenes, expand):
    _, maps, places, query = scenes
    settings = engine.settings
    bags = [oracle.bag(one) for one in maps]
    weights = oracle.idf(bags, 24, settings.idf)
    options = {"box": BOX, "n_expand": 6, "expand": expand, "guard": "none", **EXACT}
    hits = engine.search(tiles.paint(query), rerank=False, **options)
    if expand == "local":
        x1, y1, x2, y2 = zip(*places[:6])
        parts = [maps[i][y1[i] : y2[i], x1[i] : x2[i]] for i in range(6)]
        chosen = [oracle.bag(part) for part in parts]
    else:
        first = engine.search(tiles.paint(query), rerank=False, box=BOX, **EXACT)[:6]
        chosen = [bags[i] for i in first.ids]
    vectors = [oracle.bag(query[2:6, 2:6]), *chosen]
    vectors = [oracle.vector(one, weights, settings.sqrt) for one in vectors]
    mean = {w: sum(v.get(w, 0) for v in vectors) / 7 for v in vectors for w in v}
    norm = sum(value**2 for value in mean.values()) ** 0.5
    for image, hit in zip(hits.ids, hits):
        score = oracle.cosine(mean, oracle.vector(bags[image], weights, settings.sqrt)) / norm
        assert hit.score == pytest.approx(score, abs=1e-5)


def eighths(weights):
    """Weights in the steps that bags count."""
    return np.rint(weights * 8) / 8


def test_norm_weights_follow_the_oracle(scenes, tmp_path):
    """The default weighting, with the norms that the collection keeps."""
    folder, maps, _, query = scenes
    settings = {**tiles.SETTINGS, "weighting": "norm"}
    network = tiles.TileNetwork()
    engine = SearchEngine.create(tmp_path / "norm.blcf", network, dtype="float32", **settings)
    engine.add(folder, progress=False)
    bags = []
    for number in range(12):
        words, norms = engine.collection.words(number), engine.collection.norms(number)
        bags.append(oracle.bag(words, eighths(norms)))
    query_words, norms = engine.model.encode(engine.model.extractor.extract(tiles.paint(query)))
    wanted = oracle.bag(query_words[2:6, 2:6], eighths(norms / norms.max())[2:6, 2:6])
    expected = oracle.rank(wanted, bags, 24, use_idf=True, sqrt=True, k=12)
    hits = engine.search(tiles.paint(query), box=BOX, rerank=False, **EXACT)
    np.testing.assert_allclose(hits.scores, [score for _, score in expected], atol=1e-5)
    assert list(hits.ids) == [image for image, _ in expected]


def test_evaluation_of_the_planted_object(engine, scenes, tmp_path):
    folder, _, places, query = scenes
    tiles.save(tmp_path / "images" / "query.png", query)
    names = [f"scene {number:02d}.png" for number in range(12)]
    boxes = {
        name: [[16 * edge for edge in place]] for name, place in zip(names, places) if place
    }
    truth = {
        "images": [{"name": name, "size": [128, 128]} for name in names],
        "queries": [
            {
                "query": "query.png",
                "object": "planted",
                "box": BOX.tolist(),
                "positives": names[1:6],
                "junk": names[:1],
                "boxes": boxes,
            }
        ],
    }
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    measured = engine.evaluate(tmp_path / "gt.json", progress=False, **EXACT)
    found = {one.mode: one for one in measured}
    assert found["LS"].mean_average_precision == pytest.approx(1)
    overlaps = found["LS"].localisation.overlaps
    if engine.settings.idf:  # see above: of equal windows the larger, of twice the cells at most
        assert (overlaps >= 0.5 - 1e-6).all() and overlaps.mean() > 0.8
    else:
        np.testing.assert_allclose(overlaps, 1, atol=1e-6)
    assert found["LS"].localisation.mean_iou_whole_image == pytest.approx(0.25)
    assert overlaps.size == 5, "junk is not measured"
    whole = engine.search(tiles.paint(query), **EXACT)  # GS looks at all of the query, no box
    expected = oracle_evaluation.oxford(whole.names, set(names[1:6]), set(names[:1]))
    assert found["GS"].mean_average_precision == pytest.approx(expected)
    assert engine.settings.idf or expected < 0.9, "the ground of the query misleads without idf"


def test_real_network_on_real_photographs(data, tmp_path):
    """Products on crowded shelves among other photographs, found and localised."""
    distractors = sorted((data / "natural" / "bsds").rglob("*.jpg"))[:20]
    engine = SearchEngine.create(
        tmp_path / "shelves.blcf",
        "squeezenet1_1",
        weights=data / "weights" / "squeezenet1_1_features.pth",
        side=768,
    )
    report = engine.add(data / "shelves" / "images", progress=False)
    assert report.n_added == 10 and not report.skipped
    report = engine.add(distractors, root=data, progress=False)
    assert report.n_added == 20 and not report.skipped
    # A pack fills its query picture and is a small part of a shelf.
    found = engine.evaluate(data / "shelves" / "gt.json", query_side=256, progress=False)
    (whole,) = found
    assert whole.mode == "GS", "the queries of this set have no boxes"
    assert whole.mean_average_precision > 0.8
    assert whole.localisation.mean_iou > whole.localisation.mean_iou_whole_image + 0.1
    shelf = data / "shelves" / "images" / "e1.png"
    hit = engine.search(shelf, k=1, query_scales=(1,))[0]
    assert hit.name == "e1.png", "a picture of the collection finds itself"
    assert hit.score == pytest.approx(1, abs=0.01)
    assert engine.search(shelf, k=1)[0].name == "e1.png", "looked at in four sizes too"
