"""No output goes onto an input, into a collection or onto another output: it is refused at once."""

from __future__ import annotations

import json
import os
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tiles

from blcf.cli import main
from blcf.cli.outputs import Outputs
from blcf.cli.parser import parse_arguments
from blcf.engine import SearchEngine
from blcf.errors import InvalidInput


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A collection of pictures, and beside it all that a call may read."""
    folder = tmp_path_factory.mktemp("outputs")
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / "frames" / f"{number:02d}.png", one)
    engine = tiles.create(folder / "c.blcf")
    engine.add(folder / "frames", progress=False)
    for name in ("q.png", "other.png", "mask.png", "row.png", "shown.png"):
        tiles.save(folder / name, np.zeros((8, 8), dtype=int))
    (folder / "q.csv").write_text("picture\nrow.png\n")
    (folder / "w.pth").write_text("weights")
    query = {"query": "shown.png", "box": None, "positives": ["01.png"], "junk": []}
    (folder / "gt.json").write_text(json.dumps({"queries": [query]}))
    rows = [{"mode": "GS", "protocol": "oxford", "per_query": [], "AP": 1}]
    (folder / "before.json").write_text(json.dumps(rows))
    shutil.copy(folder / "frames" / "03.png", folder / "far.png")
    (folder / "set").mkdir()
    shutil.copy(folder / "gt.json", folder / "set")
    shutil.copy(folder / "shown.png", folder / "set")
    return folder


@pytest.fixture
def refused(made, call, monkeypatch):
    """refused(*arguments) gives the sentence of a call that computes and changes nothing."""
    monkeypatch.chdir(made)
    for name in ("search", "evaluate", "create"):
        monkeypatch.setattr(SearchEngine, name, lambda *a, **k: pytest.fail("it was not refused"))
    monkeypatch.setattr("blcf.cli.demo.run_demo", lambda **k: pytest.fail("it was not refused"))

    def state():
        return {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}

    def run(*arguments):
        before = state()
        status, out, err = call(*arguments)
        assert (status, out) == (2, "") and len(err.splitlines()) == 1, err
        assert state() == before
        return err

    return run


@pytest.mark.parametrize("option", ["--plot", "--sheet", "--explain", "--html", "--csv"])
def test_the_query_stays(refused, option):
    assert refused("search", "c.blcf", "q.png", option, "q.png") == (
        "blcf: Could not write q.png: this call reads it. Name another place.\n"
    )


READ = {
    "a box": (["q.png@0,0,9,9"], "q.png"),
    "an example": (["q.png", "--example", "other.png@0,0,9,9"], "other.png"),
    "what is not meant": (["q.png", "--not", "other.png"], "other.png"),
    "a mask": (["q.png", "--mask", "mask.png"], "mask.png"),
    "weights": (["q.png", "--weights", "w.pth"], "w.pth"),
    "a file of queries": (["--queries", "q.csv"], "q.csv"),
    "a row of them": (["--queries", "q.csv"], "row.png"),
    "a frame": (["03.png", "--frame"], "frames/03.png"),
    "any picture of the collection": (["q.png"], "frames/05.png"),
}


@pytest.mark.parametrize("arguments, path", READ.values(), ids=READ)
def test_whatever_is_read_stays(refused, arguments, path):
    err = refused("search", "c.blcf", *arguments, "--html", path)
    assert f"Could not write {path}: " in err
    assert "this call reads it" in err or "it is a picture of " in err


@pytest.mark.parametrize(
    "arguments, path",
    [
        (["gt.json"], "gt.json"),
        (["gt.json"], "shown.png"),
        (["gt.json", "--compare", "before.json"], "before.json"),
        (["gt.json", "--weights", "w.pth"], "w.pth"),
        (["gt.json"], "frames/05.png"),
        (["set"], "set/gt.json"),
        (["set"], "set/shown.png"),
    ],
)
def test_what_an_evaluation_reads_stays(refused, arguments, path):
    if "before.json" in arguments:
        error = refused("evaluate", "c.blcf", *arguments, "--run", path)
        assert "this call reads it" in error
    for option in ["--run"] + ["--failures"] * path.endswith(".png"):
        error = refused("evaluate", "c.blcf", *arguments, option, path)
        assert f"Could not write {path}: " in error


def test_the_weights_that_a_collection_was_made_with_stay(made, monkeypatch):
    monkeypatch.chdir(made)
    outputs = Outputs(parse_arguments(["search", "c.blcf", "q.png", "--csv", "w.pth"]))
    kept = SimpleNamespace(manifest={"settings": {"weights": str(made / "w.pth")}}, roots={})
    with pytest.raises(InvalidInput, match="w.pth: this call reads it, as"):
        outputs.spare_collection(kept)


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_by_whatever_path(refused, made, monkeypatch, tmp_path):
    """The same file through another path and both kinds of link."""
    (tmp_path / "link.png").symlink_to(made / "q.png")
    (tmp_path / "hard.png").hardlink_to(made / "q.png")
    (tmp_path / "folder").symlink_to(made)
    for one in (
        *("./q.png", "frames/../q.png", made / "q.png", tmp_path / "link.png"),
        *(tmp_path / "hard.png", tmp_path / "folder" / "q.png"),
    ):
        assert "this call reads it" in refused("search", "c.blcf", "q.png", "--plot", one)
        assert "this call reads it" in refused("search", "c.blcf", one, "--plot", "q.png")


def test_upper_and_lower_case_where_they_are_one(refused, monkeypatch):
    """As on a file system that does not tell them apart: Q.PNG is q.png there."""
    true = os.stat

    def stat(path, *args, **how):
        return true("q.png" if os.fspath(path) == "Q.PNG" else path, *args, **how)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(os, "access", lambda *a: True)
    assert "as q.png" in refused("search", "c.blcf", "q.png", "--csv", "Q.PNG")


@pytest.mark.parametrize("path", ["new.csv", "segments/new.csv", "manifest.json", "no/new.csv"])
def test_nothing_into_a_collection(refused, made, tmp_path, path):
    err = refused("search", "c.blcf", "q.png", "--csv", f"c.blcf/{path}")
    assert "is a collection, which holds nothing else" in err or "is no folder" in err
    (tmp_path / "link").symlink_to(made / "c.blcf")
    err = refused("search", "c.blcf", "q.png", "--csv", tmp_path / "link" / path)
    assert "is a collection, which holds nothing else" in err or "is no folder" in err
    (tmp_path / "deep").symlink_to(made / "c.blcf" / "segments")
    err = refused("search", "c.blcf", "q.png", "--csv", tmp_path / "deep" / "new.csv")
    assert "is a collection" in err


def test_no_folder_into_a_collection_either(refused):
    for arguments in (["demo", "--out", "c.blcf/demo"], ["index", "c.blcf/new", "frames"]):
        assert "c.blcf is a collection" in refused(*arguments)


def test_a_damaged_collection_is_one(refused, made, tmp_path):
    shutil.copytree(made / "c.blcf", tmp_path / "d.blcf")
    (tmp_path / "d.blcf" / "manifest.json").write_text("{")
    for _ in range(2):
        assert "is a collection" in refused(
            "search", "c.blcf", "q.png", "--csv", tmp_path / "d.blcf" / "new.csv"
        )
        (tmp_path / "d.blcf" / "manifest.backup.json").unlink(missing_ok=True)


@pytest.mark.parametrize("name", ["./a.png", "A.PNG", "b/../a.png"])
def test_each_output_is_a_file_of_its_own(refused, made, name):
    (made / "b").mkdir(exist_ok=True)
    err = refused("search", "c.blcf", "q.png", "--plot", "a.png", "--explain", name)
    assert f"{name}: it is named twice in this call (a.png)" in err


@pytest.mark.skipif(os.name == "nt", reason="links")
def test_two_links_to_one_file_are_no_two_outputs(refused, made):
    (made / "old.csv").write_text("old")
    for make in ("symlink_to", "hardlink_to"):
        (made / "link.csv").unlink(missing_ok=True)
        getattr(made / "link.csv", make)(made / "old.csv")
        assert "named twice" in refused(
            "search", "c.blcf", "q.png", "--csv", "old.csv", "--html", "link.csv"
        )


def test_standard_output_is_an_output_too(refused, made, monkeypatch, capsys):
    """blcf search ... --csv hits.csv > hits.csv"""
    with open("hits.csv", "w") as file:
        monkeypatch.setattr(sys, "stdout", file)
        assert main(["search", "c.blcf", "q.png", "--csv", "hits.csv"]) == 2
    assert "standard output goes there" in capsys.readouterr().err


@pytest.mark.parametrize(
    "path, message",
    [
        ("frames", "it is a folder"),
        ("new/", "it names a folder"),
        ("no/new.csv", "is no folder that can be written"),
        ("q.png/new.csv", "is no folder that can be written"),
    ],
)
def test_places_where_no_file_can_be(refused, path, message):
    assert message in refused("search", "c.blcf", "q.png", "--csv", path)


def test_write_protected(refused, made, monkeypatch):
    (made / "old.csv").write_text("old")
    monkeypatch.setattr(os, "access", lambda path, mode: not os.fspath(path).endswith("old.csv"))
    err = refused("search", "c.blcf", "q.png", "--csv", "old.csv")
    assert "old.csv: it is write-protected" in err


def test_what_may_be_written(made, monkeypatch, tmp_path):
    """A new file, an old result, a device; below another program's manifest.json."""
    monkeypatch.chdir(made)
    (tmp_path / "manifest.json").write_text('{"name": "a web page"}')
    (tmp_path / "old.html").write_text("old")
    for paths in (["new.csv", "new.html"], [tmp_path / "new.csv", tmp_path / "old.html"]):
        options = parse_arguments(
            ["search", "c.blcf", "q.png", "--csv", str(paths[0]), "--html", str(paths[1])]
        )
        Outputs(options).spare(["q.png", "no.png"])
    null = ["search", "c.blcf", "q.png", "--csv", os.devnull, "--html", os.devnull]
    Outputs(parse_arguments(null)).spare(["q.png", os.devnull])
    into = ["evaluate", "c.blcf", "set", "--run", "set/new.txt"]
    Outputs(parse_arguments(into))
