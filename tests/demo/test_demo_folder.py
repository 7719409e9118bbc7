"""The folder of a demo: what a demo wrote is replaced, anything else is left as it is."""

from __future__ import annotations

import os

import pytest

from blcf.demo.folder import demo_folder
from blcf.errors import InvalidInput, StorageError


def write(path, text="a"):
    """A demo of two files."""
    with demo_folder(path) as folder:
        assert sorted(os.listdir(folder)) in (["blcf-demo.json"], [".earlier", "blcf-demo.json"])
        (folder / "images").mkdir()
        (folder / "images" / "a.jpg").write_text(text)
        (folder / "gt.json").write_text(text)


def content(path):
    return {
        one.relative_to(path).as_posix(): one.read_text()
        for one in sorted(path.rglob("*"))
        if one.is_file()
    }


def test_a_new_one_and_again(tmp_path):
    out = tmp_path / "deep" / "out"
    write(out)
    assert set(content(out)) == {"blcf-demo.json", "gt.json", "images/a.jpg"}
    write(out, "b")
    assert content(out)["gt.json"] == content(out)["images/a.jpg"] == "b"
    assert not (out / ".earlier").exists()


def test_an_empty_folder_is_taken(tmp_path):
    write(tmp_path)
    assert (tmp_path / "gt.json").exists()


def foreign_beside(out):
    (out / "mine.txt").write_text("mine")


def foreign_within(out):
    (out / "images" / "mine.jpg").write_text("mine")


def changed(out):
    (out / "gt.json").write_text("mine")


def linked(out):
    (out / "images" / "link").symlink_to(out.parent)


@pytest.mark.parametrize("change", [foreign_beside, foreign_within, changed, linked])
def test_what_is_not_of_the_demo_stays(tmp_path, change):
    out = tmp_path / "out"
    write(out)
    change(out)
    before = content(out)
    with pytest.raises(InvalidInput, match="was not written by the demo, or has been changed"):
        write(out, "b")
    assert content(out) == before


@pytest.mark.parametrize("text", [None, "[]", "no JSON", "{}"])
def test_a_folder_of_something_else(tmp_path, text):
    (tmp_path / "gt.json").write_text("mine")
    if text is not None:
        (tmp_path / "blcf-demo.json").write_text(text)
    before = content(tmp_path)
    with pytest.raises(InvalidInput, match="not of a demo .* --out"):
        write(tmp_path)
    assert content(tmp_path) == before


def test_a_failure_brings_the_earlier_one_back(tmp_path):
    out = tmp_path / "out"
    write(out)
    before = content(out)
    for error in (InvalidInput, KeyboardInterrupt):
        with pytest.raises(error), demo_folder(out) as folder:
            (folder / "images").mkdir()
            (folder / "images" / "b.jpg").write_text("b")
            raise error
        assert content(out) == before and not (out / ".earlier").exists()
    write(out, "b")


def test_a_failure_of_the_first_leaves_nothing(tmp_path):
    with pytest.raises(InvalidInput), demo_folder(tmp_path / "deep" / "out") as folder:
        (folder / "gt.json").write_text("b")
        raise InvalidInput
    assert not list(tmp_path.iterdir())


def test_a_killed_one_is_replaced(tmp_path):
    """No list tells its files; what lies beside them stays."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "blcf-demo.json").write_text('{"finished": false}')
    (out / "images").mkdir()
    (out / "images" / "half.jpg").write_text("half")
    (out / "mine").mkdir()
    with pytest.raises(InvalidInput, match="mine"):
        write(out)
    (out / "mine").rmdir()
    write(out)
    assert set(content(out)) == {"blcf-demo.json", "gt.json", "images/a.jpg"}


def test_what_cannot_be_moved_stays(tmp_path, monkeypatch):
    out = tmp_path / "out"
    write(out)
    before = content(out)
    rename, moved = type(out).rename, []

    def refuse(self, target):
        if moved and self.parent == out:
            raise PermissionError(13, "Permission denied")
        moved.append(self)
        return rename(self, target)

    monkeypatch.setattr(type(out), "rename", refuse)
    with pytest.raises(StorageError, match="Permission denied"):
        write(out, "b")
    assert len(moved) == 2, "away and back"
    assert content(out) == before


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(InvalidInput, match="to be a folder, it is a file"):
        write(tmp_path / "out")
    with pytest.raises(StorageError, match="Could not write"):
        write(tmp_path / "out" / "deeper")
