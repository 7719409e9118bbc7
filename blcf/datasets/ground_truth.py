"""The ``gt.json`` form of a ground truth: queries, positives, junk, and true boxes where known.

::

    {"images":  [{"name": "a.jpg", "size": [500, 375]}, ...],
     "queries": [{"query": "a.jpg",            path of the query picture
                  "object": "Adidas",          what is looked for
                  "box": [4, 5, 499, 352],     xyxy pixels, null = the whole picture
                  "positives": ["b.jpg", ...], pictures that show the object
                  "junk": ["a.jpg"],           pictures that count neither way
                  "boxes": {"b.jpg": [[129, 326, 257, 423], ...]}}]}   true boxes, optional

Paths are relative to the folder of the file, or to its folder ``images``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from blcf.boxes import as_box
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, FormatError, InvalidInput

__all__ = ["read_ground_truth"]


def read_ground_truth(path: str | os.PathLike[str]) -> GroundTruth:
    """Read a ``gt.json``.

    Raises
    ------
    DatasetNotFound
        The file or a query picture is missing.
    FormatError
        The file is not of the form.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DatasetNotFound(f"No ground truth at {path} ({error.strerror}).") from error
    except ValueError as error:
        raise FormatError(f"Expected {path} to be JSON, it is not ({error}).") from error
    queries: list[TrueQuery] = []
    try:
        for number, row in enumerate(content["queries"], start=1):
            try:
                queries.append(_query(path.parent, row, number))
            except InvalidInput as error:
                raise FormatError(f"{path}, query {number}: {error}") from error
        sizes = {row["name"]: _size(row["size"]) for row in content.get("images", [])}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FormatError(
            f'Expected {path} to hold "queries", each with "query", "box", "positives" and "junk"; '
            f"{type(error).__name__}: {error}."
        ) from error
    if not queries:
        raise FormatError(f"Expected {path} to hold queries, there are none.")
    return GroundTruth(path, queries, sizes, name=path.parent.name)


def _query(folder: Path, row: dict[str, Any], number: int) -> TrueQuery:
    candidates = [folder / row["query"], folder / "images" / row["query"]]
    image = next((candidate for candidate in candidates if candidate.is_file()), None)
    if image is None:
        raise DatasetNotFound(
            f"The query picture {row['query']} is neither at {candidates[0]} nor at "
            f"{candidates[1]}. Keep the pictures beside the ground truth."
        )
    boxes = {
        name: np.asarray(some, dtype=np.float64).reshape(-1, 4)
        for name, some in row.get("boxes", {}).items()
    }
    box = None if row.get("box") is None else as_box(row["box"])
    positives, junk = _names(row["positives"]), _names(row.get("junk", []))
    return TrueQuery(
        f"{number:04d}",
        str(row.get("object", "")),
        (TrueExample(image, box),),
        positives,
        junk,
        boxes=boxes,
    )


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"expected a list of names, got {value!r}")
    return frozenset(value)


def _size(value: Any) -> tuple[int, int]:
    width, height = value
    return int(width), int(height)
