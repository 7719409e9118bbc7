"""The picture of evidence: heat where it belongs, lines between the right cells, its shares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from PIL import Image

from blcf.errors import InvalidInput, StorageError
from blcf.records import Evidence
from blcf.visualization import draw_heat, draw_matches, plot_evidence

BOX = np.array([10, 5, 30, 25], dtype=np.float32)


def picture(height: int = 30, width: int = 40) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def evidence(*rows: tuple, shapes=((3, 4),), image_shape=(3, 4)) -> Evidence:
    """Rows of a word, a cell of the query, a cell of the image, a contribution."""
    return Evidence(
        np.array([row[0] for row in rows], dtype=np.int32),
        np.array([row[1] for row in rows], dtype=np.int32).reshape(-1, 3),
        np.array([row[2] for row in rows], dtype=np.int32).reshape(-1, 2),
        np.array([row[3] for row in rows], dtype=np.float64),
        shapes,
        image_shape,
    )


SOME = evidence(
    (7, (0, 1, 0), (3, 2), 0.4),
    (8, (0, 2, 1), (1, 1), 0.2),
    (8, (0, 2, 1), (2, 1), 0.1),
    (5, (-1, -1, -1), (0, 0), 0.1),
    (9, (0, 0, 2), (2, 0), -0.05),
)


def lines_of(figure: Figure) -> list[tuple]:
    """Ends of the lines and their axes, the strongest first."""
    lines = [one for one in figure.findobj(ConnectionPatch) if isinstance(one, ConnectionPatch)]
    return [(tuple(one.xy1), one.coords1, tuple(one.xy2), one.axesA, one.axesB) for one in lines][
        ::-1
    ]


def axes_of(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title()]


def test_heat_lies_over_the_whole_picture() -> None:
    axes = Figure().subplots()
    axes.imshow(picture())
    limits = axes.get_xlim(), axes.get_ylim()
    heat = np.array([[0.0, 0.25], [1.0, -0.5]])
    assert draw_heat(axes, heat, (40, 30)) is axes
    assert (axes.get_xlim(), axes.get_ylim()) == limits
    _, adds, takes = axes.images
    for image in (adds, takes):
        assert tuple(image.get_extent()) == (-0.5, 39.5, 29.5, -0.5)
        assert (np.asarray(image.get_alpha()) < 1).all()  # the picture is seen
    assert np.asarray(adds.get_array()).tolist() == [[0, 0.5], [1, 0]]
    assert np.asarray(takes.get_array()) == pytest.approx(np.array([[0, 0], [0, 0.5**0.5]]))
    assert np.asarray(adds.get_alpha())[0, 0] == np.asarray(adds.get_alpha())[1, 1] == 0
    assert adds.get_cmap().name != takes.get_cmap().name


def test_heat_of_nothing_and_heat_against_a_larger_one() -> None:
    axes = Figure().subplots()
    assert draw_heat(axes, np.zeros((2, 3)), (40, 30)) is axes and not axes.images
    draw_heat(axes, np.ones((2, 3)), (40, 30), most=4.0)
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), 0.5)


def test_lines_join_the_middles_of_cells() -> None:
    figure = Figure()
    left, right = figure.subplots(1, 2)
    rows = draw_matches([left], [(400, 300)], right, (40, 30), SOME)
    assert rows.tolist() == [0, 1]  # a cell has one line; what takes from the score has none
    assert lines_of(figure) == [
        ((149.5, 49.5), "data", (34.5, 24.5), left, right),
        ((249.5, 149.5), "data", (14.5, 14.5), left, right),
    ]
    widths = [one.get_linewidth() for one in figure.findobj(ConnectionPatch)]
    assert widths == sorted(widths)  # the strongest last, on top, and thick
    assert left.get_autoscale_on() and not left.images  # only dots were added
    assert [len(axes.lines) for axes in (left, right)] == [2, 2]


def test_lines_are_the_strongest_of_a_burst() -> None:
    cells = [(x, y) for y in range(3) for x in range(4)]
    rows = [(1, (0, *a), b, 1 / 144) for b in cells for a in cells]
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert draw_matches([left], [(8, 6)], right, (8, 6), evidence(*rows)).tolist() == [0]
    rows = [(0, (0, 3, 2), (3, 2), 0.5), *rows]
    assert draw_matches([left], [(8, 6)], right, (8, 6), evidence(*rows)).tolist() == [0, 1]
    assert draw_matches([left], [(8, 6)], right, (8, 6), evidence(*rows), n_lines=1).tolist() == [0]
    assert not draw_matches([left], [(8, 6)], right, (8, 6), evidence(*rows), n_lines=0).size
    assert not draw_matches([None], [(8, 6)], right, (8, 6), evidence(*rows)).size
    assert not draw_matches([left], [(8, 6)], right, (8, 6), evidence()).size


def test_the_whole_figure(tmp_path: Path) -> None:
    path = tmp_path / "why.png"
    figure = plot_evidence(
        [picture(29)], [BOX], picture(31), BOX, SOME, name="a/$b.jpg", path=path
    )
    query, image = axes_of(figure)
    assert query.get_title() == "query" and image.get_title() == "0.750  a/$b.jpg"
    # In the box, the rows of 0.2, 0.1 and -0.05: their cells' middles.
    assert figure.get_suptitle() == (
        "3 words in common; 2 joined by lines (93% of the score); 33% in the box; "
        "13% by words that no example shows"
    )
    for axes, size in ((query, (40, 29)), (image, (40, 31))):
        assert [patch.get_width() for patch in axes.patches if isinstance(patch, Rectangle)] == [
            20,
            20,
        ]
        assert np.asarray(axes.images[0].get_array()).shape == (size[1], size[0], 3)
        assert len(axes.images) == 3 and not axes.get_xticks().size
        assert axes.get_xlim() == (-0.5, size[0] - 0.5)
    assert len(lines_of(figure)) == 2
    with Image.open(path) as written:
        assert written.format == "PNG" and min(written.size) > 300


def test_examples_say_their_shares() -> None:
    shapes = ((3, 4), (1, 1), (2, 2), (5, 5))
    rows = [(3, (1, 0, 0), (0, 0), 0.3), (4, (0, 3, 2), (1, 1), 0.1)]
    some = evidence(*rows, shapes=shapes)
    pictures: list[np.ndarray | str] = [picture(20), picture(25), "it is gone", picture(30)]
    figure = plot_evidence(pictures, [None] * 4, picture(), None, some)
    *examples, image = axes_of(figure)
    titles = ["example 1: 25%", "example 2: 75%", "example 3: 0%", "example 4: 0%"]
    assert [axes.get_title() for axes in examples] == titles
    assert [line[3] for line in lines_of(figure)] == [examples[1], examples[0]]
    assert figure.get_suptitle() == "2 words in common; 2 joined by lines (100% of the score)"
    # Heat compares the examples: the second has the most.
    heat = [np.asarray(axes.images[1].get_array()).max() for axes in examples[:2]]
    assert heat == pytest.approx([3**-0.5, 1])
    assert [text.get_text() for text in examples[2].texts] == ["no picture:\nit is gone"]


def test_lines_do_not_start_in_a_missing_picture() -> None:
    for query, image in (("it is gone", picture()), (picture(), "it is gone"), ("gone", "gone")):
        figure = plot_evidence([query], [BOX], image, BOX, SOME)
        assert not lines_of(figure)
        assert "lines" not in figure.get_suptitle()
        missing = [axes for axes in axes_of(figure) if axes.texts]
        assert len(missing) == isinstance(query, str) + isinstance(image, str)
        assert not any(axes.images or axes.patches for axes in missing)
    assert "box" not in figure.get_suptitle()


def test_no_example_and_no_evidence(tmp_path: Path) -> None:
    alone = evidence((5, (-1, -1, -1), (0, 0), 0.1), shapes=())
    figure = plot_evidence([], [], picture(), BOX, alone, name="b.jpg", path=tmp_path / "a.png")
    assert [axes.get_title() for axes in axes_of(figure)] == ["0.100  b.jpg"]
    assert figure.get_suptitle() == (
        "0 words in common; 0% in the box; 100% by words that no example shows"
    )
    figure = plot_evidence([picture()], [None], picture(), BOX, evidence(), path=tmp_path / "b.png")
    assert figure.get_suptitle() == "0 words in common"  # a score of 0 has no shares
    assert all(len(axes.images) == 1 for axes in axes_of(figure))


def test_the_pictures_are_not_written() -> None:
    query, image = picture(20), picture(25)
    query.setflags(write=False)
    image.setflags(write=False)
    plot_evidence([query], [None], image, None, SOME)


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="each of 1 examples, got 0 pictures and 1 boxes"):
        plot_evidence([], [None], picture(), None, SOME)
    with pytest.raises(InvalidInput, match="got 1 pictures and 2 boxes"):
        plot_evidence([picture()], [None, None], picture(), None, SOME)
    with pytest.raises(InvalidInput, match="n_lines of 0 or more, got -1"):
        plot_evidence([picture()], [None], picture(), None, SOME, n_lines=-1)
    with pytest.raises(StorageError, match=r"Could not write .*out\.png: No such file"):
        path = tmp_path / "absent" / "out.png"
        plot_evidence([picture()], [None], picture(), None, SOME, path=path)
    with pytest.raises(InvalidInput, match=r"out\.xyz: Format 'xyz' is not supported.*png"):
        plot_evidence([picture()], [None], picture(), None, SOME, path=tmp_path / "out.xyz")
    assert not list(tmp_path.iterdir())


def test_pyplot_is_not_imported(tmp_path: Path) -> None:
    code = """
import sys
import numpy as np
from blcf.records import Evidence
from blcf.visualization import plot_evidence
pixels = np.zeros((8, 8, 3), np.uint8)
cell = np.zeros((1, 3), int)
some = Evidence(np.zeros(1, int), cell, cell[:, :2], np.ones(1), ((1, 1),), (1, 1))
plot_evidence([pixels], [None], pixels, np.array([1, 1, 5, 5]), some, path=sys.argv[1])
assert "matplotlib.pyplot" not in sys.modules
"""
    house = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(tmp_path / "out.png")]
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").is_file()
