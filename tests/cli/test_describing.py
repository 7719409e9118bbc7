"""`blcf info` and `blcf list`: what a person reads, and what a program does."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil

import pytest


@pytest.fixture
def changed(place, call, tmp_path):
    """A copy of the collection: a picture removed, one replaced, one skipped."""
    shutil.copytree(place / "c.blcf", tmp_path / "c.blcf")
    copy, more = tmp_path / "c.blcf", tmp_path / "more"
    more.mkdir()
    shutil.copy(place / "frames" / "été 1" / "00.png", more / "12.png")
    (more / "bad.png").write_text("no picture")
    assert call("add", copy, more, "--quiet")[0] == 3
    assert call("remove", copy, "été 1/03.png")[0] == 0
    assert call("add", copy, more / "12.png", "--replace", "--quiet")[0] == 0
    return copy


def test_info_speaks_of_pictures_words_and_bytes(place, call):
    status, out, _ = call("info", place / "c.blcf")
    rows = dict(re.split(r"  +|(?<=^made with) ", line, maxsplit=1) for line in out.splitlines())
    assert status == 0
    assert list(rows) == ["collection", "pictures", "words", "made with", "on disk"]
    assert rows["pictures"] == "12"
    words = r"20 in the vocabulary \(its own\), \d+ in use, \d+ different a picture"
    assert re.fullmatch(words, rows["words"])
    assert re.fullmatch(r"[\d.]+ KB, [\d.]+ KB a picture", rows["on disk"])
    made_with = "network squeezenet1_1, layer fire9:signed, pictures of 128 pixel"
    assert rows["made with"].startswith(made_with)


def test_internals_are_asked_for(place, call):
    out = call("info", place / "c.blcf")[1]
    more = call("info", place / "c.blcf", "--verbose")[1]
    assert more.startswith(out)
    for word in ("segment", "posting", "imbalance", "random_state", "vocabulary_digest"):
        assert word in more and word not in out


def test_info_as_json_keeps_everything(place, call):
    facts = json.loads(call("info", place / "c.blcf", "--json")[1])
    assert facts["n_images"] == 12 and facts["model"]["n_words"] == 20
    assert {"bytes_per_posting", "list_lengths", "imbalance", "extractor"} <= set(facts)


def test_info_of_what_was_removed_and_skipped(changed, call):
    out = call("info", changed)[1]
    assert "12, 1 removed (blcf compact gives their space back), 1 skipped" in out


def test_list(changed, call):
    """The live ones in order of insertion, the removed, the skipped with the reason."""
    status, out, err = call("list", changed)
    assert (status, err) == (0, "blcf: 12 live, 1 removed, 1 skipped\n")
    lines = out.splitlines()
    names = [*(f"été 1/{number:02d}.png" for number in range(12) if number != 3), "12.png"]
    assert lines[:12] == [f"live         128x128  {name}" for name in names]
    assert lines[12] == "removed      128x128  été 1/03.png"
    assert re.fullmatch(r"skipped            -  bad\.png: .*not a picture.*", lines[13])
    assert len(lines) == 14
    assert call("list", changed, "--quiet")[2] == ""


def test_list_for_programs(changed, call):
    rows = json.loads(call("list", changed, "--json")[1])
    assert [row["state"] for row in rows] == ["live"] * 12 + ["removed", "skipped"]
    assert rows[0]["width"] == rows[0]["height"] == 128 and rows[0]["reason"] == ""
    assert rows[0]["path"].endswith("frames/été 1/00.png")
    bad = rows[-1]
    assert bad["width"] is None and "not a picture" in bad["reason"] and bad["path"]
    read = list(csv.DictReader(io.StringIO(call("list", changed, "--csv")[1])))
    assert [{key: str(value or "") for key, value in row.items()} for row in rows] == read


def test_list_of_nothing(call, place, tmp_path):
    status, out, err = call("list", place / "frames")
    assert status == 2 and "No collection at" in err and out == ""
    status, _, err = call("list", place / "c.blcf", "--csv", "--json")
    assert status == 2 and "one of --csv and --json" in err


def test_a_head_for_a_person(changed, call, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    head, first, *_ = call("list", changed)[1].splitlines()
    assert head == "state      size (px)  name" and head.index("name") == first.index("été 1")
