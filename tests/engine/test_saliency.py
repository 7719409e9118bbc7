"""A channel of the caller's: what a function says of pictures weighs their cells, end to end."""

from __future__ import annotations

import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import oracle
import pytest
import tiles
from damaged import forged
from tiles import create, redness, reopen

from blcf import SearchEngine
from blcf.bags import eighths
from blcf.collection import check_collection
from blcf.errors import FormatError, InvalidInput
from blcf.images import read_image

SALIENT = {"weighting": "saliency", "saliency": redness}
EXACT = {"query_scales": (1,), "k": 12, "rerank": False}
BOX = (32, 32, 96, 96)


@pytest.fixture
def engine(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf", **SALIENT)
    assert engine.add(scenes, progress=False).n_added == 12
    return engine


def cells_of(picture):
    """The colour of each tile of a picture, by its pixels, and how red it is: int (8, 8) each."""
    middles = picture[8::16, 8::16].astype(int)  # (8, 8, 3)
    return middles @ (1, 256, 65536), middles[..., 0]


def assert_ranks_like_the_oracle(engine, folder):
    """Of the pictures of a folder as they are now; words are colours, whole pictures are red."""
    pictures = {name: read_image(folder / name) for name in engine.names}
    colours, red = zip(*map(cells_of, pictures.values()))
    known = np.unique(colours).tolist()
    maps = [np.searchsorted(known, one) for one in colours]
    bags = [oracle.bag(one, eighths(each / each.max())) for one, each in zip(maps, red)]
    for name, words in list(zip(pictures, maps))[:4]:
        for box, wanted in ((None, words), (BOX, words[2:6, 2:6])):
            query = oracle.bag(wanted)  # all cells alike
            expected = oracle.rank(query, bags, len(known), use_idf=True, sqrt=True, k=12)
            scores = [score for _, score in expected]
            for example in ({"image": folder / name}, {"frame": name}):
                hits = engine.search(box=box, **example, **EXACT)
                np.testing.assert_allclose(hits.scores, scores, atol=1e-5)
                assert list(hits.ids) == [image for image, _ in expected]


def test_rankings_are_the_oracles_whatever_is_done_to_the_collection(engine, scenes, tmp_path):
    assert_ranks_like_the_oracle(engine, scenes)
    assert_ranks_like_the_oracle(reopen(tmp_path / "c.blcf"), scenes)  # a search needs no function
    engine.remove(["03.png", "07.png"])
    assert_ranks_like_the_oracle(engine, scenes)
    engine.compact()
    assert_ranks_like_the_oracle(engine, scenes)
    (scenes / "moved").mkdir()
    (scenes / "05.png").rename(scenes / "moved" / "a.png")
    for number in (1, 3, 8):  # other pictures of known tiles
        tiles.save(scenes / f"{number:02d}.png", tiles.planted_scenes(seed=9)[0][number])
    report = engine.sync(scenes, progress=False)
    assert report.moved == {"05.png": "moved/a.png"} and report.changed == ["01.png", "08.png"]
    assert report.new == ["03.png", "07.png"]
    assert_ranks_like_the_oracle(engine, scenes)
    tiles.save(scenes / "02.png", tiles.planted_scenes(seed=5)[0][2])
    engine.add(scenes / "02.png", root=scenes, replace=True, progress=False)
    assert_ranks_like_the_oracle(engine, scenes)
    engine.compact()
    assert_ranks_like_the_oracle(reopen(tmp_path / "c.blcf"), scenes)
    assert not check_collection(tmp_path / "c.blcf").damages


def test_segments_are_merged_with_it(scenes, tmp_path):
    engine = create(tmp_path / "c.blcf", **SALIENT)
    engine.add([scenes / f"{i:02d}.png" for i in range(4)], root=scenes, progress=False)
    for number in range(4, 12):
        engine.add(scenes / f"{number:02d}.png", root=scenes, progress=False)
    assert len(engine.collection.segments) < 9
    for number, name in enumerate(engine.names):
        red = cells_of(read_image(scenes / name))[1]
        stored = engine.collection.channel("saliency", number)
        np.testing.assert_allclose(stored, red / red.max(), atol=1 / 510)
        assert engine.collection.norms(number).shape == stored.shape
        assert engine.collection.channel("uniform", number) is None


def test_windows_count_all_cells_alike(engine, planted):
    """The box of the object is found as without saliency; its score is that of plain counts."""
    plain = planted.engine(weighting="uniform", idf=False)
    red = planted.engine(idf=False, **SALIENT)
    options = {"query_scales": (1,), "windows": "grid", "keep_whole": False, "depth": 12}
    hits = red.search(planted.picture, box=planted.box, k=12, **options)
    expected = plain.search(planted.picture, box=planted.box, k=12, **options)
    assert {hit.name: (hit.score, hit.box.tolist()) for hit in hits} == {
        hit.name: (hit.score, hit.box.tolist()) for hit in expected
    }


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (8, 8), (64, 200), (300, 301)])
def test_a_map_of_any_size(scenes, tmp_path, shape):
    values = np.random.default_rng(0).random(shape)
    engine = create(tmp_path / "c.blcf", weighting="saliency", saliency=lambda pixels: values)
    engine.add(scenes, progress=False)
    small = values if max(shape) <= 128 else oracle.cell_means(values, 128, 128)
    means = np.array(oracle.cell_means(small, 8, 8))
    if shape == (64, 200):
        means = np.array(oracle.cell_means(oracle.cell_means(values, 64, 128), 8, 8))
    stored = engine.collection.channel("saliency", 3)
    np.testing.assert_allclose(stored, means / means.max(), atol=1 / 510 + 1e-6)
    assert stored.max() == 1


def test_a_function_gets_each_picture_once_as_the_network_does(scenes, tmp_path):
    """In the threads that read ahead; it may write into what it gets."""
    seen, threads = [], set()

    def spoil(pixels):
        seen.append(pixels.copy())
        threads.add(threading.current_thread().name)
        pixels[:] = 0
        return seen[-1][..., 0]

    engine = create(tmp_path / "c.blcf", side=64, weighting="saliency", saliency=spoil)
    engine.add(scenes, progress=False)
    assert len(seen) == 12 and {one.shape for one in seen} == {(64, 64, 3)}
    assert {one.dtype for one in seen} == {np.dtype(np.uint8)}
    assert all(one.startswith("blcf-read-ahead") for one in threads)
    plain = create(tmp_path / "plain.blcf", side=64)
    plain.add(scenes, progress=False)
    for number in range(12):
        words = plain.collection.words(number)
        np.testing.assert_array_equal(engine.collection.words(number), words)


def test_a_picture_for_which_it_fails_is_skipped_and_named(scenes, tmp_path):
    first = read_image(scenes / "02.png"), read_image(scenes / "09.png")

    def fails(pixels):
        if (pixels == first[0]).all():
            raise RuntimeError("no network")
        return pixels[..., 0] - (256.0 if (pixels == first[1]).all() else 0)

    engine = create(tmp_path / "c.blcf", weighting="saliency", saliency=fails)
    report = engine.add(scenes, progress=False)
    assert report.n_added == 10 and sorted(report.skipped) == ["02.png", "09.png"]
    assert "saliency failed (RuntimeError: no network)" in report.skipped["02.png"]
    assert "finite numbers >= 0" in report.skipped["09.png"]
    assert engine.collection.skipped() == report.skipped
    mended = reopen(tmp_path / "c.blcf", saliency=redness)
    assert mended.add(scenes, progress=False).n_added == 2 and not mended.collection.skipped()
    assert_ranks_like_the_oracle(mended, scenes)


def test_without_the_function(engine, scenes, tmp_path):
    """What would add is refused before anything changes; what need not, goes on."""
    opened = reopen(tmp_path / "c.blcf")
    assert opened.add(scenes, progress=False).n_present == 12
    tiles.save(scenes / "12.png", tiles.planted_scenes(seed=3)[0][1])
    before = opened.collection.manifest["generation"]
    expected = r"c\.blcf weighs pictures by their saliency, .* pass saliency=function to SearchEn"
    with pytest.raises(InvalidInput, match=expected):
        opened.add(scenes, progress=False, facts={"01.png": {"a": 1}})
    (scenes / "03.png").rename(scenes / "a.png")
    with pytest.raises(InvalidInput, match=expected):
        opened.sync(scenes, progress=False)
    assert opened.sync(scenes, dry_run=True).new == ["12.png"]
    assert opened.collection.manifest["generation"] == before and len(opened) == 12
    (scenes / "12.png").unlink()
    assert opened.sync(scenes, progress=False).moved == {"03.png": "a.png"}
    opened.remove(["a.png"])
    opened.compact()
    assert len(opened.search(scenes / "04.png", box=BOX, expand="local", k=12)) == 11
    assert opened.search(frame="04.png", box=BOX)[0].score == pytest.approx(1)


def test_what_create_and_open_refuse(scenes, tmp_path):
    with pytest.raises(InvalidInput, match="'saliency' needs a function .* pass saliency=function"):
        create(tmp_path / "c.blcf", weighting="saliency")
    with pytest.raises(InvalidInput, match="Expected saliency to be a function .*, got str"):
        create(tmp_path / "c.blcf", weighting="saliency", saliency="saliency.png")
    with pytest.raises(InvalidInput, match="weighting is 'norm': leave it out, or"):
        create(tmp_path / "c.blcf", weighting="norm", saliency=redness)
    assert not (tmp_path / "c.blcf").exists()
    create(tmp_path / "c.blcf")
    with pytest.raises(InvalidInput, match="weighting is 'uniform': leave it out, or"):
        SearchEngine.open(tmp_path / "c.blcf", saliency=redness)


def test_it_goes_with_a_pickled_engine(engine, scenes):
    again = pickle.loads(pickle.dumps(engine))
    tiles.save(scenes / "12.png", tiles.planted_scenes(seed=3)[0][1])
    assert again.add(scenes, progress=False).n_added == 1
    assert_ranks_like_the_oracle(again, scenes)


def test_a_stranger_s_segment_without_it(engine, scenes):
    """With check sums that fit: named by its file, in a search and by `check`."""
    collection = engine.collection
    entry = dict(collection.manifest["segments"][0])
    with forged(collection.path / "segments" / entry["file"], entry) as file:
        del file["maps/saliency"]
    with collection.writing():
        collection.commit(segments=[entry])
    opened = reopen(collection.path)
    hits = opened.search(frame="02.png", **EXACT)
    said = r"00000001\.h5 is damaged: It has no saliency of its images\. Run `blcf check`"
    with pytest.raises(FormatError, match=said):
        hits[0].evidence()
    (damage,) = check_collection(collection.path).damages
    assert damage.file.endswith("00000001.h5") and "It has no saliency" in damage.reason
    opened.close()


def test_many_threads_search_it(engine, scenes):
    names = list(engine.names)
    alone = [engine.search(frame=name, box=BOX, k=12).scores for name in names]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: engine.search(frame=one, box=BOX, k=12).scores, names))
    for one, other in zip(alone, found):
        np.testing.assert_array_equal(one, other)
