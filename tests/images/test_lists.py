"""Finding pictures by name: one picture, list files, paths, and the root of their names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_up import touch

from blcf.errors import InvalidInput
from blcf.images import ImageList, find_images

posix_only = pytest.mark.skipif(os.name != "posix", reason="file names and links as on POSIX")


# One picture


def test_one_picture(tmp_path: Path) -> None:
    touch(tmp_path, "sub/a.JPG")
    images = find_images(tmp_path / "sub/a.JPG")
    assert (images.root, images.names) == (tmp_path / "sub", ["a.JPG"])
    images = find_images(tmp_path / "sub/a.JPG", root=tmp_path)
    assert (images.root, images.names) == (tmp_path, ["sub/a.JPG"])


# Lists


def test_list_file(tmp_path: Path) -> None:
    listing = tmp_path / "some.lst"
    listing.write_bytes(
        "\ufeff# a comment\r\n"
        "b.jpg\r\n"
        "\n"
        "   \t\n"
        "./a.jpg  \n"
        "sub//c d.jpg\n"
        "b.jpg\n"
        "sub/../a.jpg\n"
        "./#1.jpg\n"
        "nowhere/日本\u2028.jpg\n"
        "not a picture.txt".encode()
    )
    images = find_images(listing)
    assert images.root == tmp_path
    assert images.names == [
        "b.jpg",
        "a.jpg",
        "sub/c d.jpg",
        "#1.jpg",
        "nowhere/日本\u2028.jpg",
        "not a picture.txt",
    ]
    assert images.problems == []


def test_list_file_with_entries_elsewhere(tmp_path: Path) -> None:
    touch(tmp_path, "lists/train.txt", "data/x/1.jpg", "data/y/2.jpg")
    (tmp_path / "lists/train.txt").write_text(f"../data/x/1.jpg\n{tmp_path}/data/y/2.jpg\n")
    images = find_images(tmp_path / "lists/train.txt")
    assert images.root == tmp_path / "data"
    assert images.names == ["x/1.jpg", "y/2.jpg"]
    images = find_images(tmp_path / "lists/train.txt", root=tmp_path)
    assert images.names == ["data/x/1.jpg", "data/y/2.jpg"]
    with pytest.raises(InvalidInput, match="expected a path inside") as caught:
        find_images(tmp_path / "lists/train.txt", root=tmp_path / "data/x")
    assert str(tmp_path / "data/y/2.jpg") in str(caught.value)


def test_a_list_may_have_any_other_ending(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a.jpg")
    assert find_images(tmp_path / "list").names == ["a.jpg"]


@posix_only
def test_a_list_names_the_same_file_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.jpg\n")
    assert find_images(tmp_path / "list.txt").names == ["caf\udce9.jpg"]


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n"])
def test_an_empty_list(tmp_path: Path, content: str) -> None:
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(InvalidInput, match=r"list\.txt: expected at least one path"):
        find_images(tmp_path / "list.txt")


@pytest.mark.parametrize(
    "content", [b"\0\0\0\x18ftypmp42", "a.jpg\n".encode("utf-16"), b"a" * 10_000 + b"\0"]
)
def test_a_list_that_is_not_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "film.dat").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"film\.dat: expected .* UTF-8, one path per line"):
        find_images(tmp_path / "film.dat")


@posix_only
def test_parent_of_a_linked_folder_is_where_the_system_finds_it(tmp_path: Path) -> None:
    touch(tmp_path, "disk/pictures/a.jpg")
    (tmp_path / "disk/lists").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk/lists")
    (tmp_path / "disk/lists/list.txt").write_text("../pictures/a.jpg")
    images = find_images(tmp_path / "link/list.txt")
    # dropping "link/.." as text would give pictures/a.jpg, which does not exist
    assert images.path(images.names[0]).is_file()


# Iterables and root


def test_iterables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths: list[str | Path] = ["sub/b.jpg", Path("a.jpg"), tmp_path / "sub/b.jpg"]
    images = find_images(path for path in paths)
    assert (images.root, images.names) == (tmp_path, ["sub/b.jpg", "a.jpg"])
    images = find_images(["sub/b.jpg", "sub/c/d.jpg"])
    assert (images.root, images.names) == (tmp_path / "sub", ["b.jpg", "c/d.jpg"])
    images = find_images(["sub/b.jpg"])
    assert (images.root, images.names) == (tmp_path / "sub", ["b.jpg"])
    images = find_images(["sub/b.jpg"], root=".")
    assert (images.root, images.names) == (tmp_path, ["sub/b.jpg"])
    with pytest.raises(InvalidInput, match="the given paths: expected at least one path"):
        find_images([])


def test_a_list_is_its_own_listing(tmp_path: Path) -> None:
    touch(tmp_path, "b/1.jpg", "a.png", "c/d/e.gif")
    images = find_images(tmp_path)
    again = find_images([images.path(name) for name in images.names], root=tmp_path)
    assert again == images


def test_a_folder_named_from_another_root(tmp_path: Path) -> None:
    touch(tmp_path, "frames/2020/a.jpg")
    images = find_images(tmp_path / "frames/2020", root=tmp_path / "frames")
    assert images == ImageList(tmp_path / "frames", ["2020/a.jpg"])
    with pytest.raises(InvalidInput, match="expected a path inside"):
        find_images(tmp_path / "frames", root=tmp_path / "frames/2020")
    with pytest.raises(InvalidInput, match="root: expected an existing folder"):
        find_images(tmp_path / "frames", root=tmp_path / "none")


@posix_only
def test_a_root_given_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "real/sub/a.jpg")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.chdir(tmp_path / "link")  # the current folder is then reported as "real"
    assert find_images(["sub/a.jpg"], root=tmp_path / "link").names == ["sub/a.jpg"]


@pytest.mark.parametrize("name", ["../x.jpg", "a/../../x.jpg", "/etc/x.jpg"])
def test_names_do_not_lead_out_of_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="leads out of it"):
        ImageList(tmp_path, ["a.jpg"]).path(name)
