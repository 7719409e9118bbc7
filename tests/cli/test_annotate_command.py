"""`blcf annotate`, and `--where` of a search."""

from __future__ import annotations

import json
import shutil

import pytest

from blcf import SearchEngine


@pytest.fixture
def copy(place, tmp_path):
    """A copy of the collection."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    return tmp_path / "c.blcf"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "facts.csv"
    rows = [f"été 1/{number:02d}.png;{'AB'[number % 2]};{number}" for number in range(6)]
    path.write_text("\n".join(["name;camera;n", *rows]), "utf-8")
    return path


def test_annotate_and_search(place, copy, table, call):
    status, out, _ = call("annotate", copy, table)
    assert status == 0 and out == f"facts of 6 pictures in {copy}; columns: camera, n\n"
    assert SearchEngine.open(copy).facts("été 1/03.png")["camera"] == "B"
    search = ["search", copy, "été 1/00.png", "--frame", "--json", "--where"]
    status, out, _ = call(*search, "camera = 'B' AND n > 1")
    names = {hit["name"] for hit in json.loads(out)["hits"]}
    assert status == 0 and names == {"été 1/03.png", "été 1/05.png"}
    status, out, err = call(*search, "colour = 'red'")
    assert status == 2 and "no such column: colour. The columns are" in err and not out
    status, _, err = call(*search, "n = 1; DROP TABLE pictures")
    assert status == 2 and "it holds a semicolon" in err
    status, out, _ = call(*search, "n > 99")
    assert status == 0 and json.loads(out)["hits"] == []
    status, out, _ = call("info", copy)
    assert "facts          camera, n" in out
    status, out, _ = call("info", copy, "--json")
    assert json.loads(out)["fact_columns"] == ["camera", "n"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,camera\nno.png,A\n", "it has no no.png. Nothing was written"),
        ("name,time\nété 1/00.png,1\n", "The column time is taken"),
        ("name,camera\nété 1/00.png,A,B\n", "Expected 2 cells in line 2"),
        ("", "it is empty"),
    ],
)
def test_tables_that_are_refused(copy, tmp_path, call, text, message):
    (tmp_path / "bad.csv").write_text(text, "utf-8")
    status, out, err = call("annotate", copy, tmp_path / "bad.csv")
    assert status == 2 and message in err and not out
    assert not (copy / "facts.sqlite").exists()


def test_no_table(copy, tmp_path, call):
    status, _, err = call("annotate", copy, tmp_path / "none.csv")
    assert status == 2 and "Could not read" in err and "none.csv" in err
    status, _, err = call("annotate", tmp_path / "none.blcf", tmp_path / "none.csv")
    assert status == 2 and "No collection at" in err


def test_a_damaged_file_of_facts(copy, table, call):
    call("annotate", copy, table)
    (copy / "facts.sqlite").write_text("damaged" * 1000)
    status, out, _ = call("check", copy)
    assert status == 3 and "damaged: facts.sqlite" in out
    search = ["search", copy, "été 1/00.png", "--frame", "-k", 1]
    assert call(*search)[0] == 0 and call(*search, "--where", "width > 0")[0] == 0
    status, _, err = call(*search, "--where", "n = 1")
    assert status == 2 and "--repair" in err
    status, out, _ = call("check", copy, "--repair")
    assert "What was said of pictures is lost; facts.sqlite is in damaged/" in out
    assert call("annotate", copy, table)[0] == 0
    assert call(*search, "--where", "n = 1")[0] == 0
