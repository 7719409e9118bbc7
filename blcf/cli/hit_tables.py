"""Hits as lines for a person, and as rows of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from blcf.cli.queries import Asked
from blcf.cli.units import edges_text
from blcf.images import display_name
from blcf.outputs import open_output
from blcf.searching import Hits, Moments

__all__ = [
    "CSV_COLUMNS",
    "MOMENT_COLUMNS",
    "csv_rows",
    "csv_text",
    "head",
    "lines",
    "moment_cells",
    "moment_head",
    "moment_lines",
    "write_csv",
]

CSV_COLUMNS = (
    *("query", "query_x1", "query_y1", "query_x2", "query_y2"),
    *("rank", "name", "score", "x1", "y1", "x2", "y2", "path"),
)
MOMENT_COLUMNS = ("video", "shot", "first", "last", "n")  # behind these, of moments
_WIDEST, _SPAN = 48, 15  # letters of a name, longer ones push their line to the right; of a time
_EDGES = 20  # letters of a box; those of the head are as many


def head(width: int) -> str:
    """What the columns of `lines` are, above them."""
    query = f"{'query':{width}s}  " if width else ""
    return f"{query}rank   score  {'box x1,y1,x2,y2 (px)':{_EDGES}s}  name"


def lines(hits: Hits, label: str = "", width: int = 0) -> Iterator[str]:
    """A line per hit, and one for each further box of it, below the first.

    Parameters
    ----------
    hits : of a query
    label : of the query, which begins each line where there are several
    width : letters of the longest label; 0 where there is one query
    """
    query = f"{display_name(label):{width}s}  " if width else ""
    for rank, hit in enumerate(hits, start=1):
        edges = "-" if hit.box is None else edges_text(hit.box)
        yield f"{query}{rank:4d}  {hit.score:.4f}  {edges:{_EDGES}s}  {display_name(hit.name)}"
        for box in [] if hit.boxes is None else hit.boxes[1:]:
            yield f"{query}{'and':>12s}  {edges_text(box)}"


def moment_head(width: int) -> str:
    """What the columns of `moment_lines` are, above them."""
    query = f"{'query':{width}s}  " if width else ""
    return f"{query}rank  film or picture  seen  score  box in the best frame (px)  frames"


def moment_lines(moments: Moments, label: str = "", width: int = 0) -> Iterator[str]:
    """A line per moment, see `lines`."""
    query = f"{display_name(label):{width}s}  " if width else ""
    shown = list(moments)
    widest = min(_WIDEST, max((len(display_name(one.name)) for one in shown), default=0))
    for rank, one in enumerate(shown, start=1):
        edges = "-" if one.box is None else edges_text(one.box)
        yield (
            f"{query}{rank:4d}  {display_name(one.name):{widest}s}  {one.span:{_SPAN}s}  "
            f"{one.score:.4f}  {edges:{_EDGES}s}  {len(one.hits):,}"
        )


def moment_cells(moments: Moments) -> list[list[Any]]:
    """What a row of `csv_rows` has behind it, for each moment; see `MOMENT_COLUMNS`."""
    return [
        ["" if one[name] is None else one[name] for name in MOMENT_COLUMNS[:-1]]
        + [len(one["members"])]
        for one in moments.to_dicts()
    ]


def csv_rows(asked: Asked, hits: Hits, moments: Moments | None = None) -> list[list[Any]]:
    """A row per hit, of several boxes of a hit one for each; see `CSV_COLUMNS`.

    Of moments, whose best are the hits, `moment_cells` are behind them.
    """
    behind = [[]] * len(hits) if moments is None else moment_cells(moments)
    rows: list[list[Any]] = []
    query = [asked.given, *_edges(hits.query_box)]
    for rank, (hit, path, more) in enumerate(zip(hits, hits.paths, behind), start=1):
        boxes = [hit.box] if hit.boxes is None else list(hit.boxes)
        for box in boxes:
            found = [rank, hit.name, f"{hit.score:.6f}", *_edges(box), path or ""]
            rows.append([*query, *found, *more])
    return rows


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV with a header, lines ended by new lines."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def write_csv(path: str, text: str) -> None:
    """Write CSV to a file, whole or not at all; a name that is no UTF-8 keeps its bytes."""
    with open_output(path) as file:
        file.write(text.encode("utf-8", "surrogateescape"))


def _edges(box: Any) -> list[str]:
    return [""] * 4 if box is None else [f"{float(edge):.1f}" for edge in box]
