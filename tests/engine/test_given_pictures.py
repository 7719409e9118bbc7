"""Pictures with names of the caller's: added, found, shown, replaced, in any form they come in."""

from __future__ import annotations

import numpy as np
import pytest
import tiles
from PIL import Image
from tiles import create, reopen

from blcf.errors import InvalidInput
from blcf.images import read_image, sources


@pytest.fixture
def given(scenes):
    """The scenes as arrays, of Pillow, bytes and paths, under ids."""
    paths = sorted(scenes.glob("*.png"))
    forms = [read_image, Image.open, lambda path: path.read_bytes(), lambda path: path, str]
    return {f"id-{n}": forms[n % len(forms)](path) for n, path in enumerate(paths)}


@pytest.fixture
def of_files(scenes, tmp_path):
    engine = create(tmp_path / "files.blcf")
    engine.add(scenes, progress=False)
    return engine


def ranked(engine, query):
    hits = engine.search(query, k=12, expand="local", n_expand=2)
    return hits.scores.tolist(), [None if box is None else box.tolist() for box in hits.boxes]


@pytest.mark.parametrize("how", ["a dictionary", "pairs", "an iterator"])
def test_they_are_found_like_files(given, of_files, scenes, tmp_path, how):
    engine = create(tmp_path / "given.blcf")
    pictures = {"a dictionary": given, "pairs": list(given.items()), "an iterator": None}[how]
    report = engine.add(iter(given.items()) if pictures is None else pictures, progress=False)
    assert (report.n_added, report.n_present, report.skipped) == (12, 0, {})
    assert list(engine.names) == list(given) and "id-3" in engine
    for query in sorted(scenes.glob("*.png"))[:3]:
        assert ranked(engine, query) == ranked(of_files, query)
    again = reopen(tmp_path / "given.blcf")
    assert ranked(again, query) == ranked(of_files, query)


def test_the_same_call_resumes(given, tmp_path):
    engine = create(tmp_path / "given.blcf")
    engine.add(dict(list(given.items())[:10]), progress=False)
    report = engine.add(given, progress=False)
    assert (report.n_added, report.n_present) == (2, 10)


def test_an_iterator_in_parts(given, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "_MOST_PICTURES", 5)
    engine = create(tmp_path / "given.blcf")
    report = engine.add(iter(given.items()), progress=False)
    assert report.n_added == len(engine) == 12


def test_hits_are_shown_while_the_pictures_are_at_hand(given, tmp_path):
    engine = create(tmp_path / "given.blcf")
    engine.add(given, progress=False)
    hits = engine.search(given["id-5"], k=3)
    assert hits.paths == [None] * 3 and hits.to_dicts()[0]["path"] is None
    assert hits.pictures[0] is given[hits.names[0]] or hits.names[0] in ("id-3", "id-4", "id-8")
    assert hits._repr_html_().count("<img") == 4
    again = reopen(tmp_path / "given.blcf")
    hits = again.search(frame="id-5", k=3)
    assert hits._repr_html_().count("no picture: it is not at hand") == 3
    again.attach(given)
    assert again.search(frame="id-5", k=3)._repr_html_().count("<img") == 4
    hits.to_pandas()
    with pytest.raises(InvalidInput, match="Expected a picture"):
        again.attach({"id-5": 7})


def test_one_that_cannot_be_read_is_skipped(given, tmp_path):
    given["id-2"] = b"no picture"
    given["id-3"] = tmp_path / "gone.png"
    given["id-5"] = np.zeros((3, 200, 3), np.uint8)
    engine = create(tmp_path / "given.blcf")
    report = engine.add(given, progress=False)
    assert report.n_added == 9 and list(report.skipped) == ["id-2", "id-3", "id-5"]
    assert report.skipped["id-3"] == "there is no such file"
    assert engine.collection.skipped() == report.skipped
    report = engine.add({"id-2": given["id-1"]}, progress=False)
    assert report.n_added == 1 and list(engine.collection.skipped()) == ["id-3", "id-5"]


def test_one_is_replaced(given, tmp_path):
    engine = create(tmp_path / "given.blcf")
    engine.add(given, progress=False)
    report = engine.add({"id-0": given["id-5"]}, replace=True, progress=False)
    assert report.n_replaced == 1 and len(engine) == 12
    assert set(engine.search(frame="id-5", k=2).names) == {"id-0", "id-5"}


def test_names_of_files(of_files, given, scenes):
    """An id that a file has already is no other picture by chance."""
    with pytest.raises(
        InvalidInput, match="already holds '00.png', from .*00.png, and one that is"
    ):
        of_files.add({"00.png": given["id-0"]}, progress=False)
    of_files.add({"new.png": given["id-0"]}, progress=False)
    tiles.save(scenes / "new.png", tiles.planted_scenes(seed=6)[0][0])
    with pytest.raises(InvalidInput, match="already holds 'new.png', a picture that was given"):
        of_files.add(scenes, progress=False)


def test_words_are_learned_anew_for_other_pictures(given, tmp_path):
    """A run that was interrupted goes on only with the same pictures under the same names."""
    engine = create(tmp_path / "given.blcf")
    engine.add(given, progress=False)
    other = create(tmp_path / "other.blcf")
    other.add({name: read_image(path) for name, path in _files(given, tmp_path)}, progress=False)
    assert engine.model.vocabulary.digest_ == other.model.vocabulary.digest_


def _files(given, folder):
    for name, picture in given.items():
        path = folder / f"{name}.png"
        Image.fromarray(sources.GivenPictures(given).original(name).through(np.array).content).save(
            path
        )
        yield name, path


def test_nothing_is_no_source(tmp_path):
    engine = create(tmp_path / "given.blcf")
    assert engine.add({}, progress=False).n_added == 0
    with pytest.raises(InvalidInput, match="got int"):
        engine.add({"a": 3}, progress=False)
    with pytest.raises(InvalidInput, match="root with a folder"):
        engine.add({"a": b""}, root=tmp_path, progress=False)
