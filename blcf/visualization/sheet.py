"""The contact sheet: what was found in the order of film and time, whatever its rank."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blcf.visualization.figures import ShownFigure, save_figure
from blcf.visualization.ranking import HIT_COLOUR, draw_picture, grid_of_cells, shorten

__all__ = ["SheetPicture", "plot_sheet"]

_TITLE = 0.46  # inches: two lines


@dataclass(frozen=True, eq=False)
class SheetPicture:
    """A picture of a contact sheet.

    Attributes
    ----------
    name : of the film, or of a picture that is of none
    when : the time in the film, as it is shown; "" of none
    score : of the hit
    picture : uint8 (height, width, 3), or the reason why there is none
    boxes : (n, 4) or (4,), xyxy, pixels of that picture, or a list of such and of outlines, (4, 2);
        or None
    """

    name: str
    when: str
    score: float
    picture: np.ndarray | str
    boxes: np.ndarray | Sequence[np.ndarray] | None = None


def plot_sheet(
    pictures: Sequence[SheetPicture], *, path: str | os.PathLike[str] | None = None
) -> ShownFigure:
    """Draw pictures in the order in which they are given, each with its name, time and score.

    Parameters
    ----------
    pictures : where there are none, the sheet says so
    path : where to write the picture, optional; its ending names the format

    Returns
    -------
    a matplotlib Figure, which a notebook shows; pyplot does not know it
    """
    figure, cells = grid_of_cells(max(1, len(pictures)), _TITLE)
    if not pictures:
        draw_picture(cells[0], "nothing was found", None, "", HIT_COLOUR)
    for axes, one in zip(cells, pictures):
        title = f"{shorten(one.name)}\n{one.when}  {one.score:.3f}".replace("\n  ", "\n")
        draw_picture(axes, one.picture, one.boxes, title, HIT_COLOUR)
    if path is not None:
        save_figure(figure, path)
    return figure
