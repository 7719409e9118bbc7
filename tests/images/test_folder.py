"""Finding pictures: what is listed, under which name, in which order, and what is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from made_up import touch

from blcf.errors import InvalidInput
from blcf.images import IMAGE_SUFFIXES, display_name, find_images

posix_only = pytest.mark.skipif(os.name != "posix", reason="file names and links as on POSIX")


def test_every_suffix_in_any_case(tmp_path: Path) -> None:
    names = [f"a{suffix}" for suffix in IMAGE_SUFFIXES]
    names += [f"B{suffix.upper()}" for suffix in IMAGE_SUFFIXES]
    touch(tmp_path, *names, "notes.txt", "jpg", "film.doc", "archive.jpg.zip")
    images = find_images(tmp_path)
    assert images.names == sorted(names)
    assert images.root == tmp_path
    assert len(images) == 2 * len(IMAGE_SUFFIXES) == 28
    assert images.problems == []
    assert images.path("a.jpg") == tmp_path / "a.jpg"
    assert find_images(str(tmp_path)) == images


def test_order_is_by_code_point_of_the_whole_name(tmp_path: Path) -> None:
    names = ["B.jpg", "a-b.jpg", "a.jpg", "a/z.jpg", "a0.jpg", "b.jpg", "é.jpg", "日本.jpg"]
    touch(tmp_path, *reversed(names))
    # "-" < "." < "/" < "0": not the order of a folder-by-folder listing, nor of a locale
    assert find_images(tmp_path).names == names


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    top = tmp_path / ".frames"  # given by name, so not passed over
    touch(top, "a.jpg", ".b.jpg", ".thumbnails/c.jpg", "sub/.d.jpg", "sub/e.jpg")
    assert find_images(top).names == ["a.jpg", "sub/e.jpg"]


def test_a_folder_named_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, "x.jpg/y.png")
    assert find_images(tmp_path).names == ["x.jpg/y.png"]


@posix_only
def test_odd_names(tmp_path: Path) -> None:
    names = [
        "two words.jpg",
        "two\nlines.jpg",
        "#1.jpg",
        "back\\slash.jpg",
        "a..b.jpg",
        "Bürger.jpg",
        "Bu\u0308rger.jpg",  # the same to the eye, another file on Linux
        "\N{GRINNING FACE}.jpg",
        "\u2028.jpg",
        "-rf.jpg",
    ]
    try:
        touch(tmp_path, *names)
    except OSError as error:
        pytest.skip(f"this file system refuses such names: {error}")
    images = find_images(tmp_path)
    if sys.platform != "darwin":  # which may normalise the two forms of ü into one
        assert images.names == sorted(names)
    assert all(images.path(name).is_file() for name in images.names)


@posix_only
def test_a_name_that_is_not_utf8_is_listed_and_printable(tmp_path: Path) -> None:
    try:
        with open(os.path.join(os.fsencode(tmp_path), b"caf\xe9.jpg"), "wb"):
            pass
    except OSError as error:
        pytest.skip(f"this file system takes only UTF-8: {error}")
    images = find_images(tmp_path)
    assert images.names == ["caf\udce9.jpg"]
    assert images.path(images.names[0]).is_file()
    assert display_name(images.names[0]) == "caf\\udce9.jpg"


@posix_only
def test_links_to_folders_and_files_are_followed(tmp_path: Path) -> None:
    touch(tmp_path, "disk/2020/a.jpg", "other.jpg")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/years").symlink_to(tmp_path / "disk")
    (tmp_path / "photos/one.jpg").symlink_to(tmp_path / "other.jpg")
    images = find_images(tmp_path / "photos")
    assert images.names == ["one.jpg", "years/2020/a.jpg"]


@posix_only
def test_link_loops_end(tmp_path: Path) -> None:
    touch(tmp_path, "photos/sub/a.jpg", "beside.jpg")
    photos = tmp_path / "photos"
    (photos / "sub/up").symlink_to(photos)
    (photos / "sub/self").symlink_to(photos / "sub")
    (photos / "out").symlink_to(tmp_path)  # leads back in through "out/photos"
    assert find_images(photos).names == ["out/beside.jpg", "sub/a.jpg"]


@posix_only
def test_a_folder_reached_twice_is_listed_once_under_its_own_name(tmp_path: Path) -> None:
    touch(tmp_path, "z/deep/a.jpg")
    before = find_images(tmp_path)
    (tmp_path / "a_link").symlink_to(tmp_path / "z")  # sorts first
    (tmp_path / "b_link").symlink_to(tmp_path / "z/deep")
    assert find_images(tmp_path) == before


@posix_only
def test_broken_links_and_pipes_are_not_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.jpg")
    images = find_images(tmp_path)
    assert images.names == ["a.jpg"]
    assert [name for name, _ in images.problems] == ["gone.jpg", "loop.jpg"]
    assert images.problems[0][1] == "the symbolic link leads nowhere"


def test_a_folder_that_cannot_be_read_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.jpg", "secret/b.jpg", "z/c.jpg")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "secret":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    images = find_images(tmp_path)
    assert images.names == ["a.jpg", "z/c.jpg"]
    assert images.problems == [("secret", "the folder cannot be read; permission denied")]
    with pytest.raises(InvalidInput, match="the folder cannot be read; permission denied"):
        find_images(tmp_path / "secret")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_permissions_of_the_file_system(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "secret/b.jpg")
    (tmp_path / "secret").chmod(0)
    try:
        images = find_images(tmp_path)
    finally:
        (tmp_path / "secret").chmod(0o700)
    assert images.names == ["a.jpg"]
    assert [name for name, _ in images.problems] == ["secret"]


def test_a_deep_tree(tmp_path: Path) -> None:
    name = "/".join(["d"] * 300) + "/a.jpg"
    touch(tmp_path, name)
    assert find_images(tmp_path).names == [name]


def test_no_pictures(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"\.jpg, .*\.gif, and films; saw 0 other files"):
        find_images(tmp_path)
    touch(tmp_path, "a.txt")
    with pytest.raises(InvalidInput, match="saw 1 other file. Give"):
        find_images(tmp_path)
    touch(tmp_path, "sub/b.heic")
    with pytest.raises(InvalidInput, match="saw 2 other files. Give") as caught:
        find_images(tmp_path)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["none", "none.jpg", "none.txt", "none/sub", "a\0b"])
def test_a_source_that_does_not_exist(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match=r"expected a folder, a list file or a picture") as it:
        find_images(tmp_path / name)
    assert display_name(tmp_path / name) in str(it.value)


@pytest.mark.parametrize("source", [None, 3, b"photos", "", ["a.jpg", ""], [3], [b"a.jpg"]])
def test_a_source_of_the_wrong_kind(source: object) -> None:
    with pytest.raises(InvalidInput, match="Expected"):
        find_images(source)  # type: ignore[arg-type]
