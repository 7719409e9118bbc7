"""Films on the command line: indexed, resumed, searched from, followed; what cannot be read."""

from __future__ import annotations

import json

import footage
import numpy as np
import pytest
import tiles

from blcf import SearchEngine

pytest.importorskip("av", reason="films need PyAV (blcf[video])")


@pytest.fixture(scope="module")
def film(place):
    """Twelve scenes, half a second each, and a black second."""
    frames = [tiles.paint(one) for one in tiles.planted_scenes()[0]]
    frames += [np.zeros_like(frames[0])] * 2
    return footage.write_film(
        place / "films" / "film.mkv", frames, codec="ffv1", rate=2, pixel_format="bgr0", keys=4
    )


@pytest.fixture
def indexed(place, film, tmp_path, call):
    network = ["--network", "squeezenet1_1", "--weights", place / "weights.pth"]
    collection = tmp_path / "c.blcf"
    status, out, _ = call(
        *("index", collection, film, place / "frames", "--every", "0.5", "--quiet"),
        *(*network, "--side", 128, "--words", 20),
    )
    assert status == 0
    assert out.endswith("24 added, 0 were there, 0 skipped, 2 frames of one colour left out\n")
    return collection


def test_index_and_search(indexed, film, call, tmp_path, monkeypatch):
    again = call("index", indexed, film, film.parents[1] / "frames", "--every", ".5", "--quiet")
    assert again[0] == 0 and "0 added, 24 were there, 0 skipped\n" in again[1]
    status, out, _ = call("list", indexed)
    assert status == 0 and "films/film.mkv@00:00:02.500" in out
    box = ["--box", "16,16,96,96", "-k", 1, "--query-scales", "1"]
    status, out, _ = call("search", indexed, f"{film}@00:01.25", *box)  # decoded
    assert status == 0 and out.split()[-1] == "films/film.mkv@00:00:01.000"
    # Of the collection: no network is asked.
    monkeypatch.setattr(SearchEngine, "describe", None)
    monkeypatch.setattr("blcf.searching.queries.as_image", None)
    for one in ("films/film.mkv@00:02.5", f"{film}@00:00:02.5"):
        status, out, _ = call("search", indexed, one, *box)
        assert status == 0 and out.split()[-1] == "films/film.mkv@00:00:02.500"


def test_pages_and_drawings_show_frames(indexed, film, call, tmp_path):
    status, _, err = call(
        *("search", indexed, f"{film}@00:00:01.0", "-k", 3),
        *("--html", tmp_path / "h.html", "--plot", tmp_path / "h.png"),
        *("--explain", tmp_path / "e.png", "--sheet", tmp_path / "s.png"),
    )
    assert status == 0, err
    page = (tmp_path / "h.html").read_text()
    assert f'href="{film.as_uri()}#t=1.0"' in page
    assert page.count("data:image/jpeg") >= 3 and "not at hand" not in page
    assert (tmp_path / "h.png").stat().st_size and (tmp_path / "e.png").stat().st_size
    assert (tmp_path / "s.png").stat().st_size
    how = ["-k", 3, "--group", "shot", "--sheet", tmp_path / "m.jpg"]
    assert call("search", indexed, f"{film}@00:00:01.0", *how)[0] == 0
    assert (tmp_path / "m.jpg").stat().st_size


def test_a_film_is_never_written_over(indexed, film, call):
    before = film.read_bytes()
    for query in (f"{film}@00:00:01.0", "films/film.mkv@00:00:01.0"):
        status, _, err = call("search", indexed, query, "--csv", film)
        assert status == 2 and "Could not write" in err
    assert film.read_bytes() == before


def test_what_cannot_be_read_is_named(place, film, call, tmp_path):
    network = ["--network", "squeezenet1_1", "--weights", place / "weights.pth"]
    bad = footage.write_sound(tmp_path / "sound.mp4")
    how = [*network, "--side", 128, "--words", 20, "--quiet"]
    status, out, err = call("index", tmp_path / "c.blcf", bad, film, "--every", "0.5", *how)
    assert status == 3 and "12 added" in out
    assert "sound.mp4: it has sound only, no pictures\n" in err
    status, _, err = call("index", tmp_path / "d.blcf", bad, *how)
    assert status == 2 and "sound only" in err and not (tmp_path / "d.blcf").exists()


def test_sync_follows_a_film(indexed, film, place, call):
    status, out, _ = call("sync", indexed, film.parent, "--quiet")
    assert status == 0 and ": 0 new, 0 changed, 0 moved and 0 deleted were followed, 12 are" in out
    status, out, _ = call("sync", indexed, film.parent, "--every", "0.5", "--quiet")
    assert status == 0 and "12 are as they were" in out
    status, out, _ = call("sync", indexed, film.parent, "--every", "x")
    assert status == 2


def test_moments(indexed, film, call, tmp_path):
    """The black second at its end is of no frame; each scene differs, and so is a shot or more."""
    query = ["search", indexed, f"{film}@00:00:01.0", "--query-scales", "1"]
    status, out, _ = call(*query, "--group", "video", "-k", 3)
    lines = out.splitlines()
    assert status == 0 and len(lines) == 3
    (line,) = [one for one in lines if "films/film.mkv" in one]
    assert line.split()[1:3] == ["films/film.mkv", "00:00.0-00:05.5"] and line.split()[-1] == "12"
    run, table, page = (tmp_path / name for name in ("run.txt", "t.csv", "p.html"))
    status, out, _ = call(
        *(*query, "--group", "shot", "--json", "-k", 30, "--run", run),
        *("--csv", table, "--html", page),
    )
    hits = json.loads(out)["hits"]
    assert status == 0 and sum(len(one["members"]) for one in hits) == 24
    assert len({line.split()[2] for line in run.read_text().splitlines()}) == len(hits)
    head, *rows = table.read_text().splitlines()
    assert head.endswith(",path,video,shot,first,last,n") and len(rows) == len(hits)
    assert "00:0" in page.read_text()
    assert call(*query, "--similarity", "0.5")[0] == 2
    status, out, _ = call(*query, "--run", run, "-k", 2)
    assert status == 0 and len(run.read_text().splitlines()) == 2


def test_exports(indexed, film, call, tmp_path):
    query = ["search", indexed, f"{film}@00:00:01.0", "--query-scales", "1", "-k", 4]
    status, _, err = call(
        *(*query, "--group", "video", "--coco", tmp_path / "c.json", "--edl", tmp_path / "e.edl"),
        *("--clips", tmp_path / "clips", "--stills", tmp_path / "stills"),
    )
    assert status == 0, err
    assert f"blcf: 1 clip in {tmp_path / 'clips'}" in err and "4 stills in" in err
    assert len(json.loads((tmp_path / "c.json").read_text())["images"]) == 4
    assert "FROM CLIP NAME: films/film.mkv" in (tmp_path / "e.edl").read_text()
    assert len(list((tmp_path / "clips").iterdir())) == 1
    exact = ["--clips", tmp_path / "exact", "--exact", "--margin", "0.5"]
    status, _, err = call(*query, "--group", "video", *exact)
    assert status == 0 and f"blcf: 1 clip in {tmp_path / 'exact'}" in err
    assert [path.suffix for path in (tmp_path / "exact").iterdir()] == [".mp4"]
    assert "--clips FOLDER --exact" in call(*query, "--group", "video", "--exact")[2]
    assert call(*query, "--group", "video", "--margin", "1")[0] == 2
    assert call(*query, "--group", "video", *exact[:-1], "-1")[0] == 2
    assert call(*query, "--clips", tmp_path / "clips")[0] == 2
    assert call(*query, "--group", "shot", "--stills", film)[0] == 2
    assert call(*query, "--group", "shot", "--stills", indexed / "x")[0] == 2
