"""Pictures that are looked at in two sizes: as a whole, and larger, for their tiles."""

from __future__ import annotations

import collections
import contextlib
import shutil

import footage
import h5py
import numpy as np
import pytest
import tiles
from PIL import Image

from blcf import ConvFeatures, SearchOptions
from blcf.adding import twice
from blcf.boxes import iou
from blcf.cli import main
from blcf.collection import Collection, check_collection
from blcf.collection import settings as collection_settings
from blcf.errors import FormatError, InvalidInput, UnreadableImage
from blcf.features import pipeline
from blcf.images import GivenPictures, Loaded
from blcf.images.originals import FileOriginal
from blcf.rerank import LocalSearch
from blcf.searching.looking import Looker
from blcf.searching.tiles import best_part, looked_at

TWO = {"tiles": 3, "tile_side": 256, "weighting": "norm", "random_state": 3}
PLAIN = {"query_scales": (1,), "expand": "none"}


@pytest.fixture(autouse=True)
def many_tiles(monkeypatch):
    """The best part of more of these pictures is a tile, so that both maps are looked into."""
    monkeypatch.setattr(collection_settings, "FAR_SHARE", 0.7)


def scene(seed, n=8):
    return np.random.default_rng(seed).integers(8, tiles.N_COLOURS, (n, n))


PLANTED = tiles.planted_scenes()[1]  # 4 x 4 colours that no scene has
PLACE = (9, 3, 13, 7)  # of 16 x 16 tiles


@pytest.fixture
def folder(tmp_path):
    """Small pictures, some with the object; and a large one, which has it small."""
    folder = tmp_path / "pictures"
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / f"{number:02d}.png", one)
    large = scene(5, 16)
    x1, y1, x2, y2 = PLACE
    large[y1:y2, x1:x2] = PLANTED
    tiles.save(folder / "large.png", large)
    return folder


def made(path, pictures, words_of=None, **settings):
    engine = tiles.create(path, **{**TWO, **settings})
    if words_of is not None:
        theirs = words_of.collection
        with engine.collection.writing():
            shutil.copyfile(theirs.file("model.h5"), engine.collection.file("model.h5"))
            engine.collection.commit(model=theirs.manifest["model"])
        engine.close()
        engine = tiles.reopen(path)
    engine.add(pictures, progress=False)
    return engine


def seen(engine, name):
    """Everything that is kept of a picture."""
    snapshot = engine.searcher.searchable.snapshot
    (image_id,) = snapshot.find([name]).tolist()
    size, *whole = snapshot.seen("norm", image_id)
    _, *of_tiles = snapshot.seen("norm", image_id, of_tiles=True)
    return size, [*whole, *of_tiles]


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


def test_a_small_object_is_placed_by_the_larger_map(folder, tmp_path):
    query, box = tiles.paint(scene(9)), np.array([32, 48, 96, 112])
    query[48:112, 32:96] = tiles.paint(PLANTED)
    with made(tmp_path / "a.blcf", folder) as engine:
        hits = engine.search(query, box, **PLAIN)
        hit = next(one for one in hits if one.name == "large.png")
        assert iou(hit.box[None], 16 * np.array([PLACE]))[0, 0] > 0.5
        assert hit.evidence().image_shape == (16, 16)
        assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)
        # Those that show it as large as the query does are placed by the map of the whole.
        for one in hits[:4]:
            assert one.evidence().score == pytest.approx(one.score, abs=2e-5)
        assert {one.evidence().image_shape for one in hits} == {(8, 8), (16, 16)}
        expanded = engine.search(query, box, query_scales=(1,), expand="local", n_expand=3)
        again = engine.search_many([query], progress=False, query_scales=(1,))
        assert len(expanded) == len(again[0]) == 13


def test_a_picture_of_the_collection_comes_first_with_score_1(folder, tmp_path):
    with made(tmp_path / "a.blcf", folder) as engine:
        for name in ("large.png", "03.png"):
            width = 256 if name == "large.png" else 128
            box = (width // 4, width // 4, width // 2, width // 2)
            for example in ({"image": folder / name}, {"frame": name}):
                hits = engine.search(box=box, **example)
                assert hits.names[0] == name and hits[0].score == pytest.approx(1, abs=1e-5)
                np.testing.assert_allclose(hits[0].box, box)


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


def test_saliency_weighs_the_whole(folder, tmp_path):
    how = {"weighting": "saliency", "saliency": tiles.redness}
    with made(tmp_path / "a.blcf", folder, **how) as engine:
        snapshot = engine.searcher.searchable.snapshot
        assert snapshot.seen("saliency", 0)[2].shape == (8, 8)
        hits = engine.search(folder / "01.png", (32, 32, 96, 96))
        assert hits.names[0] == "01.png" and hits[0].score == pytest.approx(1, abs=1e-5)
        for hit in hits[:3]:
            assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)


def test_tiles_in_the_size_of_the_whole_are_of_its_map(folder, tmp_path):
    same = made(tmp_path / "a.blcf", folder, tile_side=128)
    none = made(tmp_path / "b.blcf", folder, tile_side=None)
    assert not same.settings.looks_twice and same.collection.segments[0].tile_maps is None
    options = SearchOptions(query_scales=(1,))
    query = same.describe(folder / "03.png", (32, 32, 96, 96))
    found, expected = (one.search_query(query, options) for one in (same, none))
    assert found.names == expected.names and np.array_equal(found.scores, expected.scores)


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


@pytest.mark.parametrize("value", [31, 8193, 0, 256.5, "256", True])
def test_bad_sides(tmp_path, value):
    with pytest.raises(InvalidInput, match="Expected tile_side to be .*from 32 to 8192"):
        tiles.create(tmp_path / "c.blcf", tiles=2, tile_side=value)
    with pytest.raises(InvalidInput, match="Expected tiles with tile_side, got tile_side=256"):
        tiles.create(tmp_path / "c.blcf", tile_side=256)
    assert not (tmp_path / "c.blcf").exists()


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


def test_an_approximate_search_looks_where_its_score_is_of(folder, tmp_path):
    with made(tmp_path / "a.blcf", folder) as engine:
        searchable, n_tiles = engine.searcher.searchable, 0
        for number in range(4):
            query = engine.describe(folder / f"{number:02d}.png", (32, 32, 96, 96))
            options = SearchOptions(approximate=0.7, query_scales=(1,), expand="none")
            before = SearchOptions(approximate=0.7, query_scales=(1,), rerank=False)
            vector = searchable.index.weigh(query.views[0].bag)
            asked = looked_at(vector, searchable.index, 0.7)
            ranking = engine.searcher.answer(query, before).ranking
            ids = [int(one) for one in ranking.ids]
            looker = Looker(searchable, [query], options)
            found = looker.look(vector, None, ids, ranking.scores)
            for image_id, one in zip(ids, found):
                is_tile = best_part(searchable, asked, image_id)[1] is not None
                assert one.of_tiles == (is_tile and one.weights is None), image_id
                n_tiles += is_tile
        assert n_tiles > 3


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


def test_the_check_sets_segments_of_other_tiles_aside(folder, tmp_path):
    made(tmp_path / "a.blcf", folder).close()
    path = made(tmp_path / "b.blcf", folder, tiles=2).path
    with Collection.open(path) as one, one.writing():
        one.commit(settings={**one.manifest["settings"], "tiles": 3})
    (damage,) = check_collection(path).damages
    assert "expected 9 tiles of each picture in a map of their own" in damage.reason
    assert damage.n_images == 13
    assert check_collection(tmp_path / "a.blcf").is_sound


def test_windows_of_the_larger_map_count_like_its_tiles(folder, tmp_path, monkeypatch):
    with made(tmp_path / "a.blcf", folder) as engine:
        searchable = engine.searcher.searchable
        query = engine.describe(folder / "01.png", (32, 32, 96, 96))
        vector = searchable.index.weigh(query.views[0].bag)
        options = SearchOptions(query_scales=(1,), keep_whole=False)
        ranking = searchable.index.search(vector, 13, weighed=True)
        ids = [int(one) for one in ranking.ids]
        found = Looker(searchable, [query], options).look(vector, None, ids, ranking.scores)
        local = LocalSearch(searchable.index.idf_, sqrt=searchable.index.sqrt)
        dense = local.prepare(vector)
        assert any(one.of_tiles for one in found)
        for image_id, one in zip(ids, found):
            if one.weights is None:
                _, words, norms = searchable.snapshot.seen("norm", image_id, one.of_tiles)
                cosine = local.score_of_window(dense, words, one.cells, weights=norms)
                share = 0.7 if one.of_tiles else 1
                assert one.score == pytest.approx(share * cosine, abs=1e-6)


def test_tiles_that_count_otherwise_are_of_another_blcf(folder, tmp_path, monkeypatch):
    """No damage: a repair must not set aside what is sound."""
    made(tmp_path / "a.blcf", folder).close()
    monkeypatch.setattr(collection_settings, "FAR_SHARE", 0.4)
    with tiles.reopen(tmp_path / "a.blcf") as engine:
        with pytest.raises(FormatError, match="another blcf: .* count 0.4 of .*, its count 0.7"):
            engine.search(folder / "01.png")
    assert check_collection(tmp_path / "a.blcf", repair=True).is_sound
