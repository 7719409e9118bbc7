"""A collection follows its folder: what it finds afterwards is what a new one would find."""

from __future__ import annotations

import os
import random
import shutil

import numpy as np
import pytest
import tiles
from tiles import create, reopen

from blcf.errors import InvalidInput
from blcf.features import ConvFeatures


@pytest.fixture
def engine(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    engine.add(scenes, progress=False)
    return engine


def some_picture(seed):
    return tiles.planted_scenes(seed=seed)[0][seed % 12]


def change(folder, rng):
    """Something that happens to a folder of pictures."""
    paths = sorted(folder.rglob("*.png"))
    path, other = rng.choice(paths), folder / f"new{rng.randrange(99)}" / "a.png"
    what = rng.choice(["delete", "write", "touch", "move", "copy", "new", "swap"])
    if what == "delete" and len(paths) > 4:
        path.unlink()
    elif what == "write":
        tiles.save(path, some_picture(rng.randrange(99)))
    elif what == "touch":
        os.utime(path, ns=(0, rng.randrange(10**18)))
    elif what == "swap":
        second = rng.choice(paths)
        if path != second:
            path.rename(folder / "between")
            second.rename(path)
            (folder / "between").rename(second)
    elif what == "new":
        tiles.save(other, some_picture(rng.randrange(99)))
    elif not other.exists():
        other.parent.mkdir(exist_ok=True)
        (shutil.move if what == "move" else shutil.copy2)(path, other)


def found(engine, query):
    hits = engine.search(query, k=50, query_scales=(1,))
    return {name: round(float(score), 5) for name, score in zip(hits.names, hits.scores)}


def assert_is_that_of(engine, folder):
    """Names and words are those of the folder, with the model that the collection has."""
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    assert set(engine.names) == names and len(engine) == len(names)
    for name in names:
        words, norms = engine.model.encode(engine.model.extractor.extract(folder / name))
        image_id = int(engine.collection.find([name])[0])
        np.testing.assert_array_equal(engine.collection.words(image_id), words)
        assert engine.collection.image_path(image_id) == folder / name


@pytest.mark.parametrize("seed", range(8))
def test_any_changes(engine, scenes, seed):
    rng = random.Random(seed)
    for _ in range(3):
        for _ in range(rng.randrange(1, 8)):
            change(scenes, rng)
        engine.sync(scenes, progress=False)
        assert_is_that_of(engine, scenes)
        again = engine.sync(scenes, progress=False)
        assert not (again.new or again.changed or again.moved or again.deleted)
        assert again.n_same == len(engine)


def test_each_case(engine, scenes, monkeypatch):
    engine.annotate({f"{n:02d}.png": {"camera": f"C{n}"} for n in range(12)})
    tiles.save(scenes / "new.png", some_picture(5))
    tiles.save(scenes / "01.png", some_picture(6))
    os.utime(scenes / "02.png", ns=(0, 7))
    (scenes / "03.png").unlink()
    (scenes / "sub").mkdir()
    (scenes / "04.png").rename(scenes / "sub" / "four.png")
    seen = []
    extract = ConvFeatures.extract_batch
    monkeypatch.setattr(
        ConvFeatures,
        "extract_batch",
        lambda self, images: seen.extend(images) or extract(self, images),
    )
    expected = (["new.png"], ["01.png"], {"04.png": "sub/four.png"}, ["03.png"], 9)
    for dry_run in (True, False):
        before = set(engine.names)
        report = engine.sync(scenes, dry_run=dry_run, progress=False)
        got = (report.new, report.changed, report.moved, report.deleted, report.n_same)
        assert got == expected and report.skipped == {}
        assert (set(engine.names) == before) == dry_run
    assert len(seen) == 2  # one that has moved needs no network
    assert engine.facts("sub/four.png")["camera"] == "C4"
    assert engine.facts("01.png")["camera"] == "C1"
    assert_is_that_of(engine, scenes)


def test_a_changed_picture_that_cannot_be_read_stays_and_is_named(engine, scenes):
    (scenes / "01.png").write_bytes(b"no picture")
    (scenes / "bad.png").write_bytes(b"no picture")
    report = engine.sync(scenes, progress=False)
    assert sorted(report.skipped) == ["01.png", "bad.png"] and not report.changed
    assert "01.png" in engine and "bad.png" not in engine
    assert sorted(engine.collection.skipped()) == ["01.png", "bad.png"]
    (scenes / "bad.png").unlink()
    tiles.save(scenes / "01.png", some_picture(3))
    assert engine.sync(scenes, progress=False).changed == ["01.png"]
    assert engine.collection.skipped() == {}


def test_an_empty_or_a_missing_folder_is_no_reason_to_forget_all(engine, scenes):
    for path in scenes.iterdir():
        path.unlink()
    with pytest.raises(InvalidInput, match="expected pictures, found none"):
        engine.sync(scenes, progress=False)
    scenes.rmdir()
    with pytest.raises(InvalidInput, match="no such file or folder"):
        engine.sync(scenes, progress=False)
    assert len(engine) == 12


def test_a_folder_in_it_and_the_one_above(engine, scenes):
    """Whatever folder is named, pictures keep the names that they have."""
    (scenes / "sub").mkdir()
    for name in ("00.png", "01.png"):
        (scenes / name).rename(scenes / "sub" / name)
    engine.sync(scenes, progress=False)
    tiles.save(scenes / "sub" / "00.png", some_picture(5))
    (scenes / "02.png").unlink()  # not in the folder that is followed
    tiles.save(scenes / "sub" / "more.png", some_picture(4))
    report = engine.sync(scenes / "sub", progress=False)
    assert (report.new, report.changed) == (["sub/more.png"], ["sub/00.png"])
    assert report.deleted == [] and report.n_same == 1 and "02.png" in engine
    tiles.save(scenes.parent / "beside" / "one.png", some_picture(6))
    report = engine.sync(scenes.parent, progress=False)
    assert (report.new, report.deleted) == (["beside/one.png"], ["02.png"])
    assert set(engine.collection.roots) == {str(scenes), str(scenes.parent)}
    assert engine.sync(scenes.parent, progress=False).n_same == len(engine)


def test_two_memory_cards(scenes, tmp_path):
    """The same names, at the same place one after the other."""
    engine, card = create(tmp_path / "c.blcf"), tmp_path / "card"
    scenes.rename(card)
    engine.add(card, name="A", progress=False)
    shutil.move(card, tmp_path / "in the drawer")
    for number in range(5):
        tiles.save(card / f"{number:02d}.png", some_picture(number + 24))
    (card / "bad.png").write_bytes(b"no picture")
    report = engine.add(card, name="B", progress=False)
    assert report.n_added == 5 and list(report.skipped) == ["B/bad.png"] and len(engine) == 17
    assert engine.facts("A/00.png")["mtime"] != engine.facts("B/00.png")["mtime"]
    image_id = int(engine.collection.find(["B/03.png"])[0])
    assert engine.collection.image_path(image_id) == card / "03.png"
    assert card / "03.png" in engine
    (card / "04.png").unlink()
    tiles.save(card / "00.png", some_picture(9))
    (card / "01.png").rename(card / "one.png")
    report = engine.sync(card, name="B", progress=False)
    assert (report.changed, report.deleted) == (["B/00.png"], ["B/04.png"])
    assert report.moved == {"B/01.png": "B/one.png"}
    assert sorted(name for name in engine.names if name[0] == "A") == [
        f"A/{number:02d}.png" for number in range(12)
    ]
    again = reopen(tmp_path / "c.blcf")
    assert card / "one.png" in again.search(card / "one.png", k=17).paths
    assert again.add(card, name="B", progress=False).n_present == 4
    (card / "A").mkdir()
    tiles.save(card / "A" / "00.png", some_picture(2))
    with pytest.raises(InvalidInput, match="begin with 'A', and a folder of this name"):
        engine.add(card, name="C", progress=False)
        engine.sync(card, progress=False)


def test_a_first_sync_indexes(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf")
    assert len(engine.sync(scenes, progress=False).new) == len(engine) == 12


def test_index_says_what_has_changed(engine, scenes):
    tiles.save(scenes / "01.png", some_picture(6))
    (scenes / "03.png").unlink()
    report = engine.add(scenes, progress=False)
    assert (report.n_added, report.n_present, report.n_changed, report.n_gone) == (0, 11, 1, 1)
    assert engine.add([scenes / "05.png"], progress=False).n_gone == 0
    report = engine.add(scenes, replace=True, progress=False)
    assert (report.n_changed, report.n_gone, report.n_replaced) == (0, 1, 11)
    assert engine.sync(scenes, progress=False).deleted == ["03.png"]


def test_no_folder(engine):
    with pytest.raises(InvalidInput, match="a folder to follow, got dict"):
        engine.sync({"a": np.zeros((20, 20), np.uint8)})
