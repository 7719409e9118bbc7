"""Hits as rows of a CSV file: the command line and the server write the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from blcf.searching.hits import Hits
from blcf.searching.moments import Moments

__all__ = ["CSV_COLUMNS", "MOMENT_COLUMNS", "csv_rows", "csv_text"]

CSV_COLUMNS = (
    *("query", "query_x1", "query_y1", "query_x2", "query_y2"),
    *("rank", "name", "score", "x1", "y1", "x2", "y2", "path"),
)
MOMENT_COLUMNS = ("video", "shot", "first", "last", "n")  # behind these, of moments


def csv_rows(given: str, hits: Hits, moments: Moments | None = None) -> list[list[Any]]:
    """A row per hit, of several boxes of a hit one for each; see `CSV_COLUMNS`.

    Parameters
    ----------
    given : the query, as it was written
    hits : of it
    moments : whose best are the hits; `MOMENT_COLUMNS` are behind each then
    """
    behind = [[]] * len(hits) if moments is None else _moment_cells(moments)
    rows: list[list[Any]] = []
    query = [given, *_edges(hits.query_box)]
    for rank, (hit, path, more) in enumerate(zip(hits, hits.paths, behind), start=1):
        boxes = [hit.box] if hit.boxes is None else list(hit.boxes)
        for box in boxes:
            found = [rank, hit.name, f"{hit.score:.6f}", *_edges(box), path or ""]
            rows.append([*query, *found, *more])
    return rows


def _moment_cells(moments: Moments) -> list[list[Any]]:
    """What a row has behind it, for each moment; see `MOMENT_COLUMNS`."""
    return [
        ["" if one[name] is None else one[name] for name in MOMENT_COLUMNS[:-1]]
        + [len(one["members"])]
        for one in moments.to_dicts()
    ]


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """CSV with a header, lines ended by new lines."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def _edges(box: Any) -> list[str]:
    return [""] * 4 if box is None else [f"{float(edge):.1f}" for edge in box]
