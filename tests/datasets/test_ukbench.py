"""UKBench, on a small imitation of what its archive unpacks to."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blcf.datasets.ukbench import read_ukbench
from blcf.errors import DatasetNotFound, InvalidInput


@pytest.fixture
def ukbench(tmp_path: Path) -> Path:
    """Three objects, with the thumbnails and pages of the archive."""
    for folder, side in (("full", 16), ("thumbnails", 8)):
        (tmp_path / folder).mkdir()
        for number in range(12):
            picture = Image.new("RGB", (side, side))
            picture.save(tmp_path / folder / f"ukbench{number:05d}.jpg")
    (tmp_path / "overview1.html").write_text("<html>")
    return tmp_path


def group(first: int) -> set[str]:
    return {f"ukbench{number:05d}.jpg" for number in range(first, first + 4)}


def test_every_picture_asks_for_its_object(
    ukbench: Path, caplog: pytest.LogCaptureFixture
) -> None:
    truth = read_ukbench(ukbench)
    assert (truth.name, truth.protocol) == ("ukbench", "ukbench")
    (images,) = truth.images
    assert (images.root, len(images)) == (ukbench / "full", 12)
    assert [query.name for query in truth.queries] == [f"ukbench{n:05d}" for n in range(12)]
    for number, query in enumerate(truth.queries):
        assert query.positives == group(number // 4 * 4)
        assert not query.junk and query.box is None
        assert query.image == ukbench / "full" / f"ukbench{number:05d}.jpg"
        assert query.image.name in query.positives  # itself among them
    assert "10188 of 10200 pictures are not in" in caplog.text
    assert "3 of 2550 objects are whole" in caplog.text


@pytest.mark.parametrize("n_groups", [2, np.int64(2)])
def test_the_first_objects(
    ukbench: Path, caplog: pytest.LogCaptureFixture, n_groups: int
) -> None:
    truth = read_ukbench(ukbench, n_groups=n_groups)
    assert len(truth.queries) == len(truth.images[0]) == 8
    assert truth.images[0].names[-1] == "ukbench00007.jpg"
    assert not caplog.records


def test_the_folder_of_pictures_itself(ukbench: Path) -> None:
    assert len(read_ukbench(ukbench / "full").queries) == 12


def test_objects_that_are_not_whole(ukbench: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are searched, but nobody asks for them: the figure could not reach 4."""
    (ukbench / "full" / "ukbench00005.jpg").unlink()
    truth = read_ukbench(ukbench, n_groups=3)
    assert [query.name for query in truth.queries[::4]] == ["ukbench00000", "ukbench00008"]
    assert len(truth.queries) == 8 and len(truth.images[0]) == 11
    assert "1 of 12 pictures are not in" in caplog.text
    assert "2 of 3 objects are whole" in caplog.text


def test_positives_are_held_once(ukbench: Path) -> None:
    """10,200 queries: the four of an object share one set."""
    queries = read_ukbench(ukbench).queries
    assert queries[0].positives is queries[3].positives
    assert queries[3].positives is not queries[4].positives


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound, match=r"ukbench00000.jpg.*archive.org/details/ukbench"):
        read_ukbench(tmp_path)
    Image.new("RGB", (16, 16)).save(tmp_path / "ukbench00001.jpg")
    with pytest.raises(DatasetNotFound, match="all four pictures of at least one of the first"):
        read_ukbench(tmp_path)


@pytest.mark.parametrize("n_groups", [0, -1, 2551, 2.0, "2"])
def test_other_numbers_of_objects(ukbench: Path, n_groups: object) -> None:
    with pytest.raises(InvalidInput, match="Expected n_groups to be 1 to 2550"):
        read_ukbench(ukbench, n_groups=n_groups)  # type: ignore[arg-type]
