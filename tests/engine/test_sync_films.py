"""Sync without options takes the frames of films as they were taken: none is added or dropped."""

from __future__ import annotations

import os
from fractions import Fraction

import footage
import pytest
import tiles

from blcf import SearchEngine
from blcf.adding.syncing import SyncReport
from blcf.collection.film_choices import choice_of, is_choice
from blcf.errors import InvalidInput
from blcf.images import FrameChoice

pytest.importorskip("av", reason="films need PyAV (blcf[video])")


def write(path, numbers, rate=2):
    maps = tiles.planted_scenes()[0]
    frames = [tiles.paint(maps[n]) for n in numbers]
    return footage.write_film(path, frames, codec="ffv1", rate=rate, pixel_format="bgr0", keys=3)


@pytest.fixture
def folder(tmp_path):
    """Twelve scenes in two films, a frame each half second."""
    write(tmp_path / "footage" / "a.mkv", range(6))
    write(tmp_path / "footage" / "b.mkv", range(6, 12))
    return tmp_path / "footage"


@pytest.fixture
def engine(folder, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf")
    assert engine.add(folder, every=0.5, progress=False).n_added == 12
    return engine


def sync(engine, folder, **how):
    return engine.sync(folder, progress=False, **how)


def times(name, n, step=0.5):
    return [f"{name}@00:00:{k * step:06.3f}" for k in range(n)]


def test_nothing_changes(engine, folder, tmp_path):
    names = list(engine.names)
    assert sync(engine, folder) == SyncReport(n_same=12)
    again = SearchEngine.open(tmp_path / "c.blcf")
    assert sync(again, folder) == SyncReport(n_same=12)
    os.utime(folder / "a.mkv", ns=(1, 1))  # copied: the digest decides
    assert sync(again, folder) == SyncReport(n_same=12) and list(again.names) == names
    assert again.add(folder, every=2, progress=False).n_added == 0  # nothing is taken by that
    again.compact()
    assert sync(again, folder) == SyncReport(n_same=12) and list(again.names) == names


@pytest.mark.parametrize("known", [True, False])
def test_a_film_moves_with_all_its_frames(engine, folder, known):
    if not known:  # as of an earlier version
        with engine.collection.writing():
            engine.collection.commit(choices={})
    (folder / "day").mkdir()
    os.rename(folder / "a.mkv", folder / "day" / "c.mkv")
    report = sync(engine, folder)
    moved = dict(zip(times("a.mkv", 6), times("day/c.mkv", 6)))
    assert report == SyncReport(moved=moved, n_same=6)
    assert sync(engine, folder) == SyncReport(n_same=12)
    choices = engine.collection.manifest["choices"]
    stored = ["1/2", "every", 3.0]
    assert choices == ({"b.mkv": stored, "day/c.mkv": stored} if known else {})


def test_a_changed_film_and_a_new_one_are_taken_alike(engine, folder):
    write(folder / "a.mkv", range(8))
    write(folder / "new.mkv", range(5))
    report = sync(engine, folder)
    assert report.changed == times("a.mkv", 6)
    assert report.new == times("a.mkv", 8)[6:] + times("new.mkv", 5) and not report.deleted
    engine.add(write(folder.parent / "slow.mkv", range(6)), every=1, progress=False)
    write(folder / "late.mkv", range(4))  # films are not taken alike: the default
    assert sync(engine, folder).new == times("late.mkv", 2, 1)
    assert sync(engine, folder) == SyncReport(n_same=21)


def test_what_is_said_holds(engine, folder):
    write(folder / "c.mkv", range(6), rate=4)
    report = sync(engine, folder, every=0.25, dry_run=True)
    assert len(report.new) == 6 and report.n_same == 12
    assert len(sync(engine, folder, dry_run=True).new) == 3
    for how in ({"every": 0}, {"every": "x"}, {"frames": "all"}, {"shot_threshold": -1}):
        with pytest.raises(InvalidInput, match=f"Expected {next(iter(how))} to be"):
            sync(engine, folder, **how)


def test_collections_of_before_keep_their_frames(engine, folder):
    with engine.collection.writing():
        engine.collection.commit(choices={})
    assert sync(engine, folder) == SyncReport(n_same=12)
    assert sync(engine, folder, every=1) == SyncReport(n_same=12)


def test_frames_that_were_named_one_by_one(folder, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(folder / "a.mkv", every=0.5, root=folder, progress=False)
    engine.add([f"{folder / 'b.mkv'}@00:00:01.5", folder / "a.mkv"], root=folder, progress=False)
    assert len(engine) == 7
    assert sync(engine, folder) == SyncReport(n_same=7)
    os.rename(folder / "b.mkv", folder / "c.mkv")
    moved = {"b.mkv@00:00:01.500": "c.mkv@00:00:01.500"}
    assert sync(engine, folder) == SyncReport(moved=moved, n_same=6)


def test_shots(tmp_path):
    pytest.importorskip("scenedetect", reason="shots need PySceneDetect (blcf[video])")
    scenes = [number for number in (0, 5, 9) for _ in range(20)]
    film = write(tmp_path / "f" / "a.mkv", scenes, rate=10)
    for number in range(12):
        tiles.save(tmp_path / "f" / f"{number:02d}.png", tiles.planted_scenes()[0][number])
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(tmp_path / "f", every=5, frames="shots", shot_threshold=3.5, progress=False)
    assert engine.collection.manifest["choices"] == {"a.mkv": ["5", "shots", 3.5]}
    n_held = len(engine)
    assert sync(engine, film.parent) == SyncReport(n_same=n_held)
    assert sync(engine, film.parent, shot_threshold=3.0) == SyncReport(n_same=n_held)


def test_two_cards(folder, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(folder, name="A", every=0.5, progress=False)
    assert set(engine.collection.manifest["choices"]) == {"A/a.mkv", "A/b.mkv"}
    assert sync(engine, folder, name="A") == SyncReport(n_same=12)


def test_what_the_manifest_may_say():
    manifest = {"choices": {"a": ["1/3", "shots", 2.0]}}
    assert choice_of(manifest, "a") == FrameChoice(Fraction(1, 3), "shots", 2.0)
    assert choice_of(manifest, "b") is None and choice_of({}, "a") is None
    assert is_choice(["1/2", "every", 3.0]) and is_choice(["2", "every", 3.0])
    for every in ("0", "1/0", "-1", "1e9", "", "1/3/5", " 1", "9" * 30, "9" * 9000, 1, None, [1]):
        assert not is_choice([every, "every", 3.0])
    for frames in ("all", None, 1, ["every"]):
        assert not is_choice(["1", frames, 3.0])
    for threshold in (3, "3", None, float("nan"), float("inf"), -1.0, True):
        assert not is_choice(["1", "every", threshold])
    for other in (None, [], ["1", "every"], "1", {}, ["1", "every", 3.0, 1]):
        assert not is_choice(other)
