"""Second maps that are damaged or missing, and settings of them that cannot be."""

from __future__ import annotations

import contextlib

import h5py
import numpy as np
import pytest
import tiles
from two_maps import TWO, made

from blcf.collection import Collection, check_collection
from blcf.collection import settings as collection_settings
from blcf.errors import FormatError, InvalidInput


def test_segments_without_the_second_map_are_damage(folder, tmp_path):
    for settings, expected in (
        ({"tile_side": None}, "in a map of their own"),
        ({}, "expected 9 tiles of each picture, as"),
    ):
        path = tmp_path / f"{len(settings)}.blcf"
        made(path, folder, **settings).close()
        with Collection.open(path) as one, one.writing():
            other = None if one.manifest["settings"]["tile_side"] else 256
            one.commit(settings={**one.manifest["settings"], "tile_side": other})
        with tiles.reopen(path) as engine, pytest.raises(FormatError, match=expected):
            engine.search(folder / "01.png")


def test_any_damage_of_the_second_map_is_found(folder, tmp_path):
    path = tmp_path / "a.blcf"
    with made(path, folder) as engine:
        before = engine.search(folder / "01.png", (32, 32, 96, 96))
    segment = path / "segments" / "00000001.h5"
    sound, names, places = segment.read_bytes(), list(before.names), {}
    with h5py.File(segment) as file:
        for group in (file["tile_maps"], file["tiles_000"]):
            for one in group.values():
                middle = one.size // 2 * one.dtype.itemsize
                places[one.name] = one.id.get_offset() + middle
    assert len(places) > 10
    for name, place in places.items():
        data = bytearray(sound)
        data[place] ^= 0xFF
        segment.write_bytes(data)
        (damage,) = check_collection(path).damages
        assert damage.file == "segments/00000001.h5", name
        with contextlib.suppress(FormatError), tiles.reopen(path) as engine:
            found = engine.search(folder / "01.png", (32, 32, 96, 96))
            assert found.names == names and np.array_equal(found.scores, before.scores), name
    segment.write_bytes(sound)
    assert check_collection(path).is_sound


def test_an_earlier_blcf_refuses_what_it_would_spoil(folder, tmp_path):
    """It would drop the second map with the next merge, and add pictures without."""
    versions = []
    for settings in ({}, {"tile_side": None}, {"tile_side": 128}):
        path = tmp_path / f"{settings.get('tile_side', 0)}.blcf"
        with tiles.create(path, **{**TWO, **settings}) as engine:
            versions.append(engine.collection.manifest["format_version"])
            engine.add(folder, progress=False)
            engine.compact()
            assert engine.collection.manifest["format_version"] == versions[-1]
    assert versions == [4, 3, 3]


def test_the_check_sets_segments_of_other_tiles_aside(folder, tmp_path):
    made(tmp_path / "a.blcf", folder).close()
    path = made(tmp_path / "b.blcf", folder, tiles=2).path
    with Collection.open(path) as one, one.writing():
        one.commit(settings={**one.manifest["settings"], "tiles": 3})
    (damage,) = check_collection(path).damages
    assert "expected 9 tiles of each picture in a map of their own" in damage.reason
    assert damage.n_images == 13
    assert check_collection(tmp_path / "a.blcf").is_sound


def test_tiles_that_count_otherwise_are_of_another_blcf(folder, tmp_path, monkeypatch):
    """No damage: a repair must not set aside what is sound."""
    made(tmp_path / "a.blcf", folder).close()
    monkeypatch.setattr(collection_settings, "FAR_SHARE", 0.4)
    with tiles.reopen(tmp_path / "a.blcf") as engine:
        with pytest.raises(FormatError, match="another blcf: .* count 0.4 of .*, its count 0.7"):
            engine.search(folder / "01.png")
    assert check_collection(tmp_path / "a.blcf", repair=True).is_sound


@pytest.mark.parametrize("value", [31, 8193, 0, 256.5, "256", True])
def test_bad_sides(tmp_path, value):
    with pytest.raises(InvalidInput, match="Expected tile_side to be .*from 32 to 8192"):
        tiles.create(tmp_path / "c.blcf", tiles=2, tile_side=value)
    with pytest.raises(InvalidInput, match="Expected tiles with tile_side, got tile_side=256"):
        tiles.create(tmp_path / "c.blcf", tile_side=256)
    assert not (tmp_path / "c.blcf").exists()
