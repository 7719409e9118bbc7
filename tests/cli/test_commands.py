"""The command line: what it prints, and its exit status."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from blcf.collection.manifest import read_manifest, swap_manifest


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


def test_search_prints_a_ranking(place):
    image = place / "frames" / "été 1" / "03.png"
    # In its own size alone a picture finds itself first, with a random network as well.
    one_size = ["--query-scales", "1"]
    done = run("search", place / "c.blcf", image, "--box", "0,0,100,90", "-k", "3", *one_size)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    rank, score, box, name = lines[0].split(maxsplit=3)
    assert rank == "1" and 0 < float(score) <= 1 and name == "été 1/03.png"
    assert len(box.split(",")) == 4


def test_search_as_json_and_picture(place, call, tmp_path):
    image = place / "frames" / "été 1" / "03.png"
    plot = tmp_path / "hits.png"
    status, out, _ = call(
        *("search", place / "c.blcf", image, "--json", "--plot", plot, "-k", 2),
        *("--query-scales", "1"),
    )
    assert status == 0
    answer = json.loads(out)
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2]
    assert answer["hits"][0]["name"] == "été 1/03.png"
    assert Path(answer["hits"][0]["path"]).samefile(image)
    assert len(answer["hits"][0]["box"]) == 4
    assert plot.stat().st_size > 1000
    status, out, _ = call("search", place / "c.blcf", image, "--json", "--no-rerank")
    assert json.loads(out)["hits"][0]["box"] is None


def test_info_needs_no_torch(place):
    code = "import sys, blcf.cli; blcf.cli.main(['info', sys.argv[1]])"
    code += "; assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code, str(place / "c.blcf")], capture_output=True)
    assert done.returncode == 0, done.stderr


def lose_weights(collection: Path) -> None:
    """The collection's weights are where they were not."""
    manifest = read_manifest(collection)
    settings = manifest["settings"] | {"weights": "gone.pth"}
    swap_manifest(collection, manifest | {"settings": settings})


def test_index_again_and_again(place, call, tmp_path):
    """The same command adds what is new, and says what it skipped by its exit status."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    frames = place / "frames"
    manifest = tmp_path / "c.blcf" / "manifest.json"
    whole = manifest.read_text()
    lose_weights(tmp_path / "c.blcf")
    status, out, _ = call("index", tmp_path / "c.blcf", frames, "--quiet")
    assert status == 0 and "0 added, 12 were there, 0 skipped" in out, "no network is needed"
    manifest.write_text(whole)
    (frames / "bad.jpg").write_bytes(b"no picture")
    status, out, err = call("index", tmp_path / "c.blcf", frames, "--quiet")
    (frames / "bad.jpg").unlink()
    assert status == 3 and "1 skipped" in out
    assert "skipped bad.jpg:" in err and "errors.jsonl" in err
    rows = [json.loads(line) for line in (tmp_path / "c.blcf" / "errors.jsonl").open()]
    assert [row["name"] for row in rows] == ["bad.jpg"]


def test_evaluate(place, call, tmp_path):
    names = [f"été 1/{number:02d}.png" for number in range(12)]
    query = {"query": str(place / "frames" / names[0]), "object": "it", "box": [0, 0, 64, 64]}
    truth = {"queries": [{**query, "positives": names[:6], "junk": []}]}
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    status, out, _ = call(
        "evaluate", place / "c.blcf", tmp_path / "gt.json", "--json", "--quiet"
    )
    rows = json.loads(out)
    assert status == 0 and [row["mode"] for row in rows] == ["LS", "GS"]
    assert 0 < rows[0]["mAP"] <= 1
    status, out, _ = call(
        "evaluate", place / "c.blcf", tmp_path / "gt.json", "--per-query", "--quiet"
    )
    assert status == 0 and "it in 00.png" in out


def test_weights_that_moved(place, call, tmp_path):
    """The error says what is missing; --weights mends it; other weights are refused."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    lose_weights(tmp_path / "c.blcf")
    image = place / "frames" / "été 1" / "03.png"
    status, _, err = call("search", tmp_path / "c.blcf", image)
    assert status == 2 and "gone.pth" in err
    search = ["search", tmp_path / "c.blcf", image, "-k", 1, "--weights"]
    assert call(*search, place / "weights.pth")[0] == 0
    state = torch.load(place / "weights.pth", weights_only=True)
    state["features.0.bias"] += 1
    torch.save(state, tmp_path / "other.pth")
    status, _, err = call(*search, tmp_path / "other.pth")
    assert status == 2 and "was made with weights_digest" in err


@pytest.mark.skipif(os.name != "posix", reason="needs a closed pipe")
def test_a_reader_that_goes_away(place):
    image = place / "frames" / "été 1" / "03.png"
    command = f"{sys.executable} -m blcf search {place}/c.blcf '{image}' | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
