"""The script of the published tables, on a small made-up set with weights drawn at random."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tiles
import torch
import torchvision
from filelock import FileLock

from benchmarks import report
from benchmarks.reproduce import __main__ as reproduce
from benchmarks.reproduce.conditions import HERE, read_conditions
from benchmarks.reproduce.report import status
from blcf import Whitening
from blcf.features.lite import LITE, LiteNetwork
from blcf.features.network_file import NetworkFile, write_network_file
from blcf.learning.descriptor_file import write_descriptor
from blcf.learning.heads import RMACHead

CONDITIONS = read_conditions()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve scenes with a ground truth, and a file of weights."""
    folder = tmp_path_factory.mktemp("reproduce")
    maps, _, places = tiles.planted_scenes()
    names = [f"{number:02d}.png" for number in range(len(maps))]
    for name, one in zip(names, maps):
        tiles.save(folder / "set" / "images" / name, one)
    positives = [name for name, place in zip(names, places) if place]
    queries = []
    for number in (0, 1):
        x1, y1, x2, y2 = (16 * edge for edge in places[number])
        found = [name for name in positives if name != names[number]]
        query = {"query": names[number], "object": "o", "box": [x1, y1, x2, y2]}
        queries.append({**query, "positives": found, "junk": [names[number]]})
    (folder / "set" / "gt.json").write_text(json.dumps({"images": [], "queries": queries}))
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(weights=None)
    torch.save(network.state_dict(), folder / "weights.pth")
    return folder


def small_conditions(folder):
    """The tables with small pictures."""
    text = (HERE / "conditions.toml").read_text()
    path = folder / "conditions.toml"
    path.write_text(text.replace("side = 512", "side = 128").replace("side = 384", "side = 128"))
    return read_conditions(path)


@pytest.fixture
def run(folder, monkeypatch, tmp_path, capsys):
    """Run the script; gives its status, stdout and stderr. Results go to a folder of their own."""
    (tmp_path / "results").mkdir()
    monkeypatch.setattr(report, "HERE", tmp_path)
    monkeypatch.setattr(reproduce, "read_conditions", lambda: small_conditions(folder))

    def ran(*arguments, network="squeezenet1_1", work="work"):
        named = [*(["--network", network] if network else [])]
        weights = f"{network or 'vgg16'}={folder / 'weights.pth'}"
        command = ["reproduce", "--work", str(folder / work), "--weights", weights]
        monkeypatch.setattr(sys, "argv", [*command, *named, *arguments])
        code = reproduce.main()
        return code, *capsys.readouterr()

    return ran


def test_a_set_of_ones_own_goes_through_every_row(run, folder, tmp_path):
    code, out, err = run("--data", f"tiles={folder / 'set'}", "--tables", "icmr-3")
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) == 6 and all("oxford5k" in line and "[no data]" in line for line in lines)
    results = json.loads((tmp_path / "results" / "reproduce-icmr-3-squeezenet1_1.json").read_text())
    assert results["command"].endswith("--network squeezenet1_1")
    kept = results["rows"]
    figures = [cells["tiles"]["figure"] for cells in kept.values()]
    assert len(figures) == 6 and all(0 < figure <= 1 for figure in figures)
    result = kept["BoW LS"]["tiles"]["result"]
    assert result["mode"] == "LS" and result["images"] == 12
    text = (tmp_path / "reproduce.md").read_text()
    assert "| BoW LS | (0.739) [no data] |" in text and "Table 3" in text
    assert "# Published tables, squeezenet1_1" in text
    again = run("--data", f"tiles={folder / 'set'}", "--tables", "icmr-3")
    assert again[1] == out and "indexed" not in again[2], "nothing is measured twice"


def test_what_changed_is_made_again(run, folder, tmp_path):
    """Pictures of other content under the same names, and a picture that cannot be read."""
    copy = tmp_path / "copy"
    shutil.copytree(folder / "set", copy)
    arguments = ("--data", f"tiles={copy}", "--tables", "icmr-3")
    first = run(*arguments)
    names = sorted((copy / "images").iterdir())
    for name, other in zip(names[2:], names[:1:-1]):
        shutil.copy(folder / "set" / "images" / other.name, name)
    changed = run(*arguments)
    assert changed[0] == 0 and changed[1] != first[1]
    fresh = run(*arguments, work="fresh")
    assert changed[1] == fresh[1]
    names[0].write_bytes(b"no picture")
    code, out, err = run(*arguments)
    assert code == 0 and "skipped" in err, err
    assert all("[1 query pictures cannot be read]" in line for line in out.splitlines())


def test_queries_without_boxes_are_said(run, folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(folder / "set", copy)
    truth = json.loads((copy / "gt.json").read_text())
    for query in truth["queries"]:
        query["box"] = None
    (copy / "gt.json").write_text(json.dumps(truth))
    code, out, err = run("--data", f"tiles={copy}", "--tables", "icmr-3")
    assert code == 0, err
    for line in out.splitlines():
        assert ("[whole queries]" in line) == line[10:50].strip().endswith("LS"), line


def test_one_run_at_a_time(run, folder):
    with FileLock(folder / "work" / "reproduce.lock"):
        code, out, err = run("--data", f"tiles={folder / 'set'}")
    assert code == 2 and not out and "another run is working in" in err


# No socket, no torch, nothing opened below the first argument, nothing written.
WATCHED = """
import os, runpy, sys

def watch(event, arguments):
    what = str(arguments[0]) if arguments else ""
    if event.startswith("socket.") or event == "import" and what.split(".")[0] == "torch":
        raise AssertionError(f"{event} {what}")
    if event in ("open", "os.listdir", "os.scandir") and what.startswith(sys.argv[1]):
        raise AssertionError(f"{event} {what}")
    writes = event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
    if writes and what != os.devnull or event == "os.mkdir":
        raise AssertionError(f"{event} {what}")

sys.addaudithook(watch)
sys.argv[:] = [sys.argv[0], *sys.argv[2:]]
runpy.run_module("benchmarks.reproduce", run_name="__main__")
"""


def test_a_plan_opens_no_network_and_no_data(folder, tmp_path):
    paris = tmp_path / "paris"
    paris.mkdir()
    data = [f"tiles={folder / 'set'}", f"paris6k={paris}", f"oxford5k={paris}"]
    command = [sys.executable, "-B", "-c", WATCHED, str(folder), "--plan", "--data", *data]
    done = subprocess.run(
        [*command, "--work", str(tmp_path / "work"), "--distractors", str(paris)],
        cwd=report.HERE.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and not done.stdout, done.stderr
    said = done.stderr
    assert re.search("  blcf, paris6k: 6,447 pictures, about .* hours, .* disk; 10 figures\n", said)
    assert re.search("  blcf, oxford105k: 105,189 pictures, .* 4 figures\n", said)
    assert "  blcf, tiles: the pictures of its folder; 10 figures\n" in said
    assert "  rmac, oxford5k: 11,510 pictures, " in said, "and those of Paris, for the whitening"
    assert "  crow, oxford5k: features of a system before; 2 figures\n" in said
    assert "  rmac, oxford5k: no data: landmarks, to learn the whitening on\n" in said
    assert "holidays" not in said and "\nin all " in said
    assert "weights of vgg16: torchvision's, looked for when a run begins\n" in said


def test_a_plan_wants_what_is_given_to_be_there(run, folder):
    data = ["--data", f"tiles={folder / 'set'}", "--plan", "--tables", "icmr-2"]
    code, out, err = run(*data)
    assert code == 0 and not out and f"weights of squeezenet1_1: {folder}" in err
    code, _, err = run("--data", "tiles=/nowhere", "--plan")
    assert code == 2 and "Expected tiles in /nowhere: there is no such folder." in err
    code, _, err = run(*data, "--weights", "squeezenet1_1=/nowhere.pth")
    assert code == 2 and "weights of squeezenet1_1 in /nowhere.pth: there is no such file" in err


@pytest.mark.slow
def test_what_cannot_run_is_said_and_the_rest_runs(run, folder):
    code, out, err = run("--data", f"tiles={folder / 'set'}", "--tables", "dir-1", "lecture")
    assert code == 0
    by_row = {line[10:50].strip(): line for line in out.splitlines()}
    assert "no data: landmarks" in by_row["R-MAC, whitened on Landmarks"]
    assert "[needs a trained network]" in by_row["learned R-MAC, ranking, clean set"]
    for row in ("R-MAC + R + QE", "CroW + QE", "VLAD of conv features", "off-the-shelf crops"):
        assert "tiles 0." in by_row[row] or "tiles 1." in by_row[row], err


def test_a_trained_network_makes_its_row(run, folder, tmp_path):
    whitening = Whitening(8).fit(np.random.default_rng(0).random((600, 512), dtype=np.float32))
    content = NetworkFile(LITE, LiteNetwork().state_dict(), "conv5", facts={"side": "96"})
    write_descriptor(tmp_path / "trained.h5", content, RMACHead(whitening))
    arguments = ("--data", f"tiles={folder / 'set'}", "--tables", "dir-1")
    name = f"dir-ranking-clean={tmp_path / 'trained.h5'}"
    _, out, _ = run(*arguments, "--trained", name, work="trained")
    rows = {line[10:50].strip(): line for line in out.splitlines()}
    assert re.search(r"tiles 0\.\d{3}", rows["learned R-MAC, ranking, clean set"])
    assert "[needs a trained network]" in rows["learned R-MAC, classification, clean set"]
    write_network_file(tmp_path / "alone.h5", content)
    code, _, err = run(*arguments, "--trained", f"dir-ranking-clean={tmp_path / 'alone.h5'}")
    assert code == 2 and "a network with a head, it has none" in err
    code, _, err = run(*arguments, "--trained", f"rmac={tmp_path / 'alone.h5'}")
    assert code == 2 and "Expected --trained of dir-classification-clean, " in err


def test_status():
    row = next(row for row in CONDITIONS.rows if (row.table, row.row) == ("icmr-1", "LS"))
    assert status(CONDITIONS, row, "oxford5k", 0.7479, None) == "[OK]"
    assert status(CONDITIONS, row, "oxford5k", 0.7491, None) == "[off by +0.011]"
    assert status(CONDITIONS, row, "oxford5k", 0.5, None) == "[off by -0.238]"
    assert status(CONDITIONS, row, "oxford5k", 0.5, "other") == "[other network]"
    assert status(CONDITIONS, row, "mine", 0.5, None) == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "tiles"], "Expected --data NAME=PATH, got 'tiles'"),
        (["--data", "tiles=/nowhere"], "nowhere"),
        (["--data", "oxford5k=."], "oxford5k|all_souls|query"),
        (["--data", "tiles=SET", "--tables", "x"], "Expected tables of icmr-1, .* got 'x'"),
        (["--data", "tiles=SET", "--learn-on", "x"], "Expected --learn-on to be one of tiles"),
        (["--data", "oxford5k=SET", "oxford5k=/", "--plan"], "one folder for oxford5k, got 2"),
        (["--data", "tiles=SET", "--weights", "x=y"], "Expected --weights of .* got 'x'"),
    ],
)
def test_bad_input(run, folder, tmp_path, arguments, message):
    places = {"SET": str(folder / "set"), "=.": f"={tmp_path}"}
    for name, place in places.items():
        arguments = [one.replace(name, place) for one in arguments]
    code, out, err = run(*arguments)
    assert code == 2 and not out and "Traceback" not in err
    assert re.search(message, err), err


def test_unknown_network(run, folder):
    code, _, err = run("--data", f"tiles={folder / 'set'}", network="vgg11")
    assert code == 2 and "Expected --network of squeezenet1_1, mobilenet_v2, got 'vgg11'" in err
