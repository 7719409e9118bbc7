"""ILIAS, on a small imitation of its folders and lists."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blcf.datasets import read_dataset
from blcf.datasets.ilias import read_ilias
from blcf.errors import DatasetNotFound, FormatError, InvalidInput

CUP, TOY = "old_cup_000", "red_toy_001"
QUERIES = {
    f"{CUP}/query/Q000_00.jpg": "1 2 10 20",
    f"{CUP}/query/Q000_01.jpg": "",
    f"{TOY}/query/Q001_00.jpg": "4 4 2 2\n10 1 5 30\n",  # two parts: the box around both
}
POSITIVES = {  # name: boxes, scale, clutter
    f"{CUP}/pos/P000_00.jpg": ("0 0 8 8\n20 20 4 4", 0.05, 53),
    f"{CUP}/pos/P000_01.jpg": ("3 3 30 30", 0.2729876723163842, 17),
    f"{TOY}/pos/P001_00.jpg": (None, 0.1, 20),
}


def write_picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64)).save(path)


@pytest.fixture
def ilias(tmp_path: Path) -> Path:
    core, lists = tmp_path / "ilias_core", tmp_path / "image_ids"
    lists.mkdir()
    boxes = QUERIES | {name: row[0] for name, row in POSITIVES.items()}
    for name, lines in boxes.items():
        write_picture(core / name)
        if lines is not None:
            (core / name).with_name(f"{Path(name).stem}_bbox.txt").write_text(lines)
    (core / CUP / "query" / "T000.txt").write_text("an old cup")
    (lists / "image_query_ids.txt").write_text("".join(f"{name},x\n" for name in QUERIES))
    rows = (f"{name},{scale},{clutter}\n" for name, (_, scale, clutter) in POSITIVES.items())
    (lists / "positive_ids.txt").write_text("".join(rows))
    return tmp_path


def test_queries_and_positives(ilias: Path, caplog: pytest.LogCaptureFixture) -> None:
    truth = read_dataset(ilias)
    assert (truth.name, truth.protocol, truth.path) == ("ilias", "ilias", ilias)
    (images,) = truth.images
    assert (images.root, images.names) == (ilias / "ilias_core", list(POSITIVES))
    first, second, toy = truth.queries
    assert [query.name for query in truth.queries] == ["Q000_00", "Q000_01", "Q001_00"]
    assert [query.object for query in truth.queries] == [CUP, CUP, TOY]
    assert first.positives == second.positives == set(list(POSITIVES)[:2])
    assert toy.positives == {f"{TOY}/pos/P001_00.jpg"}
    for query, name in zip(truth.queries, QUERIES, strict=True):
        assert query.image == ilias / "ilias_core" / name and query.image.is_file()
        assert query.junk == QUERIES.keys()
    assert first.box is not None and first.box.tolist() == [1, 2, 11, 22]
    assert second.box is None
    assert toy.box is not None and toy.box.tolist() == [4, 1, 15, 31]
    assert not caplog.records


def test_boxes_and_groups(ilias: Path) -> None:
    first, _, toy = read_ilias(ilias).queries
    some, other = list(POSITIVES)[:2]
    assert {name: boxes.tolist() for name, boxes in first.boxes.items()} == {
        some: [[0, 0, 8, 8], [20, 20, 24, 24]],
        other: [[3, 3, 33, 33]],
    }
    assert first.boxes[some].dtype == np.float64 and not toy.boxes
    # The upper edge of a group belongs to the next one.
    assert first.groups == {
        "scale 1": {some},
        "clutter 4": {some},
        "scale 4": {other},
        "clutter 1": {other},
    }
    assert toy.groups.keys() == {"scale 2", "clutter 2"}
    assert not any(query.boxes for query in read_ilias(ilias, boxes=False).queries)


def test_the_names_of_a_collection(ilias: Path) -> None:
    """Of the folder above: groups are renamed too."""
    truth = read_ilias(ilias).renamed([f"ilias_core/{name}" for name in [*POSITIVES, *QUERIES]])
    query = truth.queries[0]
    assert query.groups["scale 1"] == {f"ilias_core/{CUP}/pos/P000_00.jpg"} <= query.positives
    assert query.junk == {f"ilias_core/{name}" for name in QUERIES}


def test_the_folder_of_the_instances_alone(ilias: Path) -> None:
    truth = read_ilias(ilias / "ilias_core")
    assert len(truth.queries) == 3 and truth.images[0].names == list(POSITIVES)
    assert not truth.queries[0].groups
    with pytest.raises(DatasetNotFound, match="No known data set"):
        read_dataset(ilias / "ilias_core")


def test_distractors(ilias: Path) -> None:
    for name in ("0000/1.jpg", "0001/2.jpg"):
        write_picture(ilias / "yfcc100m" / name)
    truth = read_ilias(ilias, distractors=ilias / "yfcc100m")
    assert truth.name == "ilias+2"
    assert [len(one) for one in truth.images] == [3, 2]
    with pytest.raises(DatasetNotFound, match="No distractors"):
        read_ilias(ilias, distractors=ilias / "nothing")


def test_half_downloaded(ilias: Path, caplog: pytest.LogCaptureFixture) -> None:
    core = ilias / "ilias_core"
    (core / CUP / "query" / "Q000_01.jpg").unlink()
    (core / CUP / "pos" / "P000_00.jpg").unlink()
    truth = read_ilias(ilias)
    assert "1 of 3 positives and 1 of 3 queries are not in" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
    assert [query.name for query in truth.queries] == ["Q000_00", "Q001_00"]
    assert truth.missing(truth.images[0].names) == [f"{CUP}/pos/P000_00.jpg"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("positive_ids.txt", f"{CUP}/pos/P000_00.jpg,.1\n", "line 1: expected a name such as .*sc"),
        ("positive_ids.txt", f"{CUP}/pos/P000_00.jpg,x,1\n", "expected the scale of old_cup.*'x'"),
        ("positive_ids.txt", f"{CUP}/pos/P000_00.jpg,.1,-1\n", "expected the clutter of old_cup"),
        ("positive_ids.txt", "../pos/P000_00.jpg,.1,1\n", "line 1: expected a name such as"),
        ("positive_ids.txt", "\n", "it is empty"),
        ("image_query_ids.txt", f"\n{CUP}/Q000_00.jpg\n", "line 2: expected a name such as"),
    ],
)
def test_lists_of_other_things(ilias: Path, file: str, text: str, message: str) -> None:
    (ilias / "image_ids" / file).write_text(text)
    with pytest.raises(FormatError, match=message):
        read_ilias(ilias)


@pytest.mark.parametrize("line", ["1 2 3", "a b c d", "1 2 3 nan", "1 2 3 1e300"])
def test_boxes_that_are_none(ilias: Path, line: str) -> None:
    (ilias / "ilias_core" / CUP / "pos" / "P000_00_bbox.txt").write_text(f"1 1 2 2\n{line}\n")
    with pytest.raises(FormatError, match=r"P000_00_bbox.txt, line 2: expected x y width height"):
        read_ilias(ilias)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match="no folder .*no/where.*vrg.fel.cvut.cz"):
        read_ilias(tmp_path / "no/where")
    with pytest.raises(DatasetNotFound, match="Expected folders such as ilias_core/bold_bimp_000"):
        read_ilias(tmp_path)
    with pytest.raises(InvalidInput, match="Expected the path of a data set's folder"):
        read_ilias(3)  # type: ignore[arg-type]


def test_from_the_command_line(ilias: Path, call) -> None:
    """Queries in the indexed folder are junk, whatever they score."""
    rng = np.random.default_rng(0)
    for instance in (CUP, TOY):
        pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        for path in (ilias / "ilias_core" / instance).rglob("*.jpg"):
            Image.fromarray(pixels).save(path)
    status, _, said = call(
        *("index", ilias / "c.blcf", ilias / "ilias_core", "--side", 64, "--words", 8),
        *("--components", 8, "--vocabulary", "own"),
    )
    assert status == 0, said
    status, shown, said = call(
        *("evaluate", ilias / "c.blcf", ilias, "--kind", "ilias", "--queries", "whole", "--json")
    )
    assert status == 0, said
    (found,) = json.loads(shown)
    assert found["protocol"] == "ilias" and found["mAP"] == 1.0
    assert found["measures"]["AP scale 2"] == found["measures"]["AP clutter 4"] == 1.0
