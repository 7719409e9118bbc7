"""Figures in a notebook: each shows itself, once, whether IPython's inline backend is on or not."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from blcf.records import Evidence, Hit
from blcf.visualization import (
    Failure,
    FailurePicture,
    ShownFigure,
    plot_evidence,
    plot_failures,
    plot_ranking,
)

# Letters that the font lacks are no news, on any way to a picture.
pytestmark = pytest.mark.filterwarnings("error")

PICTURE = np.full((20, 30, 3), 120, dtype=np.uint8)


def ranking() -> ShownFigure:
    return plot_ranking(PICTURE, None, [Hit("日本.jpg", 0.5)], [PICTURE])


def failures() -> ShownFigure:
    return plot_failures([Failure(FailurePicture(PICTURE), [], "none found")])


def evidence() -> ShownFigure:
    cells = np.zeros((1, 3), dtype=np.int32)
    found = Evidence(np.array([7]), cells, cells[:, 1:], np.array([0.5]), ((2, 3),), (2, 3))
    return plot_evidence([PICTURE], [None], PICTURE, None, found)


@pytest.mark.parametrize("draw", [ranking, failures, evidence])
def test_a_figure_shows_itself(draw) -> None:
    figure = draw()
    written = figure._repr_png_()
    width, height = figure.get_size_inches() * figure.dpi
    assert Image.open(io.BytesIO(written)).size == (int(width), int(height))


@pytest.mark.parametrize("formats", [None, {"png"}, {"svg"}, {"png", "retina"}])
def test_a_notebook_shows_a_figure_once(formats: set[str] | None) -> None:
    """`None`: the inline backend is off, as it is until pyplot is imported or a magic is called."""
    formatters = pytest.importorskip("IPython.core.formatters")
    from IPython.core.pylabtools import select_figure_formats
    from matplotlib import pyplot

    shell = SimpleNamespace(display_formatter=formatters.DisplayFormatter())
    if formats is not None:
        select_figure_formats(shell, formats)
    before = pyplot.get_fignums()
    shown, _ = shell.display_formatter.format(ranking())
    assert {"text/plain", "image/svg+xml" if formats == {"svg"} else "image/png"} <= set(shown)
    assert pyplot.get_fignums() == before  # what pyplot knows is shown again at the cell's end


def test_a_figure_is_matplotlibs(tmp_path: Path) -> None:
    again = pickle.loads(pickle.dumps(ranking()))
    assert isinstance(again, ShownFigure) and len(again.axes) == 2
    again.savefig(tmp_path / "again.pdf")
    assert (tmp_path / "again.pdf").read_bytes().startswith(b"%PDF")
