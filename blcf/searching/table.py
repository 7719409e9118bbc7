"""Hits, and the pictures of a collection, as plain values and as tables of pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blcf.checks import needs
from blcf.collection.picture_rows import picture_columns, picture_rows
from blcf.collection.snapshot import Snapshot

if TYPE_CHECKING:
    import pandas

__all__ = ["hits_dicts", "hits_table", "pictures_table", "rows_table"]


def hits_dicts(hits: Any) -> list[dict[str, Any]]:
    """Plain values, one per hit, see `Hits.to_dicts`."""
    rows = []
    for rank, (hit, path) in enumerate(zip(hits, hits.paths), start=1):
        row = {
            "rank": rank,
            "name": hit.name,
            "score": round(hit.score, 6),
            "confidence": None if hit.confidence is None else round(hit.confidence, 3),
            "box": None if hit.box is None else _rounded(hit.box),
        }
        if hit.outline is not None:
            row["outline"] = [_rounded(point) for point in hit.outline]
        if hit.boxes is not None and len(hit.boxes) > 1:
            row["boxes"] = [_rounded(box) for box in hit.boxes]
        rows.append({**row, "path": None if path is None else str(path)})
    return rows


def _rounded(numbers: np.ndarray) -> list[float]:
    return [round(float(number), 1) for number in numbers]


def hits_table(hits: Any) -> pandas.DataFrame:
    """A row per hit, see `Hits.to_pandas`."""
    with needs("pandas", "A table of hits"):
        import pandas
    boxes = np.full((len(hits), 4), np.nan) if hits.boxes is None else hits.boxes
    edges = boxes.astype(np.float64).T
    return pandas.DataFrame(
        {
            "rank": np.arange(1, len(hits) + 1),
            "name": pandas.Series(hits.names, dtype=object),  # not all are valid Unicode
            "score": hits.scores.astype(np.float64),
            **dict(zip(("x1", "y1", "x2", "y2"), edges)),
            "path": pandas.Series([path and str(path) for path in hits.paths], dtype=object),
            "confidence": np.array([hit.confidence for hit in hits], dtype=np.float64),
        }
    )


def pictures_table(snapshot: Snapshot) -> pandas.DataFrame:
    """A row per picture, see `SearchEngine.to_pandas`."""
    with needs("pandas", "A table of pictures"):
        import pandas
    kinds = picture_columns(snapshot)
    values: dict[str, list[Any]] = {name: [] for name in kinds}
    for row in picture_rows(snapshot):
        for name, column in values.items():
            column.append(row[name])
    dtypes = {"integer": "Int64", "real": "float64", "text": object}  # Int64 has missing values
    always = dict.fromkeys(("id", "width", "height"), "int64")
    return pandas.DataFrame(
        {
            name: pandas.Series(column, dtype=always.get(name) or dtypes[kinds[name]])
            for name, column in values.items()
        }
    )


def rows_table(rows: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
    """A table of plain values, a row for each."""
    with needs("pandas", "A table"):
        import pandas
    return pandas.DataFrame(list(rows))
