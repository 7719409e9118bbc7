"""`blcf add`, `remove`, `compact`, `check`, `info`: what they print, and their exit status."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import tiles

from blcf import SearchEngine


@pytest.fixture
def copy(place, tmp_path):
    """A copy of the collection."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    return tmp_path / "c.blcf"


def test_add_passes_over_and_replaces(place, copy, call):
    frames = place / "frames"
    status, out, _ = call("add", copy, frames, "--quiet")
    assert status == 0 and "12 pictures" in out and "0 added, 12 were there, 0 skipped" in out
    status, out, _ = call("add", copy, frames, "--replace", "--quiet")
    assert status == 0 and "0 added, 12 replaced, 0 were there, 0 skipped" in out


def test_add_to_what_is_no_collection(place, copy, call, tmp_path):
    status, _, err = call("add", tmp_path / "none.blcf", place / "frames")
    assert status == 2 and "No collection at" in err and not (tmp_path / "none.blcf").exists()
    status, _, err = call("add", place / "frames", copy)
    assert status == 2 and f"blcf add {copy} {place / 'frames'}" in err


def test_remove_compact_and_info(place, copy, call):
    status, out, _ = call("remove", copy, "été 1/00.png", place / "frames" / "été 1" / "01.png")
    assert status == 0 and "10 pictures" in out and "2 removed" in out
    status, out, _ = call("info", copy, "--json")
    facts = json.loads(out)
    assert (facts["n_images"], facts["n_removed"], facts["n_words"]) == (10, 2, 20)
    assert 0 < facts["words_used"] <= 20 and facts["imbalance"] >= 1
    assert list(facts["list_lengths"])[-1] == "100%"
    status, out, _ = call("compact", copy)
    assert status == 0 and re.search(r": [\d.]+ KB before, [\d.]+ KB after$", out.strip())
    status, out, _ = call("info", copy)
    assert re.search(r"^pictures +10$", out, re.MULTILINE)


def test_remove_a_list(copy, call, tmp_path, monkeypatch):
    names = tmp_path / "names.txt"
    names.write_text("été 1/03.png\n\nété 1/04.png\n", "utf-8")
    assert call("remove", copy, "--list", names)[1].endswith("2 removed\n")
    assert len(SearchEngine.open(copy)) == 10
    names.write_bytes(b"\xff\xfe\n")
    status, _, err = call("remove", copy, "--list", names)
    assert status == 2 and "one picture per line, in UTF-8" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Expected pictures to remove: names or paths"),
        (["nothing.png"], "holds no 'nothing.png'. Nothing was removed."),
        (["--list", "/nowhere/at/all"], "No such file"),
    ],
)
def test_remove_what_is_not_there(copy, call, arguments, message):
    status, _, err = call("remove", copy, *arguments)
    assert status == 2 and message in err and len(SearchEngine.open(copy)) == 12


def test_check_a_sound_collection(copy, call):
    status, out, _ = call("check", copy)
    assert status == 0 and out.endswith("sound, 12 pictures in 1 segment\n")
    status, out, _ = call("check", copy, "--json")
    assert json.loads(out)["damages"] == []


def test_check_repair_and_add_again(place, copy, call):
    path = copy / "segments" / "00000001.h5"
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    status, out, _ = call("check", copy)
    assert status == 3 and "damaged: segments/00000001.h5 (12 pictures)" in out
    assert "été 1/07.png" in out and "DAMAGED, 0 pictures in 0 segments" in out
    assert out.endswith(f"to repair it: blcf check {copy} --repair\n")
    status, out, _ = call("check", copy, "--repair")
    assert status == 3 and "repaired, 0 pictures" in out
    listed = copy / "damaged" / "00000001.txt"
    assert f"blcf add {copy} {listed}" in out
    assert call("check", copy)[0] == 0
    status, out, _ = call("add", copy, listed, "--quiet")
    assert status == 0 and "12 added" in out
    assert call("check", copy)[0] == 0


def test_a_collection_with_a_damaged_manifest_says_what_to_do(place, copy, call):
    (copy / "manifest.json").write_bytes((copy / "manifest.json").read_bytes()[:200])
    status, _, err = call("search", copy, place / "frames" / "été 1" / "00.png")
    assert status == 2 and f"blcf check {copy} --repair" in err
    assert call("check", copy)[0] == 3
    assert call("check", copy, "--repair")[0] == 3
    assert call("check", copy)[0] == 0 and len(SearchEngine.open(copy)) == 12


def test_approximate_search(place, copy, call):
    image = place / "frames" / "été 1" / "03.png"
    search = ["search", copy, image, "-k", 1, "--query-scales", "1", "--approximate"]
    status, out, _ = call(*search, "0.5")
    assert status == 0 and out.split()[-1] == "1/03.png"
    status, _, err = call(*search, "2")
    assert status == 2 and "Expected approximate to be a number above 0" in err


def test_check_of_nothing(call, tmp_path):
    tiles.save(tmp_path / "frames" / "00.png", tiles.planted_scenes()[0][0])
    status, _, err = call("check", tmp_path / "frames")
    assert status == 2 and "No collection at" in err


def test_add_to_a_collection_that_needs_a_function(place, tmp_path, call):
    """It is told where to go; what needs no function works."""
    options = {"weights": place / "weights.pth", "side": 128, "n_words": 20}
    options |= {"weighting": "saliency", "saliency": tiles.redness}
    made = SearchEngine.create(tmp_path / "c.blcf", "squeezenet1_1", **options)
    frames = sorted((place / "frames").rglob("*.png"))
    made.add(frames[:8], root=place / "frames", progress=False)
    for command in ("add", "sync", "index"):
        status, _, err = call(command, tmp_path / "c.blcf", place / "frames", "--quiet")
        assert status == 2 and "pass saliency=function to SearchEngine.open" in err, command
    status, out, _ = call("search", tmp_path / "c.blcf", frames[3], "-k", "3", "--json")
    assert status == 0 and len(json.loads(out)["hits"]) == 3
    assert call("remove", tmp_path / "c.blcf", frames[3])[0] == 0
    assert call("compact", tmp_path / "c.blcf")[0] == call("check", tmp_path / "c.blcf")[0] == 0
