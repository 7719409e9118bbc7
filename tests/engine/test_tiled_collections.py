"""A collection with tiles: a picture scores what its best tile does, whatever happens to it."""

from __future__ import annotations

import archive
import h5py
import numpy as np
import oracle
import pytest
import tiles

from blcf import Example
from blcf.collection import Collection, check_collection, settings
from blcf.collection.shards import model_digest
from blcf.distributed import merge, split
from blcf.errors import FormatError, InvalidInput
from blcf.exporting import write_points
from blcf.searching.tiles import best_part

PLAIN = {"query_scales": (1,), "rerank": False, "k": 100}
SETTINGS = {"tiles": 2, "weighting": "norm", "random_state": 3}
BOX = (16, 16, 64, 64)


def pictures(numbers, seed=0):
    return {f"{n:02d}.png": tiles.paint(one) for n, one in zip(numbers, archive.maps_of(numbers))}


@pytest.fixture(params=[None, 256], ids=["of the map", "of a larger map"])
def engine(tmp_path, request, monkeypatch):
    monkeypatch.setattr(settings, "FAR_SHARE", 0.7)  # or none of these tiles were the best
    made = tiles.create(tmp_path / "c.blcf", **SETTINGS, tile_side=request.param)
    made.add(pictures(range(30)), progress=False)
    yield made
    made.close()


def expected(engine, query):
    """{name: score} of every picture, by its maps: the slow plain twin."""
    searchable = engine.searcher.searchable
    snapshot, n_words = searchable.snapshot, searchable.index.n_words
    names, whole, parts = [], [], []
    for image_id in range(snapshot.n_images):
        words = snapshot.words(image_id).tolist()
        weights = np.rint(8 * snapshot.norms(image_id)) / 8
        names.append(snapshot.name(image_id))
        whole.append(oracle.bag(words, weights.tolist()))
        if engine.settings.tile_side:
            size, words, norms = snapshot.seen("norm", image_id, of_tiles=True)
            assert words.shape == (16, 16) and size == (128, 128)
            words, weights = words.tolist(), np.rint(8 * norms) / 8
        h, w = weights.shape
        parts.append(
            [
                oracle.bag([row[x1:x2] for row in words[y1:y2]], weights[y1:y2, x1:x2].tolist())
                for x1, y1, x2, y2 in oracle.tile_windows(h, w, engine.settings.tiles)
            ]
        )
    idf = oracle.idf(whole, n_words, True)
    bag = query.views[0].bag
    tf = {int(word): float(one) for word, one in zip(bag.indices, bag.data)}
    share = engine.settings.tile_share
    vector = oracle.vector(tf, idf, True)
    scores = oracle.best_tile_scores(vector, whole, parts, idf, True, share)
    for image_id in range(
        0, snapshot.n_images, 5
    ):  # the part that is shown is the one that makes it
        score, cells = best_part(searchable, searchable.index.weigh(bag), image_id)
        assert score == pytest.approx(scores[image_id], abs=1e-6)
        (alone,) = oracle.best_tile_scores(vector, whole[image_id : image_id + 1], [[]], idf, True)
        if cells is None:
            assert alone == pytest.approx(score, abs=1e-6)
            continue
        assert alone < score
        every = oracle.tile_windows(h, w, engine.settings.tiles)
        own = parts[image_id][[tuple(one) for one in every].index(cells)]
        (shown,) = oracle.best_tile_scores(vector, [{}], [[own]], idf, True, share)
        assert shown == pytest.approx(score, abs=1e-6)
    return dict(zip(names, scores))


def check(engine, box=BOX, seed=1):
    """Searches of several pictures agree with the twin; evidence sums to each score."""
    for number in (0, 3, seed):
        picture = tiles.paint(archive.maps_of([number], seed)[0])
        scores = expected(engine, engine.describe(picture, box))
        hits = engine.search(picture, box, **PLAIN)
        assert sorted(hits.names) == sorted(scores)
        np.testing.assert_allclose(hits.scores, [scores[one] for one in hits.names], atol=1e-5)
        for hit in hits[:5]:
            evidence = hit.evidence()
            assert evidence.score == pytest.approx(hit.score, abs=2e-5)
            if engine.settings.tile_side:  # of which map: the sum was brought to the score
                (image_id,) = engine.collection.find([hit.name]).tolist()
                searchable = engine.searcher.searchable
                vector = searchable.index.weigh(engine.describe(picture, box).views[0].bag)
                is_tile = best_part(searchable, vector, image_id)[1] is not None
                assert evidence.image_shape == ((16, 16) if is_tile else (8, 8))
    return scores


def test_a_picture_scores_what_its_best_tile_does(engine):
    whole = tiles.create(engine.path.parent / "whole.blcf", **{**SETTINGS, "tiles": 0})
    whole.add(pictures(range(30)), progress=False)
    picture = tiles.paint(archive.maps_of([3])[0])
    check(engine)
    ours, theirs = (one.search(picture, BOX, **PLAIN) for one in (engine, whole))
    before = dict(zip(theirs.names, theirs.scores))
    gained = [one - before[name] for name, one in zip(ours.names, ours.scores)]
    assert min(gained) > -1e-6 and max(gained) > 0.05
    span = 12 if engine.settings.tile_side else 6
    for hit in ours[:5]:
        cells = hit.evidence().image_cells
        if hit.score > before[hit.name] + 1e-6:  # of one tile alone: three quarters of a side
            assert (cells.max(axis=0) - cells.min(axis=0) < span).all()
    with whole:
        assert whole.settings.tiles == 0 and engine.settings.tiles == 2
        assert whole.info()["n_postings"] < engine.info()["n_postings"]


@pytest.mark.parametrize("windows", ["votes", "grid", "all"])
def test_reranked_hits_and_their_evidence(engine, windows):
    picture = tiles.paint(archive.maps_of([0])[0])
    hits = engine.search(picture, BOX, windows=windows, query_scales=(1,), expand="local", depth=9)
    assert len(hits) == 30 and (np.diff(hits.scores) <= 1e-6).all()
    for hit in hits:
        assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)
        assert hit.score <= 1 + 1e-6
    (many,) = engine.search_many(
        [Example(picture, BOX)], windows=windows, query_scales=(1,), expand="local", depth=9,
        progress=False,
    )  # fmt: skip
    assert many.names == hits.names and np.array_equal(many.scores, hits.scores)


def test_what_changes_a_collection_keeps_its_tiles(engine):
    engine.remove(["03.png", "10.png", "11.png"])
    check(engine)
    engine.add({"03.png": tiles.paint(archive.maps_of([77])[0])}, progress=False)
    engine.add(pictures([5, 6]), replace=True, progress=False)
    check(engine)
    engine.annotate({"07.png": {"camera": "A"}, "03.png": {"camera": "A"}})
    picture = tiles.paint(archive.maps_of([0])[0])
    every = engine.search(picture, BOX, **PLAIN)
    some = engine.search(picture, BOX, where="camera = 'A'", **PLAIN)
    assert some.names == [name for name in every.names if name in ("03.png", "07.png")]
    engine.compact()
    check(engine)
    path = engine.path
    engine.close()
    with tiles.reopen(path) as again:
        check(again)
        # No pass over all lists: what was kept beside them is of this very state.
        assert again.collection.read_statistics() is not None
        assert again.searcher.searchable.index.norms_of_tiles_.shape == (4 * len(again),)


def test_a_frame_of_the_collection_is_found_with_any_box(engine):
    for number in (0, 8, 20):
        name = f"{number:02d}.png"
        hits = engine.search(frame=name, box=(32, 48, 80, 96), depth=3)
        assert hits.names[0] == name and hits[0].score == pytest.approx(1)
        assert hits[0].evidence().score == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("n_shards", [1, 3])
def test_shards_rank_as_one(engine, tmp_path, n_shards):
    whole = engine.path
    split(whole, tmp_path / "s.blcf", n_shards, progress=False)
    with tiles.reopen(tmp_path / "s.blcf") as shards:
        assert shards.settings.tiles == 2
        for options in (PLAIN, {"query_scales": (1,), "expand": "local", "depth": 9}):
            picture = tiles.paint(archive.maps_of([3])[0])
            found = shards.search(picture, BOX, **options)
            archive.same(found, engine.search(picture, BOX, **options))
            for hit in found[:4]:
                assert hit.evidence().score == pytest.approx(hit.score, abs=2e-5)
    merge(tmp_path / "m.blcf", tmp_path / "s.blcf", progress=False)
    with tiles.reopen(tmp_path / "m.blcf") as merged:
        check(merged)


def test_without_tiles_nothing_is_new(tmp_path):
    """Collections of before have no word of tiles, and are the shards of one another still."""
    with tiles.create(tmp_path / "c.blcf") as engine:
        engine.add(pictures(range(12)), progress=False)
        before = engine.search(pictures([0])["00.png"], BOX, **PLAIN)
        digest = model_digest(engine.collection.manifest)
    with Collection.open(tmp_path / "c.blcf") as one, one.writing():
        settings = {k: v for k, v in one.manifest["settings"].items() if k != "tiles"}
        one.commit(settings=settings)
        assert model_digest(one.manifest) == digest
        assert model_digest({**one.manifest, "settings": {**settings, "tiles": 2}}) != digest
    with tiles.reopen(tmp_path / "c.blcf") as again:
        assert again.settings.tiles == 0
        found = again.search(pictures([0])["00.png"], BOX, **PLAIN)
        assert found.names == before.names and np.array_equal(found.scores, before.scores)


def test_segments_of_other_tiles_are_damage(engine):
    path = engine.path
    engine.close()
    with Collection.open(path) as one, one.writing():
        one.commit(settings={**one.manifest["settings"], "tiles": 3})
    with tiles.reopen(path) as again, pytest.raises(FormatError, match="expected 9 tiles of each"):
        again.search(pictures([0])["00.png"], BOX)


@pytest.mark.parametrize("value", [1, -1, 8, 2.5, "2", True, None])
def test_bad_numbers_of_tiles(tmp_path, value):
    with pytest.raises(InvalidInput, match="Expected tiles to be .*from 2 to 7"):
        tiles.create(tmp_path / "c.blcf", tiles=value)
    assert not (tmp_path / "c.blcf").exists()


def test_qdrant_has_no_tiles(engine, tmp_path):
    with pytest.raises(InvalidInput, match=r"A collection with tiles \(2 of a row\) ranks in its"):
        write_points(engine, tmp_path / "q")
    assert not (tmp_path / "q").exists()


def test_the_check_reads_tiles(engine):
    path = engine.path
    engine.close()
    assert not check_collection(path).damages
    segment = min((path / "segments").glob("*.h5"))
    with h5py.File(segment) as file:
        place = file["tiles_000/image_ids"].id.get_offset()
    content = bytearray(segment.read_bytes())
    content[place] ^= 0xFF
    segment.write_bytes(bytes(content))
    assert check_collection(path).damages
