"""What can be added: folders, paths, pictures with names of the caller; each is read as it is."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import (
    GivenPictures,
    ImageList,
    as_sources,
    find_images,
    read_image,
    read_resized,
    sources,
)
from blcf.images.originals import content_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / name)
    return tmp_path


def only(*given, **options):
    (source,) = as_sources(*given, **options)
    return source


def test_files(folder: Path) -> None:
    """Every form of paths gives the list that `find_images` makes."""
    expected = find_images(folder)
    paths = [folder / "a.png", str(folder / "b.png")]
    for given in (folder, str(folder), paths, tuple(paths), iter(paths), expected):
        source = only(given)
        assert isinstance(source, ImageList)
        assert (source.names, source.root) == (["a.png", "b.png"], folder)
    state = os.stat(folder / "a.png")
    original = expected.original("a.png")
    loaded = original.resized(32)
    pixels, size = read_resized(folder / "a.png", 32)
    np.testing.assert_array_equal(loaded.content, pixels)
    content = (folder / "a.png").read_bytes()
    assert loaded.size == size == original.size() == (60, 40)
    assert loaded.facts.mtime_ns == state.st_mtime_ns and loaded.facts.n_bytes == len(content)
    assert loaded.facts.digest == content_digest(content) > 0
    assert original.through(np.shape).facts == loaded.facts
    assert original.state() == [state.st_mtime_ns, state.st_size]
    (folder / "a.png").unlink()
    assert original.state() is original.size() is None
    with pytest.raises(UnreadableImage, match="there is no such file"):
        original.resized(32)


def forms(path: Path) -> dict[str, object]:
    pixels = read_image(path)
    return {
        "an array": pixels,
        "grey": pixels[:, :, 0],
        "of Pillow": Image.fromarray(pixels),
        "bytes": path.read_bytes(),
        "a path": path,
        "as text": str(path),
    }


def test_given_pictures(folder: Path) -> None:
    """A dictionary is never read as its keys."""
    given = forms(folder / "a.png")
    for source in (only(given), only(given.items()), only(iter(list(given.items())))):
        assert isinstance(source, GivenPictures)
        assert source.names == list(given) and len(source) == 6 and source.root == ""
        for name in given:
            loaded = source.original(name).resized(32)
            assert loaded.size == (60, 40) and loaded.content.shape == (32, 32, 3)
            if name != "grey":
                expected = read_resized(folder / "a.png", 32)[0]
                np.testing.assert_array_equal(loaded.content, expected)
            assert (loaded.facts.n_bytes > 0) == (name in ("a path", "as text"))
            size = source.original(name).size()
            assert size == (None if name == "bytes" else (60, 40))


def test_a_given_picture_that_changed(folder: Path) -> None:
    given = forms(folder / "a.png")
    before = {name: only(given).original(name).state() for name in given}
    assert before == {name: only(given).original(name).state() for name in given}
    given["an array"][0, 0] ^= 1
    given["bytes"] = (folder / "b.png").read_bytes()
    after = {name: only(given).original(name).state() for name in given}
    assert [name for name in given if before[name] != after[name]] == ["an array", "grey", "bytes"]


@pytest.mark.parametrize(
    "given, message",
    [
        ({"": np.zeros((20, 20), np.uint8)}, "a name as text for every picture"),
        ({7: np.zeros((20, 20), np.uint8)}, "got 7"),
        ({"a\0": np.zeros((20, 20), np.uint8)}, "a name as text"),
        ({"id": 3}, "id: Expected a picture: a path, .* got int"),
        ({"id": np.zeros((20, 20))}, "id: Expected a picture as uint8 .* float64"),
        ([("a", np.zeros((20, 20), np.uint8))] * 2, "every name once, got 'a'"),
        ([("a", b"x"), "b"], "pairs of a name and a picture, got str after 1"),
        (7, "a folder, a list file, a picture or an iterable of paths, got int"),
        (b"a.jpg", "got bytes"),
        ([], "at least one path"),
        ([7], "the path of a picture"),
    ],
)
def test_what_is_no_source(given, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        list(as_sources(given))


def test_no_pictures_of_a_mapping() -> None:
    assert only({}).names == []


@pytest.mark.parametrize("option", ["root", "name"])
def test_options_for_paths_only(option: str, tmp_path: Path) -> None:
    pixels = np.zeros((20, 20), np.uint8)
    for given in ({"a": pixels}, [("a", pixels)]):
        with pytest.raises(InvalidInput, match=f"Expected {option} with a folder"):
            list(as_sources(given, **{option: tmp_path}))


@pytest.mark.parametrize("picture", [b"no picture", b"", np.zeros((3, 90, 3), np.uint8)])
def test_a_given_picture_that_is_none(picture) -> None:
    """It is told of the one picture, which can be skipped."""
    original = only({"id-7": picture}).original("id-7")
    with pytest.raises(UnreadableImage, match="^id-7: ") as caught:
        original.resized(32)
    assert caught.value.reason and "id-7" not in caught.value.reason


def test_an_iterator_is_taken_in_parts(monkeypatch) -> None:
    """It may be endless: no more is taken than one part."""
    monkeypatch.setattr(sources, "_MOST_PICTURES", 3)
    taken = []

    def pairs():
        for number in range(8):
            taken.append(number)
            yield f"{number}", np.zeros((20, 20, 3), np.uint8)

    parts = as_sources(pairs())
    assert [next(parts).names, len(taken)] == [["0", "1", "2"], 3]
    assert [part.names for part in parts] == [["3", "4", "5"], ["6", "7"]]
    monkeypatch.setattr(sources, "_MOST_BYTES", 2 * 1_200)
    assert [len(part) for part in as_sources(pairs())] == [2, 2, 2, 2]
    png = io.BytesIO()
    Image.new("RGB", (20, 20)).save(png, "PNG")
    given = [("a", Image.new("RGB", (20, 20))), ("b", png.getvalue() + bytes(2_400)), ("c", "x")]
    assert [part.names for part in as_sources(given)] == [["a", "b"], ["c"]]


def test_names_with_something_before_them(folder: Path) -> None:
    """Two memory cards that hold files of the same names."""
    source = only(folder, name="camera/monday")
    assert source.names == ["camera/monday/a.png", "camera/monday/b.png"]
    assert source.path("camera/monday/a.png") == folder / "a.png"
    assert source.original("camera/monday/a.png").resized(32).size == (60, 40)
    for name in ("a.png", "camera/a.png", "camera/monday/../a.png"):
        with pytest.raises(InvalidInput):
            source.path(name)
    for wrong in ("", ".", "a/..", "/a", "a/", "a//b", "a\0", 7, b"a"):
        with pytest.raises(InvalidInput, match="to stand before those of the pictures"):
            only(folder, name=wrong)
    (folder / "A").mkdir()
    Image.new("RGB", (20, 20)).save(folder / "A" / "c.png")
    with pytest.raises(InvalidInput, match="expected another name than 'A'"):
        only(folder, name="A")
    with pytest.raises(InvalidInput, match="begin with 'B' already"):
        only(only(folder, name="B"), name="C")
