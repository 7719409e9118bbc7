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
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from blcf.boxes import as_box
from blcf.errors import DatasetNotFound, FormatError, InvalidInput

__all__ = ["GroundTruth", "TrueQuery", "read_ground_truth"]


@dataclass(frozen=True, eq=False)
class TrueQuery:
    """A query and its truth.

    Attributes
    ----------
    image : path of the query picture
    box : float32 (4,), xyxy, pixels, or None for the whole picture
    object : name of what is looked for
    positives, junk : names of pictures
    boxes : {name: float64 (n, 4)} true boxes of the object, xyxy, pixels, where known
    """

    image: Path
    box: np.ndarray | None
    object: str
    positives: frozenset[str]
    junk: frozenset[str]
    boxes: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """All queries of a data set, and the names and sizes of its pictures.

    Attributes
    ----------
    path : the file
    queries : list of `TrueQuery`
    sizes : {name: (width, height)}, pixels
    """

    path: Path
    queries: list[TrueQuery]
    sizes: dict[str, tuple[int, int]]

    def renamed(self, names: Iterable[str]) -> GroundTruth:
        """The same truth under the names of a collection.

        A collection of the folder ``images`` calls a picture ``b.jpg`` that the truth calls
        ``images/b.jpg``, and one of the folder above calls it ``set/images/b.jpg``: one leading
        folder, the same for all names, is taken off or put before.

        Raises
        ------
        InvalidInput
            No picture of the truth is in the collection.
        """
        here = set(names)
        mine = {name for query in self.queries for name in query.positives | query.junk}
        mine |= self.sizes.keys()
        new = _match(mine, here)
        if not new:
            raise InvalidInput(
                f"No picture of {self.path} is in the collection: the truth names "
                f"{min(mine, default='none')!r}, the collection {min(here, default='none')!r}. "
                "Index the folder that the ground truth belongs to."
            )
        queries = [
            TrueQuery(
                query.image,
                query.box,
                query.object,
                frozenset(new.get(name, name) for name in query.positives),
                frozenset(new.get(name, name) for name in query.junk),
                {new.get(name, name): boxes for name, boxes in query.boxes.items()},
            )
            for query in self.queries
        ]
        sizes = {new.get(name, name): size for name, size in self.sizes.items()}
        return GroundTruth(self.path, queries, sizes)

    def missing(self, names: Iterable[str]) -> list[str]:
        """Positives that are not among the names (they count as not found)."""
        wanted = {name for query in self.queries for name in query.positives}
        return sorted(wanted - set(names))


def _match(mine: set[str], here: set[str]) -> dict[str, str]:
    """{name of the truth: name in the collection}, by the one folder that sets them apart.

    Either the truth's names begin with it or the collection's do. Of all such folders (none is
    one of them) the one that most names agree on is taken, the shortest of equal ones.
    """
    votes: Counter[tuple[str, str]] = Counter()  # (folder before mine, folder before here)
    for name in mine:
        votes.update((folder, "") for folder, end in _ends(name) if end in here)
    for name in here:
        votes.update(("", folder) for folder, end in _ends(name) if folder and end in mine)
    if not votes:
        return {}
    before_mine, before_here = min(votes, key=lambda pair: (-votes[pair], len("".join(pair)), pair))
    renamed = {name: before_here + name.removeprefix(before_mine) for name in mine}
    return {
        name: new for name, new in renamed.items() if new in here and name.startswith(before_mine)
    }


def _ends(name: str) -> Iterator[tuple[str, str]]:
    """Every way to cut a name into a leading folder (with its slash, or empty) and the rest."""
    yield "", name
    for place, letter in enumerate(name):
        if letter == "/":
            yield name[: place + 1], name[place + 1 :]


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
                queries.append(_query(path.parent, row))
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
    return GroundTruth(path, queries, sizes)


def _query(folder: Path, row: dict[str, Any]) -> TrueQuery:
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
    return TrueQuery(image, box, str(row.get("object", "")), positives, junk, boxes)


def _names(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise TypeError(f"expected a list of names, got {value!r}")
    return frozenset(value)


def _size(value: Any) -> tuple[int, int]:
    width, height = value
    return int(width), int(height)
