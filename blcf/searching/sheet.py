"""A contact sheet of hits or moments: those of the best scores, in the order of film and time."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from blcf.checks import check_integer, needs
from blcf.images import display_name
from blcf.images.thumbnails import Thumbnail
from blcf.searching.pictures import InFilm

if TYPE_CHECKING:
    from blcf.visualization import ShownFigure

__all__ = ["SHEET", "by_time", "clock", "draw_sheet"]

SHEET = 48  # pictures of a sheet, by default
_SIDE = 300  # pixels: a cell is about 240 wide


def by_time(names: Sequence[str], places: Sequence[InFilm]) -> list[int]:
    """Rows in the order of film and time; pictures that are of no film come last, by name.

    Examples
    --------
    >>> places = [InFilm("b", 1, 0), InFilm("a", 9, 2), InFilm("", math.nan, -1), InFilm("a", 2, 0)]
    >>> by_time(["b@1", "a@9", "c.jpg", "a@2"], places)
    [3, 1, 0, 2]
    """
    keys = []
    for row, (name, one) in enumerate(zip(names, places)):
        time = one.time if math.isfinite(one.time) else math.inf
        keys.append((not one.film, one.film, time if one.film else 0, name, row))
    return [key[-1] for key in sorted(keys)]


def clock(time: float) -> str:
    """MM:SS.d, with hours where there are any.

    Examples
    --------
    >>> clock(13.46), clock(3723)
    ('00:13.5', '1:02:03.0')
    """
    tenths = round(10 * time)
    minutes, tenths = divmod(tenths, 600)
    text = f"{minutes % 60:02d}:{tenths / 10:04.1f}"
    return text if minutes < 60 else f"{minutes // 60}:{text}"


def draw_sheet(
    hits: Any,
    places: Sequence[InFilm],
    path: str | os.PathLike[str] | None,
    n_hits: int,
    times: Sequence[str] | None = None,
) -> ShownFigure:
    """Draw the first hits by time.

    Parameters
    ----------
    hits : `Hits`, the best first
    places : where each is, or begins
    times : what is shown of that, "" for nothing; by default the time of the frame
    """
    check_integer("n_hits", n_hits, 1)
    with needs("matplotlib", "Drawing"):
        from blcf.visualization import SheetPicture, check_picture_path, plot_sheet

    if path is not None:
        check_picture_path(path)  # before films are decoded
    hits, places = hits[:n_hits], places[:n_hits]
    if times is None:
        times = [clock(one.time) if math.isfinite(one.time) else "" for one in places]
    pictures = []
    for row in by_time(hits.names, places):
        hit, small = hits[row], Thumbnail.of(hits.shown[row], _SIDE)
        boxes = [place for one in hit.places if (place := small.scaled(one)) is not None]
        name = display_name(places[row].film or hit.name)
        pictures.append(SheetPicture(name, times[row], hit.score, small.picture, boxes))
    return plot_sheet(pictures, path=path)
