"""The contact sheet of failures: queries, their first hits framed by truth, what was missed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.patches import Patch

from blcf.bounds import BOUNDS
from blcf.errors import InvalidInput
from blcf.visualization.figures import ShownFigure, save_figure
from blcf.visualization.ranking import HIT_COLOUR, QUERY_COLOUR, draw_picture, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Failure", "FailurePicture", "plot_failures"]

# Of Okabe & Ito: apart for every eye. Boxes keep the colour of hits.
COLOURS = {"positive": "#009e73", "wrong": "#d55e00", "junk": "#999999"}
_MEANINGS = {
    "positive": "shows the object",
    "wrong": "does not show it",
    "junk": "counts neither way",
}
MAX_ROWS = int(BOUNDS["worst"].most)
# Inches: a picture's side, its title, between pictures, the title of all.
_CELL, _TITLE, _GAP, _HEAD = 1.75, 0.46, 0.12, 0.65
_LETTERS = 27  # of a title's line


@dataclass(frozen=True, eq=False)
class FailurePicture:
    """A picture of the sheet.

    Attributes
    ----------
    picture : uint8 (height, width, 3), or the reason why there is none
    title : one line, or two
    box : xyxy, pixels of the picture, or None
    truth : "positive", "wrong" or "junk"; None for a query
    """

    picture: np.ndarray | str
    title: str = ""
    box: np.ndarray | None = None
    truth: str | None = None


@dataclass(frozen=True, eq=False)
class Failure:
    """A row of the sheet.

    Attributes
    ----------
    query : the picture that was searched with
    hits : the first of its ranking
    missed : the best-ranked picture of the object behind these, or why there is none
    """

    query: FailurePicture
    hits: Sequence[FailurePicture]
    missed: FailurePicture | str


def plot_failures(
    failures: Sequence[Failure], *, title: str = "", path: str | os.PathLike[str] | None = None
) -> ShownFigure:
    """Draw a row per query: the query, its first hits, the first picture of the object behind them.

    Frames say what a hit is: green, it shows the object; red, it does not; grey, it is junk.

    Parameters
    ----------
    failures : of 1 to 100 queries
    title : of the sheet
    path : where to write the picture, optional; its ending names the format

    Returns
    -------
    a matplotlib Figure, which a notebook shows; pyplot does not know it

    Raises
    ------
    InvalidInput, StorageError
    """
    if not 1 <= len(failures) <= MAX_ROWS:
        raise InvalidInput(f"Expected 1 to {MAX_ROWS} failures to draw, got {len(failures)}.")
    framed = [one for row in failures for one in (*row.hits, row.missed)]
    for one in framed:
        if not isinstance(one, str) and one.truth not in COLOURS:
            raise InvalidInput(
                f"Expected the truth of a hit to be of {', '.join(COLOURS)}, got {one.truth!r}."
            )
    n_hits = max(len(row.hits) for row in failures)
    # Two narrow columns set the hits apart.
    widths = np.array([_CELL, 0.1, *[_CELL] * n_hits, 0.1, _CELL])
    lefts = np.cumsum(widths + _GAP) - widths
    heights = [_height(row) + _TITLE for row in failures]
    width = lefts[-1] + _CELL + _GAP
    height = _HEAD + sum(heights) + _GAP
    figure = ShownFigure(figsize=(width, height))
    figure.suptitle(title, y=1 - 0.2 / height, fontsize=11, parse_math=False)
    patches = [
        Patch(facecolor="none", edgecolor=colour, linewidth=2.5, label=_MEANINGS[truth])
        for truth, colour in COLOURS.items()
    ]
    figure.legend(
        handles=patches,
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.3 / height),
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    columns = [0, *range(2, 2 + n_hits)]
    bottom = height - _HEAD
    for row, row_height in zip(failures, heights):
        bottom -= row_height
        cells = [*zip(columns, (row.query, *row.hits)), (len(widths) - 1, row.missed)]
        for column, cell in cells:
            side = row_height - _TITLE
            place = (lefts[column] / width, bottom / height, _CELL / width, side / height)
            _draw(figure.add_axes(place), cell)
    if path is not None:
        save_figure(figure, path, dpi=100)
    return figure


def _height(row: Failure) -> float:
    """Of the highest picture of a row, inches."""
    shown = [one for one in (row.query, *row.hits, row.missed) if not isinstance(one, str)]
    pictures = [one.picture for one in shown if not isinstance(one.picture, str)]
    return _CELL * max((min(1, one.shape[0] / one.shape[1]) for one in pictures), default=0.5)


def _draw(axes: Axes, cell: FailurePicture | str) -> None:
    if isinstance(cell, str):
        axes.set_axis_off()
        axes.text(0.5, 0.5, cell, ha="center", va="center", fontsize=9, parse_math=False)
        return
    box_colour = QUERY_COLOUR if cell.truth is None else HIT_COLOUR
    draw_picture(axes, cell.picture, cell.box, "", box_colour)
    title = "\n".join(shorten(line, _LETTERS) for line in cell.title.split("\n")[:2])
    colour = "black" if cell.truth is None else COLOURS[cell.truth]
    axes.set_title(title, fontsize=8, color=colour, parse_math=False)
    axes.set_anchor("N")
    if cell.truth is not None:
        for spine in axes.spines.values():
            spine.set(edgecolor=colour, linewidth=3.5)
