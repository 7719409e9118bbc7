"""The picture of a result: the query with its box, the best hits with boxes and scores."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Polygon, Rectangle

from blcf.errors import InvalidInput
from blcf.records import Hit
from blcf.visualization.figures import ShownFigure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_box", "draw_picture", "grid_of_cells", "plot_ranking", "shorten"]

_COLUMNS, _MORE_COLUMNS = 5, 10  # of a few hits, of more than three rows of them
# Inches: a cell with its title and the gaps, the title, a gap.
_WIDTH, _HEIGHT, _TITLE, _GAP = 3.1, 2.75, 0.3, 0.08
_REASON = 24  # letters of a line that says why there is no picture
QUERY_COLOUR, HIT_COLOUR = "#e69f00", "#0072b2"  # of Okabe & Ito: apart for every eye
FRAME = "#8c8c8c"  # around a picture: a white one is seen on white paper


def draw_box(axes: Axes, box: np.ndarray, colour: str) -> Axes:
    """Draw a box, xyxy in pixels of the picture shown, or an outline, (4, 2)."""
    for width, edge in ((4.5, "white"), (2.5, colour)):  # visible on any ground
        how: dict[str, Any] = {"fill": False, "linewidth": width, "edgecolor": edge}
        if np.ndim(box) == 2:
            axes.add_patch(Polygon(box, closed=True, clip_on=True, **how))
        else:
            x1, y1, x2, y2 = (float(each) for each in box)
            axes.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, **how))
    return axes


def plot_ranking(
    query: np.ndarray | str,
    query_box: np.ndarray | None,
    hits: Sequence[Hit],
    pictures: Sequence[np.ndarray | str],
    *,
    path: str | os.PathLike[str] | None = None,
) -> ShownFigure:
    """Draw a ranking.

    Parameters
    ----------
    query : uint8 (height, width, 3), or the reason why there is no picture
    query_box : xyxy, pixels, or None for the whole picture
    hits : the rows of the ranking to draw
    pictures : their pictures, like the query
    path : where to write the picture, optional; its ending names the format

    Returns
    -------
    a matplotlib Figure, which a notebook shows; pyplot does not know it
    """
    if len(pictures) != len(hits):
        raise InvalidInput(f"Expected a picture per hit, got {len(pictures)} for {len(hits)}.")
    figure, cells = grid_of_cells(len(hits) + 1)
    draw_picture(cells[0], query, query_box, "query", QUERY_COLOUR)
    for rank, (axes, hit, picture) in enumerate(zip(cells[1:], hits, pictures), start=1):
        title = f"{rank}.  {hit.score:.3f}  {shorten(hit.name)}"
        draw_picture(axes, picture, hit.places, title, HIT_COLOUR)
    if path is not None:
        save_figure(figure, path)
    return figure


def grid_of_cells(n_cells: int, title: float = _TITLE) -> tuple[ShownFigure, list[Axes]]:
    """A figure with a cell for each of some pictures, `title` inches of it for its title."""
    n_columns = min(_COLUMNS if n_cells <= 3 * _COLUMNS else _MORE_COLUMNS, n_cells)
    n_rows = -(-n_cells // n_columns)
    each = _HEIGHT - _TITLE + title
    width, height = _WIDTH * n_columns, each * n_rows
    figure = ShownFigure(figsize=(width, height))
    cells = []
    for number in range(n_cells):  # by hand: a layout engine takes 12 s for 50 pictures
        row, column = divmod(number, n_columns)
        left, bottom = column * _WIDTH + _GAP, height - (row + 1) * each + _GAP
        sides = (_WIDTH - 2 * _GAP) / width, (each - title - 2 * _GAP) / height
        cells.append(figure.add_axes((left / width, bottom / height, *sides)))
    return figure, cells


def draw_picture(
    axes: Axes,
    picture: np.ndarray | str,
    boxes: np.ndarray | Sequence[np.ndarray] | None,
    title: str,
    colour: str,
) -> Axes:
    """Draw a picture with its box (or boxes, or outlines) and title, or why there is none."""
    axes.set_title(title, fontsize=9, color=colour, parse_math=False)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(edgecolor=FRAME, linewidth=0.8)
    if isinstance(picture, str):
        # A long line would run across the pictures beside it.
        reason = "no picture:\n" + textwrap.fill(textwrap.shorten(picture, 90), _REASON)
        axes.text(0.5, 0.5, reason, ha="center", va="center", fontsize=8, parse_math=False)
        return axes
    axes.imshow(picture)
    if isinstance(boxes, np.ndarray):
        boxes = [*np.reshape(boxes, (-1, 4))]
    for box in boxes or []:
        draw_box(axes, box, colour)
    return axes


def shorten(name: str, length: int = 28) -> str:
    """The end of a name."""
    return name if len(name) <= length else "…" + name[-length:]
