"""A collection of films: frames are found, shown again, resumed in the middle, and followed."""

from __future__ import annotations

import os
import shutil
from fractions import Fraction

import footage
import numpy as np
import pytest
import tiles

from blcf import Example, SearchEngine
from blcf.errors import InvalidInput
from blcf.images import as_image, find_images

pytest.importorskip("av", reason="films need PyAV (blcf[video])")

BLACK = np.zeros((128, 128, 3), dtype=np.uint8)


def write(path, numbers, rate=1):
    """A film of planted scenes, without loss; of a number of -1 a black frame."""
    maps = tiles.planted_scenes()[0]
    frames = [BLACK if n < 0 else tiles.paint(maps[n]) for n in numbers]
    return footage.write_film(path, frames, codec="ffv1", rate=rate, pixel_format="bgr0", keys=3)


@pytest.fixture
def folder(tmp_path):
    """Twelve scenes: five in a film beside black frames, two as pictures, five in another film."""
    folder = tmp_path / "footage"
    write(folder / "a.mkv", [-1, 0, 1, 2, -1, 3, 4])
    write(folder / "day" / "b.mkv", [7, 8, 9, 10, 11])
    for number in (5, 6):
        tiles.save(folder / f"{number}.png", tiles.planted_scenes()[0][number])
    return folder


SEEN = [
    *("5.png", "6.png"),
    *(f"a.mkv@00:00:0{n}.000" for n in (1, 2, 3, 5, 6)),
    *(f"day/b.mkv@00:00:0{n}.000" for n in range(5)),
]
ORDER = [5, 6, 0, 1, 2, 3, 4, 7, 8, 9, 10, 11]  # their scenes


@pytest.fixture
def engine(folder, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(folder, progress=False)
    return engine


def scores(engine, query):
    hits = engine.search(query, k=50, query_scales=(1,))
    return {name: round(float(score), 5) for name, score in zip(hits.names, hits.scores)}


def test_films_and_pictures_mixed(folder, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf")
    report = engine.add(folder, progress=False)
    assert list(engine.names) == SEEN and report.n_added == 12
    assert report.dropped == ["a.mkv@00:00:00.000", "a.mkv@00:00:04.000"] and not report.skipped
    again = engine.add(folder, progress=False)
    assert (again.n_added, again.n_present, again.dropped) == (0, 12, [])
    facts = engine.facts("day/b.mkv@00:00:03.000")
    assert (facts["video"], facts["time"], facts["shot"]) == ("day/b.mkv", 3.0, 0)
    assert facts["bytes"] == (folder / "day" / "b.mkv").stat().st_size
    assert engine.facts("5.png")["video"] is None


def test_frames_are_found_as_their_pictures_would_be(engine, tmp_path):
    maps = tiles.planted_scenes()[0]
    for name, number in zip(SEEN, ORDER):
        tiles.save(tmp_path / "pictures" / f"{SEEN.index(name):02d}.png", maps[number])
    plain = tiles.create(tmp_path / "plain.blcf")
    plain.add(tmp_path / "pictures", progress=False)
    for query in (tiles.paint(maps[0]), tiles.paint(maps[9])):
        found = {f"{SEEN.index(name):02d}.png": one for name, one in scores(engine, query).items()}
        assert found == scores(plain, query) and found


def test_hits_show_their_frames_again(engine, folder):
    maps = tiles.planted_scenes()[0]
    hits = engine.search(tiles.paint(maps[9]), k=12, query_scales=(1,))
    assert hits[0].name == "day/b.mkv@00:00:02.000" and hits[0].facts["time"] == 2.0
    for name, shown, path in zip(hits.names, hits.shown, hits.paths):
        number = ORDER[SEEN.index(name)]
        np.testing.assert_array_equal(as_image(shown), tiles.paint(maps[number]))
        assert str(path).startswith(str(folder))
    hits.plot(n_hits=3)
    hits.plot_evidence(0)
    assert "day/b.mkv@00:00:02.000" in hits._repr_html_()


def test_a_frame_is_a_query(engine, folder, monkeypatch):
    decoded = engine.search(f"{folder}/day/b.mkv@00:02.5", query_scales=(1,))
    held = engine.search(frame="day/b.mkv@00:02", query_scales=(1,))  # however it is written
    by_path = engine.search(frame=folder / "day" / "b.mkv@00:00:02.000", query_scales=(1,))
    assert decoded[0].name == held[0].name == by_path[0].name == "day/b.mkv@00:00:02.000"
    assert decoded.names == held.names
    many = engine.search_many([Example(folder / "a.mkv@00:00:03")], progress=False)
    assert many[0][0].name == "a.mkv@00:00:03.000"


def test_every(folder, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf", n_words=12)
    engine.add(folder / "day" / "b.mkv", every=2, progress=False)
    assert [name[-6:] for name in engine.names] == ["00.000", "02.000", "04.000"]
    engine.add(folder / "day" / "b.mkv", every=Fraction(1), progress=False)
    assert len(engine) == 5
    with pytest.raises(InvalidInput, match="every"):
        engine.add(folder, every=0)


def test_a_film_is_resumed_in_the_middle(folder, tmp_path, monkeypatch):
    engine = tiles.create(tmp_path / "c.blcf")
    monkeypatch.setattr("blcf.adding.indexer.COMMIT_IMAGES", 3)
    append, n_calls = type(engine.collection).append, []

    def interrupted(*arguments, **how):
        n_calls.append(1)
        if len(n_calls) == 3:
            raise KeyboardInterrupt
        append(*arguments, **how)

    with monkeypatch.context() as patch:
        patch.setattr(type(engine.collection), "append", interrupted)
        with pytest.raises(KeyboardInterrupt):
            engine.add(folder, progress=False)
    opened = tiles.reopen(engine.path)
    n_before = len(opened)
    assert 6 <= n_before < 12
    report = opened.add(folder, progress=False)
    assert (report.n_present, report.n_added) == (n_before, 12 - n_before)
    assert sorted(opened.names) == SEEN


def test_sync_sees_what_has_become_of_films(engine, folder):
    assert engine.sync(folder, progress=False).n_same == 12
    write(folder / "a.mkv", [-1, 5, 5, -1, 5, 0])  # another film of this name
    os.rename(folder / "day" / "b.mkv", folder / "c.mkv")
    write(folder / "new.mkv", [2, 3])
    plan = engine.sync(folder, dry_run=True, progress=False)
    report = engine.sync(folder, progress=False)
    frames = [f"a.mkv@00:00:0{n}.000" for n in range(7)]
    assert report.changed == [frames[1], frames[2], frames[5]]
    assert set(report.deleted) == {frames[3], frames[6]}
    assert set(plan.deleted) == {frames[6]}  # that the other now shows nothing nobody knows yet
    assert report.new == [frames[4], "new.mkv@00:00:00.000", "new.mkv@00:00:01.000"]
    assert report.moved == {f"day/b.mkv@00:00:0{n}.000": f"c.mkv@00:00:0{n}.000" for n in range(5)}
    assert engine.facts("c.mkv@00:00:03.000")["video"] == "c.mkv"
    for name in engine.names:
        np.testing.assert_array_equal(
            as_image(engine.search(frame=name)[0] and folder / name), as_image(folder / name)
        )
    again = engine.sync(folder, progress=False)
    assert again.n_same == len(engine)
    assert not (again.new or again.changed or again.moved or again.deleted)
    (folder / "c.mkv").unlink()
    assert len(engine.sync(folder, progress=False).deleted) == 5


def test_sync_with_other_seconds_deletes_nothing(engine, folder):
    report = engine.sync(folder, every=3, progress=False)
    assert report.n_same == 12 and not (report.new or report.deleted)
    os.utime(folder / "a.mkv")  # its bytes are the same
    assert engine.sync(folder, every=3, progress=False).n_same == 12


def test_a_film_that_cannot_be_read_any_more_keeps_its_frames(engine, folder):
    (folder / "a.mkv").write_bytes(b"")
    report = engine.sync(folder, progress=False)
    assert not report.deleted and report.skipped == {"a.mkv": "the file is empty (0 bytes)"}


def test_a_changed_film_is_told_of(engine, folder):
    write(folder / "a.mkv", [3, 4, 5, 6])
    report = engine.add(folder, progress=False)
    assert (report.n_changed, report.n_added) == (3, 0)
    report = engine.add(folder, replace=True, progress=False)
    assert (report.n_replaced, report.n_added) == (10, 1)  # the first is black no more


def test_films_that_moved_as_a_whole(engine, folder, tmp_path):
    """The folder is elsewhere now: its films are, and no film that is still there is taken so."""
    shutil.copytree(folder, tmp_path / "copy")
    (tmp_path / "copy" / "5.png").unlink()
    (tmp_path / "copy" / "6.png").unlink()
    with pytest.raises(InvalidInput, match="already holds 'a.mkv@00:00:01.000'"):
        engine.add(tmp_path / "copy", progress=False)
    folder.rename(tmp_path / "elsewhere")
    report = engine.add(tmp_path / "elsewhere", progress=False)
    assert report.n_added == 0
    (path,) = {hit for hit in engine.search(frame=SEEN[3], k=1).paths}
    assert path == tmp_path / "elsewhere" / SEEN[3]


def test_two_cards_with_one_film_each(folder, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(folder, name="A", progress=False)
    engine.add(write(tmp_path / "other" / "a.mkv", [5, 6]), name="B", progress=False)
    assert "A/a.mkv@00:00:01.000" in engine and "B/a.mkv@00:00:01.000" in engine
    assert engine.facts("B/a.mkv@00:00:01.000")["video"] == "B/a.mkv"
    assert as_image(engine.search(frame="B/a.mkv@00:00:01.000", k=1).paths[0]).shape == (
        128,
        128,
        3,
    )


def test_frames_given_with_names_of_ones_own(folder, tmp_path):
    engine = tiles.create(tmp_path / "c.blcf", n_words=12)
    given = {f"id-{n}": folder / "day" / f"b.mkv@00:00:0{n}.000" for n in range(5)}
    engine.add(given, progress=False)
    assert len(engine) == 5
    np.testing.assert_array_equal(
        as_image(engine.search(frame="id-3", k=1).shown[0]), as_image(given["id-3"])
    )


def test_a_list_of_a_film_and_a_picture(folder, tmp_path):
    images = find_images([folder / "5.png", folder / "day" / "b.mkv"])
    assert images.names == ["5.png", *SEEN[7:]]
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(images, progress=False)
    assert list(engine.names) == images.names
    assert isinstance(engine, SearchEngine)


def test_a_film_is_removed_as_a_whole(engine, folder):
    assert engine.remove(["a.mkv"]) == 5
    assert engine.remove([folder / "day" / "b.mkv", "5.png"]) == 6
    assert list(engine.names) == ["6.png"]
    with pytest.raises(InvalidInput, match="it holds no 'a.mkv'"):
        engine.remove(["a.mkv"])
