"""The command line: what it prints, its exit status, and one sentence for every mistake."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tiles
import torch
import torchvision

from blcf import SearchOptions, Settings
from blcf.cli import main
from blcf.cli.parser import build_parser
from blcf.index import Collection


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Pictures, weights of a small network (random, seeded), and a collection made by the CLI."""
    folder = tmp_path_factory.mktemp("cli")
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / "frames" / "été 1" / f"{number:02d}.png", one)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1(weights=None)
    torch.save(network.state_dict(), folder / "weights.pth")
    status = main(
        ["index", str(folder / "frames"), str(folder / "c.blcf"), "--quiet"]
        + ["--network", "squeezenet1_1", "--weights", str(folder / "weights.pth")]
        + ["--side", "128", "--words", "20"]
    )
    assert status == 0
    return folder


def run(*arguments, **environment) -> subprocess.CompletedProcess:
    """`python -m blcf` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "blcf", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )


def call(capsys, *arguments) -> tuple[int, str, str]:
    """A command in this process: status, stdout, stderr."""
    try:
        status = main([str(argument) for argument in arguments])
    except SystemExit as exit:
        status = exit.code
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_search_prints_a_ranking(place):
    image = place / "frames" / "été 1" / "03.png"
    done = run("search", place / "c.blcf", image, "--box", "0,0,100,90", "-k", "3")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    rank, score, box, name = lines[0].split(maxsplit=3)
    assert rank == "1" and 0 < float(score) <= 1 and name == "été 1/03.png"
    assert len(box.split(",")) == 4


def test_search_as_json_and_picture(place, capsys, tmp_path):
    image = place / "frames" / "été 1" / "03.png"
    plot = tmp_path / "hits.png"
    status, out, _ = call(
        capsys, "search", place / "c.blcf", image, "--json", "--plot", plot, "-k", 2
    )
    assert status == 0
    answer = json.loads(out)
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2]
    assert answer["hits"][0]["name"] == "été 1/03.png"
    assert Path(answer["hits"][0]["path"]).samefile(image)
    assert len(answer["hits"][0]["box"]) == 4
    assert plot.stat().st_size > 1000
    status, out, _ = call(capsys, "search", place / "c.blcf", image, "--json", "--no-rerank")
    assert json.loads(out)["hits"][0]["box"] is None


def test_info(place, capsys):
    status, out, _ = call(capsys, "info", place / "c.blcf", "--json")
    facts = json.loads(out)
    assert status == 0 and facts["n_images"] == 12 and facts["model"]["n_words"] == 20
    assert call(capsys, "info", place / "c.blcf")[1].count("\n") > 10


def test_info_needs_no_torch(place):
    code = "import sys, blcf.cli; blcf.cli.main(['info', sys.argv[1]])"
    code += "; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code, str(place / "c.blcf")], capture_output=True)
    assert done.returncode == 0, done.stderr


def test_index_again_and_again(place, capsys, tmp_path):
    """The same command adds what is new, and says what it skipped by its exit status."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    frames = place / "frames"
    status, out, _ = call(capsys, "index", frames, tmp_path / "c.blcf", "--quiet")
    assert status == 0 and "0 added, 12 were there, 0 skipped" in out
    (frames / "bad.jpg").write_bytes(b"no picture")
    status, out, err = call(capsys, "index", frames, tmp_path / "c.blcf", "--quiet")
    (frames / "bad.jpg").unlink()
    assert status == 3 and "1 skipped" in out
    assert "skipped bad.jpg:" in err and "errors.jsonl" in err
    rows = [json.loads(line) for line in (tmp_path / "c.blcf" / "errors.jsonl").open()]
    assert [row["name"] for row in rows] == ["bad.jpg"]


def test_evaluate(place, capsys, tmp_path):
    names = [f"été 1/{number:02d}.png" for number in range(12)]
    query = {"query": str(place / "frames" / names[0]), "object": "it", "box": [0, 0, 64, 64]}
    truth = {"queries": [{**query, "positives": names[:6], "junk": []}]}
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    status, out, _ = call(
        capsys, "evaluate", place / "c.blcf", tmp_path / "gt.json", "--json", "--quiet"
    )
    rows = json.loads(out)
    assert status == 0 and [row["mode"] for row in rows] == ["LS", "GS"]
    assert 0 < rows[0]["mAP"] <= 1
    status, out, _ = call(
        capsys, "evaluate", place / "c.blcf", tmp_path / "gt.json", "--per-query", "--quiet"
    )
    assert status == 0 and "it in 00.png" in out


MISTAKES = {
    "box outside": (["search", "C", "Q", "--box", "500,500,600,600"], "lies outside"),
    "box reversed": (["search", "C", "Q", "--box", "90,90,10,10"], "empty or reversed"),
    "box empty": (["search", "C", "Q", "--box", "10,10,10,90"], "empty or reversed"),
    "box not a number": (["search", "C", "Q", "--box", "nan,0,10,10"], "finite numbers"),
    "box of three": (["search", "C", "Q", "--box", "0,10,10"], "four numbers"),
    "box of words": (["search", "C", "Q", "--box", "a,b,c,d"], "X1,Y1,X2,Y2"),
    "no query": (["search", "C", "nowhere.jpg"], "there is no such file"),
    "unreadable query": (["search", "C", "weights.pth"], "not a picture"),
    "k = 0": (["search", "C", "Q", "-k", "0"], "Expected k to be 1 or more"),
    "k of words": (["search", "C", "Q", "-k", "many"], "invalid int value"),
    "shares of words": (["search", "C", "Q", "--shares", "a,b"], "expected integers"),
    "shares of nothing": (["search", "C", "Q", "--shares", "0"], "Expected shares"),
    "plot of no format": (["search", "C", "Q", "--plot", "hits.xyz"], "xyz"),
    "no collection": (["search", "nowhere", "Q"], "No collection at"),
    "no collection, info": (["info", "frames"], "no manifest.json"),
    "no frames": (["index", "nowhere", "new"], "nowhere"),
    "empty folder": (["index", "empty", "new"], "empty"),
    "no pictures": (["index", "words", "new"], ".jpg"),
    "unknown network": (["index", "frames", "new", "--network", "vg16"], "did you mean vgg16"),
    "unknown layer": (
        ["index", "frames", "new", "--network", "squeezenet1_1", "--layer", "fire99"]
        + ["--weights", "weights.pth"],
        "Near: fire9",
    ),
    "weights of another": (
        ["index", "frames", "new", "--network", "alexnet", "--weights", "weights.pth"],
        "do not fit",
    ),
    "weights that are none": (
        ["index", "frames", "new", "--network", "alexnet", "--weights", "gt.json"],
        "no file of tensors",
    ),
    "no weights": (
        ["index", "frames", "new", "--network", "alexnet", "--weights", "nowhere.pth"],
        "No weights file",
    ),
    "more words than features": (
        ["index", "frames", "new", "--network", "squeezenet1_1", "--weights", "weights.pth"]
        + ["--side", "64", "--words", "9000"],
        "Ask for fewer words",
    ),
    "only bad pictures": (
        ["index", "bad", "new", "--network", "squeezenet1_1", "--weights", "weights.pth"],
        "None of 1 pictures",
    ),
    "other settings": (["index", "frames", "C", "--side", "200"], "was made with side 128"),
    "bad side": (["index", "frames", "new", "--side", "3"], "side"),
    "bad words": (["index", "frames", "new", "--words", "-5"], "n_words"),
    "into a folder of pictures": (
        ["index", "frames", "frames", "--network", "squeezenet1_1", "--weights", "weights.pth"],
        "not an empty folder",
    ),
    "no truth": (["evaluate", "C", "nowhere.json"], "No ground truth"),
    "truth of another set": (["evaluate", "C", "gt.json"], "No picture of"),
    "truth that is none": (["evaluate", "C", "words/a.txt"], "to be JSON"),
    "no command": ([], "COMMAND"),
}


@pytest.mark.parametrize("arguments, message", MISTAKES.values(), ids=MISTAKES)
def test_mistakes(place, capsys, monkeypatch, arguments, message):
    """Exit status 2, one sentence, no traceback, and the collection as it was."""
    monkeypatch.chdir(place)
    (place / "empty").mkdir(exist_ok=True)
    (place / "words").mkdir(exist_ok=True)
    (place / "words" / "a.txt").write_text("no picture")
    (place / "bad").mkdir(exist_ok=True)
    (place / "bad" / "a.jpg").write_text("no picture")
    query = {"query": str(place / "q.png"), "box": None, "positives": ["other.jpg"], "junk": []}
    (place / "gt.json").write_text(json.dumps({"queries": [query]}))
    tiles.save(place / "q.png", np.zeros((8, 8), dtype=int))
    names = {"C": "c.blcf", "Q": "q.png"}
    status, out, err = call(capsys, *(names.get(one, one) for one in arguments))
    assert status == 2, err
    assert message in err
    assert "Traceback" not in err and out == ""
    assert not (place / "new").exists(), "nothing is made for a mistake"
    assert Collection.open(place / "c.blcf").n_images == 12


def damage_version(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "format_version": 99}))


def damage_manifest(folder):
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text[: len(text) // 2])


def damage_segment(folder):
    path = next((folder / "segments").glob("*.h5"))
    path.write_bytes(path.read_bytes()[:-3000])


def damage_model(folder):
    (folder / "model.h5").write_bytes((folder / "model.h5").read_bytes()[:3000])


def remove_model(folder):
    (folder / "model.h5").unlink()


@pytest.mark.parametrize(
    "damage, message",
    [
        (damage_version, "version 99"),
        (damage_manifest, "damaged"),
        (damage_segment, "cut short"),
        (damage_model, "cut short"),
        (remove_model, "missing"),
    ],
)
def test_damaged_collections(place, capsys, tmp_path, damage, message):
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    damage(tmp_path / "c.blcf")
    image = place / "frames" / "été 1" / "03.png"
    status, out, err = call(capsys, "search", tmp_path / "c.blcf", image)
    assert status == 2 and message in err and out == ""
    assert len(err.strip().splitlines()) == 1


FULL = """
import resource, sys
from blcf.cli import main
from blcf.engine import indexing
indexing.COMMIT_IMAGES = 4
limit = int(sys.argv[1])
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("limit", [2_000, 9_000, 40_000])
def test_disk_full(place, tmp_path, limit):
    """A file that cannot be written: one sentence, and what was committed is there."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    tiles.save(tmp_path / "more" / "new.png", np.full((8, 8), 5))
    arguments = ["index", tmp_path / "more", tmp_path / "c.blcf", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(limit), *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert done.returncode == 2 and "Could not write" in done.stderr
    assert len(Collection.open(tmp_path / "c.blcf").segments) == 1 + (done.returncode == 0)
    assert limit > 2_000 or done.returncode == 2, "no segment fits into 2,000 bytes"
    main([*map(str, arguments)])
    assert Collection.open(tmp_path / "c.blcf").n_images == 13
    assert not list((tmp_path / "c.blcf").glob("**/*.tmp"))


def test_weights_that_moved(place, capsys, tmp_path):
    """The error says what is missing; --weights mends it; other weights are refused."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    path = tmp_path / "c.blcf" / "manifest.json"
    path.write_text(path.read_text().replace("weights.pth", "gone.pth"))
    image = place / "frames" / "été 1" / "03.png"
    status, _, err = call(capsys, "search", tmp_path / "c.blcf", image)
    assert status == 2 and "gone.pth" in err
    search = ["search", tmp_path / "c.blcf", image, "-k", 1, "--weights"]
    assert call(capsys, *search, place / "weights.pth")[0] == 0
    state = torch.load(place / "weights.pth", weights_only=True)
    state["features.0.bias"] += 1
    torch.save(state, tmp_path / "other.pth")
    status, _, err = call(capsys, *search, tmp_path / "other.pth")
    assert status == 2 and "was made with weights_digest" in err


def test_defaults_are_the_librarys():
    """No option has a default of its own, and each names a setting of the library."""
    parser = build_parser()
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    known = {field.name for kind in (Settings, SearchOptions) for field in fields(kind)}
    for name in ("index", "search", "evaluate"):
        for action in commands[name]._actions:
            if action.dest in known:
                assert action.default is argparse.SUPPRESS, action.dest
    named = {action.dest for command in commands.values() for action in command._actions}
    assert {field.name for field in fields(Settings)} <= named
    assert {field.name for field in fields(SearchOptions)} <= named


@pytest.mark.skipif(os.name != "posix", reason="needs a closed pipe")
def test_a_reader_that_goes_away(place):
    image = place / "frames" / "été 1" / "03.png"
    command = f"{sys.executable} -m blcf search {place}/c.blcf '{image}' | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
