"""ILIAS (Kordopatis-Zilos et al., CVPR 2025): 1,000 objects, small and in clutter.

::

    ilias_core/bold_bimp_000/query/Q000_00.jpg          a query, its object in plain view
    ilias_core/bold_bimp_000/query/Q000_00_bbox.txt     where: x y width height, a line each
    ilias_core/bold_bimp_000/pos/P000_00.jpg            a positive, with its ..._bbox.txt
    image_ids/image_query_ids.txt                       names below ilias_core, then other columns
    image_ids/positive_ids.txt                          name, scale, clutter

1,232 queries, 4,715 positives. Distractors are up to 100 million pictures of YFCC100M that were
taken before any of the objects was made; queries are not searched.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from blcf.datasets.finding import data_folder, file_names, plain_text
from blcf.datasets.gathering import LEVELS, add_distractors, files_within
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, FormatError
from blcf.images import ImageList, display_name

__all__ = ["CLUTTER", "SCALE", "read_ilias"]

logger = logging.getLogger(__name__)

# Where the groups of positives begin, but for the first: by the share of the picture that the
# object takes, and by how much else is in it (the quarters of the published program).
SCALE = (0.06880213760855043, 0.13526567164179104, 0.2729876723163842)
CLUTTER = (18.0, 33.0, 53.0)

_PAGE = "https://vrg.fel.cvut.cz/ilias_data/"
_QUERIES, _POSITIVES = "image_query_ids.txt", "positive_ids.txt"
_PLACES = ("ilias_core", "", "ilias/ilias_core", "images")
_PUBLISHED = (
    f"ilias_core.tar, image_ids/{_QUERIES}, image_ids/{_POSITIVES} and the distractors "
    f"(yfcc100m) are published at {_PAGE}; put them into one folder."
)


def read_ilias(
    folder: str | os.PathLike[str],
    *,
    distractors: str | os.PathLike[str] | None = None,
    boxes: bool = True,
) -> GroundTruth:
    """Read ILIAS.

    Parameters
    ----------
    folder : holds ``ilias_core``, or is it, and ``image_ids``; without the lists the folders say
        what is a query and a positive, and groups are not told apart
    distractors : the folder of the distractors (unpacked), or a list of their paths
    boxes : read the true boxes of positives too

    Returns
    -------
    GroundTruth of protocol "ilias"
        A query has the box around all its boxes; its object is the instance, "bold_bimp_000". Its
        junk are the pictures of all queries, which are in the indexed folder, but are not
        searched. `images` has the positives, and a second list of distractors.

    Raises
    ------
    InvalidInput
        Not a path; or a distractor that has the name of a picture of the set.
    DatasetNotFound
        No such folders, no queries, or no distractors.
    FormatError
        A text file is not of the form.

    Notes
    -----
    Source: Kordopatis-Zilos et al., "ILIAS: Instance-Level Image retrieval At Scale", CVPR 2025,
    and its program (github.com/ilias-vrg/ilias, evaluation/src/dataset.py).
    """
    path = data_folder(folder, _PUBLISHED)
    root = _core(path)
    rows, listed = _rows(path, _POSITIVES, 3), _rows(path, _QUERIES, 1)
    here = _pictures(root)
    names = [row[0] for row in rows] or [name for name in here if "/pos/" in name]
    asked = [row[0] for row in listed] or [name for name in here if "/query/" in name]
    positives: dict[str, set[str]] = {}
    for name in names:
        positives.setdefault(_instance(name), set()).add(name)
    groups = _groups(rows)
    known, outside = set(here), frozenset(asked)
    queries = [
        TrueQuery(
            Path(name).stem,
            _instance(name),
            (TrueExample(root / name, _around(_boxes(root, name))),),
            frozenset(positives.get(_instance(name), ())),
            outside,
            boxes=_true_boxes(root, positives.get(_instance(name), ())) if boxes else {},
            groups=groups.get(_instance(name), {}),
        )
        for name in asked
        if name in known
    ]
    images = ImageList(root, [name for name in names if name in known])
    if not queries or not images:
        raise DatasetNotFound(
            f"Expected queries and positives such as {min(asked, default='x/query/Q000_00.jpg')} "
            f"below {display_name(root)}; {len(queries)} of the queries and {len(images)} of the "
            f"positives are there. {_PUBLISHED}"
        )
    if len(images) < len(names) or len(queries) < len(asked):
        logger.warning(
            "ILIAS: %d of %d positives and %d of %d queries are not in %s",
            *(len(names) - len(images), len(names), len(asked) - len(queries), len(asked), root),
        )
    lists: tuple[ImageList, ...] = (images,)
    if distractors is not None:
        lists = add_distractors(images, images.names, distractors, _PAGE)
    name = "ilias" + ("" if distractors is None else f"+{len(lists[1])}")
    return GroundTruth(path, queries, name=name, protocol="ilias", images=lists)


def _core(folder: Path) -> Path:
    """The folder of the instances."""
    for place in _PLACES:
        root = folder / place
        if any((root / name / "query").is_dir() for name in _folders(root)):
            return root
    raise DatasetNotFound(
        f"Expected folders such as ilias_core/bold_bimp_000/query in {display_name(folder)}; there "
        f"are none. {_PUBLISHED}"
    )


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())
    except OSError:
        return []


def _pictures(root: Path) -> list[str]:
    """The names of all queries and positives that are there."""
    return [
        f"{instance}/{part}/{name}"
        for instance in _folders(root)
        for part in ("query", "pos")
        for name in file_names(root / instance / part)
        if name.lower().endswith((".jpg", ".jpeg", ".png"))
    ]


def _rows(folder: Path, file_name: str, n_columns: int) -> list[list[str]]:
    """The rows of a list of names, columns between commas; none where there is no such file."""
    path = next(iter(files_within(folder, file_name)), None)
    if path is None:
        return []
    try:
        lines = plain_text(path).splitlines()
    except OSError as error:
        raise FormatError(f"Expected {path} to be a list of pictures ({error}).") from error
    rows = []
    for number, line in enumerate(lines, start=1):
        row = [value.strip() for value in line.split(",")]
        parts = row[0].split("/")
        if not line.strip():
            continue
        good = len(row) >= n_columns and len(parts) == 3 and all(parts) and ".." not in parts
        if not good or "\0" in line or "\\" in row[0]:
            raise FormatError(
                f"{path}, line {number}: expected a name such as bold_bimp_000/pos/P000_00.jpg"
                f"{', its scale and its clutter' if n_columns == 3 else ''}, got {line!r:.80}."
            )
        rows.append(row)
    if not rows:
        raise FormatError(f"Expected {path} to name pictures, it is empty (looked {LEVELS}).")
    return rows


def _groups(rows: Sequence[Sequence[str]]) -> dict[str, dict[str, frozenset[str]]]:
    """{instance: {group: its positives}}: "scale 1" holds the smallest, "clutter 4" the fullest."""
    found: dict[str, dict[str, set[str]]] = {}
    for name, *values in rows:
        some = found.setdefault(_instance(name), {})
        for what, value, edges in zip(("scale", "clutter"), values, (SCALE, CLUTTER)):
            try:
                number = float(value)
            except ValueError:
                number = math.nan
            if not 0 <= number < math.inf:
                raise FormatError(
                    f"{_POSITIVES}: expected the {what} of {name} to be a number of at least 0, "
                    f"got {value!r:.40}."
                )
            place = 1 + sum(number >= edge for edge in edges)
            some.setdefault(f"{what} {place}", set()).add(name)
    return {
        instance: {group: frozenset(names) for group, names in some.items()}
        for instance, some in found.items()
    }


def _instance(name: str) -> str:
    return name.partition("/")[0]


def _boxes(root: Path, name: str) -> np.ndarray:
    """The boxes in the file beside a picture, float64 (n, 4), xyxy; none where there is none."""
    path = (root / name).with_name(f"{Path(name).stem}_bbox.txt")
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
        try:
            x, y, width, height = (float(value) for value in line.split())
        except ValueError:
            x = y = width = height = math.nan
        edges = [x, y, x + width, y + height]
        if not all(abs(edge) < 2**31 for edge in edges):  # NaN is not
            raise FormatError(
                f"{path}, line {number}: expected x y width height, got {line!r:.80}."
            )
        if width > 0 and height > 0:
            boxes.append(edges)
    return np.array(boxes, dtype=np.float64).reshape(-1, 4)


def _around(boxes: np.ndarray) -> np.ndarray | None:
    """The box around some, float32 (4,); None where there are none."""
    if not len(boxes):
        return None
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)]).astype(np.float32)


def _true_boxes(root: Path, positives: Sequence[str] | set[str]) -> dict[str, np.ndarray]:
    found = {name: _boxes(root, name) for name in sorted(positives)}
    return {name: some for name, some in found.items() if len(some)}
