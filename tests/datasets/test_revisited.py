"""Revisited Oxford and Paris: what is read out of the pickle, and what is refused."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from landmarks import make_revisited, write_picture

from blcf.datasets import read_revisited
from blcf.errors import DatasetNotFound, FormatError, InvalidInput


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["roxford5k", "rparis6k"])
def test_revisited(tmp_path, name, protocol):
    content = make_revisited(tmp_path, name, protocol)
    truth = read_revisited(str(tmp_path), name)
    assert (truth.name, truth.protocol, truth.path) == (name, "revisited", tmp_path)
    (images,) = truth.images
    assert images.root == tmp_path / "jpg"
    assert images.names == [f"{stem}.jpg" for stem in content["imlist"]]  # without the queries
    first, second = truth.queries
    assert first.name == "all_souls_000013" and first.image == images.root / "all_souls_000013.jpg"
    assert first.box.tolist() == [1.5, 2, 20, 22.5] and first.box.dtype == np.float32
    assert first.positives == {f"all_souls_00000{i}.jpg" for i in (0, 2, 5)}
    assert first.hard == {"all_souls_000005.jpg"}
    queries = {"all_souls_000013.jpg", "oxford_002416.jpg"}
    assert first.junk == {"all_souls_000001.jpg"} | queries
    assert second.positives == second.hard == {"all_souls_000007.jpg"} and second.junk == queries
    assert not truth.missing(images.names)


def test_arrays_and_other_layouts(tmp_path):
    content = make_revisited(tmp_path / "data")
    for row in content["gnd"]:
        for key in ("easy", "hard", "junk"):
            row[key] = np.array(row[key])  # of float where empty
        row["bbx"] = np.array(row["bbx"])
    path = tmp_path / "data" / "gnd_roxford5k.pkl"
    path.write_bytes(pickle.dumps(content))
    truth = read_revisited(tmp_path, "roxford5k")
    assert [len(query.positives) for query in truth.queries] == [3, 1]
    assert truth.queries[1].box.tolist() == [0, 0, 32, 24]
    other = tmp_path / "data" / "jpg" / "landmark"  # the pictures of Paris in their folders
    other.mkdir()
    (tmp_path / "data/jpg/all_souls_000002.jpg").rename(other / "all_souls_000002.jpg")
    truth = read_revisited(tmp_path, "roxford5k")
    assert truth.images[0].names[2] == "landmark/all_souls_000002.jpg"
    assert "landmark/all_souls_000002.jpg" in truth.queries[0].positives


def test_distractors(tmp_path):
    make_revisited(tmp_path / "roxford5k")
    write_picture(tmp_path / "revisitop1m" / "jpg" / "0ab" / "1.jpg")
    truth = read_revisited(
        tmp_path / "roxford5k", "roxford5k", distractors=tmp_path / "revisitop1m" / "jpg"
    )
    assert truth.name == "roxford5k+1m" and [len(images) for images in truth.images] == [8, 1]
    with pytest.raises(InvalidInput, match="among the distractors"):
        read_revisited(tmp_path / "roxford5k", "roxford5k", distractors=tmp_path)


def test_missing(tmp_path):
    with pytest.raises(InvalidInput, match="roxford5k or rparis6k, got 'oxford5k'"):
        read_revisited(tmp_path, "oxford5k")
    with pytest.raises(DatasetNotFound, match="no folder .*gnd_rparis6k.pkl is published at http"):
        read_revisited(tmp_path / "nowhere", "rparis6k")
    make_revisited(tmp_path)
    with pytest.raises(DatasetNotFound, match="Expected gnd_rparis6k.pkl in .*two levels.*revisit"):
        read_revisited(tmp_path, "rparis6k")
    (tmp_path / "jpg" / "oxford_002416.jpg").unlink()
    with pytest.raises(DatasetNotFound, match="names 10 pictures; 1 of them .*oxford_002416.jpg"):
        read_revisited(tmp_path, "roxford5k")


ROW = {"bbx": [1, 2, 3, 4], "easy": [0], "hard": [1], "junk": []}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: [], "a dict with imlist, qimlist and gnd"),
        (lambda c: {"imlist": c["imlist"]}, "a dict with imlist, qimlist and gnd"),
        (lambda c: {**c, "imlist": "abc"}, "imlist to be a list of names"),
        (lambda c: {**c, "imlist": []}, "imlist to be a list of names"),
        (lambda c: {**c, "qimlist": [1, 2]}, "qimlist to be a list of names"),
        (lambda c: {**c, "imlist": ["a", "a.jpg"]}, "each name once in imlist"),
        (lambda c: {**c, "qimlist": c["imlist"][:2]}, "query pictures .* not in the database"),
        (lambda c: {**c, "gnd": [ROW]}, "gnd to be a list of 2 dicts"),
        (lambda c: {**c, "gnd": [ROW, None]}, "gnd to be a list of 2 dicts"),
        (lambda c: {**c, "gnd": [ROW, {}]}, r"gnd\[1\] to have easy, indices from 0 to 7"),
        (lambda c: {**c, "gnd": [{**ROW, "hard": [8]}] * 2}, r"gnd\[0\] to have hard, indices"),
        (lambda c: {**c, "gnd": [{**ROW, "junk": [-1]}] * 2}, r"gnd\[0\] to have junk"),
        (lambda c: {**c, "gnd": [{**ROW, "easy": [True]}] * 2}, r"gnd\[0\] to have easy"),
        (lambda c: {**c, "gnd": [{**ROW, "easy": np.ones((1, 2), int)}] * 2}, "to have easy"),
        (lambda c: {**c, "gnd": [{**ROW, "easy": np.array([0.5])}] * 2}, "to have easy"),
        (lambda c: {**c, "gnd": [{**ROW, "bbx": "1234"}] * 2}, "to have a box bbx of four numbers"),
        (lambda c: {**c, "gnd": [{**ROW, "bbx": [[1]] * 4}] * 2}, "to have a box bbx of four"),
        (lambda c: {**c, "gnd": [{**ROW, "bbx": [1, 2, 3]}] * 2}, r"gnd\[0\]: Expected a box"),
        (lambda c: {**c, "gnd": [{**ROW, "bbx": [3, 2, 1, 4]}] * 2}, "empty or reversed"),
        (lambda c: {**c, "gnd": [{**ROW, "bbx": [1, 2, 10**400, 4]}] * 2}, r"gnd\[0\]: Expected"),
        (lambda c: {**c, "extra": os.system}, "plain values, it asks for 'posix.system'"),
    ],
)
def test_refused_content(tmp_path, change, message):
    content = make_revisited(tmp_path)
    path = tmp_path / "gnd_roxford5k.pkl"
    path.write_bytes(pickle.dumps(change(content)))
    with pytest.raises(FormatError, match=f"gnd_roxford5k.pkl.*{message}"):
        read_revisited(tmp_path, "roxford5k")


def test_a_page_instead_of_the_pickle(tmp_path):
    make_revisited(tmp_path)
    (tmp_path / "gnd_roxford5k.pkl").write_text("<html>404 Not Found</html>")
    with pytest.raises(FormatError, match="the pickle is damaged or cut short"):
        read_revisited(tmp_path, "roxford5k")
