"""Pictures that are looked at in two sizes: as a whole, and larger, for their tiles."""

from __future__ import annotations

import collections

import footage
import numpy as np
import pytest
import tiles
from PIL import Image
from two_maps import TWO, made, scene, seen

from blcf import ConvFeatures
from blcf.adding import twice
from blcf.cli import main
from blcf.errors import UnreadableImage
from blcf.features import pipeline
from blcf.images import GivenPictures, Loaded
from blcf.images.originals import FileOriginal


def test_each_map_is_that_of_a_collection_of_its_size(folder, tmp_path):
    """And each picture has what it has alone: no map goes to another one."""
    both = made(tmp_path / "a.blcf", folder)
    for side, first in ((128, 0), (256, 2)):
        how = {"side": side, "tiles": 0, "tile_side": None}
        engine = made(tmp_path / f"{side}.blcf", folder, both, **how)
        assert sorted(engine.names) == sorted(both.names)
        for name in engine.names:
            size, arrays = seen(both, name)
            expected_size, expected = seen(engine, name)
            assert size == expected_size
            for one, other in zip(arrays[first : first + 2], expected):
                np.testing.assert_array_equal(one, other)


def test_what_cannot_be_read_is_skipped_alone(folder, tmp_path):
    for name in ("05.png", "large.png", "00.png"):
        (folder / name).write_bytes(b"no picture")
    with tiles.create(tmp_path / "a.blcf", **TWO, n_words=20) as engine:
        report = engine.add(folder, progress=False)
        assert report.n_added == 10 and sorted(report.skipped) == ["00.png", "05.png", "large.png"]
        tiles.save(folder / "05.png", scene(1))
        assert engine.add(folder, progress=False).n_added == 1
        assert seen(engine, "05.png")[1][2].shape == (16, 16)


def test_a_picture_that_the_network_takes_in_one_size_only_is_skipped(
    folder, tmp_path, monkeypatch
):
    original = ConvFeatures.extract_batch

    def failing(self, images):
        if self.side == 256 and any(one.shape[0] == 128 for one in images):
            raise UnreadableImage("too wide")
        return original(self, images)

    tiles.save(folder / "wide.png", scene(2, 16)[:8])
    monkeypatch.setattr(ConvFeatures, "extract_batch", failing)
    with tiles.create(tmp_path / "a.blcf", **TWO) as engine:
        report = engine.add(folder, progress=False)
        assert list(report.skipped) == ["wide.png"] and report.n_added == 13


def test_frames_of_a_film_are_what_their_pictures_are(tmp_path):
    pytest.importorskip("av")
    maps = tiles.planted_scenes()[0]
    (tmp_path / "films").mkdir()
    frames = [tiles.paint(one) for one in maps]
    how = {"codec": "ffv1", "rate": 1, "pixel_format": "bgr0"}
    footage.write_film(tmp_path / "films" / "a.mkv", frames, **how)
    for number, one in enumerate(maps):
        tiles.save(tmp_path / "pictures" / f"{number:02d}.png", one)
    film = made(tmp_path / "f.blcf", tmp_path / "films")
    plain = made(tmp_path / "p.blcf", tmp_path / "pictures", film)
    assert len(film) == len(plain) == len(maps)
    for name, other in zip(film.names, plain.names):
        (size, arrays), (other_size, others) = seen(film, name), seen(plain, other)
        assert size == other_size
        for one, expected in zip(arrays, others):
            np.testing.assert_array_equal(one, expected)


def test_from_the_command_line(folder, tmp_path, capsys):
    path = tmp_path / "c.blcf"
    index = ["index", str(path), str(folder), "--words", "16", "--components", "8"]
    assert main([*index, "--tiles", "2", "--side", "64", "--tile-side", "128"]) == 0
    assert main(["info", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "pictures of 64 pixels (the longer side), 2 x 2 tiles of pictures of 128" in shown
    assert main(["check", str(path)]) == 0
    assert main([*index[:1], str(tmp_path / "d.blcf"), *index[2:], "--tile-side", "128"]) == 2
    assert "Expected tiles with tile_side" in capsys.readouterr().err


def test_a_file_that_changes_between_the_sizes_is_no_picture(tmp_path, monkeypatch):
    path = tiles.save(tmp_path / "a.png", scene(1))
    resized, numbers = FileOriginal.resized, iter(range(9))

    def changing(self, side, large=None):
        Image.new("RGB", (64, 64), (next(numbers), 0, 0)).save(path)
        return resized(self, side, large)

    original = FileOriginal("a.png", path)
    small, large = original.resized_each([32, 64])
    assert small.content.shape == (32, 32, 3) and large.content.shape == (64, 64, 3)
    monkeypatch.setattr(FileOriginal, "resized", changing)
    with pytest.raises(UnreadableImage, match="has changed while it was read"):
        original.resized_each([32, 64])


@pytest.mark.parametrize("n_at_once", [1, 2])
def test_copies_that_wait_are_few(folder, tmp_path, monkeypatch, n_at_once):
    """Of a small side 128 pictures would be looked at together, and each has a large copy."""
    alive, most = 0, 0

    class Counted:
        def __init__(self, name, pixels):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)
            self.name, self.pixels = name, pixels

        def resized(self, side, large=None):
            nonlocal alive
            alive -= 1
            return Loaded(self.pixels, (1, 1))

    monkeypatch.setattr(pipeline, "_LOOKED_AT_BYTES", 4 * 3 * (128**2 + 256**2))
    monkeypatch.setattr(twice, "_Resized", Counted)
    with tiles.create(tmp_path / "a.blcf", **TWO, n_words=12) as engine:
        monkeypatch.setattr(type(engine.model.extractor), "n_at_once", n_at_once, raising=False)
        pictures = {f"{n:03d}": tiles.paint(scene(n)) for n in range(60)}
        assert engine.add(pictures, progress=False).n_added == 60
    assert 0 < most <= 4 * 5


def test_the_bar_ends_with_the_last_picture(folder, tmp_path, monkeypatch):
    with tiles.create(tmp_path / "a.blcf", **TWO) as engine:
        engine.add(folder, progress=False)
        told = []

        class Bar:
            def __enter__(self):
                return self

            def __exit__(self, *error):
                told.append("end")

            def update(self):
                told.append("one")

        monkeypatch.setattr(twice, "bar_of_pictures", lambda *how: Bar())
        model = engine.model
        source = GivenPictures({one.name: one for one in sorted(folder.iterdir())})
        stream = twice.stream_twice(
            model.extractor, source, source.names, model.encode_many, "indexing", True, 256
        )
        for number, _ in enumerate(stream):
            assert told == ["one"] * (number + 1)
        assert told[-1] == "end" and told.count("one") == 13


def test_the_network_sees_no_training_picture_twice_in_one_size(folder, tmp_path, monkeypatch):
    original, seen_at = ConvFeatures.extract_batch, collections.Counter()

    def counting(self, images):
        seen_at[self.side] += len(images)
        return original(self, images)

    monkeypatch.setattr(ConvFeatures, "extract_batch", counting)
    for how in ({}, {"weighting": "saliency", "saliency": tiles.redness}):
        seen_at.clear()
        made(tmp_path / f"{len(how)}.blcf", folder, **how).close()
        assert seen_at == {128: 13, 256: 13}
