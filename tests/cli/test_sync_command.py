"""`blcf sync`, `--as`, and what `blcf index` says of a folder that has changed."""

from __future__ import annotations

import json
import shutil

import pytest
import tiles

from blcf import SearchEngine


@pytest.fixture
def frames(place, tmp_path):
    """A copy of the pictures beside a collection of them."""
    shutil.copytree(place / "frames", tmp_path / "frames")
    shutil.copy(place / "weights.pth", tmp_path)
    return tmp_path / "frames"


@pytest.fixture
def indexed(frames, call):
    path = frames.parent / "c.blcf"
    network = ["--network", "squeezenet1_1", "--weights", frames.parent / "weights.pth"]
    assert call("index", path, frames, *network, "--side", 128, "--words", 20)[0] == 0
    return path


def change(frames):
    tiles.save(frames / "new.png", tiles.planted_scenes(seed=7)[0][0])
    tiles.save(frames / "été 1" / "01.png", tiles.planted_scenes(seed=8)[0][0])
    (frames / "été 1" / "02.png").unlink()
    (frames / "été 1" / "03.png").rename(frames / "three.png")


def test_sync(frames, indexed, call):
    change(frames)
    status, out, err = call("index", indexed, frames)
    assert status == 0 and "1 added" not in out  # new.png and three.png
    assert "of the pictures that were there 1 have changed since and 2 are gone; to follow:" in err
    assert f"blcf sync {indexed} {frames}" in err
    assert call("remove", indexed, "new.png", "three.png")[0] == 0
    status, out, err = call("sync", indexed, frames, "--dry-run")
    assert status == 0 and out.splitlines()[:4] == [
        "new      new.png",
        "changed  été 1/01.png",
        "deleted  été 1/02.png",
        "moved    été 1/03.png -> three.png",
    ]
    assert "1 new, 1 changed, 1 moved and 1 deleted would be followed, 9 are as they were" in out
    assert "new.png" not in SearchEngine.open(indexed)
    status, out, err = call("sync", indexed, frames, "--json")
    assert status == 0 and json.loads(out) == {
        "new": ["new.png"],
        "changed": ["été 1/01.png"],
        "moved": {"été 1/03.png": "three.png"},
        "deleted": ["été 1/02.png"],
        "n_same": 9,
        "skipped": {},
    }
    (frames / "bad.png").write_text("no picture")
    status, out, err = call("sync", indexed, frames)
    assert status == 3 and "0 new, 0 changed" in out and "1 skipped" in out
    assert "skipped bad.png: it is not a picture" in err
    assert call("index", indexed, frames, "--quiet")[2].count("to follow") == 0


def test_two_memory_cards(frames, indexed, call):
    status, out, err = call("add", indexed, frames, "--as", "A", "--quiet")
    assert status == 0 and "12 added" in out
    shutil.rmtree(frames / "été 1")
    tiles.save(frames / "été 1" / "00.png", tiles.planted_scenes(seed=8)[0][0])
    status, out, err = call("add", indexed, frames, "--as", "B", "--quiet")
    assert status == 0 and "25 pictures" in out and "1 added" in out
    status, out, _ = call("list", indexed, "--csv")
    assert f"B/été 1/00.png,96,96,live,,{frames / 'été 1' / '00.png'}" in out or "B/été" in out
    assert call("check", indexed)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no"], "no such file or folder"),
        (["."], "expected pictures, found none"),
        (["frames", "--as", "../x"], "Expected a name to stand before those of the pictures"),
        (["frames", "--as", ""], "Expected a name to stand before"),
    ],
)
def test_what_cannot_be_followed(frames, indexed, call, arguments, message, tmp_path, monkeypatch):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    arguments = [str(frames) if one == "frames" else one for one in arguments]
    status, out, err = call("sync", indexed, *arguments)
    assert status == 2 and message in err and not out and "Traceback" not in err
    assert len(SearchEngine.open(indexed)) == 12
