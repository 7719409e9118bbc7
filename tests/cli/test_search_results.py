"""What `blcf search` gives: lines, JSON, CSV and a page, of one query and of several."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from html_page import read_page

from blcf import SearchEngine
from blcf.cli import results
from blcf.visualization import ranking

QUIET = ("--quiet", "--query-scales", "1")


@pytest.fixture
def folder(place):
    return place / "frames" / "été 1"


@pytest.fixture
def search(place, call, folder, monkeypatch):
    """`blcf search` in the folder of the pictures, quickly."""
    monkeypatch.chdir(folder)
    return lambda *arguments: call("search", place / "c.blcf", *arguments, *QUIET)


@pytest.fixture
def expected(place, folder):
    engine = SearchEngine.open(place / "c.blcf")
    queries = {"03.png": None, "07.png@0,0,64,64": (0, 0, 64, 64)}
    return {
        label: engine.search(folder / label[:6], box=box, k=3, query_scales=(1,)).to_dicts()
        for label, box in queries.items()
    }


def test_several_queries_are_named_in_every_line(search, expected):
    status, out, err = search("03.png", "07.png@0,0,64,64", "-k", 3)
    assert (status, err) == (0, "")
    lines = [re.split(r"  +", line, maxsplit=4) for line in out.splitlines()]
    rows = [(label, hit) for label, hits in expected.items() for hit in hits]
    assert len(lines) == len(rows) == 6
    for (query, rank, score, box, name), (label, hit) in zip(lines, rows):
        assert (query, int(rank), name) == (label, hit["rank"], hit["name"])
        assert float(score) == pytest.approx(hit["score"], abs=1e-4)
        assert len(box.split(",")) == 4


def test_json_is_a_list_where_several_are_asked_for(search, expected, tmp_path):
    found = json.loads(search("03.png", "07.png@0,0,64,64", "-k", 3, "--json")[1])
    assert [one["query"] for one in found] == ["03.png", "07.png"]
    assert [one["box"] for one in found] == [None, [0, 0, 64, 64]]
    assert [one["hits"] for one in found] == list(expected.values())
    (tmp_path / "q.csv").write_text("03.png\n")
    assert isinstance(json.loads(search("03.png", "-k", 1, "--json")[1]), dict)
    (tmp_path / "03.png").write_bytes(open("03.png", "rb").read())
    (one,) = json.loads(search("--queries", tmp_path / "q.csv", "-k", 3, "--json")[1])
    assert one["hits"] == expected["03.png"]


def test_csv(search, expected, tmp_path):
    path = tmp_path / "hits.csv"
    status, out, _ = search("03.png", "07.png@0,0,64,64", "-k", 3, "--csv", path)
    assert status == 0 and len(out.splitlines()) == 6
    rows = list(csv.DictReader(path.open(encoding="utf-8", newline="")))
    hits = [hit for hits in expected.values() for hit in hits]
    assert [(int(row["rank"]), row["name"], row["path"]) for row in rows] == [
        (hit["rank"], hit["name"], hit["path"]) for hit in hits
    ]
    for row, hit in zip(rows, hits):
        assert [float(row[edge]) for edge in ("x1", "y1", "x2", "y2")] == hit["box"]
    assert [row["query"] for row in rows] == ["03.png"] * 3 + ["07.png"] * 3
    assert [row["query_x2"] for row in rows] == [""] * 3 + ["64.0"] * 3
    out = search("03.png", "07.png@0,0,64,64", "-k", 3, "--csv", "-")[1]
    assert out == path.read_text("utf-8"), "and nothing else"
    out = search("03.png", "-k", 1, "--no-rerank", "--csv", "-")[1]
    assert ",,,," in out.splitlines()[1], "no box"


def test_a_head_for_a_person_only(search, monkeypatch):
    assert search("03.png", "-k", 1)[1].startswith("   1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    head, line = search("03.png", "-k", 1)[1].splitlines()
    assert head.split() == ["rank", "score", "box", "x1,y1,x2,y2", "(px)", "name"]
    places = [head.index(word) for word in ("box", "name")]
    assert places == [line.index(line.split()[2]), line.index("été 1")]
    head, *rest = search("03.png", "04.png", "-k", 2)[1].splitlines()
    assert head.startswith("query   rank") and len(rest) == 4, "once"


def test_a_page(search, expected, folder, tmp_path):
    path = tmp_path / "hits.html"
    status, out, err = search("03.png", "07.png@0,0,64,64", "-k", 3, "--html", path)
    assert (status, err) == (0, "") and len(out.splitlines()) == 6
    page = read_page(path)
    assert page.text.count("words in common") == 6
    links = {reference for tag, reference in page.references if tag == "a"}
    for hits in expected.values():
        for hit in hits:
            assert hit["name"] in page.text and f"score {hit['score']:.3f}" in page.text
            assert (folder / hit["name"][-6:]).as_uri() in links
    assert "box 0, 0, 64, 64 (pixels)" in page.text and "the whole picture" in page.text
    assert "the query itself" in page.text and "3 hits" in page.text


def test_a_page_of_frames(search, tmp_path):
    path = tmp_path / "hits.html"
    assert search("été 1/03.png", "--frame", "-k", 2, "--html", path)[0] == 0
    assert "1. the query itself" in read_page(path).text


def test_a_bad_query_of_several_is_skipped(search, tmp_path):
    """Named with its line and reason; the others are searched, the exit status is 3."""
    (tmp_path / "bad.png").write_text("no picture")
    (tmp_path / "q.csv").write_text(
        f"picture,x1,y1,x2,y2\nbad.png,,,,\ngone.png,,,,\n{'03.png'},,,,\n03.png,500,500,600,600\n"
    )
    shutil.copy("03.png", tmp_path)
    path = tmp_path / "hits.html"
    status, out, err = search("--queries", tmp_path / "q.csv", "-k", 2, "--html", path)
    assert status == 3 and len(out.splitlines()) == 2 and out.startswith("03.png  ")
    first, second, third, last = err.splitlines()
    assert first.startswith("blcf: skipped line 2: bad.png: ") and "not a picture" in first
    assert second == "blcf: skipped line 3: gone.png: there is no such file"
    assert third.startswith("blcf: skipped line 5: 03.png@500,500,600,600: ")
    assert last == "blcf: 3 of 4 queries were skipped"
    page = read_page(path)
    assert "skipped: there is no such file" in page.text and "#q4" in str(page.references)


def test_none_that_can_be_searched_with(search, tmp_path):
    path = tmp_path / "hits.html"
    status, out, err = search("a.png", "b.png", "--html", path, "--csv", tmp_path / "hits.csv")
    assert status == 2 and out == "" and not list(tmp_path.iterdir())
    assert err.splitlines()[-1] == (
        "blcf: None of 2 queries could be searched with, the first: a.png: there is no such file"
    )


def test_plot_draws_as_many_as_k_says(search, tmp_path, monkeypatch):
    drawn, true = [], ranking.plot_ranking

    def spy(query, box, hits, pictures, **how):
        drawn.append(len(hits))
        return true(query, box, hits, pictures, **how)

    monkeypatch.setattr("blcf.visualization.plot_ranking", spy)
    path = tmp_path / "hits.png"
    for k in (2, 11):
        assert search("03.png", "-k", k, "--plot", path)[0] == 0
    assert drawn == [2, 11]
    monkeypatch.setattr("blcf.cli.searching.MOST_SHOWN", 5)
    monkeypatch.setattr(results, "MOST_SHOWN", 5)
    status, out, err = search("03.png", "-k", 1_000_000, "--plot", path)
    assert status == 0 and len(out.splitlines()) == 12 and drawn[2:] == [5]
    assert err == "blcf: of 12 hits the first 5 are drawn; -k says how many there are\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["03.png", "--json", "--csv", "-"], "one of --json and --csv -"),
        (["03.png", "--csv", "no/where.csv"], "no folder that can be written"),
        (["03.png", "--html", "no/where.html"], "no folder that can be written"),
        (["03.png", "--html", "."], "it is a folder"),
        (["03.png", "--queries", "no.csv"], "the queries cannot be read"),
        (["03.png", "04.png", "-k", "0"], "Expected k to be an integer from 1"),
    ],
)
def test_mistakes(search, arguments, message):
    status, out, err = search(*arguments)
    assert status == 2 and out == "" and message in err and len(err.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs a closed pipe")
def test_a_reader_that_goes_away_does_not_cost_the_page(place, folder, tmp_path):
    """Of more output than a pipe holds, of which the first line is read."""
    rows = "".join(f"{folder / '03.png'}\n" for _ in range(120))
    (tmp_path / "q.csv").write_text(rows)
    command = f"{sys.executable} -m blcf search {place}/c.blcf --queries {tmp_path}/q.csv --quiet"
    command += f" --query-scales 1 --no-rerank --csv {tmp_path}/hits.csv | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert done.stdout.count("\n") == 1 and done.stderr == ""
    assert len((tmp_path / "hits.csv").read_text("utf-8").splitlines()) == 1 + 120 * 12
