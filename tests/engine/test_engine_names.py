"""The names of an engine: a sequence, and whether a picture is there."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tiles

from blcf.collection.snapshot import Snapshot

NAMES = [f"{number:02d}.png" for number in range(12)]


def test_names_are_a_sequence(planted):
    names = planted.engine().names
    assert len(names) == 12 and list(names) == NAMES and [*reversed(names)] == NAMES[::-1]
    assert [names[n] for n in (0, 5, -1, np.int64(3))] == ["00.png", "05.png", "11.png", "03.png"]
    for part in (slice(2, 5), slice(None), slice(-3, None), slice(None, None, -2), slice(50, 60)):
        assert names[part] == NAMES[part]
    for place in (12, -13):
        with pytest.raises(IndexError):
            names[place]
    assert "03.png" in names and "3.png" not in names and 3 not in names and None not in names
    assert names.index("03.png") == 3 and names.index("03.png", -9, 4) == 3
    assert (names.count("03.png"), names.count("x")) == (1, 0)
    for missing in (("x",), ("03.png", 4), ("03.png", 0, 3), (5,)):
        with pytest.raises(ValueError, match="is not among these names"):
            names.index(*missing)
    assert repr(names) == "12 names: '00.png', '01.png', '02.png', ..."


def test_a_name_is_read_when_it_is_asked_for(planted, monkeypatch):
    monkeypatch.setattr(Snapshot, "names", None)  # nobody walks through all of them
    engine = planted.engine()
    names = engine.names
    assert len(names) == 12 and names[7] == "07.png" and names[2:4] == NAMES[2:4]
    assert "07.png" in names and "07.png" in engine and names.index("07.png") == 7


def test_names_are_those_of_their_moment(planted, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf")
    assert repr(engine.names) == "no names" and list(engine.names) == []
    shutil.copytree(planted.folder, tmp_path / "scenes")
    engine.add(tmp_path / "scenes", progress=False)
    before = engine.names
    engine.remove(["03.png"])
    assert before[3] == "03.png" and len(before) == 12 and "03.png" in before
    assert engine.names[3] == "04.png" and "03.png" not in engine.names


def test_a_picture_is_in_an_engine_by_name_or_path(planted, monkeypatch):
    engine = planted.engine()
    for there in ("03.png", planted.path(3), str(planted.path(3)), Path("03.png")):
        assert there in engine
    monkeypatch.chdir(planted.folder.parent)
    assert "scenes/03.png" in engine and Path("scenes/../scenes/03.png") in engine
    for absent in ("3.png", "03.PNG", "", planted.folder, b"03.png", 3, None, ["03.png"]):
        assert absent not in engine


def test_an_engine_prints(planted, tmp_path):
    engine = planted.engine()
    text = f"SearchEngine('{engine.path}'): 12 pictures, words: 24 (its own), module TileNetwork, "
    assert repr(engine) == f"{text}layer relu"
    html = engine._repr_html_()
    assert str(engine.path) in html and "<td" in html and ">24 (its own)<" in html
    empty = tiles.create(tmp_path / "<i>.blcf")
    assert ": 0 pictures, words: not learned yet, " in repr(empty)
    assert "&lt;i&gt;.blcf" in empty._repr_html_()
