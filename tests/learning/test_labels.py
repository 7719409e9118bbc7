"""Labels of pictures, from folders, tables and mappings, and those that are none."""

from __future__ import annotations

import pytest

from blcf.errors import FormatError, InvalidInput
from blcf.images import ImageList
from blcf.learning.labels import label_pictures


@pytest.fixture
def images(tmp_path):
    return ImageList(tmp_path, ["a/1.jpg", "a/2.jpg", "b/c/3.jpg", "b/c/4.jpg", "b/5.jpg", "6.jpg"])


def test_folders_are_labels(images):
    found = label_pictures(images)
    assert found.names == images.names[:5] and found.labels == ["a", "b", "b/c"]
    assert found.classes.tolist() == [0, 0, 2, 2, 1]
    assert (found.unlabelled, found.unknown, found.n_lonely) == (["6.jpg"], [], 1)


@pytest.mark.parametrize(
    "text",
    [
        "name,label\na/1.jpg,milk\n6.jpg,milk\nb/5.jpg,7\nnone.jpg,milk\na/2.jpg,\n",
        "picture;what\na/1.jpg;milk\n6.jpg;milk\nb/5.jpg;7\nnone.jpg;milk\na/2.jpg;\n",
        "label,name,camera\nmilk,a/1.jpg,A\nmilk,6.jpg,B\n7,b/5.jpg,B\nmilk,none.jpg,\n,a/2.jpg,\n",
    ],
)
def test_a_table_has_labels(images, tmp_path, text):
    (tmp_path / "labels.csv").write_text(text)
    found = label_pictures(images, tmp_path / "labels.csv")
    assert found.names == ["a/1.jpg", "b/5.jpg", "6.jpg"] and found.labels == ["7", "milk"]
    assert found.classes.tolist() == [1, 0, 1] and found.unknown == ["none.jpg"]
    assert found.unlabelled == ["a/2.jpg", "b/c/3.jpg", "b/c/4.jpg"]


def test_a_mapping_has_labels(images):
    found = label_pictures(images, {"a/1.jpg": "x", "a/2.jpg": "x", "6.jpg": "y"})
    assert found.labels == ["x", "y"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"a/1.jpg": "x", "a/2.jpg": "x"}, "two labels or more, got 2 of 'x' alone"),
        ({"a/1.jpg": "x", "a/2.jpg": "y"}, "two pictures of one label, got 2"),
        ({"1.jpg": "x", "2.jpg": "y"}, "labels of '1.jpg' and others: names are relative"),
        ({}, "got none"),
    ],
)
def test_labels_that_teach_nothing(images, labels, message):
    with pytest.raises(InvalidInput, match=message):
        label_pictures(images, labels)


def test_tables_that_are_none(images, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("name,what,who\na/1.jpg,x,y\n")
    with pytest.raises(InvalidInput, match="a column 'label' beside"):
        label_pictures(images, path)
    path.write_bytes(b"name,label\n\xff,x\n")
    with pytest.raises(FormatError, match="UTF-8"):
        label_pictures(images, path)
    with pytest.raises(InvalidInput, match="pictures to learn from"):
        label_pictures(ImageList(tmp_path, []))
