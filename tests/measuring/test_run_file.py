"""Rankings as a TREC run file: which are taken, how names are written, what they take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from blcf import SearchOptions
from blcf.datasets import GroundTruth, TrueExample, TrueQuery
from blcf.errors import InvalidInput, StorageError
from blcf.evaluation import read_run
from blcf.measuring.evaluator import evaluate
from blcf.measuring.run_file import RunFile
from blcf.records import Ranking

NAMES = [f"{number:02d}.png" for number in range(12)]


def query(name: str, **fields) -> TrueQuery:
    return TrueQuery(name, "x", (TrueExample(Path("q.png")),), frozenset(["a"]), **fields)


def ranking(names) -> Ranking:
    scores = np.linspace(1, 0.5, len(names), dtype=np.float32)
    return Ranking(list(names), scores, np.arange(len(names)), np.zeros((len(names), 4)))


@pytest.mark.parametrize("mode", ["LS", "GS"])
def test_the_rankings_of_an_evaluation(planted, tmp_path, mode):
    """Whole ones, with junk, of one kind of query; those of the other take no memory."""
    engine, box = planted.engine(), np.array([0, 0, 64, 64], dtype=np.float32)
    example = TrueExample(planted.path(3), box)
    rows = [
        TrueQuery("a", "x", (example,), frozenset(NAMES[:2]), frozenset(NAMES[3:4])),
        TrueQuery("b", "x", (TrueExample(planted.path(5)),), frozenset(NAMES[6:8])),
    ]
    run, options = RunFile(mode), SearchOptions(query_scales=(1,), rerank=False)
    truth = GroundTruth("gt.json", rows)
    evaluate(engine.searcher, truth, [options], sink=run, progress=False)
    run.write(tmp_path / "run.txt")
    written = read_run(tmp_path / "run.txt")
    assert list(written) == (["a"] if mode == "LS" else ["a", "b"])
    hits = engine.search(planted.path(3), box if mode == "LS" else None, k=12, query_scales=(1,),
                         rerank=False)
    lines = [line.split() for line in (tmp_path / "run.txt").read_text().splitlines()][:12]
    assert [line[2] for line in lines] == hits.names and lines[0][5] == f"blcf-{mode}"
    assert [float(line[4]) for line in lines] == hits.scores.tolist()
    assert [line[3] for line in lines] == [str(rank) for rank in range(1, 13)]


def test_shots_are_written(planted, tmp_path):
    shots = {name: f"shot{number // 3}" for number, name in enumerate(NAMES)}
    one = replace(query("9069"), examples=(TrueExample(planted.path(3)),),
                  positives=frozenset(["shot1"]))
    truth, run = GroundTruth("t", [one], protocol="trecvid", shots=shots), RunFile("GS", 3)
    options = SearchOptions(query_scales=(1,), rerank=False)
    ((found,),) = evaluate(planted.engine().searcher, truth, [options], sink=run, progress=False)
    run.write(tmp_path / "run.txt")
    assert [line.split()[2] for line in (tmp_path / "run.txt").read_text().splitlines()] == (
        found.results[0].hits.names[:3]
    )


def test_names_are_written_so_that_every_reader_takes_them(tmp_path):
    """Any white space that `str.split` knows, and names that differ by what stands for it."""
    names = ["a b.png", "a%20b.png", "a%2520b.png", "a\u3000b.png", "a\xa0b.png", "a\tb\n.png"]
    names += ["a\x85b.png", "a\u2028b.png", "a\x1cb.png", "100 %.png", "é.png", "a\udcffb.png"]
    run = RunFile("GS")
    run("GS", query("q 1"), ranking(names))
    run("GS", query("q%201"), ranking(names[::-1]))
    run.write(tmp_path / "run.txt")
    text = (tmp_path / "run.txt").read_bytes().decode("utf-8", "surrogateescape")
    rows = [line.split() for line in text.split("\n")[:-1]]
    assert {len(row) for row in rows} == {6}
    assert [unquote(row[2]) for row in rows] == names + names[::-1]
    assert [unquote(row[0]) for row in rows] == ["q 1"] * len(names) + ["q%201"] * len(names)
    assert rows[0][2] == "a%20b.png"


def test_eight_bytes_a_hit():
    run, many = RunFile("LS"), ranking(NAMES * 50)
    for _ in range(3):
        run("LS", query("a"), many)
        run("GS", query("a"), many)
    kept = [array for row in run._rankings for array in row[1:]]
    assert sum(array.nbytes for array in kept) == 3 * 600 * 8
    assert all(array.base is None for array in kept), "a view would keep the whole ranking"


def test_mistakes(tmp_path):
    for n_hits in (-1, 2.5):
        with pytest.raises(InvalidInput, match="n_hits to be 0 or more"):
            RunFile("LS", n_hits)
    run = RunFile("LS")
    run("GS", query("a"), ranking(NAMES))
    with pytest.raises(InvalidInput, match="no query could be searched with as LS"):
        run.write(tmp_path / "run.txt")
    run("LS", query("a"), ranking(NAMES))
    with pytest.raises(StorageError, match="Could not write .*nowhere"):
        run.write(tmp_path / "nowhere" / "run.txt")
    assert not list(tmp_path.iterdir())
