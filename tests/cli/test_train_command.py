"""`blcf train`: labelled photographs to weights that an index takes, and input that is none."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from blcf.cli import main
from blcf.errors import Diverged
from blcf.learning import BagSettings
from blcf.learning.bag_training import BagTraining

QUICK = ["--epochs", "1", "--side", "64"]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for thing in "abc":
        (folder / thing).mkdir()
        texture = np.kron(rng.integers(0, 255, (4, 4, 3)), np.ones((12, 16, 1)))
        for number in range(4):
            pixels = texture * rng.uniform(0.6, 1) + rng.normal(0, 5, texture.shape)
            pixels = np.clip(pixels, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / thing / f"{number}.png")
    return folder


def test_folders_to_weights_to_an_index(photographs, tmp_path, capsys):
    out = tmp_path / "w.h5"
    assert main(["train", str(photographs), "--out", str(out), *QUICK, "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "blcf-lite up to conv5:signed, learned from 12 pictures of 3 labels in 1 epoch" in said
    assert f"blcf index COLLECTION FRAMES --weights {out}" in said
    collection = str(tmp_path / "c.blcf")
    index = ["index", collection, str(photographs), "--weights", str(out), "--side", "64"]
    assert main([*index, "--words", "16", "--quiet"]) == 0
    query = str(photographs / "b" / "1.png")
    capsys.readouterr()
    assert main(["search", collection, query, "--json", "--quiet", "--no-rerank"]) == 0
    hits = json.loads(capsys.readouterr().out)
    assert "b/1.png" in json.dumps(hits)
    weights = json.loads((tmp_path / "c.blcf" / "manifest.json").read_text())["extractor"]
    assert weights["weights"] == str(out)


def test_others_are_what_it_keeps(photographs, tmp_path, capsys):
    others = tmp_path / "others"
    others.mkdir()
    Image.fromarray(np.full((80, 80, 3), 90, np.uint8)).save(others / "grey.png")
    (others / "bad.png").write_bytes(b"no picture")
    train = ["train", str(photographs), "--out", str(tmp_path / "w.h5"), *QUICK, "--quiet"]
    assert main([*train, "--others", str(others)]) == 3
    assert "skipped bad.png" in capsys.readouterr().err
    assert main([*train, "--others", str(tmp_path / "missing")]) == 2
    assert "missing" in capsys.readouterr().err


def test_a_table_with_names_that_are_not_there(photographs, tmp_path, capsys):
    names = [f"{thing}/{number}.png" for thing in "ab" for number in range(3)]
    rows = [f"{name},{name[0]}" for name in [*names, "z/9.png"]] + ["c/0.png,alone"]
    (tmp_path / "labels.csv").write_text("\n".join(["name,label", *rows]))
    (photographs / "broken.jpg").write_bytes(b"no picture")
    arguments = ["train", str(photographs), "--labels", str(tmp_path / "labels.csv"), "--json"]
    arguments += ["--plot", str(tmp_path / "curves.png")]
    assert main([*arguments, "--out", str(tmp_path / "w.h5"), *QUICK, "--quiet"]) == 3
    out, error = capsys.readouterr()
    report = json.loads(out)
    assert (report["n_pictures"], report["n_classes"], report["n_lonely"]) == (7, 3, 1)
    assert report["unknown"] == ["z/9.png"] and report["n_unlabelled"] == 6
    assert "label of a picture that is not there: z/9.png" in error
    assert "1 of 3 labels are of one picture" in error
    assert (tmp_path / "curves.png").stat().st_size > 1_000


def test_neighbours_need_no_labels(tmp_path, capsys):
    pytest.importorskip("cv2", reason="keypoints need OpenCV: pip install 'blcf[verify]'")
    frames, rng = tmp_path / "frames", np.random.default_rng(1)
    frames.mkdir()
    drawings = [
        np.kron(rng.integers(0, 256, (14, 14, 3)), np.ones((10, 10, 1))) for _ in range(3)
    ]
    for number in range(12):
        pixels = rng.normal(110, 10, (200, 260, 3))
        y, x = rng.integers(0, 60), rng.integers(0, 120)
        pixels[y : y + 140, x : x + 140] = drawings[number % 3]
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(frames / f"{number}.png")
    lonely = np.kron(rng.integers(0, 256, (10, 13, 3)), np.ones((20, 20, 1))).astype(np.uint8)
    Image.fromarray(lonely).save(frames / "12.png")
    out = str(tmp_path / "w.h5")
    arguments = ["train", str(frames), "--labels", "neighbours", "--out", out, *QUICK, "--quiet"]
    assert main(arguments) == 0
    assert "1 picture without a label left out" in capsys.readouterr().err
    labels = tmp_path / "w.h5.training" / "labels.csv"
    rows = [row.split(",") for row in labels.read_text().splitlines()]
    assert rows[0] == ["name", "label"] and len(rows) == 13 and "12.png" not in dict(rows)
    groups = {}
    for name, label in rows[1:]:
        groups.setdefault(label, set()).add(int(name[:-4]) % 3)
    assert all(len(things) == 1 for things in groups.values()) and len(groups) < 8
    before = labels.stat().st_mtime_ns
    assert main(arguments) == 0 and labels.stat().st_mtime_ns == before
    for number in range(12):
        (frames / f"{number}.png").unlink()
    Image.fromarray(lonely[::-1]).save(frames / "13.png")
    arguments[arguments.index(out)] = str(tmp_path / "none.h5")
    assert main(arguments) == 2
    assert "pictures whose keypoints agree, got 2 pictures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (["a/0.png,x", "a/1.png,x"], [], "pictures of two labels or more"),
        (["a/0.png,x", "a/1.png,y"], [], "two pictures of one label"),
        (["0.png,x", "1.png,y"], [], "names are relative to that folder"),
        (["a/0.png,x", "a/1.png,x", "b/1.png,y"], ["--rate", "0"], "rate to be a number above 0"),
        (["a/0.png,x", "a/1.png,x", "b/1.png,y"], ["--network", "vgg"], "did you mean vgg"),
        (["a/0.png,x", "a/1.png,x", "b/1.png,y"], ["--out", "/none/w.h5"], "/none"),
        (["a/0.png,x", "a/1.png,x", "b/1.png,y"], ["--plot", "curves.none"], "curves.none"),
    ],
)
def test_one_sentence_for_a_mistake(photographs, tmp_path, capsys, rows, options, message):
    (tmp_path / "labels.csv").write_text("\n".join(["name,label", *rows]))
    arguments = ["train", str(photographs), "--labels", str(tmp_path / "labels.csv"), *QUICK]
    assert main([*arguments, "--out", str(tmp_path / "w.h5"), *options, "--quiet"]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "w.h5").exists()


def test_weights_of_another_network(photographs, tmp_path, capsys):
    out = str(tmp_path / "w.h5")
    assert main(["train", str(photographs), "--out", out, *QUICK, "--quiet"]) == 0
    capsys.readouterr()
    again = ["train", str(photographs), "--out", str(tmp_path / "v.h5"), "--weights", out, *QUICK]
    assert main([*again, "--network", "squeezenet1_1", "--quiet"]) == 2
    assert "of network blcf-lite, got squeezenet1_1" in capsys.readouterr().err
    assert main([*again, "--quiet"]) == 0, "one learns on from it"


def test_a_loss_that_diverges_stops_and_says_so(photographs, tmp_path, capsys, monkeypatch):
    def diverges(*_):
        raise Diverged("Expected a finite loss, got nan in epoch 0.")

    monkeypatch.setattr(BagTraining, "learn", diverges)
    out = str(tmp_path / "w.h5")
    assert main(["train", str(photographs), "--out", out, *QUICK, "--quiet"]) == 2
    assert "has the state after 0 epochs: go on with a rate less than" in capsys.readouterr().err
    assert (tmp_path / "w.h5.training" / "state.pt").exists()


@pytest.mark.parametrize("name", ["epochs", "side", "rate", "blend", "held_out", "seed"])
def test_the_help_says_the_defaults_of_the_library(capsys, name):
    """They are written out: the settings bring torch, which `blcf --help` shall not wait for."""
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    flag, default = name.replace("_", "-"), getattr(BagSettings, name)
    (shown,) = re.findall(rf"--{flag} N .*?\(default: ([\d.]+)\)", said)[:1]
    assert float(shown) == default


def test_an_interrupted_run_says_that_it_goes_on(photographs, tmp_path, capsys, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(BagTraining, "learn", interrupted)
    out = str(tmp_path / "w.h5")
    assert main(["train", str(photographs), "--out", out, *QUICK, "--quiet"]) == 130
    assert "the same command continues" in capsys.readouterr().err
