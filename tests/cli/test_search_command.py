"""`blcf search`: what it is asked with, and how it shows what was found."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from PIL import Image

from blcf import SearchEngine
from blcf.cli import searching
from blcf.collection.manifest import read_manifest, swap_manifest
from blcf.searching import looking
from blcf.searching.queries import Example


@pytest.fixture
def image(place):
    return place / "frames" / "été 1" / "03.png"


@pytest.fixture
def found(place, call):
    """The JSON of a search: found(image, *arguments)."""

    def search(*arguments):
        status, out, err = call("search", place / "c.blcf", *arguments, "--json")
        assert status == 0 and err == "", err
        return json.loads(out)

    return search


def test_regions_are_those_of_the_library(place, image, found, tmp_path):
    """A polygon and a mask of a box's pixels ask for what the box does."""
    mask = np.zeros((128, 128), dtype=np.uint8)
    mask[16:80, 32:96] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    box = found(image, "--box", "32,16,96,80", "-k", 3)
    polygon = found(image, "--polygon", "32,16,96,16,96,80,32,80", "-k", 3)
    assert box["box"] == [32, 16, 96, 80]
    assert box == polygon == found(image, "--mask", tmp_path / "mask.png", "-k", 3)
    engine = SearchEngine.open(place / "c.blcf")
    for how in ("soft", "distance"):
        hits = found(image, "--polygon", "32,16,90,16,32,77", "--how", how, "-k", 3)["hits"]
        corners = [(32, 16), (90, 16), (32, 77)]
        assert hits == engine.search(image, polygon=corners, how=how, k=3).to_dicts()


def test_a_polygon_may_begin_with_a_minus(image, call, place, caplog):
    search = ["search", place / "c.blcf", image, "-k", 1, "--polygon", "-9,-9,80,0,0,80"]
    status, out, _ = call(*search)
    assert status == 0 and len(out.splitlines()) == 1
    assert "polygon cut to the image" in caplog.text


def test_frames_need_no_network(place, image, found, call, tmp_path):
    """By name or path, with the weights gone; without the votes torch is not imported either."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    manifest = read_manifest(tmp_path / "c.blcf")
    settings = manifest["settings"] | {"weights": "gone.pth"}
    swap_manifest(tmp_path / "c.blcf", manifest | {"settings": settings})
    search = ["search", tmp_path / "c.blcf", "été 1/03.png", "--frame", "-k", "2"]
    status, out, err = call(*search)
    assert status == 0 and err == "", err
    rank, score, _, name = out.splitlines()[0].split(maxsplit=3)
    assert (rank, score, name) == ("1", "1.0000", "été 1/03.png")
    other = image.with_name("09.png")
    search += ["--box", "0,0,64,64", "--not", f"{other}@0,0,64,64", "--example", "été 1/04.png"]
    status, out, err = call(*search)
    assert status == 0 and len(out.splitlines()) == 2, err
    search[2] = str(image)
    assert call(*search) == (0, out, ""), "by its path"
    code = "import sys, blcf.cli; status = blcf.cli.main(sys.argv[1:])"
    code += "; assert 'torch' not in sys.modules; sys.exit(status)"
    command = [sys.executable, "-c", code, *map(str, search), "--windows", "grid"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    status, _, err = call("search", tmp_path / "c.blcf", "été 1/03.png")
    assert status == 2 and "no such file, but a picture of" in err and "add --frame" in err


def test_examples_reach_the_library(place, image, found):
    """Boxes, `--how` and the options of several examples too."""
    other, odd = image.with_name("04.png"), image.with_name("09.png")
    hits = found(
        *(image, "--box", "0,0,64,64", "--how", "soft", "-k", 4, "--gamma", ".5"),
        *("--example", f"{other}@16,16,80,80", "--example", odd),
        *("--not", f"{odd}@0,0,32,32", "--not", other),
    )["hits"]
    engine = SearchEngine.open(place / "c.blcf")
    expected = engine.search(
        image,
        box=(0, 0, 64, 64),
        how="soft",
        examples=[Example(other, (16, 16, 80, 80), how="soft"), Example(odd, how="soft")],
        negatives=[Example(odd, (0, 0, 32, 32), how="soft"), Example(other, how="soft")],
        k=4,
        gamma=0.5,
    )
    assert hits == expected.to_dicts()
    assert hits != found(image, "--box", "0,0,64,64", "--how", "soft", "-k", 4)["hits"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--query-scales", "1,.5", "--query-flip", "--fusion", "max"],
        ["--windows", "grid", "--shares", "1,2,4", "--pyramid", "--no-keep-whole"],
        ["--windows", "coarse", "--min-side", "2", "--depth", "5"],
        ["--refine", "keypoints", "--n-refine", "3"],
        ["--expand", "auto", "--rounds", "2"],
        ["--expand", "local", "--expand-by", "alpha", "--alpha", "2", "--n-expand", "3"],
        ["--expand", "global", "--expand-by", "svm", "--rounds", "2", "--guard", "none"],
        ["--expand", "global", "--no-rerank-again"],
    ],
    ids=" ".join,
)
def test_options_reach_search_and_evaluate(place, image, call, tmp_path, monkeypatch, arguments):
    given = []
    for name in ("search", "evaluate"):
        true = getattr(SearchEngine, name)

        def spy(self, *rest, true=true, **options):
            given.append({one: options[one] for one in options if one in searching._OPTIONS})
            return true(self, *rest, **options)

        monkeypatch.setattr(SearchEngine, name, spy)
    names = [f"été 1/{number:02d}.png" for number in range(12)]
    query = {"query": str(image), "object": "it", "box": [0, 0, 64, 64], "positives": names[:6]}
    (tmp_path / "gt.json").write_text(json.dumps({"queries": [{**query, "junk": []}]}))
    for command, what in (("search", image), ("evaluate", tmp_path / "gt.json")):
        status, out, err = call(command, place / "c.blcf", what, "--quiet", *arguments)
        assert status == 0 and out.strip(), err
    flags = {one.removeprefix("--no-").removeprefix("--") for one in arguments if "--" in one}
    assert given[0] == given[1] and set(given[0]) == {flag.replace("-", "_") for flag in flags}


def test_several_boxes(place, image, call, found, monkeypatch):
    """The first in the line of its hit, the others below; a script that wants one is not upset."""
    # A network of random weights has no second place that comes near the best.
    many = partial(looking.Voting, min_share=0.1, max_overlap=0.6)
    monkeypatch.setattr(looking, "Voting", many)
    argument = ["--n-boxes", 3, "-k", 12, "--box", "0,0,16,16"]
    hits = found(image, *argument)["hits"]
    several = [hit for hit in hits if "boxes" in hit]
    assert several and all(hit["boxes"][0] == hit["box"] for hit in several)
    lines = call("search", place / "c.blcf", image, *argument)[1].splitlines()
    assert len(lines) == len(hits) + sum(len(hit["boxes"]) - 1 for hit in several)
    for hit in hits:
        while lines[0].split()[0] == "and":
            lines.pop(0)
        column = lines[0].index(lines[0].split()[2])
        rank, _, edges, name = lines.pop(0).split(maxsplit=3)
        assert (int(rank), name) == (hit["rank"], hit["name"])
        boxes = [edges]
        for line in lines[: len(hit.get("boxes", [0])) - 1]:
            assert line.split()[0] == "and" and line.index(line.split()[1]) == column
            boxes.append(line.split()[1])
        rounded = [",".join(f"{x:.0f}" for x in box) for box in hit.get("boxes", [hit["box"]])]
        assert len(boxes) == len(rounded)
        for one, other in zip(boxes, rounded):  # of the JSON's tenths: a half goes either way
            gaps = [abs(int(a) - int(b)) for a, b in zip(one.split(","), other.split(","))]
            assert max(gaps) <= 1


def test_explain_draws_the_hit(place, image, found, tmp_path, monkeypatch):
    rows = []
    true = searching.Hits.plot_evidence

    def spy(self, row, path):
        rows.append(row)
        return true(self, row, path)

    monkeypatch.setattr(searching.Hits, "plot_evidence", spy)
    plain = found(image, "--box", "0,0,64,64", "-k", 3)
    path = tmp_path / "why.png"
    assert found(image, "--box", "0,0,64,64", "-k", 3, "--explain", path) == plain
    assert path.stat().st_size > 1000
    other = tmp_path / "why.svg"
    found(image, "-k", 3, "--explain", other, "--explain-rank", 3)
    assert rows == [0, 2] and other.stat().st_size > 1000


def test_explain_of_frames_and_examples(place, found, tmp_path):
    path = tmp_path / "why.png"
    found("été 1/03.png", "--frame", "--example", "été 1/04.png@0,0,64,64", "--explain", path)
    assert path.stat().st_size > 1000
