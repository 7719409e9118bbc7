"""Hits as a table of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from blcf.checks import needs

if TYPE_CHECKING:
    import pandas

__all__ = ["hits_table"]


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
