"""The picture of evidence: where a score comes from in the query and in the image of a hit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.patches import ConnectionPatch
from matplotlib.patheffects import Normal, Stroke

from blcf.errors import InvalidInput
from blcf.records import Evidence
from blcf.visualization.figures import ShownFigure, save_figure
from blcf.visualization.ranking import HIT_COLOUR, QUERY_COLOUR, draw_picture, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_heat", "draw_matches", "plot_evidence"]

_HEIGHT = 5.0  # of the pictures, inches
_ROWS = 3  # of examples, at most
_FOR, _AGAINST = "YlOrRd", "YlGnBu"  # colours of what adds to the score, of what takes from it
_LINES = ("#009e73", "#56b4e9", "#cc79a7")  # of Okabe & Ito, in turn: a line can be followed


def draw_heat(
    axes: Axes, heat: np.ndarray, size: tuple[int, int], *, most: float | None = None
) -> Axes:
    """Lay what the cells of a map contribute over its picture, between cells interpolated.

    Parameters
    ----------
    axes : where the picture is shown
    heat : float (h, w), e.g. from `Evidence.image_heat`; red adds to the score, blue takes from it
    size : (width, height) of the picture, pixels
    most : what is drawn the strongest, to compare pictures; None takes the largest of the map
    """
    width, height = size
    most = float(np.abs(heat).max(initial=0)) if most is None else most
    if not most > 0:
        return axes
    # The root: a few cells with rare words would leave the rest of the object invisible.
    strength = np.sqrt(np.minimum(np.abs(heat) / most, 1))  # (h, w)
    for colours, part in ((_FOR, heat > 0), (_AGAINST, heat < 0)):
        if part.any():
            axes.imshow(
                np.where(part, strength, 0),
                cmap=colormaps[colours],
                vmin=0,
                vmax=1,
                alpha=np.where(part, 0.8 * strength, 0),
                interpolation="bilinear",
                extent=(-0.5, width - 0.5, height - 0.5, -0.5),
            )
    return axes


def draw_matches(
    query_axes: Sequence[Axes | None],
    query_sizes: Sequence[tuple[int, int]],
    image_axes: Axes,
    image_size: tuple[int, int],
    evidence: Evidence,
    *,
    n_lines: int = 40,
) -> np.ndarray:
    """Join the pairs of cells that add the most to the score by lines; thick ones add more.

    A cell has one line at most: the words of an upsampled map fill squares of cells, whose pairs
    would draw the same line sixteen times.

    Parameters
    ----------
    query_axes : of each example of the query; None where there is no picture
    query_sizes : (width, height) of each, pixels
    image_axes, image_size : of the image
    n_lines : how many, at most

    Returns
    -------
    int64 (n,), the rows of the evidence that were drawn, the strongest first

    Raises
    ------
    InvalidInput
    """
    if n_lines < 0:
        raise InvalidInput(f"Expected n_lines of 0 or more, got {n_lines}.")
    drawn = [number for number, axes in enumerate(query_axes) if axes is not None]
    rows = np.flatnonzero((evidence.contributions > 0) & np.isin(evidence.query_cells[:, 0], drawn))
    for cells in (evidence.image_cells, evidence.query_cells):
        numbers = cells[rows] @ (2 ** (20 * np.arange(cells.shape[1])))  # one figure per cell
        _, firsts = np.unique(numbers, return_index=True)
        rows = rows[np.sort(firsts)]
    rows = rows[:n_lines]
    figure = image_axes.figure
    ends = _middles(evidence.image_cells[rows], image_size, evidence.image_shape)
    strongest = evidence.contributions[rows].max(initial=0)
    for rank in reversed(range(rows.size)):  # the strongest on top
        row, end, colour = rows[rank], ends[rank], _LINES[rank % len(_LINES)]
        number, *cell = evidence.query_cells[row]
        axes, size = query_axes[number], query_sizes[number]
        start = _middles(np.array([cell]), size, evidence.query_shapes[number])[0]
        width = 0.6 + 1.6 * evidence.contributions[row] / strongest
        line = ConnectionPatch(
            start,
            end,
            "data",
            "data",
            axesA=axes,
            axesB=image_axes,
            color=colour,
            linewidth=width,
            path_effects=[Stroke(linewidth=width + 1.2, foreground="white"), Normal()],
        )
        line.set_in_layout(False)  # the layout is of the pictures
        figure.add_artist(line)
        for one, (x, y) in ((axes, start), (image_axes, end)):
            (dot,) = one.plot(x, y, "o", color=colour, scalex=False, scaley=False)
            dot.set(markersize=4.5, markeredgecolor="white", markeredgewidth=0.8)
    return rows


def _middles(cells: np.ndarray, size: tuple[int, int], shape: tuple[int, int]) -> np.ndarray:
    """Middles of cells where a picture shows them: float64 (n, 2); its first pixel is around 0."""
    return (cells + 0.5) * np.array(size) / np.array(shape[::-1]) - 0.5


def plot_evidence(
    queries: Sequence[np.ndarray | str],
    query_boxes: Sequence[np.ndarray | None],
    image: np.ndarray | str,
    box: np.ndarray | None,
    evidence: Evidence,
    *,
    name: str = "",
    n_lines: int = 40,
    path: str | os.PathLike[str] | None = None,
) -> ShownFigure:
    """Draw why a hit has its score: heat over the query and the image, lines between their cells.

    Parameters
    ----------
    queries : the examples of the query, as the evidence has them: uint8 (height, width, 3), or the
        reason why there is no picture
    query_boxes : of each, xyxy, pixels, or None for the whole picture
    image : the picture of the hit, like the examples
    box : of the hit, like those of the query
    evidence : of its score
    name : of the hit
    n_lines : how many pairs of cells are joined, at most
    path : where to write the picture, optional; its ending names the format

    Returns
    -------
    a matplotlib Figure, which a notebook shows; pyplot does not know it

    Raises
    ------
    InvalidInput, StorageError
    """
    if not len(queries) == len(query_boxes) == len(evidence.query_shapes):
        raise InvalidInput(
            f"Expected a picture and a box (or None) for each of {len(evidence.query_shapes)} "
            f"examples, got {len(queries)} pictures and {len(query_boxes)} boxes."
        )
    n_columns = -(-len(queries) // _ROWS)
    n_rows = -(-len(queries) // n_columns) if queries else 1
    aspect = max(map(_aspect, queries), default=1.0)
    widths = [aspect / n_rows] * n_columns + [_aspect(image)]
    figure = ShownFigure(figsize=(_HEIGHT * sum(widths), _HEIGHT + 0.7), layout="constrained")
    figure.get_layout_engine().set(wspace=0.03)  # type: ignore[union-attr, call-arg]
    grid = figure.add_gridspec(n_rows, len(widths), width_ratios=widths)
    query_axes = [figure.add_subplot(grid[divmod(i, n_columns)]) for i in range(len(queries))]
    image_axes = figure.add_subplot(grid[:, -1])

    score = evidence.score
    heats = [evidence.query_heat(number) for number in range(len(queries))]
    most = max((float(np.abs(heat).max()) for heat in heats), default=0.0)
    for number, (axes, picture, heat) in enumerate(zip(query_axes, queries, heats)):
        title = "query"
        if len(queries) > 1:
            title = f"example {number + 1}{_share(heat.sum(), score, ': {}')}"
        _draw(axes, picture, query_boxes[number], title, QUERY_COLOUR, heat, most)
    title = f"{score:.3f}  {shorten(name)}"
    _draw(image_axes, image, box, title, HIT_COLOUR, evidence.image_heat(), None)
    rows = np.empty(0, dtype=np.int64)
    if not isinstance(image, str):
        seen = [None if isinstance(one, str) else axes for axes, one in zip(query_axes, queries)]
        sizes = [_size(one) for one in queries]
        rows = draw_matches(seen, sizes, image_axes, _size(image), evidence, n_lines=n_lines)
    figure.suptitle(_summary(evidence, rows, box, image), fontsize=9, color="#555555")
    if path is not None:
        save_figure(figure, path, dpi=110)
    return figure


def _draw(axes: Axes, picture, box, title: str, colour: str, heat, most) -> None:
    axes.set_axis_off()
    if isinstance(picture, str):
        draw_picture(axes, picture, box, title, colour)
    else:
        draw_picture(axes, _pale(picture), box, title, colour)
        draw_heat(axes, heat, _size(picture), most=most)


def _pale(picture: np.ndarray) -> np.ndarray:
    """A picture almost grey and lighter: on a red logo as it is no heat was seen."""
    grey = picture.mean(axis=2, keepdims=True)
    return (0.15 * picture + 0.55 * grey + 0.3 * 255).astype(np.uint8)


def _summary(evidence: Evidence, rows: np.ndarray, box, image) -> str:
    """How much there is to see, and the shares of the score."""
    score, contributions = evidence.score, evidence.contributions
    elsewhere = evidence.query_cells[:, 0] < 0
    parts = [f"{np.unique(evidence.words[~elsewhere]).size} words in common"]
    joined = np.isin(evidence.words, evidence.words[rows])
    if rows.size:
        share = _share(contributions[joined].sum(), score, " ({} of the score)")
        parts.append(f"{np.unique(evidence.words[rows]).size} joined by lines{share}")
    if box is not None and not isinstance(image, str):
        x, y = _middles(evidence.image_cells, _size(image), evidence.image_shape).T
        x1, y1, x2, y2 = (float(edge) for edge in box)
        inside = (x1 <= x) & (x < x2) & (y1 <= y) & (y < y2)
        parts.append(_share(contributions[inside].sum(), score, "{} in the box"))
    if elsewhere.any():
        share = _share(contributions[elsewhere].sum(), score, "{} by ")
        parts.append(f"{share}words that no example shows")
    return "; ".join(part for part in parts if part)


def _share(part: float, score: float, text: str) -> str:
    """A share of a score within a text; nothing where the score has none."""
    return text.format(f"{part / score:.0%}") if score > 0 else ""


def _size(picture: np.ndarray | str) -> tuple[int, int]:
    return (1, 1) if isinstance(picture, str) else (picture.shape[1], picture.shape[0])


def _aspect(picture: np.ndarray | str) -> float:
    """Width over height of the place of a picture."""
    width, height = _size(picture)
    return float(np.clip(width / height, 0.4, 2.5))
