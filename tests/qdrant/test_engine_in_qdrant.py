"""An engine that ranks in Qdrant gives the hits, boxes and evidence of one that does not."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import tiles

pytest.importorskip("qdrant_edge", reason="a shard needs qdrant-edge-py (blcf[qdrant])")
pytest.importorskip("qdrant_client", reason="a server needs qdrant-client (blcf[qdrant])")

from imitated_server import imitated_server  # noqa: E402

from blcf import SearchEngine  # noqa: E402
from blcf.errors import InvalidInput, StorageError  # noqa: E402
from blcf.exporting import write_points  # noqa: E402

OPTIONS = {
    "plain": {"rerank": False},
    "reranked": {},
    "few of many": {"k": 3, "depth": 2},
    "more than there are": {"k": 1000},
    "expanded": {"expand": "local", "guard": "none", "n_expand": 3},
    "by a classifier": {"expand": "global", "expand_by": "svm", "guard": "none", "n_expand": 3},
    "some pictures": {"where": "bytes > 0 AND name <> '02.png'"},
    "few pictures": {"where": "name IN ('01.png', '09.png')", "rerank": False},
    "none": {"where": "width < 0"},
    "approximate": {"approximate": 0.5, "rerank": False},
    "windows": {"windows": "grid", "pyramid": True},
}


def same_hits(found, expected):
    assert found.names == expected.names
    np.testing.assert_array_equal(found.scores, expected.scores)
    for hit, other in zip(found, expected):
        assert (hit.boxes is None) == (other.boxes is None)
        if hit.boxes is not None:
            np.testing.assert_array_equal(hit.boxes, other.boxes)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A collection, and what it was exported to: a shard, and an imitated server."""
    folder = tmp_path_factory.mktemp("qdrant")
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(folder / "frames" / f"{number:02d}.png", one)
    engine = tiles.create(folder / "c.blcf")
    engine.add(folder / "frames", progress=False)
    engine.annotate({"03.png": {"camera": "A"}})
    with imitated_server() as (address, _):
        write_points(engine, folder / "shard")
        write_points(engine, f"{address}/scenes")
        places = f"qdrant:{folder / 'shard'}", f"qdrant:{address}/scenes"
        opened = [tiles.reopen(folder / "c.blcf", index=place) for place in places]
        yield folder, engine, opened
        for one in opened:
            one.close()


@pytest.mark.parametrize("how", OPTIONS)
@pytest.mark.parametrize("where", [0, 1], ids=["shard", "server"])
def test_hits_are_equal(made, planted, how, where):
    _, engine, opened = made
    options = {"query_scales": (1,), "k": 12, **OPTIONS[how]}
    for example in (
        {"image": planted.picture, "box": planted.box},
        {"frame": "01.png"},
        {"frame": "03.png", "box": (0, 0, 64, 64)},
    ):
        found, expected = opened[where].search(**example, **options), engine.search(
            **example, **options
        )
        same_hits(found, expected)
        if len(found):
            assert found[0].evidence().score == pytest.approx(found[0].score, abs=1e-5)
            assert found[0].facts == expected[0].facts


def test_what_is_not_meant(made, planted):
    """Negative weights: scores below 0 come behind those of pictures that share nothing."""
    from blcf import Example

    _, engine, opened = made
    negatives = [Example(frame="04.png"), Example(frame="08.png")]
    for by in ("rocchio", "svm"):
        how = {"negatives": negatives, "negatives_by": by, "gamma": 3.0, "rerank": False, "k": 12}
        expected = engine.search(frame="01.png", **how)
        for one in opened:
            same_hits(one.search(frame="01.png", **how), expected)
        assert by == "svm" or expected.scores[-1] < 0


def test_after_a_change_an_export_is_due(tmp_path):
    for number, one in enumerate(tiles.planted_scenes(n=20)[0]):
        tiles.save(tmp_path / "f" / f"{number:02d}.png", one)
    paths = sorted((tmp_path / "f").iterdir())
    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(paths[:14], progress=False)
    place = tmp_path / "shard"
    assert write_points(engine, place).n_new == 14
    engine.remove(["05.png"])
    with tiles.reopen(tmp_path / "c.blcf", index=f"qdrant:{place}") as other:
        with pytest.raises(InvalidInput, match="holds other pictures. Bring it up to date"):
            other.search(frame="01.png")
        with pytest.raises(StorageError, match="Another process has|open in one at a time"):
            write_points(engine, place)
    engine.add(paths, progress=False)
    done = write_points(engine, place)
    assert done.n_new == 7 and done.n_removed == 1 and done.n_sent + done.n_kept == 20
    with tiles.reopen(tmp_path / "c.blcf", index=f"qdrant:{place}") as other:
        for name in engine.names:
            how = {"frame": name, "k": 20, "query_scales": (1,)}
            same_hits(other.search(**how), engine.search(**how))
    engine.compact()
    assert write_points(engine, place).n_kept == 20


def test_names_of_another_form(made, tmp_path):
    folder = made[0]
    for index in ("faiss:x", "qdrant:", str(tmp_path), 3):
        with pytest.raises(InvalidInput, match="Expected qdrant:FOLDER or qdrant:URL"):
            SearchEngine.open(folder / "c.blcf", index=index)
    with pytest.raises(InvalidInput, match="there is no shard of Qdrant"):
        SearchEngine.open(folder / "c.blcf", index=f"qdrant:{tmp_path}")


def test_an_engine_is_sent_as_its_path_and_index(made):
    _, engine, opened = made
    again = pickle.loads(pickle.dumps(opened[1]))  # of a server: a shard is open in one process
    assert again.index == opened[1].index
    same_hits(again.search(frame="02.png"), engine.search(frame="02.png"))
    again.close()


def test_payloads_say_what_is_known(made):
    store = made[2][0]._store
    (point,) = store._shard.retrieve([3], True, False)
    payload = point.payload
    assert (payload["name"], payload["camera"], payload["width"]) == ("03.png", "A", 128)
    assert json.dumps(payload) and "video" not in payload


@pytest.fixture(scope="module")
def logos(data, tmp_path_factory):
    """Real photographs with blcf-lite: 60 pictures, and queries with their boxes."""
    folder = tmp_path_factory.mktemp("logos")
    truth = json.loads((data / "logos" / "gt.json").read_text())
    queries = truth["queries"][::40]
    wanted = [one["query"] for one in queries]
    for query in queries:
        wanted += query["positives"][:6]
    names = list(dict.fromkeys([*wanted, *(one["name"] for one in truth["images"])]))[:60]
    engine = SearchEngine.create(folder / "logos.blcf", side=192)
    engine.add([data / "logos" / "images" / name for name in names], progress=False)
    images = data / "logos" / "images"
    yield folder, engine, [(images / one["query"], one["box"]) for one in queries]


def test_hits_in_real_photographs(logos):
    folder, engine, queries = logos
    write_points(engine, folder / "shard")
    with SearchEngine.open(folder / "logos.blcf", index=f"qdrant:{folder / 'shard'}") as other:
        for image, box in queries:
            for how in ({"k": 60}, {"k": 10, "expand": "local"}):
                how["query_scales"] = (1,)
                expected = engine.search(image, box=box, **how)
                same_hits(other.search(image, box=box, **how), expected)
                assert expected[0].box is not None
