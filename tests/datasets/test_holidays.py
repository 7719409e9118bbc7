"""INRIA Holidays, on a small imitation of what its archives unpack to."""

import logging
from collections.abc import Iterable
from pathlib import Path

import pytest
from PIL import Image

from blcf.datasets.holidays import read_holidays
from blcf.errors import DatasetNotFound, FormatError, InvalidInput

NAMES = ["100000", "100001", "100002", "100100", "100101", "149900", "149901"]


def make(folder: Path, names: Iterable[str] = NAMES) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (16, 16)).save(folder / f"{name}.jpg")
    return folder


@pytest.fixture
def holidays(tmp_path: Path) -> Path:
    make(tmp_path / "jpg")
    (tmp_path / "siftgeo").mkdir()  # other archives of the same page
    (tmp_path / "siftgeo" / "100000.siftgeo").write_bytes(b"")
    evaluation = tmp_path / "eval_holidays"
    evaluation.mkdir()
    (evaluation / "holidays_images.dat").write_text("".join(f"{name}.jpg\n" for name in NAMES))
    return tmp_path


def test_queries_and_groups(holidays: Path, caplog: pytest.LogCaptureFixture) -> None:
    truth = read_holidays(holidays)
    assert (truth.name, truth.protocol, truth.path) == ("holidays", "holidays", holidays)
    (images,) = truth.images
    assert images.root == holidays / "jpg"
    assert images.names == [f"{name}.jpg" for name in NAMES]
    found = {query.name: (query.positives, query.junk) for query in truth.queries}
    assert found == {
        "100000": ({"100001.jpg", "100002.jpg"}, {"100000.jpg"}),
        "100100": ({"100101.jpg"}, {"100100.jpg"}),
        "149900": ({"149901.jpg"}, {"149900.jpg"}),
    }
    for query in truth.queries:
        assert query.image == holidays / "jpg" / f"{query.name}.jpg" and query.image.is_file()
        assert query.box is None  # the whole picture
    assert not caplog.records  # the official list says that this is all


def test_a_folder_of_pictures_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without the list: the pictures say it, and 1,491 are published."""
    folder = make(tmp_path / "jpg_upright")
    truth = read_holidays(folder)
    assert [query.name for query in truth.queries] == ["100000", "100100", "149900"]
    assert "1484 of 1491 pictures are not in" in caplog.text


def test_half_downloaded(holidays: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A missing positive counts as not found, a missing query cannot be asked."""
    (holidays / "jpg" / "100002.jpg").unlink()
    (holidays / "jpg" / "100100.jpg").unlink()
    truth = read_holidays(str(holidays))
    assert "2 of 7 pictures are not in" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
    assert [query.name for query in truth.queries] == ["100000", "149900"]
    assert truth.queries[0].positives == {"100001.jpg", "100002.jpg"}
    assert truth.missing(truth.images[0].names) == ["100002.jpg"]


def test_without_the_list_positives_are_those_of_the_folder(holidays: Path) -> None:
    (holidays / "eval_holidays" / "holidays_images.dat").unlink()
    (holidays / "jpg" / "100002.jpg").unlink()
    assert read_holidays(holidays).queries[0].positives == {"100001.jpg"}


def test_endings_in_capitals(tmp_path: Path) -> None:
    folder = make(tmp_path / "jpg")
    (folder / "100001.jpg").rename(folder / "100001.JPG")
    (query, *_) = read_holidays(tmp_path).queries
    assert query.positives == {"100001.JPG", "100002.jpg"}


def test_a_collection_of_the_folder_above(holidays: Path) -> None:
    truth = read_holidays(holidays).renamed([f"jpg/{name}.jpg" for name in NAMES])
    assert truth.queries[0].positives == {"jpg/100001.jpg", "jpg/100002.jpg"}
    assert truth.queries[0].junk == {"jpg/100000.jpg"}


@pytest.mark.parametrize("line", ["100000.png", "100000.jpg 1", "../100000.jpg", "x"])
def test_a_list_of_other_things(holidays: Path, line: str) -> None:
    (holidays / "eval_holidays" / "holidays_images.dat").write_text(f"100000.jpg\n\n{line}\n")
    with pytest.raises(FormatError, match=r"holidays_images.dat, line 3: expected a picture such"):
        read_holidays(holidays)


def test_a_list_that_is_no_text(holidays: Path) -> None:
    (holidays / "eval_holidays" / "holidays_images.dat").write_bytes(b"\xff\xfe1\0")
    with pytest.raises(FormatError, match="to be a list of pictures"):
        read_holidays(holidays)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match=r"no folder .*no/where.*lear.inrialpes.fr"):
        read_holidays(tmp_path / "no/where")
    make(tmp_path / "jpg", ["1000000", "photo"])
    with pytest.raises(DatasetNotFound, match=r"Expected pictures 100000.jpg.* none in .*jpg1.tar"):
        read_holidays(tmp_path)
    make(tmp_path / "images", ["100001"])
    with pytest.raises(DatasetNotFound, match="Expected queries.* none among 1 pictures"):
        read_holidays(tmp_path)


@pytest.mark.parametrize("folder", [None, 3, b"x", ["x"]])
def test_no_path(folder: object) -> None:
    with pytest.raises(InvalidInput, match="Expected the path of a data set's folder"):
        read_holidays(folder)  # type: ignore[arg-type]


def test_a_path_that_no_system_takes() -> None:
    with pytest.raises(DatasetNotFound, match="There is no folder"):
        read_holidays("a\0b")
