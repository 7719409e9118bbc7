"""How hits and an engine show themselves in a notebook: HTML that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from html import escape
from typing import Any

import numpy as np

from blcf.images import display_name, read_ahead
from blcf.images.thumbnails import Thumbnail
from blcf.records import Hit

__all__ = ["MOST", "facts_html", "hits_html"]

MOST = 20  # pictures: 20 of 180 pixels are 200 kB of a notebook
SIDE = 180  # pixels
_QUERY, _HIT = "#e69f00", "#0072b2"  # as in `blcf.visualization`, which needs matplotlib
_FIGURE = (
    '<figure style="margin:0;width:{side}px;font-size:small;overflow-wrap:anywhere">{shown}'
    '<figcaption style="border-top:2px solid {colour}">{caption}</figcaption></figure>'
)


def hits_html(
    query: Any, query_box: np.ndarray | None, shown: Sequence[tuple[Hit, Any]], n_hits: int
) -> str:
    """The query, and the best hits with their boxes, ranks, scores and names.

    Parameters
    ----------
    query : its picture in any form, or None where none is known
    query_box : around the object in it, float32 (4,), xyxy, pixels, or None
    shown : the hits to draw, at most `MOST`, each with its picture in any form, or None
    n_hits : how many there are
    """
    drawn: list[tuple[Any, list[np.ndarray], str, str]] = [  # picture, boxes, caption, colour
        (
            picture,
            hit.places,
            f"{rank}. {hit.score:.3f} {_text(hit.name)}",
            _HIT,
        )
        for rank, (hit, picture) in enumerate(shown, start=1)
    ]
    if query is not None:
        boxes = [] if query_box is None else [query_box]
        drawn.insert(0, (query, boxes, "query", _QUERY))
    # Decoding is what takes time.
    read = read_ahead(drawn, lambda one: Thumbnail.of(one[0], SIDE), n_workers=4)
    with closing(read):
        figures = [
            _figure(thumbnail, boxes, caption, colour)
            for (_, boxes, caption, colour), (_, thumbnail) in zip(drawn, read)
            if isinstance(thumbnail, Thumbnail)  # what cannot be read is one that says so
        ]
    most = f", the first {len(shown)}" if n_hits > len(shown) else ""
    title = f"<p>{n_hits:,} hits{most}</p>"
    row = '<div style="display:flex;flex-wrap:wrap;gap:12px;align-items:start">'
    return f"{title}{row}{''.join(figures)}</div>"


def _figure(thumbnail: Thumbnail, boxes: Iterable[Any], caption: str, colour: str) -> str:
    if isinstance(thumbnail.picture, str):
        shown = f"<div>no picture: {_text(thumbnail.picture)}</div>"
    else:
        uri = thumbnail.with_boxes(boxes, colour).uri
        shown = f'<img src="{uri}" alt="" style="max-width:100%;display:block">'
    return _FIGURE.format(side=SIDE, shown=shown, colour=colour, caption=caption)


def facts_html(title: str, facts: Iterable[tuple[str, Any]]) -> str:
    """A title over a table of names and values."""
    rows = "".join(
        f'<tr><th style="text-align:left">{_text(name)}</th>'
        f'<td style="text-align:left">{_text(value)}</td></tr>'
        for name, value in facts
    )
    return f"<p><b>{_text(title)}</b></p><table>{rows}</table>"


def _text(value: Any) -> str:
    return escape(display_name(str(value)))
