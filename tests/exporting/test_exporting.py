"""Hits for other programs: what is written says what was found, and can be read again."""

from __future__ import annotations

import re

import footage
import numpy as np
import pytest
import tiles
from PIL import Image

from blcf.errors import InvalidInput
from blcf.exporting import coco_of, edl_of, write_clips, write_stills
from blcf.images import FrameChoice, find_images

pytest.importorskip("av", reason="films need PyAV (blcf[video])")
pytest.importorskip("scenedetect", reason="shots need PySceneDetect (blcf[video])")


@pytest.fixture(scope="module")
def moments(tmp_path_factory):
    """Two films of three shots, of two seconds each, and pictures."""
    folder, maps = tmp_path_factory.mktemp("exporting"), tiles.planted_scenes()[0]
    for number, suffix in enumerate((".mp4", ".mkv")):
        frames = []
        for shot in range(3):
            frames += [tiles.paint(maps[3 * number + shot])] * 50
        footage.write_film(folder / "f" / f"film{suffix}", frames, keys=10)
    for number in range(6, 12):
        tiles.save(folder / "f" / f"{number:02d}.png", maps[number])
    engine = tiles.create(folder / "c.blcf")
    engine.add(folder / "f", every=0.5, progress=False)
    hits = engine.search(tiles.paint(maps[0]), box=(16, 16, 96, 96), k=50, query_scales=(1,))
    return hits.group("shot")


def test_coco(moments):
    hits = moments.hits
    found = coco_of([("cup", hits), ("again", hits[:2])])
    assert [one["name"] for one in found["categories"]] == ["cup", "again"]
    assert sorted(one["file_name"] for one in found["images"]) == sorted(hits.names)
    by_id = {one["id"]: one for one in found["images"]}
    assert len(by_id) == len(hits) and len({one["id"] for one in found["annotations"]}) > 2
    first = found["annotations"][0]
    left, top, width, height = first["bbox"]
    np.testing.assert_allclose([left, top, left + width, top + height], hits[0].box, atol=0.02)
    assert by_id[first["image_id"]]["file_name"] == hits.names[0]
    assert {(one["width"], one["height"]) for one in found["images"]} == {(128, 128)}
    frame = next(one for one in found["images"] if "@" in one["file_name"])
    assert frame["video"] == frame["file_name"].split("@")[0] and frame["time"] >= 0


def test_an_edit_decision_list(moments):
    text = edl_of(moments, "found", margin=0.5)
    lines = text.splitlines()
    assert lines[:2] == ["TITLE: found", "FCM: NON-DROP FRAME"]
    events = [line for line in lines if re.match(r"\d{3}  AX ", line)]
    in_films = [one for one in moments if one.first is not None]
    assert len(events) == len(in_films) == 6
    record = "00:00:00:00"
    for number, (event, one) in enumerate(zip(events, in_films), start=1):
        assert event.startswith(f"{number:03d}  AX       V     C        ")
        begin, end, at, until = event.split()[4:]
        assert at == record and (_frames(until) - _frames(at)) == (_frames(end) - _frames(begin))
        assert -1 <= _frames(begin) - max(0, 25 * (one.first - 0.5)) <= 0
        assert 0 <= _frames(end) - 25 * (one.last + 0.5) <= 1
        record = until
    assert text.count("* FROM CLIP NAME: film.mp4") == 3


def _frames(code):
    hours, minutes, seconds, frames = map(int, code.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * 25 + frames


def test_clips_hold_their_moments(moments, tmp_path):
    written, skipped = write_clips(moments, tmp_path / "clips", margin=0.2)
    in_films = [one for one in moments if one.first is not None]
    assert len(written) == len(in_films) == 6 and len(skipped) == 6
    assert {path.suffix for path in written} == {".mp4", ".mkv"}
    for path, one in zip(written, in_films):
        images = find_images(path, choice=FrameChoice("0.04"))
        assert not images.problems
        length = min(6, one.last + 0.2) - max(0, one.first - 0.2)
        assert length - 0.05 <= len(images) / 25 <= length + 0.6  # from the key frame before
        film = moments.hits.paths[0].parents[0] / one.name
        seen = {images.original(name).resized(64).content.tobytes() for name in images.names}
        best = one.hits.paths[0]
        again = find_images(best).original(best.name).resized(64).content.tobytes()
        assert film.exists() and again in seen  # the very pixels


def test_exact_clips_hold_their_moments_alone(moments, tmp_path):
    """Key frames each ten of 25 frames a second, moments at multiples of half a second."""
    written, skipped = write_clips(moments, tmp_path / "clips", exact=True)
    in_films = [one for one in moments if one.first is not None]
    assert len(written) == len(in_films) == 6 and len(skipped) == 6
    assert {path.suffix for path in written} == {".mp4"}
    for path, one in zip(written, in_films):
        images = find_images(path, choice=FrameChoice("0.04"))
        assert not images.problems
        assert len(images) == round(25 * (one.last - one.first)) + 1
    wider, _ = write_clips(moments, tmp_path / "wider", margin=0.2, exact=True)
    for path, one in zip(wider, in_films):
        length = min(5.96, one.last + 0.2) - max(0, one.first - 0.2)
        assert len(find_images(path, choice=FrameChoice("0.04"))) == round(25 * length) + 1


def test_bad_margins(moments, tmp_path):
    for margin in (-1, float("nan"), "1", 1e9):
        with pytest.raises(InvalidInput, match="Expected margin to be a number from 0 to 3600"):
            write_clips(moments, tmp_path / "clips", margin=margin)
        with pytest.raises(InvalidInput, match="Expected margin to be a number from 0 to 3600"):
            edl_of(moments, "found", margin=margin)
    with pytest.raises(InvalidInput, match="Expected exact to be True or False, got 'yes'"):
        write_clips(moments, tmp_path / "clips", exact="yes")
    assert not (tmp_path / "clips").exists()


def test_stills(moments, tmp_path):
    written, skipped = write_stills(moments, tmp_path / "stills")
    assert len(written) == len(moments) == 12 and not skipped
    assert written[0].name.startswith("0001_") and ":" not in written[0].name
    assert Image.open(written[0]).size == (128, 128)


def test_a_film_that_is_gone(moments, tmp_path):
    path = moments.hits.paths[0].parent / "film.mkv"
    path.rename(tmp_path / "elsewhere.mkv")
    try:
        written, skipped = write_clips(moments, tmp_path / "clips")
        assert len(written) == 3 and len(skipped) == 9
        assert set(skipped.values()) == {"it is no frame of a film that is there"}
        written, skipped = write_stills(moments, tmp_path / "stills")
        assert len(written) == 9 and len(skipped) == 3
    finally:
        (tmp_path / "elsewhere.mkv").rename(path)
