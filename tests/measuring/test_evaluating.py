"""Evaluation: every protocol on rankings of the engine, what is kept, what is skipped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tiles
from PIL import Image

from blcf import Example, SearchOptions
from blcf.boxes import iou
from blcf.datasets import GroundTruth, TrueExample, TrueQuery
from blcf.errors import BlcfError, InvalidInput
from blcf.evaluation import (
    PROTOCOLS,
    average_precision,
    bootstrap_interval,
    rank_groups,
    trec_average_precision,
)
from blcf.images import ImageList
from blcf.measuring.evaluator import evaluate

ONE_SIZE = {"query_scales": (1,), "k": 12}  # a tile is a cell at one size only: exact answers
NAMES = [f"{number:02d}.png" for number in range(12)]
SHOTS = {name: f"shot{number // 3}" for number, name in enumerate(NAMES)}
NO_BAR = {"progress": False}


@pytest.fixture(scope="module")
def pictures(planted, tmp_path_factory):
    """Query pictures outside of the collection: the object, its mask, a scene, one that is none."""
    folder = tmp_path_factory.mktemp("queries")
    Image.fromarray(planted.picture).save(folder / "object.png")
    x1, y1, x2, y2 = planted.box
    mask = np.zeros(planted.picture.shape[:2], dtype=np.uint8)
    mask[y1:y2, x1:x2] = 255
    mask[y1 : y1 + 16, x1:x2] = 0
    Image.fromarray(mask).save(folder / "mask.png")
    tiles.save(folder / "scene.png", planted.maps[9])
    (folder / "bad.jpg").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def queries(pictures, planted):
    """Three queries: with a box, with a mask and a second picture, and a whole picture."""
    box = np.array(planted.box, dtype=np.float32)
    masked = TrueExample(pictures / "object.png", box, pictures / "mask.png")
    rows = (
        ("a", (TrueExample(pictures / "object.png", box),), [2, 4, 7, 8], [0, 11], [7, 8]),
        ("b", (masked, TrueExample(planted.path(3), None)), [1, 3, 9, 10], [2], [9]),
        ("c", (TrueExample(pictures / "scene.png"),), [6, 9, 10, 11], [], []),
    )
    return [
        TrueQuery(
            name,
            f"thing {name}",
            examples,
            *(frozenset(NAMES[i] for i in some) for some in (positives, junk, hard)),
        )
        for name, examples, positives, junk, hard in rows
    ]


def truth_of(queries, **fields) -> GroundTruth:
    return GroundTruth("gt.json", list(queries), **fields)


def searched(engine, query, mode, **options):
    """The ranking that the engine's search gives for a query."""
    examples = []
    for one in query.examples:
        how = {"mask": one.mask} if one.mask is not None else {"box": one.box}
        examples.append(Example(one.image, **(how if mode == "LS" else {})))
    return engine.search(examples=examples, **{**ONE_SIZE, **options})


@pytest.mark.parametrize(
    ("name", "options"),
    [*((name, {"rerank": False}) for name in PROTOCOLS), ("oxford", {"depth": 4})]
    + [("revisited", {"fusion": "max"})],
    ids=str,
)
def test_every_protocol_measures_the_rankings_of_search(planted, queries, name, options):
    engine = planted.engine()
    found = engine.evaluate(truth_of(queries, protocol=name), **NO_BAR, **ONE_SIZE | options)
    assert [(one.mode, len(one.results)) for one in found] == [("LS", 2), ("GS", 3)]
    for one in found:
        for result in one.results:
            query = result.query
            ranked = searched(engine, query, one.mode, **options).names
            rule = PROTOCOLS[name]
            assert result.measures == rule.measure(
                ranked, query.positives, query.junk, query.hard
            )
            kept = [picture for picture in ranked if picture not in query.junk]
            ranks = [i for i, picture in enumerate(kept, 1) if picture in query.positives]
            assert (result.first_rank, result.n_in_top) == (ranks[0], sum(i <= 10 for i in ranks))
        for measure, mean in one.measures.items():  # a query without hard ones has no such figure
            assert mean == pytest.approx(np.mean(one.values(measure)))
        assert one.mean_average_precision == one.measures[one.measure]
        assert one.interval == bootstrap_interval(one.values())


def test_the_protocol_of_the_caller_comes_before_that_of_the_truth(planted, queries):
    engine, truth = planted.engine(), truth_of(queries[:1], protocol="revisited")
    options = {**ONE_SIZE, **NO_BAR, "queries": "box", "rerank": False}
    ranked = searched(engine, queries[0], "LS", rerank=False).names
    positives, junk = queries[0].positives, queries[0].junk
    (own,) = engine.evaluate(truth, **options)
    assert own.measure == "AP medium" and len(own.measures) == 12
    (area,) = engine.evaluate(truth, protocol="instre", **options)
    assert area.measures == {"AP": average_precision(ranked, positives, junk)}
    (trec,) = engine.evaluate(truth, protocol="trecvid", **options)
    assert trec.measures == {"AP": trec_average_precision(ranked, positives, junk)}
    assert trec.measures != area.measures


@pytest.mark.parametrize("rerank", [False, True])
def test_shots_are_ranked_by_their_best_frame(planted, queries, rerank):
    engine = planted.engine()
    query = replace(queries[1], positives=frozenset(["shot1", "shot3"]), junk=frozenset())
    boxes = {name: np.array([[0.0, 0, 64, 64]]) for name in NAMES}
    query = replace(query, hard=frozenset(), boxes=boxes)
    truth = truth_of([query], protocol="trecvid", shots=SHOTS)
    found = engine.evaluate(truth, **NO_BAR, **ONE_SIZE, rerank=rerank)
    for one in found:
        hits = searched(engine, query, one.mode, rerank=rerank)
        shots, scores = rank_groups(hits.names, hits.scores, SHOTS)
        (result,) = one.results
        assert result.hits.names == shots and sorted(shots) == ["shot0", "shot1", "shot2", "shot3"]
        np.testing.assert_array_equal(result.hits.scores, scores)
        expected = trec_average_precision(shots, query.positives)
        assert result.measures == {"AP": expected}
        for shot, score, frame in zip(shots, scores, result.hits.ids):
            assert SHOTS[NAMES[frame]] == shot
            assert hits.scores[hits.names.index(NAMES[frame])] == score
        # Boxes are of frames, positives are shots.
        mine = [hit for hit in hits if SHOTS[hit.name] in query.positives and hit.box is not None]
        overlaps = [float(iou(hit.box[None], boxes[hit.name])[0, 0]) for hit in mine]
        assert result.localisation.overlaps.tolist() == pytest.approx(overlaps)
        assert bool(overlaps) == rerank


def test_a_picture_of_no_shot_is_left_out(planted, queries, caplog):
    query = replace(
        queries[0], positives=frozenset(["shot1"]), junk=frozenset(), hard=frozenset()
    )
    shots = {name: shot for name, shot in SHOTS.items() if shot != "shot2"}
    truth = truth_of([query], protocol="trecvid", shots=shots)
    found = planted.engine().evaluate(truth, **NO_BAR, **ONE_SIZE)
    assert sorted(found[0].results[0].hits.names) == ["shot0", "shot1", "shot3"]
    assert "3 pictures of the collection are of no shot" in caplog.text


def test_box_or_whole(planted, queries):
    engine = planted.engine()
    both = engine.evaluate(truth_of(queries), **NO_BAR, **ONE_SIZE)
    for number, which in enumerate(("box", "whole")):
        (one,) = engine.evaluate(truth_of(queries), queries=which, **NO_BAR, **ONE_SIZE)
        assert one.to_dict() == both[number].to_dict()
    whole = truth_of(queries[2:])
    assert [one.mode for one in engine.evaluate(whole, **NO_BAR, **ONE_SIZE)] == ["GS"]
    with pytest.raises(InvalidInput, match="with a box or a mask, those of gt.json have none"):
        engine.evaluate(whole, queries="box", **NO_BAR)


def test_several_options_are_each_as_alone(planted, queries):
    engine, truth = planted.engine(), truth_of(queries)
    options = [
        SearchOptions(query_scales=(1,), rerank=False),
        SearchOptions(query_scales=(1, 0.5), query_flip=True, expand="local"),
    ]
    together = evaluate(engine.searcher, truth, options, **NO_BAR)
    for one, rows in zip(options, together):
        alone = evaluate(engine.searcher, truth, [one], **NO_BAR)[0]
        assert [row.to_dict() for row in rows] == [row.to_dict() for row in alone]


def test_what_is_kept(planted, queries):
    engine = planted.engine()
    (one,) = engine.evaluate(
        truth_of(queries), queries="whole", keep=5, rerank=False, **NO_BAR, **ONE_SIZE
    )
    for result in one.results:
        hits = searched(engine, result.query, "GS", rerank=False)
        assert result.hits.names == hits.names[:5]
        np.testing.assert_array_equal(result.hits.scores, hits.scores[:5])
        assert result.hits.scores.base is None, "a view would keep the whole ranking"
        behind = [name for name in hits.names[5:] if name in result.query.positives]
        assert result.missed.names == behind[:1]
    (none,) = engine.evaluate(truth_of(queries), queries="whole", keep=0, **NO_BAR, **ONE_SIZE)
    assert [len(result.hits) for result in none.results] == [0, 0, 0]
    none.plot_failures()


def test_the_worst_first_and_the_sheet(planted, queries, tmp_path):
    (one,) = planted.engine().evaluate(
        truth_of(queries), queries="whole", **NO_BAR, **ONE_SIZE
    )
    figures = [result.measures["AP"] for result in one.worst()]
    assert figures == sorted(one.values()) and one.worst(1) == one.worst()[:1]
    lost = [replace(one.results[0], measures={"AP": 0.0}, first_rank=rank) for rank in (4, None, 9)]
    ordered = replace(one, results=lost).worst()
    assert [result.first_rank for result in ordered] == [None, 9, 4]
    figure = one.plot_failures(tmp_path / "sheet.png", n_queries=2)
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    worst = one.worst(2)
    titles = [axes.get_title() for axes in figure.axes]
    shown = [title for title in titles if "to find" in title]
    assert [title.split("\n")[0] for title in shown] == [each.query.object for each in worst]
    ranks = [title.split()[0] for title in titles[1:9]]
    junk = [name in worst[0].query.junk for name in worst[0].hits.names[:8]]
    assert [rank == "junk" for rank in ranks] == junk
    counted = [rank for rank in ranks if rank != "junk"]
    assert counted == [f"{i}." for i in range(1, len(counted) + 1)]
    for n in (0, 1.5):
        with pytest.raises(InvalidInput, match="n_queries"):
            one.plot_failures(n_queries=n)


def test_a_picture_that_cannot_be_read_is_skipped(planted, queries, pictures):
    engine, bad = planted.engine(), TrueExample(pictures / "bad.jpg")
    outside = replace(queries[0].examples[0], box=np.array([500, 500, 600, 600]))
    small = TrueExample(planted.path(1), mask=pictures / "bad.jpg")
    rows = [
        replace(queries[0], name="gone", examples=(bad,)),
        replace(queries[0], name="half", examples=(bad, queries[0].examples[0])),
        replace(queries[0], name="outside", examples=(outside,)),
        replace(queries[0], name="mask", examples=(small,)),
        queries[1],
    ]
    ls, gs = engine.evaluate(truth_of(rows), **NO_BAR, **ONE_SIZE)
    for one in (ls, gs):
        skipped = one.to_dict()["skipped"]
        assert len(skipped) == 3 and "lies outside" in skipped[str(outside.image)]
        assert "searched with as a whole only" in skipped[str(outside.image)]
        assert "bad.jpg" in skipped[str(small.image)]
        assert "not a picture" in skipped[str(bad.image)]
    assert [result.query.name for result in ls.results] == ["half", "b"]
    # The figure of GS is the same whether boxes are asked for or not.
    whole = engine.evaluate(truth_of(rows), queries="whole", **NO_BAR, **ONE_SIZE)[0]
    assert [result.query.name for result in gs.results] == ["half", "outside", "mask", "b"]
    assert whole.to_dict()["per_query"] == gs.to_dict()["per_query"] and len(whole.skipped) == 1
    (boxes,) = engine.evaluate(truth_of(rows), queries="box", **NO_BAR, **ONE_SIZE)
    assert boxes.to_dict()["per_query"] == ls.to_dict()["per_query"]
    assert not any("as a whole" in reason for reason in boxes.skipped.values())
    alone = engine.evaluate(truth_of(queries[:1]), **NO_BAR, **ONE_SIZE)
    assert ls.results[0].measures == alone[0].results[0].measures
    assert ls.results[0].image == queries[0].image
    with pytest.raises(InvalidInput, match=r"None of 1 queries of gt\.json .*bad\.jpg: it is"):
        engine.evaluate(truth_of(rows[:1]), **NO_BAR)


def test_positives_that_are_missing_count_as_not_found(planted, queries, caplog):
    query = replace(queries[0], positives=frozenset([*queries[0].positives, "gone.png"]))
    engine = planted.engine()
    found = engine.evaluate(truth_of([query]), **NO_BAR, **ONE_SIZE)[0]
    full = engine.evaluate(truth_of(queries[:1]), **NO_BAR, **ONE_SIZE)[0]
    assert "1 positives are not in the collection" in caplog.text
    assert found.mean_average_precision == pytest.approx(full.mean_average_precision * 4 / 5)
    assert "without positives" not in caplog.text
    none = [replace(queries[1], name=name, positives=frozenset()) for name in "xy"]
    rest = engine.evaluate(truth_of([*none, queries[0]]), **NO_BAR, **ONE_SIZE)[0]
    assert rest.to_dict() == full.to_dict()
    assert "2 queries without positives are left out" in caplog.text


def test_to_dict_is_plain(planted, queries):
    ls, gs = planted.engine().evaluate(truth_of(queries), **NO_BAR, **ONE_SIZE)
    row = json.loads(json.dumps(gs.to_dict()))
    assert row["mAP"] == row["mean"] == row["measures"]["AP"] == round(float(gs.values().mean()), 6)
    assert row["interval"] == [round(edge, 6) for edge in gs.interval]
    assert [one["name"] for one in row["per_query"]] == ["a", "b", "c"]
    assert [one["query"] for one in row["per_query"]] == gs.names == [
        "thing a in object.png",
        "thing b in object.png and 1 more",
        "thing c in scene.png",
    ]
    four = planted.engine().evaluate(truth_of(queries), protocol="ukbench", **NO_BAR, **ONE_SIZE)
    assert "mAP" not in four[0].to_dict() and four[0].to_dict()["measure"] == "top 4"


def test_mistakes(planted, queries, tmp_path):
    engine, truth = planted.engine(), truth_of(queries)
    for how, message in (
        ({"protocol": "oxfrod"}, "Did you mean 'oxford'"),
        ({"queries": "boxes"}, "Did you mean 'box'"),
        ({"keep": -1}, "keep to be an integer from 0"),
    ):
        with pytest.raises(InvalidInput, match=message):
            engine.evaluate(truth, **NO_BAR, **how)
    with pytest.raises(InvalidInput, match="Expected protocol to be one of .* got 'mine'"):
        engine.evaluate(replace(truth, protocol="mine"), **NO_BAR)
    with pytest.raises(InvalidInput, match="holds no pictures"):
        tiles.create(tmp_path / "empty.blcf").evaluate(truth, **NO_BAR)
    strange = replace(queries[0], positives=frozenset(["x.jpg"]), junk=frozenset())
    with pytest.raises(InvalidInput, match="No picture of gt.json is in the collection"):
        engine.evaluate(truth_of([replace(strange, hard=frozenset())]), **NO_BAR)
    with pytest.raises(BlcfError):
        engine.evaluate(tmp_path / "nowhere", **NO_BAR)
    (one,) = engine.evaluate(truth, queries="whole", **NO_BAR, **ONE_SIZE)
    with pytest.raises(InvalidInput, match="Expected a measure of AP, got 'mAP'"):
        one.values("mAP")


def test_pictures_that_the_data_set_does_not_have_are_said(planted, queries, caplog):
    engine = planted.engine()
    for names, n_more in ((NAMES, 0), (NAMES[:9], 3)):
        images = (ImageList(planted.folder, names),)
        truth = GroundTruth(planted.folder, queries[:1], name="tiles", images=images)
        caplog.clear()
        evaluate(engine.searcher, truth, [SearchOptions(**ONE_SIZE)], **NO_BAR)
        said = [record.getMessage() for record in caplog.records]
        assert any("pictures more than tiles" in text for text in said) == bool(n_more)
