"""A demo from end to end, with the network of coloured tiles."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
import tiles

from blcf.demo import running
from blcf.errors import InvalidInput


@pytest.fixture
def own(tmp_path):
    """Somebody's own pictures: twelve scenes, the first six with an object."""
    for number, one in enumerate(tiles.planted_scenes()[0]):
        tiles.save(tmp_path / "own" / f"{number:02d}.png", one)
    return tmp_path / "own"


def test_measures_are_those_of_evaluate(composed_demo):
    """The truth that is written gives what the demo says."""
    demo = composed_demo
    (found,) = demo.engine.evaluate(demo.folder / "gt.json", queries="box", progress=False)
    assert [one.query.object for one in found.results] == [one.name for one in demo.results]
    assert [one.measures["AP"] for one in found.results] == [
        one.average_precision for one in demo.results
    ]
    assert found.mean_average_precision == demo.mean_average_precision
    assert found.localisation.mean_iou == pytest.approx(demo.localisation.mean_iou)


def test_figures_of_a_query(composed_demo):
    for one, row in zip(composed_demo.results, composed_demo.to_dict()["queries"]):
        names = [hit["name"] for hit in row["hits"]]
        assert len(names) == len(composed_demo.engine) == len(set(names))
        assert [hit["right"] for hit in row["hits"]] == [name in one.truth for name in names]
        assert one.n_first == sum(hit["right"] for hit in row["hits"][: len(one.truth)])
        overlaps = [hit["iou"] for hit in row["hits"] if hit["iou"] is not None]
        assert np.mean(overlaps) == pytest.approx(row["mean_iou"], abs=1e-4)
        assert row["box"] == list(one.box) and one.image.is_file()
        assert len(one.shown) >= len(one.truth)


def test_what_is_written(composed_demo):
    folder = composed_demo.folder
    assert json.loads((folder / "results.json").read_text()) == composed_demo.to_dict()
    assert composed_demo.page.stat().st_size > 10_000
    assert len(list((folder / "images").iterdir())) == len(composed_demo.engine)
    assert [path.parent.name for path in composed_demo.drawings] == ["hits"] * len(
        composed_demo.results
    )
    assert all(path.stat().st_size > 1000 for path in composed_demo.drawings)


def test_own_pictures(tile_demo, own, tmp_path):
    """No truth; where it is run twice, its own output is left out."""
    demo = tile_demo(own / "out", own)
    again = tile_demo(own / "out", own)
    assert len(demo.engine) == len(again.engine) == 12
    for one in again.results:
        assert one.average_precision is None and one.truth is None
        assert one.name in one.hits.names and len(one.shown) == 8
    facts = again.to_dict()
    assert facts["mAP"] is None and facts["mean_iou"] is None
    assert "right" not in facts["queries"][0]["hits"][0]
    assert not (again.folder / "gt.json").exists()
    with pytest.raises(InvalidInput, match="Expected pictures outside"):
        tile_demo(own, own)


def test_a_picture_finds_itself_first_with_score_1(tile_demo, own, tmp_path):
    """As the page says; not by five sizes, whose mean is nobody's."""
    demo = tile_demo(tmp_path / "out", own, idf=False)
    assert demo.results
    for one in demo.results:
        assert one.hits.names[0] == one.name and one.hits.paths[0] == one.image
        assert one.hits.scores[0] == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose(one.hits[0].box, one.box, atol=16)
    assert "it finds itself first, with score 1" in demo.page.read_text("utf-8").replace("\n", " ")
    again, *_ = demo.next_commands()
    assert again[1][-1] == "--frame", "what is typed next finds the same"


def test_many_pictures_are_thinned_out(tile_demo, own, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "MOST_PICTURES", 5)
    demo = tile_demo(tmp_path / "out", own)
    assert list(demo.engine.collection.names()) == [f"{n:02d}.png" for n in (0, 2, 4, 7, 9)]
    assert demo.about.startswith("5 of 12 pictures of ")


def test_few_and_bad_pictures(tile_demo, own, tmp_path):
    """One picture that can be read, and one that cannot."""
    (tmp_path / "few").mkdir()
    shutil.copy(own / "00.png", tmp_path / "few" / "a.png")
    (tmp_path / "few" / "b.png").write_text("no picture")
    demo = tile_demo(tmp_path / "out", tmp_path / "few", n_words=8)
    assert list(demo.skipped) == ["b.png"] and len(demo.results) == 1
    assert demo.results[0].hits.scores[0] > 0.5, "without idf, which would be 0"


def test_only_bad_pictures_leave_nothing(tile_demo, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "b.png").write_text("no picture")
    with pytest.raises(InvalidInput, match="None of 1 pictures"):
        tile_demo(tmp_path / "out", tmp_path / "bad")
    assert not (tmp_path / "out").exists()


def test_no_photographs(tile_demo, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "find_photographs", dict)
    with pytest.raises(InvalidInput, match="blcf demo FOLDER"):
        tile_demo(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_matplotlib(tile_demo, own, tmp_path, monkeypatch, caplog):
    for name in [one for one in sys.modules if one.startswith("blcf.visualization")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "blcf.visualization", None)
    demo = tile_demo(tmp_path / "out", own)
    assert demo.drawings == [] and demo.page.exists()
    assert "pip install matplotlib" in caplog.text


@pytest.mark.slow  # .ci/run types the same command
def test_the_network_of_the_package_finds_the_objects(tmp_path):
    """The first command of README.md, as it is typed."""
    demo = running.run_demo(tmp_path / "out", progress=False)
    assert demo.network == "blcf-lite, layer conv5:signed"
    assert demo.to_install or demo.mean_average_precision > 0.85  # 1.0 when it was trained
    assert demo.to_install or demo.localisation.mean_iou > 0.65  # .812
