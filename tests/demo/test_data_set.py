"""The scenes of the demo as a data set."""

from __future__ import annotations

import numpy as np
import pytest

from blcf.datasets import read_dataset
from blcf.demo import data_set, write_scenes
from blcf.demo.photographs import find_photographs
from blcf.errors import InvalidInput


@pytest.fixture
def two_photographs(monkeypatch):
    """Those of scikit-learn, which are always there."""
    found = {name: find_photographs()[name] for name in ("china.jpg", "flower.jpg")}
    monkeypatch.setattr(data_set, "find_photographs", lambda: found)


def sides(truth):
    """Longer side of each true box, as a share of the shorter side of its scene."""
    return np.array(
        [
            (box[2:] - box[:2]).max() / min(truth.sizes[name])
            for query in truth.queries
            for name, boxes in query.boxes.items()
            for box in boxes
        ]
    )


def test_a_data_set_of_scenes(two_photographs, tmp_path):
    truth = write_scenes(tmp_path / "new" / "scenes", sizes=(0.2, 0.25))
    assert [query.object for query in truth.queries] == ["temple", "flower"]
    names = {path.name for path in (tmp_path / "new/scenes/images").iterdir()}
    assert all(query.positives and query.positives <= names for query in truth.queries)
    assert all(query.image.is_file() and query.box is not None for query in truth.queries)
    again = read_dataset(tmp_path / "new" / "scenes" / "gt.json")
    assert [one.positives for one in again.queries] == [one.positives for one in truth.queries]
    # Turned and slanted, a square of side 1 is about 1.4 wide at most.
    assert 0.15 < sides(truth).min() and sides(truth).max() < 0.25 * 1.4


def test_the_default_is_what_the_demo_composes(two_photographs, tmp_path):
    write_scenes(tmp_path / "a")
    (tmp_path / "b").mkdir()
    data_set.compose(tmp_path / "b", data_set.find_photographs())
    files = [sorted(path.name for path in (tmp_path / one / "images").iterdir()) for one in "ab"]
    assert files[0] == files[1]
    for name in files[0]:
        a, b = ((tmp_path / one / "images" / name).read_bytes() for one in "ab")
        assert a == b


@pytest.mark.parametrize("sizes", [(0.4, 0.2), (0.01, 0.2), (0.2, 0.9), (0.2,), 0.3, ("a", "b")])
def test_sizes_that_cannot_be(sizes, tmp_path):
    with pytest.raises(InvalidInput, match="Expected sizes as"):
        write_scenes(tmp_path / "out", sizes=sizes)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_stays_as_it_is(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="holds 'mine.txt'"):
        write_scenes(tmp_path)
    with pytest.raises(InvalidInput, match="it is a file"):
        write_scenes(tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_without_photographs(monkeypatch, tmp_path):
    monkeypatch.setattr(data_set, "find_photographs", dict)
    with pytest.raises(InvalidInput, match="install scikit-learn"):
        write_scenes(tmp_path / "out")
