"""The picture of a result: the query with its box, the best hits with boxes and scores."""

from __future__ import annotations

import os
import textwrap
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from blcf.errors import InvalidInput, StorageError
from blcf.records import Hit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "check_picture_path",
    "draw_box",
    "draw_picture",
    "plot_ranking",
    "save_figure",
    "shorten",
]

_COLUMNS = 5
_REASON = 24  # letters of a line that says why there is no picture
QUERY_COLOUR, HIT_COLOUR = "#e69f00", "#0072b2"  # of Okabe & Ito: apart for every eye


def draw_box(axes: Axes, box: np.ndarray, colour: str) -> Axes:
    """Draw a box, xyxy in pixels of the picture shown."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    for width, edge in ((4.5, "white"), (2.5, colour)):  # visible on any ground
        axes.add_patch(
            Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, linewidth=width, edgecolor=edge)
        )
    return axes


def plot_ranking(
    query: np.ndarray | str,
    query_box: np.ndarray | None,
    hits: Sequence[Hit],
    pictures: Sequence[np.ndarray | str],
    *,
    path: str | os.PathLike[str] | None = None,
) -> Figure:
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
    matplotlib Figure (made without pyplot: nothing global changes, no window opens)
    """
    if len(pictures) != len(hits):
        raise InvalidInput(f"Expected a picture per hit, got {len(pictures)} for {len(hits)}.")
    n_cells = len(hits) + 1
    n_rows, n_columns = -(-n_cells // _COLUMNS), min(_COLUMNS, n_cells)
    figure = Figure(figsize=(3.1 * n_columns, 2.75 * n_rows), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    draw_picture(grid[0], query, query_box, "query", QUERY_COLOUR)
    for rank, (axes, hit, picture) in enumerate(zip(grid[1:], hits, pictures), start=1):
        title = f"{rank}.  {hit.score:.3f}  {shorten(hit.name)}"
        draw_picture(axes, picture, hit.box if hit.boxes is None else hit.boxes, title, HIT_COLOUR)
    if path is not None:
        save_figure(figure, path)
    return figure


def check_picture_path(path: str | os.PathLike[str]) -> None:
    """Raise `InvalidInput` unless a picture can be written there: a known ending, a folder."""
    known = FigureCanvasAgg.get_supported_filetypes()
    ending = os.path.splitext(path)[1].lstrip(".").lower()
    if ending not in known:
        raise InvalidInput(
            f"Expected a picture file ending in one of {', '.join(sorted(known))}, got {path}."
        )
    folder = os.path.dirname(os.path.abspath(path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise InvalidInput(f"Could not write {path}: {folder} is no folder that can be written.")


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 80) -> None:
    """Write a figure; its ending names the format."""
    try:
        with warnings.catch_warnings():
            # The font has no letters of some alphabets: a name in them is drawn as boxes.
            warnings.filterwarnings("ignore", message=r"Glyph .* missing")
            figure.savefig(path, dpi=dpi)
    except OSError as error:
        raise StorageError(f"Could not write {path}: {error.strerror or error}.") from error
    except ValueError as error:  # matplotlib lists the formats it knows
        raise InvalidInput(f"Could not write {path}: {error}") from error


def draw_picture(
    axes: Axes,
    picture: np.ndarray | str,
    boxes: np.ndarray | None,
    title: str,
    colour: str,
) -> Axes:
    """Draw a picture with its box (or boxes) and title, or the reason why there is none."""
    axes.set_title(title, fontsize=9, color=colour, parse_math=False)
    if isinstance(picture, str):
        # A long line would run across the pictures beside it.
        reason = "no picture:\n" + textwrap.fill(textwrap.shorten(picture, 90), _REASON)
        axes.text(0.5, 0.5, reason, ha="center", va="center", fontsize=8, parse_math=False)
        return axes
    axes.imshow(picture)
    for box in [] if boxes is None else np.reshape(boxes, (-1, 4)):
        draw_box(axes, box, colour)
    return axes


def shorten(name: str, length: int = 28) -> str:
    """The end of a name."""
    return name if len(name) <= length else "…" + name[-length:]
