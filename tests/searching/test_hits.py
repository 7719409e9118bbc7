"""Hits as people and other programs take them: tables, a notebook, pickles, copies, text."""

from __future__ import annotations

import base64
import copy
import io
import pickle
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from planted import ONE_SIZE

from blcf import Example, Hits
from blcf.errors import InvalidInput
from blcf.searching.notebook import MOST


@pytest.fixture(scope="module")
def hits(planted):
    return planted.engine().search(planted.picture, planted.box, depth=8, **ONE_SIZE)


# Tables


def test_a_table_has_a_row_per_hit(hits):
    pytest.importorskip("pandas")
    table = hits.to_pandas()
    assert list(table) == ["rank", "name", "score", "x1", "y1", "x2", "y2", "path", "confidence"]
    assert table["rank"].tolist() == list(range(1, 13)) and table["name"].tolist() == hits.names
    np.testing.assert_array_equal(table["score"], hits.scores)
    np.testing.assert_array_equal(table[["x1", "y1", "x2", "y2"]], hits.boxes)
    assert table["x1"].isna().tolist() == [False] * 8 + [True] * 4
    assert table["path"].tolist() == [str(path) for path in hits.paths]
    assert [str(kind) for kind in table.dtypes] == [
        "int64",
        "object",
        *["float64"] * 5,
        "object",
        "float64",
    ]
    assert hits[:0].to_pandas().shape == (0, 9)


def test_hits_without_boxes_are_a_table_too(planted):
    pytest.importorskip("pandas")
    table = planted.engine().search(frame="00.png", rerank=False, k=3).to_pandas()
    assert table["x1"].isna().all() and len(table) == 3


@pytest.mark.parametrize(
    ("library", "use"),
    [
        ("pandas", lambda hits: hits.to_pandas()),
        ("matplotlib", lambda hits: hits.plot()),
        ("matplotlib", lambda hits: hits.plot_evidence()),
    ],
)
def test_a_library_that_is_missing_is_named(hits, monkeypatch, library, use):
    for name in [*sys.modules]:
        if name.split(".")[0] == library or name.startswith("blcf.visualization"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InvalidInput, match=f" needs {library}: pip install {library}"):
        use(hits)


# A page


def pictures(html: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(one))) for one in found]


def test_a_notebook_shows_query_and_hits(hits):
    html = hits._repr_html_()
    shown = pictures(html)
    assert len(shown) == 13 and "12 hits" in html and html.count("<figure") == 13
    assert all(f"{rank}. {hit.score:.3f} {hit.name}" in html for rank, hit in enumerate(hits, 1))
    # The edges of the boxes: orange around the query's object, blue around the hit's, none behind.
    query, first, last = (np.asarray(shown[n]).astype(int) for n in (0, 1, 12))
    x1, y1, x2, y2 = (round(float(edge)) for edge in hits.query_box)
    assert np.abs(query[y1, x1:x2] - (230, 159, 0)).mean() < 40
    x1, y1, x2, y2 = (round(float(edge)) for edge in hits[0].box)
    assert np.abs(first[y1, x1:x2] - (0, 114, 178)).mean() < 60
    assert hits[11].box is None and np.abs(last - np.asarray(Image.open(hits.paths[11]))).max() < 90
    assert not re.findall(r'(?:src|href)="(?!data:)', html), "nothing is fetched"


def test_names_are_text_and_what_is_gone_says_so(planted, tmp_path):
    folder = tmp_path / "scenes"
    shutil.copytree(planted.folder, folder)
    (folder / "00.png").rename(folder / "<b> & .png")
    import tiles

    engine = tiles.create(tmp_path / "c.blcf")
    engine.add(folder, progress=False)
    hits = engine.search(frame="<b> & .png", rerank=False)
    (folder / hits[1].name).unlink()
    html = hits._repr_html_()
    assert "&lt;b&gt; &amp; .png" in html and "<b> &" not in html
    assert html.count("no picture: there is no such file") == 1 and len(pictures(html)) == 12


def test_at_most_some_are_shown(hits):
    many = Hits(
        hits.names * 3,
        np.tile(hits.scores, 3),
        np.tile(hits.ids, 3),
        np.tile(hits.boxes, (3, 1)),
        paths=hits.paths * 3,
    )
    html = many._repr_html_()
    assert html.count("<figure") == MOST and f"36 hits, the first {MOST}" in html
    assert "0 hits" in many[:0]._repr_html_()


def test_text(hits):
    lines = repr(hits).splitlines()
    assert lines[0] == "Hits of 12 images" and lines[-1] == "  ... 2 more" and len(lines) == 12
    assert re.fullmatch(r"    1  \d\.\d{4}  \d+,\d+,\d+,\d+ +\d\d\.png", lines[1])
    assert re.fullmatch(r"   10  \d\.\d{4}  - +\d\d\.png", lines[10])
    odd = Hits(["a\nb\udcc3.jpg"], np.ones(1, np.float32), np.zeros(1, np.int64))
    assert repr(odd).encode("utf-8").count(b"\n") == 1


# Pickles and copies


def test_pickled_hits_are_values(planted, hits):
    for kept in (hits, hits[2:5]):
        again = pickle.loads(pickle.dumps(kept))
        assert again.names == kept.names and again.paths == kept.paths
        for name in ("scores", "ids", "boxes", "query_box", "query"):
            np.testing.assert_array_equal(getattr(again, name), getattr(kept, name))
        assert again.to_dicts() == kept.to_dicts() and repr(again) == repr(kept)
        assert again._repr_html_() == kept._repr_html_()
        again.plot()
        np.testing.assert_array_equal(again[0].boxes, kept[0].boxes)
        for ask in (again[0].evidence, again.plot_evidence, again[:1][0].evidence):
            with pytest.raises(InvalidInput, match="these were pickled. Search again"):
                ask()
    one = pickle.loads(pickle.dumps(hits[0]))
    assert (one.name, one.score) == (hits[0].name, hits[0].score)
    with pytest.raises(InvalidInput, match="Search again"):
        one.evidence()
    # What was asked can be asked again.
    repeated = planted.engine().search_many([Example(again.query, again.query_box)], progress=False)
    assert repeated[0].names


def test_a_pickle_holds_no_collection(planted, hits):
    """It opens where there is none, in another process, and is as small as its values."""
    data = pickle.dumps(planted.engine().search(frame="00.png", **ONE_SIZE))
    assert len(data) < 20_000
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).names[0])"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip().endswith(".png")


def test_copies_can_say_why(hits):
    for copied in (copy.copy(hits), copy.deepcopy(hits), copy.deepcopy(hits[1:3])):
        assert copied is not hits and copied.names == hits.names or len(copied) == 2
        assert copied[0].evidence().score == pytest.approx(copied[0].score)
    deep = copy.deepcopy(hits)
    deep.scores[0] = -1
    assert hits.scores[0] > 0
