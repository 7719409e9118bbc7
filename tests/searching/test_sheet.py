"""A contact sheet: the best hits in the order of film and time, whatever their ranks."""

from __future__ import annotations

import math
import pickle
import sys

import footage
import numpy as np
import pytest
import tiles
from PIL import Image

from blcf.errors import InvalidInput
from blcf.searching.pictures import InFilm
from blcf.searching.sheet import by_time, clock
from blcf.visualization import SheetPicture, plot_sheet


def test_the_order_of_time():
    places = [InFilm("b", 2, 1), InFilm("", math.nan, -1), InFilm("b", 1, 0), InFilm("a", 10, 0)]
    places += [InFilm("", math.nan, -1), InFilm("a", 9, 0), InFilm("a", math.nan, -1)]
    names = ["b@2", "z.jpg", "b@1", "a@10", "y.jpg", "a@9", "a"]
    assert by_time(names, places) == [5, 3, 6, 2, 0, 4, 1]
    assert by_time([], []) == []
    assert [clock(one) for one in (0, 59.96, 7325.5)] == ["00:00.0", "01:00.0", "2:02:05.5"]


def titles(figure):
    return [axes.get_title().split("\n") for axes in figure.axes]


@pytest.fixture(scope="module")
def hits(tmp_path_factory):
    """Two films, the scene in the last shot of the first, and pictures."""
    pytest.importorskip("av", reason="films need PyAV (blcf[video])")
    pytest.importorskip("scenedetect", reason="shots need PySceneDetect (blcf[video])")
    folder, maps = tmp_path_factory.mktemp("sheet"), tiles.planted_scenes()[0]
    for name, shots in (("a.mkv", (6, 7, 0)), ("b.mkv", (0, 8))):
        frames = [tiles.paint(maps[shot]) for shot in shots for _ in range(16)]
        path = folder / "f" / name
        footage.write_film(path, frames, codec="ffv1", rate=8, pixel_format="bgr0")
    for number in range(12):
        tiles.save(folder / "f" / f"{number:02d}.png", maps[number])
    engine = tiles.create(folder / "c.blcf")
    engine.add(folder / "f", every=0.5, progress=False)
    picture = tiles.paint(maps[0])
    return engine.search(picture, box=(16, 16, 96, 96), k=100, query_scales=(1,))


def test_hits_by_time(hits, tmp_path):
    figure = hits.sheet(tmp_path / "s.png", len(hits))
    seen = titles(figure)
    assert len(seen) == len(hits) == 32
    in_films = [(one[0], one[1].split()[0]) for one in seen[:20]]
    steps = [f"00:{n // 2:02d}.{5 * (n % 2)}" for n in range(12)]
    assert in_films == [("a.mkv", one) for one in steps] + [("b.mkv", one) for one in steps[:8]]
    assert [one[0] for one in seen[20:]] == [f"{n:02d}.png" for n in range(12)]
    scores = {hit.name: f"{hit.score:.3f}" for hit in hits}
    assert seen[0][1].split()[1] == scores["a.mkv@00:00:00.000"]
    assert seen[-1][1] == scores["11.png"]
    assert Image.open(tmp_path / "s.png").width > 1000
    few = titles(hits.sheet(n_hits=5))
    assert len(few) == 5 and {one[1].split()[-1] for one in few} == {
        f"{score:.3f}" for score in hits.scores[:5]
    }
    assert all(len(axes.images) == 1 for axes in figure.axes)
    boxes = sum(hit.box is not None for hit in hits)
    assert boxes and sum(len(axes.patches) for axes in figure.axes) == 2 * boxes


def test_moments_by_time(hits):
    moments = hits.group("shot")
    seen = titles(moments.sheet())
    spans = [(one[0], one[1].split()[0]) for one in seen if one[0].endswith(".mkv")]
    assert spans == [
        *[("a.mkv", f"00:0{n}.0-00:0{n + 1}.5") for n in (0, 2, 4)],
        *[("b.mkv", f"00:0{n}.0-00:0{n + 1}.5") for n in (0, 2)],
    ]
    assert len(seen) == len(moments) == 17
    assert len(titles(moments[:3].sheet(n_hits=2))) == 2
    near = hits.group("near")
    assert len(titles(near.sheet())) == len(near)


def test_bad_input(hits, tmp_path, monkeypatch):
    moments = hits.group("shot")
    for one in (hits, moments):
        for number in (0, -1, 1.5, "3", True):
            with pytest.raises(InvalidInput, match="Expected n_hits to be 1 or more"):
                one.sheet(n_hits=number)
        with pytest.raises(InvalidInput, match="Expected a picture file ending in"):
            one.sheet(tmp_path / "s.xyz")
        with pytest.raises(InvalidInput, match="is no folder that can be written"):
            one.sheet(tmp_path / "nowhere" / "s.png")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InvalidInput, match="these were pickled"):
        pickle.loads(pickle.dumps(hits)).sheet()
    monkeypatch.setitem(sys.modules, "blcf.visualization", None)
    with pytest.raises(InvalidInput, match="Drawing needs matplotlib: pip install matplotlib"):
        hits.sheet()


def test_nothing_found_and_pictures_that_are_gone(hits, tmp_path):
    (axes,) = hits[:0].sheet(tmp_path / "s.png").axes
    assert "nothing was found" in axes.texts[0].get_text()
    assert (tmp_path / "s.png").stat().st_size
    assert len(hits[:0].group("shot").sheet().axes) == 1
    film = hits.paths[hits.names.index("b.mkv@00:00:00.000")].parent / "b.mkv"
    film.rename(tmp_path / "elsewhere.mkv")
    try:
        figure = hits.sheet(n_hits=len(hits))
        missing = [axes.get_title() for axes in figure.axes if not axes.images]
        assert len(missing) == 8 and all(one.startswith("b.mkv\n") for one in missing)
    finally:
        (tmp_path / "elsewhere.mkv").rename(film)


def test_names_are_shown_as_they_are():
    picture = np.zeros((8, 8, 3), np.uint8)
    figure = plot_sheet([SheetPicture("$a$_\\frac.mp4", "", 0.5, picture)])
    assert figure.axes[0].get_title() == "$a$_\\frac.mp4\n0.500"
    figure.canvas.draw()
