"""Facts through the engine: said when pictures are added or later, asked for, searched by."""

from __future__ import annotations

import copy
import os
import pickle
import shutil

import numpy as np
import pytest
import tiles
from planted import ONE_SIZE

from blcf import Example, SearchEngine
from blcf.errors import CollectionLocked, InvalidInput

ODD = {f"{number:02d}.png": {"side": "odd" if number % 2 else "even"} for number in range(12)}
FIRST = ["mtime", "bytes", "video", "time", "shot"]


@pytest.fixture
def engine(scenes):
    made = tiles.create(scenes.parent / "c.blcf")
    made.add(scenes, facts={name: ODD[name] for name in list(ODD)[:9]}, progress=False)
    return made


def sides(engine):
    return [engine.facts(name).get("side") for name in engine.names]


def test_facts_of_files(engine, scenes):
    for name in engine.names:
        state, known = os.stat(scenes / name), engine.facts(name)
        assert (known["width"], known["height"]) == (128, 128)
        assert known["mtime"] == state.st_mtime_ns / 1e9 and known["bytes"] == state.st_size
        assert known["video"] is known["time"] is known["shot"] is None
    positions = engine.collection.find(["03.png", "00.png"])
    mtimes, n_bytes = engine.collection.file_facts(positions)
    stats = [os.stat(scenes / name) for name in ("03.png", "00.png")]
    assert mtimes.tolist() == [one.st_mtime_ns for one in stats]
    assert n_bytes.tolist() == [one.st_size for one in stats]


def test_facts_of_the_file_that_was_decoded(engine, scenes):
    """Not of what it is later."""
    before = engine.facts("04.png")
    os.utime(scenes / "04.png", (1, 1))
    assert SearchEngine.open(engine.path).facts("04.png") == before
    engine = tiles.reopen(engine.path)
    engine.add(scenes, replace=True, progress=False)
    assert engine.facts("04.png")["mtime"] == 1.0 and engine.facts("04.png")["side"] == "even"


def test_said_with_pictures_and_later(engine, scenes):
    assert sides(engine) == [*["even", "odd"] * 4, "even", None, None, None]
    assert engine.info()["fact_columns"] == ["side"]
    n_said = engine.annotate({"09.png": {"side": "odd"}, scenes / "10.png": {"side": "even"}})
    assert n_said == 2 and sides(engine)[9:] == ["odd", "even", None]
    assert engine.facts(scenes / "09.png") == engine.facts("09.png")
    (scenes.parent / "facts.csv").write_text("name;side;n\n11.png;odd;7\n00.png;;\n")
    assert engine.annotate(scenes.parent / "facts.csv") == 2
    assert engine.facts("11.png")["n"] == 7 and engine.facts("00.png")["side"] is None


def test_a_table(engine):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"n": range(12)}, index=list(engine.names))
    assert engine.annotate(frame) == 12
    assert [engine.facts(name)["n"] for name in engine.names] == list(range(12))


def test_facts_of_pictures_that_are_there_already(engine, scenes):
    """The same call resumes a run that was interrupted: nothing that it says is lost."""
    report = engine.add(scenes, facts=ODD, progress=False)
    assert report.n_added == 0 and sides(engine) == ["even", "odd"] * 6


def test_facts_of_a_picture_under_another_name(engine, scenes):
    """Its folder was indexed before, and now the folder above is."""
    report = engine.add(scenes.parent, facts={"scenes/10.png": {"side": "above"}}, progress=False)
    assert report.n_added == 0 and engine.facts("10.png")["side"] == "above"


def test_facts_of_other_pictures_are_refused(engine, scenes):
    tiles.save(scenes / "12.png", np.zeros((8, 8), dtype=int))
    for facts, message in (
        ({"13.png": {"side": "odd"}}, "got 13.png. Nothing was added"),
        ({"12.png": {"time": 1}}, "The column time is taken"),
        ({"12.png": {f"c{i}": 1 for i in range(100)}}, "at most 100 columns of facts, got 101"),
    ):
        with pytest.raises(InvalidInput, match=message):
            engine.add(scenes, facts=facts, progress=False)
    assert len(engine) == 12 and engine.info()["fact_columns"] == ["side"]
    with pytest.raises(InvalidInput, match="it has no 12.png. Nothing was written"):
        engine.annotate({"12.png": {"side": "odd"}, "00.png": {"side": "gone"}})
    assert engine.facts("00.png")["side"] == "even"
    with pytest.raises(InvalidInput, match="holds no '12.png'"):
        engine.facts("12.png")


def test_facts_of_a_picture_that_cannot_be_read(engine, scenes):
    (scenes / "12.png").write_text("no picture")
    report = engine.add(scenes, facts={"12.png": {"side": "odd"}}, progress=False)
    assert list(report.skipped) == ["12.png"] and len(engine) == 12


@pytest.mark.parametrize(
    "options",
    [
        {"rerank": False},
        {"windows": "votes"},
        {"windows": "grid", "pyramid": True},
        {"expand": "local", "guard": "none", "rounds": 2},
        {"expand": "global", "expand_by": "svm", "guard": "none"},
        {"expand": "global", "guard": "scores"},
        {"approximate": 0.5, "rerank": False},
    ],
)
def test_only_those_pictures_are_found(engine, options):
    engine.annotate(ODD)
    options = {**ONE_SIZE, **options}
    hits = engine.search(frame="02.png", where="side = 'odd'", **options)
    assert sorted(hits.names) == [name for name in ODD if ODD[name]["side"] == "odd"]
    assert hits[0].facts["side"] == "odd"
    whole = engine.search(frame="02.png", **options)
    everything = engine.search(frame="02.png", where="width > 0", **options)
    assert everything.names == whole.names
    np.testing.assert_array_equal(everything.scores, whole.scores)
    nothing = engine.search(frame="02.png", where="side = 'none'", **options)
    assert len(nothing) == 0 and nothing.boxes is None or nothing.boxes.size == 0
    if "expand" not in options:
        kept = [row for row, name in enumerate(whole.names) if ODD[name]["side"] == "odd"]
        assert hits.names == [whole.names[row] for row in kept]
        np.testing.assert_array_equal(hits.scores, whole.scores[kept])


def test_a_deep_hit_is_reranked_where_it_is_first(engine):
    """Only the chosen pictures count among those that are reranked."""
    engine.annotate(ODD)
    hits = engine.search(frame="02.png", where="side = 'odd'", depth=2, **ONE_SIZE)
    assert np.isfinite(hits.boxes[:2]).all() and np.isnan(hits.boxes[2:]).all()


def test_many_searches_and_examples(engine, scenes):
    engine.annotate(ODD)
    queries = [scenes / "00.png", scenes / "07.png"]
    many = engine.search_many(queries, where="side = 'even'", progress=False, **ONE_SIZE)
    for query, hits in zip(queries, many):
        alone = engine.search(query, where="side = 'even'", **ONE_SIZE)
        assert hits.names == alone.names and len(hits) == 6
    examples = [Example(frame="00.png"), Example(frame="01.png")]
    for fusion in ("average", "max"):
        hits = engine.search(
            examples=examples,
            negatives=[Example(frame="05.png")],
            fusion=fusion,
            where="side = 'odd'",
            **ONE_SIZE,
        )
        assert {ODD[name]["side"] for name in hits.names} == {"odd"}


def test_conditions_that_are_none(engine):
    for where, message in (
        ("color = 1", "no such column: color. The columns are id, name, .*side"),
        ('side = "odd"', "text stands in single quotes"),
        ("side = 'odd'; 1", "semicolon"),
    ):
        with pytest.raises(InvalidInput, match=message):
            engine.search(frame="00.png", where=where)


def test_facts_of_hits(engine):
    hits = engine.search(frame="00.png", **ONE_SIZE)
    assert [hit.facts for hit in hits] == [engine.facts(name) for name in hits.names]
    assert hits[2:][0].facts == engine.facts(hits.names[2])
    engine.annotate({hits.names[0]: {"side": "new"}})
    assert hits[0].facts["side"] == "new"  # looked up when it is asked for
    with pytest.raises(InvalidInput, match="The facts of hits stay with the engine"):
        pickle.loads(pickle.dumps(hits))[0].facts
    with pytest.raises(InvalidInput, match="The facts of hits stay with the engine"):
        pickle.loads(pickle.dumps(hits[0])).facts
    assert copy.copy(hits)[0].facts["side"] == "new"
    engine.close()
    with pytest.raises(InvalidInput, match="was closed"):
        hits[0].facts


def test_a_search_that_began_before_a_change(engine):
    """Who has opened the collection keeps its pictures; what was said of them may be gone."""
    engine.annotate(ODD)
    other = tiles.reopen(engine.path)
    assert len(other.search(frame="00.png", where="side = 'odd'", **ONE_SIZE)) == 6
    engine.remove(["01.png", "02.png"])
    assert len(engine.search(frame="00.png", where="side = 'odd'", **ONE_SIZE)) == 5
    other.search(frame="00.png", where="side = 'odd'", **ONE_SIZE)
    other.refresh()
    assert len(other.search(frame="00.png", where="side = 'odd'", **ONE_SIZE)) == 5


def test_annotated_by_another_process(engine):
    engine.annotate(ODD)
    other = tiles.reopen(engine.path)
    query = {"frame": "00.png", "where": "side = 'new'", **ONE_SIZE}
    assert len(other.search(**query)) == 0
    engine.annotate({"03.png": {"side": "new"}})
    assert other.search(**query).names == ["03.png"]  # no commit of pictures: no refresh is needed
    with engine.collection.writing():
        with pytest.raises(CollectionLocked):
            other.annotate({"03.png": {"side": "newer"}})


def test_a_collection_on_a_disk_that_cannot_be_written(engine, scenes):
    """Nothing is written to look: neither with a file of facts nor without."""
    engine.annotate(ODD)
    for name in ("with", "without"):
        path = scenes.parent / f"{name}.blcf"
        shutil.copytree(engine.path, path)
        if name == "without":
            (path / "facts.sqlite").unlink()
        before = sorted(os.listdir(path))
        for one in [path, *path.rglob("*")]:
            os.chmod(one, 0o555 if one.is_dir() else 0o444)
        opened = tiles.reopen(path)
        assert len(opened.search(frame="00.png", where="bytes > 0", **ONE_SIZE)) == 12
        assert opened.facts("00.png")["bytes"] > 0
        assert sorted(os.listdir(path)) == before
        for one in [path, *path.rglob("*")]:
            os.chmod(one, 0o755)


def test_evaluate_sees_only_those_pictures(engine, scenes):
    engine.annotate(ODD)
    (scenes / "gt.json").write_text(
        '{"queries": [{"query": "00.png", "box": null, "positives": ["01.png", "02.png"]}]}'
    )
    names = []

    def sink(mode, query, ranking):
        names.extend(ranking.names)

    options = {"rerank": False, "query_scales": (1,), "progress": False}
    engine.evaluate(scenes / "gt.json", where="side = 'odd'", sink=sink, **options)
    assert sorted(names) == [name for name in ODD if ODD[name]["side"] == "odd"]


def test_facts_are_plain_values(engine):
    assert set(engine.facts("00.png")) == {"width", "height", *FIRST, "side"}
    assert all(
        type(one) in (int, float, str, type(None)) for one in engine.facts("00.png").values()
    )
