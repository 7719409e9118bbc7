"""The picture of a ranking: boxes where they belong, reasons for missing pictures, its file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from blcf.errors import BlcfError, InvalidInput, StorageError
from blcf.records import Hit
from blcf.visualization import check_picture_path, draw_box, plot_ranking
from blcf.visualization.ranking import HIT_COLOUR, QUERY_COLOUR

QUERY_BOX = np.array([2, 3, 20, 17], dtype=np.float32)


def picture(height: int = 30, width: int = 40) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def boxes_of(axes: Axes) -> list[tuple[float, ...]]:
    """xyxy of the rectangles drawn in axes."""
    found = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [(*r.get_xy(), r.get_x() + r.get_width(), r.get_y() + r.get_height()) for r in found]


def drawn(figure: Figure) -> list[Axes]:
    """The axes that show something."""
    return [axes for axes in figure.axes if axes.get_title()]


@pytest.fixture
def hits() -> list[Hit]:
    return [
        Hit("a/first.jpg", 0.91234, np.array([1, 2, 11, 22], dtype=np.float32)),
        Hit("second.jpg", 0.5, None),
        Hit("third.jpg", 0.25, np.array([0, 0, 40, 30], dtype=np.float32)),
    ]


def test_draw_box() -> None:
    axes = Figure().subplots()
    axes.imshow(picture())
    limits = axes.get_xlim(), axes.get_ylim()
    assert draw_box(axes, QUERY_BOX, "#123456") is axes
    # White below, the colour above it: seen on any ground.
    assert boxes_of(axes) == [(2, 3, 20, 17)] * 2
    assert [to_hex(patch.get_edgecolor()) for patch in axes.patches] == ["#ffffff", "#123456"]
    assert axes.patches[0].get_linewidth() > axes.patches[1].get_linewidth()
    assert not any(patch.get_fill() for patch in axes.patches)
    assert (axes.get_xlim(), axes.get_ylim()) == limits  # the picture stays whole


def test_boxes_titles_and_pictures(hits: list[Hit]) -> None:
    pictures = [picture(30), picture(31), picture(32)]
    figure = plot_ranking(picture(29), QUERY_BOX, hits, pictures)
    query, *rest = drawn(figure)
    assert [axes.get_title() for axes in (query, *rest)] == [
        "query",
        "1.  0.912  a/first.jpg",
        "2.  0.500  second.jpg",
        "3.  0.250  third.jpg",
    ]
    assert boxes_of(query) == [(2, 3, 20, 17)] * 2
    assert [boxes_of(axes) for axes in rest] == [[(1, 2, 11, 22)] * 2, [], [(0, 0, 40, 30)] * 2]
    assert to_hex(query.patches[-1].get_edgecolor()) == QUERY_COLOUR
    assert to_hex(rest[0].patches[-1].get_edgecolor()) == HIT_COLOUR
    for axes, expected in zip((query, *rest), [picture(29), *pictures]):
        np.testing.assert_array_equal(axes.images[0].get_array(), expected)


def test_the_whole_picture_as_a_query_has_no_box(hits: list[Hit]) -> None:
    figure = plot_ranking(picture(), None, hits[1:2], [picture()])
    assert [boxes_of(axes) for axes in figure.axes] == [[], []]


@pytest.mark.parametrize(
    ("n_hits", "n_columns", "n_rows"),
    [(0, 1, 1), (3, 4, 1), (4, 5, 1), (5, 5, 2), (14, 5, 3), (15, 10, 2), (100, 10, 11)],
)
def test_the_grid(n_hits: int, n_columns: int, n_rows: int) -> None:
    hits = [Hit(f"{i}.jpg", 0.5) for i in range(n_hits)]
    figure = plot_ranking(picture(), None, hits, [picture()] * n_hits)
    assert len(figure.axes) == len(drawn(figure)) == n_hits + 1
    places = [axes.get_position() for axes in figure.axes]
    assert len({round(place.x0, 6) for place in places}) == n_columns
    assert len({round(place.y0, 6) for place in places}) == n_rows
    order = [(-round(place.y0, 6), place.x0) for place in places]
    assert order == sorted(order), "row by row"
    assert min(place.x0 for place in places) > 0 and max(place.y1 for place in places) < 1


def test_a_white_picture_has_a_frame(tmp_path: Path) -> None:
    """On white paper nothing else says where it ends."""
    path = tmp_path / "out.png"
    white = np.full((30, 40, 3), 255, dtype=np.uint8)
    figure = plot_ranking(white, None, [Hit("a.jpg", 0.5)], [white], path=path)
    assert not any(axes.get_xticks().size or axes.get_yticks().size for axes in figure.axes)
    pixels = np.asarray(Image.open(path).convert("L"))
    drawn = (pixels < 200).mean(axis=0)  # of each column of pixels
    assert (drawn > 0.5).sum() >= 4, "two upright edges of each picture"


def test_a_missing_picture_shows_its_reason(hits: list[Hit], tmp_path: Path) -> None:
    figure = plot_ranking(
        "the query has none", QUERY_BOX, hits[:1], ["it is gone"], path=tmp_path / "out.png"
    )
    for axes, reason in zip(figure.axes, ("the query has none", "it is gone")):
        assert [text.get_text() for text in axes.texts] == [f"no picture:\n{reason}"]
        assert not axes.images and boxes_of(axes) == []


def test_a_long_reason_stays_within_its_cell() -> None:
    reason = "it has 90,000,000 pixels, which is more than the 64,000,000 that are read " * 3
    figure = plot_ranking(reason, None, [], [])
    head, *lines = figure.axes[0].texts[0].get_text().split("\n")
    assert head == "no picture:" and lines[0] == "it has 90,000,000"
    assert len(lines) < 6 and max(map(len, lines)) <= 24


@pytest.mark.filterwarnings("error")
def test_letters_that_the_font_has_not_are_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    plot_ranking(picture(), None, [Hit("图片/写真.jpg", 0.5)], ["图 is gone"], path=path)
    assert path.stat().st_size > 1000


def test_where_a_picture_can_be_written(tmp_path: Path) -> None:
    check_picture_path(tmp_path / "x.png")
    (tmp_path / "program.py").touch(mode=0o777)
    for folder in ("program.py", "nowhere"):
        with pytest.raises(InvalidInput, match="no folder that can be written"):
            check_picture_path(tmp_path / folder / "x.png")


@pytest.mark.filterwarnings("error")  # a glyph that is missing would warn
@pytest.mark.parametrize("name", ["$x^^y$", "a$b.jpg", r"\$1\$.jpg", "Bürger/Ærø λ.jpg", "%s{}"])
def test_names_are_no_formulas(name: str, tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    figure = plot_ranking(picture(), None, [Hit(name, 0.5)], [f"{name} is gone"], path=path)
    assert figure.axes[1].get_title() == f"1.  0.500  {name}"
    assert figure.axes[1].texts[0].get_text() == f"no picture:\n{name} is gone"
    assert path.stat().st_size > 1000


def test_long_names_keep_their_end() -> None:
    name = "a/very/long/folder/of/pictures/" + "$" * 10 + "picture_0001.jpg"
    figure = plot_ranking(picture(), None, [Hit(name, 0.5)], [picture()])
    assert figure.axes[1].get_title() == f"1.  0.500  …{name[-28:]}"


def test_it_writes_a_picture(hits: list[Hit], tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    figure = plot_ranking(picture(), QUERY_BOX, hits, [picture()] * 3, path=path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        pixels = np.asarray(image.convert("RGB"))
    width, height = figure.get_size_inches() * 80
    assert pixels.shape[:2] == pytest.approx((height, width), abs=1)
    for colour in (QUERY_COLOUR, HIT_COLOUR):
        rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (pixels == rgb).all(axis=2).sum() > 50


@pytest.mark.parametrize(
    ("ending", "start"), [("pdf", b"%PDF"), ("svg", b"<?xml"), ("PNG", b"\x89PNG")]
)
def test_the_ending_names_the_format(ending: str, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"out.{ending}"
    plot_ranking(picture(), None, [], [], path=str(path))
    assert path.read_bytes().startswith(start)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"Could not write .*out\.png: No such file") as caught:
        plot_ranking(picture(), None, [], [], path=tmp_path / "absent" / "out.png")
    assert isinstance(caught.value, BlcfError)


def test_a_place_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        plot_ranking(picture(), None, [], [], path=tmp_path / "out.png")


def test_an_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"out\.xyz: Format 'xyz' is not supported.*png"):
        plot_ranking(picture(), None, [], [], path=tmp_path / "out.xyz")
    assert not list(tmp_path.iterdir())


def test_pyplot_is_not_imported(tmp_path: Path) -> None:
    code = """
import sys
import matplotlib
import numpy as np
# Reading rcParams["backend"] would itself import pyplot.
before = {key: matplotlib.rcParams[key] for key in matplotlib.rcParams if key != "backend"}
from blcf.records import Hit
from blcf.visualization import plot_ranking
pixels = np.zeros((8, 8, 3), np.uint8)
plot_ranking(pixels, np.array([1, 1, 5, 5]), [Hit("a", 0.5)], [pixels], path=sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
assert before == {key: matplotlib.rcParams[key] for key in before}
"""
    house = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "out.png")]
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").is_file()


def test_every_box_of_a_hit_is_drawn():
    boxes = np.array([[1, 2, 5, 6], [8, 9, 12, 14]], dtype=np.float32)
    picture = np.zeros((20, 30, 3), dtype=np.uint8)
    hits = [Hit("a.jpg", 1.0, boxes[0], boxes), Hit("b.jpg", 0.5, boxes[1])]
    figure = plot_ranking(picture, None, hits, [picture, picture])
    assert [len(axes.patches) for axes in figure.axes[:3]] == [0, 4, 2]  # a rim each
