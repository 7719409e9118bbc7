"""Google Landmarks v2, on a small imitation of its folders and its file of solutions."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image

from blcf.datasets import read_dataset
from blcf.datasets.gldv2 import read_gldv2
from blcf.errors import DatasetNotFound, FormatError, InvalidInput

A, B, C = "0123456789abcdef", "0129999999999999", "abcdef0123456789"
PRIVATE, PUBLIC, IGNORED, ABSENT = (f"{letter}" * 16 for letter in "1234")
TABLE = f"""id,images,Usage
{PRIVATE},{A} {C},Private
{PUBLIC},{B},Public
{IGNORED},None,Ignored
{ABSENT},{B},Private
"""


def place(name: str) -> str:
    return f"{name[0]}/{name[1]}/{name[2]}/{name}.jpg"


@pytest.fixture
def gldv2(tmp_path: Path) -> Path:
    names = [("index", one) for one in (A, B, C)]
    names += [("test", one) for one in (PRIVATE, PUBLIC, IGNORED)]
    for part, name in names:
        path = tmp_path / part / place(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32)).save(path)
    (tmp_path / "retrieval_solution_v2.1.csv").write_text(TABLE)
    return tmp_path


def test_private_queries(gldv2: Path, caplog: pytest.LogCaptureFixture) -> None:
    truth = read_dataset(gldv2)
    assert (truth.name, truth.protocol) == ("gldv2", "gldv2")
    (images,) = truth.images
    assert (images.root, images.names) == (gldv2 / "index", [place(one) for one in (A, B, C)])
    (query,) = truth.queries
    assert (query.name, query.box) == (PRIVATE, None)
    assert query.image == gldv2 / "test" / place(PRIVATE)
    assert query.positives == {place(A), place(C)} and not query.junk
    assert "1 of 2 queries are not in" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_public_queries(gldv2: Path, caplog: pytest.LogCaptureFixture) -> None:
    truth = read_dataset(gldv2, kind="gldv2-public")
    assert truth.name == "gldv2-public"
    assert [query.name for query in truth.queries] == [PUBLIC]
    assert not caplog.records


def test_the_folder_above_was_indexed(gldv2: Path) -> None:
    names = [f"index/{place(one)}" for one in (A, B, C)]
    truth = read_gldv2(gldv2).renamed(names)
    assert truth.queries[0].positives == {names[0], names[2]}


def test_the_file_in_a_folder_of_its_own(gldv2: Path) -> None:
    (gldv2 / "ground_truth").mkdir()
    file = gldv2 / "retrieval_solution_v2.1.csv"
    file.rename(gldv2 / "ground_truth" / file.name)
    assert len(read_dataset(gldv2).queries) == 1
    (gldv2 / "index").rename(gldv2 / "other")
    with pytest.raises(DatasetNotFound, match="There is no folder index"):
        read_gldv2(gldv2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,images\n", "to have the columns id, images and Usage, got id, images"),
        ("", "got none"),
        ("id,images,Usage\n", "to have queries of usage private, it has none"),
        (f"id,images,Usage\n{PRIVATE},,Private\n", "line 2: expected an id and ids"),
        (f"id,images,Usage\n../../x,{A},Private\n", "line 2: expected an id and ids"),
        (f"id,images,Usage\n{PRIVATE},{A},Private\n{PRIVATE},{A},Private\n", "line 3: .* twice"),
    ],
)
def test_a_file_of_other_things(gldv2: Path, text: str, message: str) -> None:
    (gldv2 / "retrieval_solution_v2.1.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_gldv2(gldv2)


def test_nothing_there(tmp_path: Path, gldv2: Path) -> None:
    with pytest.raises(DatasetNotFound, match="no folder .*no/where.*cvdfoundation"):
        read_gldv2(tmp_path / "no/where")
    (tmp_path / "other").mkdir()
    with pytest.raises(DatasetNotFound, match="There is no retrieval_solution"):
        read_gldv2(tmp_path / "other")
    with pytest.raises(InvalidInput, match="Expected a usage of private or public"):
        read_gldv2(gldv2, usage="ignored")
    (gldv2 / "test" / place(PRIVATE)).unlink()
    with pytest.raises(DatasetNotFound, match="the pictures of 2 queries"):
        read_gldv2(gldv2)
