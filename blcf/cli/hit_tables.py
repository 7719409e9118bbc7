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
from blcf.searching import Hits

__all__ = ["CSV_COLUMNS", "csv_rows", "csv_text", "head", "lines", "write_csv"]

CSV_COLUMNS = (
    *("query", "query_x1", "query_y1", "query_x2", "query_y2"),
    *("rank", "name", "score", "x1", "y1", "x2", "y2", "path"),
)
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


def csv_rows(asked: Asked, hits: Hits) -> list[list[Any]]:
    """A row per hit, of several boxes of a hit one for each; see `CSV_COLUMNS`."""
    rows: list[list[Any]] = []
    query = [asked.given, *_edges(hits.query_box)]
    for rank, (hit, path) in enumerate(zip(hits, hits.paths), start=1):
        boxes = [hit.box] if hit.boxes is None else list(hit.boxes)
        for box in boxes:
            rows.append([*query, rank, hit.name, f"{hit.score:.6f}", *_edges(box), str(path)])
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
