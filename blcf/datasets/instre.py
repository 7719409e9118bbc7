"""INSTRE (Wang & Jiang 2015) with the queries and positives of Iscen et al. (CVPR 2017).

::

    gnd_instre.mat                          imlist, qimlist, gnd(i).ok, gnd(i).bbx
    INSTRE-S1/01a_canada_book/001.jpg       one object, 100 classes
    INSTRE-S1/01a_canada_book/001.txt       its boxes, a line each: x y width height
    INSTRE-S2/01_.../001.jpg                one object, 100 other classes
    INSTRE-M/01/001.jpg, 001.txt            two objects: line 1 that of class 01a, line 2 of 01b

Of the 28,543 pictures 1,250 are queries, five of each class; they are not searched. ``ok`` counts
the pictures of ``imlist`` from 1. ``bbx`` is x1, y1, x2, y2, unlike the lines of the text files;
both are taken as half-open pixels from 0, no source says otherwise. A query of INSTRE-M is the
pair, its box goes around both objects.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from blcf.boxes import as_box
from blcf.datasets.finding import data_folder, file_names, plain_text
from blcf.datasets.gathering import LEVELS, files_within
from blcf.datasets.matlab import read_matlab
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.images import ImageList

__all__ = ["read_instre"]

logger = logging.getLogger(__name__)

_TRUTH = "gnd_instre.mat"
_PLACES = ("", "images", "instre", "INSTRE", "INSTRE_release")
_PUBLISHED = (
    f"{_TRUTH} is published at ftp://ftp.irisa.fr/local/texmex/corpus/instre/ (with instre.tar.gz, "
    "the pictures) and in https://cmp.felk.cvut.cz/~iscenahm/files/test_script.zip; the pictures "
    "at http://123.57.42.89/instre/home.html (INSTRE_release.rar). Put both into one folder."
)


def read_instre(folder: str | os.PathLike[str], *, boxes: bool = True) -> GroundTruth:
    """Read INSTRE.

    Parameters
    ----------
    folder : holds ``gnd_instre.mat`` and the folders INSTRE-S1, INSTRE-S2 and INSTRE-M, or one
        folder with these
    boxes : read the true boxes too, from the small text files beside the positives that have one

    Returns
    -------
    GroundTruth of protocol "instre"
        Queries have a box; their object is the class, "01a_canada_book". Queries whose picture is
        not there are left out, with a warning that counts what is missing.

    Raises
    ------
    InvalidInput
        Not a path.
    DatasetNotFound
        No ``gnd_instre.mat``, or no picture that it names.
    FormatError
        ``gnd_instre.mat`` or a text file is not of the form.

    Notes
    -----
    Sources: Wang & Jiang, "INSTRE: a new benchmark for instance-level object retrieval and
    recognition", TOMM 2015; Iscen, Tolias, Avrithis, Furon, Chum, "Efficient diffusion on region
    manifolds", CVPR 2017.
    """
    path = data_folder(folder, _PUBLISHED)
    truth = next(iter(files_within(path, _TRUTH)), None)
    if truth is None:
        raise DatasetNotFound(f"There is no {_TRUTH} in {path}: looked {LEVELS}. {_PUBLISHED}")
    names, query_names, positives, query_boxes = _read_truth(truth)
    root, here = _present(path, {*names, *query_names})
    reader = _BoxFiles(root)
    queries = []
    outside = frozenset(query_names) & here - set(names)  # of the folder, not of the database
    for number, (name, some, box) in enumerate(zip(query_names, positives, query_boxes), start=1):
        if name not in here:
            continue
        relevant = [names[place] for place in some]
        queries.append(
            TrueQuery(
                f"{number:04d}",
                _class(name),
                (TrueExample(root / name, box),),
                frozenset(relevant),
                outside,
                boxes=reader.boxes(name, relevant) if boxes else {},
            )
        )
    images = ImageList(root, [name for name in names if name in here])
    if not queries or not images:
        raise DatasetNotFound(
            f"Expected pictures and queries of {_TRUTH} below {root}, such as {query_names[0]}; "
            f"{len(images)} of the pictures and {len(queries)} of the queries are there. "
            f"{_PUBLISHED}"
        )
    if len(images) < len(names) or len(queries) < len(query_names):
        logger.warning(
            "INSTRE: %d of %d pictures and %d of %d queries are not in %s",
            *(len(names) - len(images), len(names)),
            *(len(query_names) - len(queries), len(query_names), root),
        )
    if reader.n_empty:
        logger.warning("INSTRE: %d empty boxes in the text files were passed over", reader.n_empty)
    return GroundTruth(path, queries, name="instre", protocol="instre", images=(images,))


def _present(folder: Path, names: set[str]) -> tuple[Path, set[str]]:
    """The folder that holds the pictures, and which of them; each class is listed once."""
    classes = sorted({os.path.dirname(name) for name in names})
    for place in _PLACES:
        root = folder / place
        if any((root / one).is_dir() for one in classes):
            found = {f"{one}/{name}" for one in classes for name in file_names(root / one)}
            return root, found & names
    raise DatasetNotFound(
        f"Expected folders such as {classes[0]} in {folder} or below it in "
        f"{', '.join(_PLACES[1:])}; there are none. {_PUBLISHED}"
    )


def _class(name: str) -> str:
    """The class of a picture: the folder it lies in."""
    return name.split("/")[-2]


# --- gnd_instre.mat -------------------------------------------------------------------------------


def _read_truth(
    path: Path,
) -> tuple[list[str], list[str], list[list[int]], list[np.ndarray]]:
    """Names of pictures and of queries; of each query the places of positives, and the box."""
    content = read_matlab(path, ("imlist", "qimlist", "gnd"))
    try:
        names, query_names = _names(content["imlist"]), _names(content["qimlist"])
        rows = content["gnd"]
        some = [_places(row["ok"]) for row in rows]
        boxes = [as_box(row["bbx"]) for row in rows]
    except (LookupError, TypeError, ValueError) as error:  # InvalidInput is a ValueError
        raise FormatError(
            f"Expected {path} to hold imlist, qimlist and gnd with ok and bbx (x1, y1, x2, y2), "
            f"as published; {type(error).__name__}: {error}"
        ) from error
    if not names or not query_names or len(query_names) != len(rows):
        raise FormatError(
            f"Expected {path} to hold pictures and as many rows of gnd as queries, got "
            f"{len(names)} pictures, {len(query_names)} queries and {len(rows)} rows."
        )
    for number, places in enumerate(some, start=1):
        if len(places) and not 1 <= places.min() <= places.max() <= len(names):
            raise FormatError(
                f"{path}, query {number}: expected ok to count the {len(names)} pictures of imlist "
                f"from 1, got {places.min()} to {places.max()}."
            )
    return names, query_names, [(places - 1).tolist() for places in some], boxes


def _names(names: Any) -> list[str]:
    """The texts of cells, checked to be names of pictures below a folder of classes."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError("imlist and qimlist are no cells of texts")
    for name in names:
        parts = name.split("/")
        if len(parts) < 2 or not all(parts) or ".." in parts or "\0" in name or "\\" in name:
            raise InvalidInput(f"expected names such as INSTRE-M/01/001.jpg, got {name!r:.80}")
    return names


def _places(values: Any) -> np.ndarray:
    """Whole numbers: int64 (n,)."""
    if not isinstance(values, np.ndarray):
        raise TypeError("ok has no numbers")
    with np.errstate(invalid="ignore"):
        places: np.ndarray = values.astype(np.int64)
    if not np.array_equal(places, values):
        raise ValueError("ok has other than whole numbers")
    return places


# --- Text files -----------------------------------------------------------------------------------


class _BoxFiles:
    """The true boxes of pictures; every file is read once, most serve several queries."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.n_empty = 0
        self._read: dict[str, np.ndarray] = {}

    def boxes(self, query: str, positives: Iterable[str]) -> dict[str, np.ndarray]:
        """Where the object of a query is: {name: float64 (n, 4)}, xyxy, pixels."""
        found = {}
        for name in positives:
            if name not in self._read:
                self._read[name] = self._file(name)
            some = _of_object(query, name, self._read[name])
            some = some[(some[:, :2] < some[:, 2:]).all(axis=1)]
            if len(some):
                found[name] = some
        return found

    def _file(self, name: str) -> np.ndarray:
        path = (self.root / name).with_suffix(".txt")
        try:
            lines = plain_text(path).splitlines()
        except FileNotFoundError:
            return np.empty((0, 4))
        except OSError as error:
            raise FormatError(f"Expected boxes in {path}, it cannot be read ({error}).") from error
        boxes = []
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            values = re.split(r"\s+", line.strip())
            try:
                x, y, width, height = (float(value) for value in values)
                edges = [x, y, x + width, y + height]
            except ValueError as error:
                raise FormatError(
                    f"{path}, line {number}: expected x y width height, got {line!r:.80}."
                ) from error
            if not all(abs(edge) < 2**31 for edge in edges):  # NaN is not
                raise FormatError(
                    f"{path}, line {number}: expected finite numbers, got {line!r:.80}."
                )
            self.n_empty += width <= 0 or height <= 0
            boxes.append(edges)
        return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _of_object(query: str, name: str, boxes: np.ndarray) -> np.ndarray:
    """Those of the boxes of a picture that are of the object of a query.

    In INSTRE-M the first box is of the object that INSTRE-S1 calls a, the second of b; a query
    of INSTRE-M looks for both, and one box around them is its truth.
    """
    if "INSTRE-M" not in name.split("/"):
        return boxes
    if len(boxes) != 2:
        return boxes[:0]
    if "INSTRE-M" in query.split("/"):
        return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])[None]
    letter = re.match(r"\d+([ab])_", _class(query))
    return boxes[:0] if letter is None else boxes[["ab".index(letter[1])]]
