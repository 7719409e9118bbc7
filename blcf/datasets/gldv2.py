"""Google Landmarks v2, retrieval (Weyand et al., CVPR 2020): 762,000 pictures, 1,129 queries.

::

    index/0/1/2/0123456789abcdef.jpg     the pictures that are searched, by their first characters
    test/f/e/d/fedcba9876543210.jpg      the queries, among 118,000 pictures
    retrieval_solution_v2.1.csv          id, images (ids with spaces between), Usage

``Usage`` is Private (the queries of the test), Public (those of the validation) or Ignored. Version
2.1 of the truth is not the one that the contest of 2019 was scored by; its figures were computed
again.
"""

from __future__ import annotations

import csv
import logging
import os
import re
from pathlib import Path

from blcf.datasets.finding import data_folder, plain_text
from blcf.datasets.gathering import LEVELS, files_within
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.images import ImageList, display_name, find_images

__all__ = ["read_gldv2"]

logger = logging.getLogger(__name__)

_TRUTH = "retrieval_solution*.csv"
_USAGES = ("private", "public")
_ID = re.compile(r"[0-9A-Za-z_-]{3,64}")
_PUBLISHED = (
    "retrieval_solution_v2.1.csv and the archives of index and test are published at "
    "https://github.com/cvdfoundation/google-landmark; unpack those of each into a folder of its "
    "name, beside the file."
)


def read_gldv2(folder: str | os.PathLike[str], *, usage: str = "private") -> GroundTruth:
    """Read the retrieval set of Google Landmarks v2.

    Parameters
    ----------
    folder : holds ``index``, ``test`` and ``retrieval_solution_v2.1.csv``
    usage : "private" or "public", whose queries are asked; published apart

    Returns
    -------
    GroundTruth of protocol "gldv2", named "gldv2" or "gldv2-public"
        Queries are whole pictures. `images` are those of ``index``, under their names below it.
        Queries whose picture is not there are left out, with a warning.

    Raises
    ------
    InvalidInput
        Not a path, or no such usage.
    DatasetNotFound
        No such file, or no pictures.
    FormatError
        The file is not of the form.

    Notes
    -----
    Source: Weyand, Araujo, Cao & Sim, "Google Landmarks Dataset v2: A Large-Scale Benchmark for
    Instance-Level Recognition and Retrieval", CVPR 2020, and its program (tensorflow/models,
    research/delf, google_landmarks_dataset/metrics.py).
    """
    path = data_folder(folder, _PUBLISHED)
    if usage not in _USAGES:
        raise InvalidInput(f"Expected a usage of {' or '.join(_USAGES)}, got {usage!r:.40}.")
    truth = next(iter(files_within(path, _TRUTH)), None)
    if truth is None:
        raise DatasetNotFound(
            f"There is no {_TRUTH} in {display_name(path)}: looked {LEVELS}. {_PUBLISHED}"
        )
    rows = _rows(truth, usage)
    index, test = _part(path, truth.parent, "index"), _part(path, truth.parent, "test")
    try:
        images = find_images(index)
    except InvalidInput as error:
        raise DatasetNotFound(f"No pictures to search: {error} {_PUBLISHED}") from error
    images = ImageList(index.absolute(), _below(images, index), images.problems)
    queries = [
        TrueQuery(
            name,
            "",
            (TrueExample(test / _place(name)),),
            frozenset(_place(one) for one in positives),
        )
        for name, positives in rows.items()
        if (test / _place(name)).is_file()
    ]
    if not queries:
        raise DatasetNotFound(
            f"Expected the pictures of {len(rows)} queries such as {_place(min(rows))} in "
            f"{display_name(test)}; there are none. {_PUBLISHED}"
        )
    if len(queries) < len(rows):
        logger.warning(
            "Google Landmarks v2: %d of %d queries are not in %s",
            *(len(rows) - len(queries), len(rows), test),
        )
    name = "gldv2" if usage == "private" else f"gldv2-{usage}"
    return GroundTruth(path, queries, name=name, protocol="gldv2", images=(images,))


def _part(folder: Path, beside: Path, name: str) -> Path:
    """The folder of a part of the data set."""
    for place in (folder / name, beside / name, beside.parent / name):
        if place.is_dir():
            return place
    raise DatasetNotFound(f"There is no folder {name} in {display_name(folder)}. {_PUBLISHED}")


def _below(images: ImageList, folder: Path) -> list[str]:
    """The names of the pictures from the folder on."""
    return [os.path.relpath(images.path(name), folder.absolute()) for name in images.names]


def _place(name: str) -> str:
    """Where a picture of an id lies."""
    return "/".join((*name[:3], f"{name}.jpg"))


def _rows(path: Path, usage: str) -> dict[str, list[str]]:
    """{query: its positives} of a usage, by ids."""
    try:
        lines = plain_text(path).splitlines()
    except OSError as error:
        raise FormatError(f"Expected {path} to be a table ({error}).") from error
    table = csv.DictReader(lines)
    if not {"id", "images", "Usage"} <= set(table.fieldnames or ()):
        raise FormatError(
            f"Expected {path} to have the columns id, images and Usage, got "
            f"{', '.join(table.fieldnames or ()) or 'none'}."
        )
    found: dict[str, list[str]] = {}
    for row in table:
        if (row["Usage"] or "").strip().lower() != usage:
            continue
        name, positives = (row["id"] or "").strip(), (row["images"] or "").split()
        if not positives or not all(_ID.fullmatch(one) for one in (name, *positives)):
            raise FormatError(
                f"{path}, line {table.line_num}: expected an id and ids with spaces between, got "
                f"{row['id']!r:.40} and {row['images']!r:.80}."
            )
        if name in found:
            raise FormatError(f"{path}, line {table.line_num}: the query {name} comes twice.")
        found[name] = positives
    if not found:
        raise FormatError(f"Expected {path} to have queries of usage {usage}, it has none.")
    return found
