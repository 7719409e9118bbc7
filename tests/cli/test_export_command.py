"""`blcf export`: every format, what is said, and what is refused before anything is written."""

from __future__ import annotations

import json
import sys

import pytest
import tiles


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A collection of twelve scenes; queries are pictures of it, so that no network is needed."""
    folder = tmp_path_factory.mktemp("export")
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / "frames" / f"{number:02d}.png", one)
    engine = tiles.create(folder / "c.blcf")
    engine.add(folder / "frames", progress=False)
    engine.annotate({"03.png": {"camera": "A"}})
    (folder / "q.csv").write_text("picture,x1,y1,x2,y2\n01.png,0,0,64,64\n04.png,,,,\n")
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return made


def test_parquet(here, call, tmp_path):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    status, out, err = call("export", here / "c.blcf", "--to", "parquet", "p.parquet")
    assert (status, err) == (0, "")
    assert out == f"12 pictures of {here / 'c.blcf'} in p.parquet\n"
    assert len(pandas.read_parquet("p.parquet")) == 12
    assert call("export", here / "c.blcf", "new/folder", "--to", "parquet")[0] == 0
    assert len(pandas.read_parquet("new/folder")) == 12
    status, _, err = call("export", here / "c.blcf", "new/folder", "--to", "parquet")
    assert status == 2 and "Expected a new or empty folder" in err


def test_csv(here, call, tmp_path):
    assert call("export", here / "c.blcf", "--to", "csv", "p.csv")[0] == 0
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "id,name,width,height,mtime,bytes,video,time,shot,camera,path"
    assert len(lines) == 13 and lines[4].startswith("3,03.png,128,128,") and ",A," in lines[4]


def test_csv_on_standard_output(here):
    import subprocess

    code = "import sys; from blcf.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "export", str(here / "c.blcf"), "--to", "csv", "-"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.splitlines()[0].startswith("id,name,")
    assert len(done.stdout.splitlines()) == 13


def test_hits_are_written_as_a_search_writes_them(here, call, tmp_path):
    queries = ["--queries", here / "q.csv", "--frame", "-k", "5"]
    searched = ["search", here / "c.blcf", *queries, "--coco", "a.json", "--run", "a.txt"]
    assert call(*searched)[0] == 0
    status, out, _ = call("export", here / "c.blcf", "--to", "coco", "b.json", *queries)
    assert (status, out) == (0, "12 pictures in b.json\n")
    status, out, _ = call("export", here / "c.blcf", "--to", "trec", "b.txt", *queries)
    assert (status, out) == (0, "hits of 2 queries in b.txt\n")
    assert (tmp_path / "a.txt").read_text() == (tmp_path / "b.txt").read_text()
    one, other = (json.loads((tmp_path / f"{name}.json").read_text()) for name in "ab")
    assert one["categories"] == other["categories"] and len(other["images"]) == 12
    boxes = [
        [
            (names[box["image_id"]], box["category_id"], box["bbox"], box["score"])
            for box in form["annotations"]
        ]
        for form in (one, other)
        for names in [{image["id"]: image["file_name"] for image in form["images"]}]
    ]
    assert boxes[0] == boxes[1] and len(boxes[0]) >= 10
    assert call("export", here / "c.blcf", "--to", "coco", "c.json")[0] == 0
    alone = json.loads((tmp_path / "c.json").read_text())
    assert len(alone["images"]) == 12 and alone["annotations"] == alone["categories"] == []


def test_a_query_that_cannot_be_searched_with(here, call, tmp_path):
    (tmp_path / "some.csv").write_text("01.png\nnowhere.png\n")
    queries = ["--queries", "some.csv", "--frame"]
    status, out, err = call("export", here / "c.blcf", "--to", "trec", "r.txt", *queries)
    assert (status, out) == (3, "hits of 1 queries in r.txt\n") and "skipped line 2" in err
    (tmp_path / "none.csv").write_text("no.png\nnowhere.png\n")
    status, _, err = call(
        "export", here / "c.blcf", "--to", "trec", "n.txt", "--queries", "none.csv", "--frame"
    )
    assert status == 2 and "None of 2 queries" in err and not (tmp_path / "n.txt").exists()


def test_qdrant_and_a_search_in_it(here, call, tmp_path):
    pytest.importorskip("qdrant_edge")
    c = here / "c.blcf"
    status, out, _ = call("export", c, "--to", "qdrant", "shard", "--quiet")
    assert status == 0 and "12 vectors sent (12 new, 0 changed, 0 weighed anew)" in out
    status, out, _ = call("export", c, "--to", "qdrant", "shard", "--quiet")
    assert status == 0 and "0 vectors sent" in out and "12 as they were" in out
    asked = ["search", c, "01.png", "--frame", "--box", "0,0,64,64", "--json"]
    expected = call(*asked)
    assert call(*asked, "--index", "qdrant:shard") == expected and expected[0] == 0
    assert len(json.loads(expected[1])["hits"]) == 12
    status, _, err = call(*asked, "--index", "qdrant:nowhere")
    assert status == 2 and "there is no shard of Qdrant" in err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--to", "parket", "p.parquet"], "Expected the format, --to FORMAT, to be one of parquet"),
        (["--to", "csv", "{c}/p.csv"], "is a collection, which holds nothing else"),
        (["--to", "qdrant", "{c}/shard"], "is a collection, which holds nothing else"),
        (["--to", "parquet", "{c}/parts"], "is a collection, which holds nothing else"),
        (["--to", "csv", "{frames}/01.png"], "it is a picture of"),
        (["--to", "parquet", "file"], "Expected a folder, got the file file (a Parquet file ends"),
        (["--to", "qdrant", "file"], "Expected a folder, got the file file"),
        (["--to", "csv", "."], "it is a folder"),
        (["--to", "parquet", "-"], "- is for --to csv only"),
        (["--to", "csv", ""], "Expected PLACE as a path"),
        (["--to", "trec", "r.txt"], "Expected the queries of the run file as well"),
        (["--to", "csv", "p.csv", "--queries", "{q}"], "Expected queries with --to coco or"),
        (["--to", "coco", "p.json", "-k", "3"], "Expected the queries as well"),
        (["--to", "trec", "{q}", "--queries", "{q}"], "this call reads it"),
        (["--to", "qdrant", "http://127.0.0.1:1/frames"], "Could not reach Qdrant"),
        (["--to", "qdrant", "http://127.0.0.1:1/"], "and the name of a collection in it"),
    ],
)
def test_what_is_refused(here, call, tmp_path, arguments, message):
    (tmp_path / "file").write_text("mine")
    places = {"c": here / "c.blcf", "frames": here / "frames", "q": here / "q.csv"}
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    status, out, err = call("export", here / "c.blcf", *(one.format(**places) for one in arguments))
    assert status == 2 and out == "" and message in err and err.count("\n") == 1, err
    assert (tmp_path / "file").read_text() == "mine"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    kept = {path: time for path, time in before.items() if path.is_file()}
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def test_a_collection_without_pictures(call, tmp_path):
    tiles.create(tmp_path / "c.blcf")
    for kind, place in (("parquet", "p.parquet"), ("csv", "p.csv"), ("qdrant", "shard")):
        status, _, err = call("export", tmp_path / "c.blcf", "--to", kind, tmp_path / place)
        assert status == 2 and "holds no pictures yet" in err
        assert not (tmp_path / place).exists()
