"""Hits, moments and evidence as plain values, for JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blcf.matches import strongest_pairs, summary
from blcf.records import Evidence
from blcf.searching import Hits, Moments
from blcf.searching.hit_rows import CSV_COLUMNS, MOMENT_COLUMNS, csv_rows, csv_text
from blcf.web.catalogue import Catalogue
from blcf.web.limits import Limits

__all__ = ["evidence_dict", "hit_dicts", "hits_csv", "moment_dicts"]

_MATCHES = 30
_DIGITS = 6  # of shares of a score


def hit_dicts(catalogue: Catalogue, hits: Hits) -> list[dict[str, Any]]:
    """What is said of each hit: its picture, and what `Hits.to_dicts` says of it."""
    found = {} if hits.answer is None else hits.answer.boxes
    pictures = catalogue.pictures(hits.ids.tolist())
    rows = []
    for picture, number, said in zip(pictures, hits.ids.tolist(), hits.to_dicts()):
        boxes = said.get("boxes") or ([said["box"]] if said["box"] else [])
        also = {"boxes": boxes, "outline": said.get("outline"), "reranked": number in found}
        rows.append({**picture, **said, **also})
    return rows


def moment_dicts(
    catalogue: Catalogue, hits: Hits, moments: Moments, limits: Limits
) -> list[dict[str, Any]]:
    """What is said of each moment, with its best hit and the others."""
    rows = [row for group in moments.rows for row in group[: limits.members]]
    said = dict(zip(rows, hit_dicts(catalogue, hits.take(rows))))
    for row, one in said.items():
        one["rank"] = row + 1
    return [
        {
            "rank": rank,
            "score": round(moment.score, 6),
            "hit": said[group[0]],
            "first": moment.first,
            "last": moment.last,
            "span": moment.span,
            "shot": moment.shot,
            "n": len(group),
            "hits": [said[row] for row in group[: limits.members]],
        }
        for rank, (moment, group) in enumerate(zip(moments, moments.rows), start=1)
    ]


def hits_csv(given: str, hits: Hits, moments: Moments | None) -> str:
    """The CSV of the command line."""
    if moments is None:
        return csv_text(CSV_COLUMNS, csv_rows(given, hits))
    return csv_text((*CSV_COLUMNS, *MOMENT_COLUMNS), csv_rows(given, moments.best, moments))


def evidence_dict(hits: Hits, row: int, size: tuple[int, int]) -> dict[str, Any]:
    """Why a hit has its score: heat over the query's pictures and its own, and the best pairs.

    Parameters
    ----------
    hits : of a search
    row : which of them
    size : (width, height) of its picture, pixels

    Returns
    -------
    dict
        Cells are xyxy in pixels of the pictures; heat is a share of the score per cell.
    """
    evidence = hits.picture_evidence(row)
    sizes, hit = [query.size for query in hits.asked.queries], hits[row]
    score = evidence.score or 1.0
    pairs = strongest_pairs(evidence, range(len(sizes)), _MATCHES)
    return {
        "score": round(hit.score, _DIGITS),
        "query": [
            {"width": width, "height": height, "heat": _heat(evidence.query_heat(number) / score)}
            for number, (width, height) in enumerate(sizes)
        ],
        "picture": {"heat": _heat(evidence.image_heat() / score)},
        "matches": [_match(evidence, pair, sizes, size, score) for pair in pairs.tolist()],
        "box": None if hit.box is None else [round(float(edge), 1) for edge in hit.box],
        "says": summary(evidence, pairs, hit.box, size),
    }


def _match(
    evidence: Evidence,
    pair: int,
    sizes: Sequence[tuple[int, int]],
    size: tuple[int, int],
    score: float,
) -> dict[str, Any]:
    number, x, y = evidence.query_cells[pair].tolist()
    of_query = _cell((x, y), evidence.query_shapes[number], sizes[number])
    of_image = _cell(evidence.image_cells[pair].tolist(), evidence.image_shape, size)
    return {
        "word": int(evidence.words[pair]),
        "share": round(float(evidence.contributions[pair]) / score, _DIGITS),
        "query": number,
        "query_box": of_query,
        "box": of_image,
    }


def _cell(cell: Sequence[int], shape: tuple[int, int], size: tuple[int, int]) -> list[float]:
    """A cell of a map, x and y, as a box in the picture."""
    (x, y), (h, w), (width, height) = cell, shape, size
    edges = x * width / w, y * height / h, (x + 1) * width / w, (y + 1) * height / h
    return [round(edge, 1) for edge in edges]


def _heat(values: np.ndarray) -> dict[str, Any]:
    rows, columns = values.shape
    return {"rows": rows, "columns": columns, "values": values.ravel().round(_DIGITS).tolist()}
