"""The ``gt.json`` form of a ground truth: queries, positives, junk, and true boxes where known.

::

    {"images":  [{"name": "a.jpg", "size": [500, 375]}, ...],
     "queries": [{"query": "a.jpg",            path of the query picture
                  "object": "Adidas",          what is looked for
                  "box": [4, 5, 499, 352],     xyxy pixels, null = the whole picture
                  "positives": ["b.jpg", ...], pictures that show the object
                  "junk": ["a.jpg"],           pictures that count neither way, positive or not
                  "boxes": {"b.jpg": [[129, 326, 257, 423], ...]}}]}   true boxes, optional

Paths are relative to the folder of the file, or to its folder ``images``.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from blcf.boxes import as_box
from blcf.datasets.finding import plain_bytes
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, FormatError, InvalidInput

__all__ = ["read_ground_truth"]

logger = logging.getLogger(__name__)


def read_ground_truth(path: str | os.PathLike[str]) -> GroundTruth:
    """Read a ``gt.json``.

    A picture that a query calls both positive and junk (its own picture, often) is junk, and said.

    Raises
    ------
    DatasetNotFound
        The file or a query picture is missing.
    FormatError
        The file is not of the form.
    """
    path = Path(path)
    try:
        content = json.loads(plain_bytes(path).decode("utf-8"))
    except OSError as error:
        raise DatasetNotFound(f"No ground truth at {path} ({error.strerror}).") from error
    except FormatError:  # a ValueError too
        raise
    except (ValueError, RecursionError) as error:
        raise FormatError(f"Expected {path} to be JSON, it is not ({error}).") from error
    queries: list[TrueQuery] = []
    try:
        for number, row in enumerate(content["queries"], start=1):
            try:
                queries.append(_query(path.parent, row, number))
            except InvalidInput as error:
                raise FormatError(f"{path}, query {number}: {error}") from error
        sizes = {_name(row["name"]): _size(row["size"]) for row in content.get("images", [])}
    except FormatError:  # a ValueError too, and its sentence is complete
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(
            f'Expected {path} to hold "queries", each with "query", "box", "positives" and "junk"; '
            f"{type(error).__name__}: {error}."
        ) from error
    if not queries:
        raise FormatError(f"Expected {path} to hold queries, there are none.")
    return GroundTruth(path, _without_junk(queries, path), sizes, name=path.parent.name)


def _without_junk(queries: list[TrueQuery], path: Path) -> list[TrueQuery]:
    """Junk is no positive: left among them, it would count as one that is never found."""
    both = [query for query in queries if query.positives & query.junk]
    if both:
        first = both[0]
        logger.warning(
            "%d queries of %s call a picture both positive and junk, the first: %s of query %s: "
            "it counts neither way",
            len(both),
            path,
            min(first.positives & first.junk),
            first.name,
        )
    return [replace(query, positives=query.positives - query.junk) for query in queries]


def _query(folder: Path, row: dict[str, Any], number: int) -> TrueQuery:
    candidates = [folder / row["query"], folder / "images" / row["query"]]
    image = next((candidate for candidate in candidates if os.path.isfile(candidate)), None)
    if image is None:
        raise DatasetNotFound(
            f"The query picture {row['query']} is neither at {candidates[0]} nor at "
            f"{candidates[1]}. Keep the pictures beside the ground truth."
        )
    boxes = {name: _boxes(name, some) for name, some in row.get("boxes", {}).items()}
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


def _boxes(name: str, value: Any) -> np.ndarray:
    boxes = np.asarray(value, dtype=np.float64).reshape(-1, 4)
    for box in boxes:
        try:
            as_box(box)
        except InvalidInput as error:
            raise InvalidInput(f"a true box of {name}: {error}") from error
    return boxes


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list):
        raise TypeError(f"expected a list of names, got {value!r:.80}")
    return frozenset(_name(name) for name in value)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a name, got {value!r:.80}")
    return value


def _size(value: Any) -> tuple[int, int]:
    width, height = value
    size = int(width), int(height)
    if not 1 <= min(size) <= max(size) < 2**31:
        raise ValueError(f"expected a size in pixels, got {value!r:.80}")
    return size
