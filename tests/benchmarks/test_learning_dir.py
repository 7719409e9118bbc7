"""Deep Image Retrieval on a few made-up pictures: every stage runs, and goes on where it was."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.learning import dir as script
from benchmarks.learning import stages
from benchmarks.learning.photographs import falsified
from benchmarks.learning.searching import augmented, expanded
from blcf.errors import Diverged

pytest.importorskip("cv2", reason="OpenCV is not installed: pip install 'blcf[verify]'")


@pytest.fixture(scope="module")
def grocery(tmp_path_factory) -> Path:
    """Things of blobs on noise, of five classes; one of them and four cartons."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("data") / "grocery"
    names = ["Kiwi", "Arla-Milk", "Oatly-Oat", "Valio-Yoghurt", "Yoggi-Vanilla"]
    rows = []
    for name in names:
        blobs = rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)
        thing = Image.fromarray(blobs).resize((120, 120), Image.Resampling.BICUBIC)
        for number in range(9):
            noise = rng.integers(0, 255, (10, 10, 3), dtype=np.uint8)
            scene = Image.fromarray(noise).resize((200, 200), Image.Resampling.BICUBIC)
            side = int(rng.integers(100, 120))
            scene.paste(thing.resize((side, side)), tuple(rng.integers(0, 200 - side, 2).tolist()))
            where = "train" if number < 6 else "queries" if number == 6 else "images"
            path = folder / where / f"{name}_{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            scene.save(path)
        positives = [f"images/{name}_{number}.png" for number in (7, 8)]
        rows.append({"query": f"queries/{name}_6.png", "object": name, "box": None})
        rows[-1] |= {"positives": positives, "junk": [], "boxes": {}}
    images = [
        {"name": f"images/{name}_{n}.png", "size": [200, 200]} for name in names for n in (7, 8)
    ]
    (folder / "gt.json").write_text(json.dumps({"images": images, "queries": rows}))
    return folder


def _run(grocery: Path, work: Path, monkeypatch, capsys) -> str:
    arguments = [str(grocery.parent), "--work", str(work), "--quick"]
    monkeypatch.setattr(sys, "argv", ["dir", *arguments])
    script.main()
    return capsys.readouterr().out


@pytest.mark.slow
def test_all_stages_run_and_go_on(grocery, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as failing:
        failing.setattr(stages.RankingTraining, "learn", _fail)
        with pytest.raises(Diverged):
            _run(grocery, tmp_path, monkeypatch, capsys)
    made = {path.name for path in next(tmp_path.iterdir()).iterdir()}
    assert {"cleaned.npz", "plain.pt", "full.pt", "clean.pt"} <= made and "ranked.pt" not in made
    monkeypatch.setattr(stages.Laboratory, "_classified", _fail)  # what is made is not made again
    said = _run(grocery, tmp_path, monkeypatch, capsys)
    assert "| all | 30 | 6 |" in said and "| cartons |" in said
    for row in ("off the shelf", "classification, full", "ranking, clean, + proposals"):
        assert f"| {row} | 0." in said or f"| {row} | 1." in said
    assert "of 4 steps go up" in said and "the first proposal alone" in said
    assert _run(grocery, tmp_path, monkeypatch, capsys).split("\n\n`")[0] == said.split("\n\n`")[0]


def _fail(*_, **__):
    raise Diverged("stopped")


def test_labels_are_falsified_by_a_seed():
    truth = np.repeat(np.arange(5), 20)
    labels = falsified(truth, 0.2, 3)
    assert (labels != truth).sum() == 20 and set(labels) == set(range(5))
    assert np.array_equal(labels, falsified(truth, 0.2, 3))
    assert not np.array_equal(labels, falsified(truth, 0.2, 4))


def test_expansion_and_augmentation_are_those_of_loops():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(12, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    queries, images = rows[:3], rows[3:]
    found = augmented((queries, images), 2)[1]
    for number, image in enumerate(images):
        others = sorted(set(range(9)) - {number}, key=lambda other: -float(images[other] @ image))
        total = image + 2 / 3 * images[others[0]] + 1 / 3 * images[others[1]]
        np.testing.assert_allclose(found[number], total / np.linalg.norm(total), rtol=1e-5)
    for query, its in zip(queries, expanded((queries, images), 2)[0]):
        best = sorted(range(9), key=lambda other: -float(images[other] @ query))[:2]
        total = query + images[best].sum(axis=0)
        np.testing.assert_allclose(its, total / np.linalg.norm(total), rtol=1e-5)
