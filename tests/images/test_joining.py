"""Pictures of several sources: their names, and what counts once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_up import touch

from blcf.errors import InvalidInput
from blcf.images import find_images, find_listed, join_lists

posix_only = pytest.mark.skipif(os.name != "posix", reason="file names and links as on POSIX")


def joined(*sources: Path):
    return join_lists([find_images(source) for source in sources])


def test_equal_names_of_two_folders_stay_apart(tmp_path: Path) -> None:
    touch(tmp_path, "day1/0001.jpg", "day2/0001.jpg", "day2/sub/0002.jpg", "other.jpg")
    images = joined(tmp_path / "day1", tmp_path / "day2")
    assert images.root == tmp_path
    assert images.names == ["day1/0001.jpg", "day2/0001.jpg", "day2/sub/0002.jpg"]
    assert set(images.names) < set(find_images(tmp_path).names), "as the parent folder would"
    assert all(images.path(name).is_file() for name in images.names)


def test_one_source_keeps_its_names(tmp_path: Path) -> None:
    touch(tmp_path, "day1/0001.jpg")
    assert joined(tmp_path / "day1") == find_images(tmp_path / "day1")


def test_pictures_of_one_folder_have_the_names_of_the_folder(tmp_path: Path) -> None:
    """What a shell makes of FRAMES/*.jpg."""
    touch(tmp_path, "a.jpg", "b.jpg")
    images = joined(tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert (images.root, images.names) == (tmp_path, ["a.jpg", "b.jpg"])


def test_folders_lists_and_pictures_together(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg", "3.jpg")
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "some.txt").write_text("../b/2.jpg\n")
    images = joined(tmp_path / "a", tmp_path / "lists" / "some.txt", tmp_path / "3.jpg")
    assert (images.root, images.names) == (tmp_path, ["a/1.jpg", "b/2.jpg", "3.jpg"])


def test_a_picture_counts_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/sub/1.jpg", "a/2.jpg")
    images = joined(tmp_path / "a", tmp_path / "a" / "sub", tmp_path / "a" / "2.jpg")
    assert (images.root, images.names) == (tmp_path / "a", ["2.jpg", "sub/1.jpg"])


@posix_only
def test_a_folder_through_a_link_counts_once(tmp_path: Path) -> None:
    touch(tmp_path, "a/sub/1.jpg", "b/2.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "a" / "sub")
    images = joined(tmp_path / "a", tmp_path / "b", tmp_path / "link")
    assert images.names == ["a/sub/1.jpg", "b/2.jpg"]


@posix_only
def test_problems_keep_their_places(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "b" / "gone.jpg").symlink_to(tmp_path / "nowhere")
    images = joined(tmp_path / "a", tmp_path / "b", tmp_path / "b")
    assert images.problems == [("b/gone.jpg", "the symbolic link leads nowhere")]


def test_a_list_through_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a/1.jpg", "b/2.jpg")
    monkeypatch.chdir(tmp_path / "a")
    images = find_listed(b"1.jpg\n\n# no\n")
    assert (images.root, images.names) == (tmp_path / "a", ["1.jpg"])
    images = find_listed(b"./1.jpg\r\n../b/2.jpg\n")
    assert (images.root, images.names) == (tmp_path, ["a/1.jpg", "b/2.jpg"])
    assert find_listed(b"1.jpg", root=tmp_path).names == ["a/1.jpg"]
    with pytest.raises(InvalidInput, match="standard input: expected at least one path"):
        find_listed(b"\n")
    with pytest.raises(InvalidInput, match="standard input: expected a list .* got binary"):
        find_listed(b"a.jpg\0b.jpg\0")
