"""`blcf evaluate`: the table, the worst queries, a run file, a contact sheet, a comparison."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import tiles

from blcf import SearchEngine
from blcf.evaluation import paired_test, read_run

NAMES = [f"été 1/{number:02d}.png" for number in range(12)]


@pytest.fixture(scope="module")
def truth(place):
    """Three queries, one of them without a box."""
    rows = [
        (0, "it", [0, 0, 64, 64], [1, 2, 3, 9]),
        (7, "that", [16, 16, 128, 128], [6, 8, 10]),
        (11, "all", None, [4, 5]),
    ]
    queries = [
        {
            "query": str(place / "frames" / NAMES[number]),
            "object": thing,
            "box": box,
            "positives": [NAMES[one] for one in positives],
            "junk": [NAMES[number]],
        }
        for number, thing, box, positives in rows
    ]
    path = place / "truth" / "gt.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"queries": queries}))
    return path


FAST = ("--quiet", "--query-scales", "1", "--no-rerank")


@pytest.fixture(scope="module")
def expected(place, truth):
    engine = SearchEngine.open(place / "c.blcf")
    return engine.evaluate(truth, progress=False, query_scales=(1,), rerank=False)


def test_the_table(place, truth, call, expected):
    status, out, err = call("evaluate", place / "c.blcf", truth, *FAST)
    assert (status, err) == (0, "")
    head, *lines = out.splitlines()
    assert head.startswith("mode  queries    mAP  95 % interval   mean IoU  (whole picture)")
    assert len(lines) == 2
    for line, one in zip(lines, expected):
        low, high = one.interval
        figures = [one.mode, str(len(one.results)), f"{one.mean_average_precision:.3f}"]
        assert line.split() == [*figures, f"{low:.3f}", "-", f"{high:.3f}"]


def test_the_folder_of_a_truth_is_a_data_set(place, truth, call):
    command = ["evaluate", place / "c.blcf"]
    by_file = call(*command, truth, *FAST)
    assert by_file == call(*command, truth.parent, "--kind", "gt.json", *FAST)


def test_per_query(place, truth, call, expected):
    out = call("evaluate", place / "c.blcf", truth, "--per-query", "--queries", "whole", *FAST)[1]
    _, mode, head, *lines = out.splitlines()
    assert mode.startswith("GS") and head.split() == ["AP", "first", "in", "10", "query"]
    (_, gs) = expected
    assert [line.split(maxsplit=3) for line in lines] == [
        [f"{one.measures['AP']:.3f}", str(one.first_rank), str(one.n_in_top), one.label]
        for one in gs.worst()
    ]
    figures = [float(line.split()[0]) for line in lines]
    assert figures == sorted(figures) and len(figures) == 3


def test_another_protocol(place, truth, call):
    command = ["evaluate", place / "c.blcf", truth, *FAST, "--queries", "whole"]
    (row,) = json.loads(call(*command, "--protocol", "ukbench", "--json")[1])
    assert (row["protocol"], row["measure"]) == ("ukbench", "top 4") and "mAP" not in row
    out = call(*command, "--protocol", "revisited", "--per-query")[1]
    assert "mAP medium" in out.splitlines()[0]
    assert "mAP easy" in out and "mP@10 medium" in out and "hard" not in out


def test_run_file(place, truth, call, tmp_path, expected):
    """Of the box queries where there are some; of more hits than are kept for drawing."""
    path = tmp_path / "run.txt"
    status, _, err = call("evaluate", place / "c.blcf", truth, "--run", path, *FAST)
    assert (status, err) == (0, "")
    rankings = read_run(path)
    assert list(rankings) == [one.query.name for one in expected[0].results]
    for one in expected[0].results:
        names = [name for name, _ in rankings[one.query.name]]
        assert sorted(names) == [name.replace(" ", "%20") for name in NAMES]
        assert names[0] == one.hits.names[0].replace(" ", "%20")


def test_failures(place, truth, call, tmp_path, monkeypatch):
    path, drawn = tmp_path / "sheet.png", []
    monkeypatch.setattr(
        "blcf.visualization.plot_failures", lambda rows, **how: drawn.append((len(rows), how))
    )
    command = ["evaluate", place / "c.blcf", truth, "--failures", path, "--worst", 2, *FAST]
    assert call(*command, "--queries", "whole")[0] == 0
    ((n_rows, how),) = drawn
    assert n_rows == 2 and how["path"] == str(path)
    assert how["title"].startswith("the 2 worst of 3 queries (GS: whole picture)")


def test_compare(place, truth, call, tmp_path, expected):
    command = ["evaluate", place / "c.blcf", truth, "--quiet", "--query-scales", "1"]
    other = json.loads(call(*command, "--expand", "global", "--json")[1])
    (tmp_path / "other.json").write_text(json.dumps(other))
    compare = [*command, "--no-rerank", "--compare", tmp_path / "other.json"]
    rows = json.loads(call(*compare, "--json")[1])
    for row in rows:
        assert row["collection"] == str(place / "c.blcf") and row["truth"] == str(truth)
        assert row["options"] == {"query_scales": [1.0], "rerank": False}
    for row, mine, theirs in zip(rows, expected, other):
        test = paired_test(
            np.round(mine.values(), 6), [query["AP"] for query in theirs["per_query"]]
        )
        assert row["comparison"] == {
            "difference": test.difference,
            "p_value": test.p_value,
            "n_queries": len(mine.results),
            "wins": test.wins,
            "losses": test.losses,
        }
    lines = call(*compare)[1].splitlines()
    assert len(lines) == 6
    assert lines[3].split() == ["mode", "queries", "difference", "p", "wins", "losses"]
    assert [line.split()[0] for line in lines[4:]] == ["LS", "GS"]
    (tmp_path / "other.json").write_text(json.dumps(other[1:]))
    rows = json.loads(call(*compare, "--json")[1])
    assert ["comparison" in row for row in rows] == [False, True]
    other[1]["per_query"] = other[1]["per_query"][:2] + [{"name": "9", "query": "x", "AP": 1}] * 3
    (tmp_path / "other.json").write_text(json.dumps(other[1:]))
    status, out, err = call(*compare)
    assert status == 0 and out.splitlines()[-1].split()[:2] == ["GS", "2"]
    said = "left out of the comparison: 1 of these queries, 1 of those of the other file"
    assert err == f"blcf: GS: {said}\n"


def test_skipped_pictures(place, truth, call, tmp_path):
    """Named, counted, and the exit status says it."""
    content = json.loads(truth.read_text())
    (tmp_path / "bad.jpg").write_text("no picture")
    content["queries"].append({**content["queries"][0], "query": str(tmp_path / "bad.jpg")})
    (tmp_path / "gt.json").write_text(json.dumps(content))
    status, out, err = call("evaluate", place / "c.blcf", tmp_path / "gt.json", *FAST)
    assert status == 3 and out == call("evaluate", place / "c.blcf", truth, *FAST)[1]
    lines = err.splitlines()
    assert "skipped" in lines[0] and "bad.jpg: it is not a picture" in lines[0]
    assert lines[1:] == ["blcf: 1 query picture was skipped"]


def other_file(path, **changes):
    row = {"mode": "GS", "protocol": "oxford", "per_query": []}
    path.write_text(json.dumps([{**row, **changes}]))


MISTAKES = {
    "unknown protocol": (["--protocol", "voc"], "invalid choice: 'voc'"),
    "unknown kind": (["--kind", "coco"], "invalid choice: 'coco'"),
    "kind that it is not": (["--kind", "ukbench"], "gt.json"),
    "unknown queries": (["--queries", "none"], "invalid choice: 'none'"),
    "worst 0": (["--failures", "x.png", "--worst", "0"], "--worst to be an integer from 1 to 100"),
    "worst of all": (["--failures", "x.png", "--worst", "101"], "from 1 to 100, got 101"),
    "worst of words": (["--worst", "all"], "expected an integer, got 'all'"),
    "worst of nothing": (["--worst", "3"], "--failures FILE --worst N"),
    "failures of no format": (["--failures", "x.xyz"], "xyz"),
    "failures into nowhere": (["--failures", "no/x.png"], "no folder that can be written"),
    "failures into a folder": (["--failures", "folder.png"], "it is a folder"),
    "run into nowhere": (["--run", "no/run.txt"], "no folder that can be written"),
    "failures below a file": (["--failures", "weights.pth/x.png"], "no folder that can be written"),
    "run below a file": (["--run", "weights.pth/x"], "no folder that can be written"),
    "run into nothing": (["--run", ""], "the name of a file, got ''"),
    "run and failures": (["--run", "x.png", "--failures", "./x.png"], "x.png: it is named twice"),
    "run over the truth": (["--run", "truth/gt.json"], "truth/gt.json: this call reads it"),
    "run over the other": (
        ["--compare", "others.json", "--run", "others.json"],
        "others.json: this call reads it",
    ),
    "compare with a mode of its own": (["--compare", "mode.json"], "to be LS or GS, got 3."),
    "compare with an endless figure": (["--compare", "endless.json"], "finite figures, got inf"),
    "compare with a huge figure": (["--compare", "huge.json"], "result of another blcf evaluate"),
    "compare with no protocol": (["--compare", "voc.json"], "gldv2; got 'voc'."),
    "run into a folder": (["--run", "folder.png"], "it is a folder"),
    "compare with nothing": (["--compare", "no.json"], "No evaluation at no.json"),
    "compare with a folder": (["--compare", "folder.png"], "to be a plain file, it is a folder"),
    "compare with a truth": (["--compare", "truth/gt.json"], "result of another blcf evaluate"),
    "compare with text": (["--compare", "weights.pth"], "result of another blcf evaluate"),
    "compare with an empty list": (["--compare", "empty.json"], "to hold an evaluation"),
    "compare with a bad figure": (["--compare", "words.json"], "result of another blcf evaluate"),
    "compare with other queries": (["--compare", "others.json"], "fewer than two are in it"),
    "compare with another protocol": (
        ["--compare", "others.json", "--protocol", "ukbench"],
        "by the protocol ukbench to compare with, got one by oxford",
    ),
    "compare with another mode": (
        ["--compare", "others.json", "--queries", "box"],
        "same kind of query (LS) to compare with, got one of GS",
    ),
}


@pytest.mark.parametrize("arguments, message", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_come_before_the_evaluation(place, truth, call, monkeypatch, arguments, message):
    monkeypatch.chdir(place)
    monkeypatch.setattr("blcf.engine.SearchEngine.evaluate", lambda *a, **k: 1 / 0)
    (place / "folder.png").mkdir(exist_ok=True)
    (place / "empty.json").write_text("[]")
    other_file(place / "mode.json", mode=3)
    other_file(place / "voc.json", protocol="voc")
    for name, figure in (("endless", float("inf")), ("huge", 10**400)):
        row = {"name": "0001", "query": "it", "AP": figure}
        other_file(place / f"{name}.json", per_query=[row])
    other_file(place / "words.json", per_query=[{"name": "0001", "query": "it", "AP": "high"}])
    far = [{"name": f"{n:04d}", "query": "it in far.png", "AP": 0.5} for n in range(5)]
    other_file(place / "others.json", per_query=far)
    status, out, err = call("evaluate", "c.blcf", truth, *arguments)
    assert status == 2, err
    assert message in err and "Traceback" not in err and out == ""
    assert len(err.splitlines()) <= 2 and ".." not in err, "the sentence, and the command's form"


def test_boxes_of_whole_pictures_and_an_empty_collection(place, truth, call, tmp_path):
    content = json.loads(truth.read_text())
    (tmp_path / "gt.json").write_text(json.dumps({"queries": content["queries"][2:]}))
    command = ["evaluate", place / "c.blcf", tmp_path / "gt.json", "--queries", "box"]
    status, out, err = call(*command)
    assert (status, out) == (2, "") and "with a box or a mask" in err
    tiles.create(tmp_path / "empty.blcf")
    status, out, err = call("evaluate", tmp_path / "empty.blcf", truth)
    assert (status, out) == (2, "") and "holds no pictures" in err
    assert len(err.splitlines()) == 1


def test_no_matplotlib(place, truth, call, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "blcf.visualization", None)
    command = ["evaluate", place / "c.blcf", truth, "--failures", tmp_path / "x.png"]
    status, out, err = call(*command)
    assert (status, out) == (2, "") and "needs matplotlib: pip install" in err


def test_files_are_written_where_results_are_not_read(place, truth, call, tmp_path, monkeypatch):
    path = tmp_path / "run.txt"

    def stop(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("blcf.cli.evaluating._print", stop)
    assert call("evaluate", place / "c.blcf", truth, "--run", path, *FAST)[0] == 130
    assert read_run(path)
