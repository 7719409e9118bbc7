"""The one door: which data set a folder holds is told by its files, or said."""

from __future__ import annotations

import json

import pytest
from landmarks import make_oxford, make_paris, make_revisited, write_picture

from blcf.datasets import KINDS, read_dataset
from blcf.errors import DatasetNotFound, FormatError, InvalidInput


def make_gt_json(folder):
    write_picture(folder / "q.jpg")
    row = {"query": "q.jpg", "positives": ["q.jpg"], "junk": []}
    (folder / "gt.json").write_text(json.dumps({"queries": [row]}))


def make_holidays(folder):
    for number in (100000, 100001, 100100, 100101):
        write_picture(folder / "jpg" / f"{number}.jpg")


def make_ukbench(folder):
    for number in range(8):
        write_picture(folder / "full" / f"ukbench{number:05d}.jpg")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (make_gt_json, "gt.json"),
        (make_oxford, "oxford5k"),
        (make_paris, "paris6k"),
        (make_revisited, "roxford5k"),
        (lambda folder: make_revisited(folder, "rparis6k"), "rparis6k"),
        (make_holidays, "holidays"),
        (make_ukbench, "ukbench"),
    ],
)
def test_told_by_the_files(tmp_path, make, kind):
    folder = tmp_path / "some"
    make(folder)
    truth = read_dataset(folder)
    assert truth.name == ("some" if kind == "gt.json" else kind) and truth.queries
    assert read_dataset(str(folder), kind=kind).name == truth.name
    for other in KINDS.keys() - {kind}:
        with pytest.raises(DatasetNotFound):
            read_dataset(folder, kind=other)


@pytest.mark.parametrize(
    ("kind", "sign"), [("instre", "gnd_instre.mat"), ("trecvid", "ins.auto.topics.2013.xml")]
)
def test_kinds_that_have_other_tests(tmp_path, kind, sign):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / sign).write_text("nonsense")
    with pytest.raises((FormatError, DatasetNotFound), match=sign.partition(".")[0]):
        read_dataset(tmp_path)


def test_a_file(tmp_path):
    make_gt_json(tmp_path)
    (tmp_path / "gt.json").rename(tmp_path / "other.json")
    assert len(read_dataset(tmp_path / "other.json").queries) == 1
    with pytest.raises(FormatError, match="q.jpg to be JSON"):
        read_dataset(tmp_path / "q.jpg")


def test_options(tmp_path):
    make_oxford(tmp_path / "oxford")
    write_picture(tmp_path / "oxc1_100k" / "art" / "1.jpg")
    distractors = tmp_path / "oxc1_100k"
    assert read_dataset(tmp_path / "oxford", distractors=distractors).name == "oxford105k"
    make_revisited(tmp_path / "revisited")
    assert read_dataset(tmp_path / "revisited", distractors=distractors).name == "roxford5k+1m"
    for folder, option, message in [
        ("oxford", "year", "oxford5k has no option 'year'; it has ground_truth, distractors"),
        ("revisited", "name", "roxford5k has no option 'name'; it has distractors"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            read_dataset(tmp_path / folder, **{option: 5})
    make_gt_json(tmp_path / "own")
    with pytest.raises(InvalidInput, match="gt.json has no option 'distractors'; it has none"):
        read_dataset(tmp_path / "own", distractors=distractors)


def test_nothing_known(tmp_path):
    write_picture(tmp_path / "a.jpg")
    with pytest.raises(DatasetNotFound) as error:
        read_dataset(tmp_path)
    assert str(tmp_path) in str(error.value)
    assert all(f"{name}: {one.needs}" in str(error.value) for name, one in KINDS.items())
    with pytest.raises(DatasetNotFound, match="There is no folder .*nowhere. Known are gt.json, o"):
        read_dataset(tmp_path / "nowhere")
    for path in (5, None, b"x", "a\0b"):
        with pytest.raises((InvalidInput, DatasetNotFound)):
            read_dataset(path)


def test_several(tmp_path):
    make_oxford(tmp_path / "oxford")
    make_revisited(tmp_path / "revisited")
    make_gt_json(tmp_path / "own")  # counts only in the folder itself
    with pytest.raises(InvalidInput, match="several data sets: oxford5k, roxford5k. .*kind='oxf"):
        read_dataset(tmp_path)
    make_holidays(tmp_path / "oxford")  # its pictures tell nothing beside a ground truth
    assert read_dataset(tmp_path / "oxford").name == "oxford5k"


@pytest.mark.parametrize("kind", ["oxford", 5, ["oxford5k"]])
def test_no_such_kind(tmp_path, kind):
    with pytest.raises(InvalidInput, match="Expected a kind of gt.json, oxford5k, .*; got"):
        read_dataset(tmp_path, kind=kind)
