"""UKBench (Nister & Stewenius 2006): 10,200 pictures, four of each of 2,550 objects.

::

    full/ukbench00000.jpg .. full/ukbench00003.jpg     the first object
    full/ukbench00004.jpg .. full/ukbench00007.jpg     the second

The folder ``thumbnails`` of the archive is no part of the evaluation.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence

from blcf.bounds import is_integer
from blcf.datasets.finding import data_folder, find_pictures
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, InvalidInput
from blcf.images import ImageList

__all__ = ["read_ukbench"]

logger = logging.getLogger(__name__)

_PICTURE = re.compile(r"ukbench(\d{5})\.jpe?g", re.IGNORECASE)
_PLACES = ("", "full", "ukbench", "ukbench/full", "images")
_N_GROUPS = 2550
_PUBLISHED = (
    "The University of Kentucky published ukbench.zip; a copy is at "
    "https://archive.org/details/ukbench; unpack it and keep its folder full."
)


def read_ukbench(folder: str | os.PathLike[str], n_groups: int | None = None) -> GroundTruth:
    """Read UKBench.

    Parameters
    ----------
    folder : the folder of the pictures, or the one above it
    n_groups : take the first so many objects of the 2,550 only, as some papers do

    Returns
    -------
    GroundTruth of protocol "ukbench"
        Every picture is a query; its positives are the four of its object, itself among them. The
        pictures of an object that is not whole are in the set, but are no queries: they could not
        reach 4.

    Raises
    ------
    InvalidInput
        Not a path, or `n_groups` is not 1 to 2,550.
    DatasetNotFound
        No such pictures, or of no object all four.

    Notes
    -----
    Source: Nister & Stewenius, "Scalable recognition with a vocabulary tree", CVPR 2006.
    """
    if n_groups is None:
        n_groups = _N_GROUPS
    elif not is_integer(n_groups) or not 1 <= n_groups <= _N_GROUPS:
        raise InvalidInput(f"Expected n_groups to be 1 to {_N_GROUPS}, got {n_groups!r:.80}.")
    path = data_folder(folder, _PUBLISHED)
    expected = "pictures ukbench00000.jpg, ukbench00001.jpg, ..."
    images = find_pictures(path, _PLACES, _PICTURE, expected, _PUBLISHED)
    here: dict[int, str] = {}
    for name in images.names:
        number = int(name[7:12])
        if number < 4 * n_groups:
            here.setdefault(number, name)
    images = ImageList(images.root, list(here.values()))
    groups: dict[int, list[int]] = {}
    for number in here:
        groups.setdefault(number // 4, []).append(number)
    queries = [
        query
        for members in groups.values()
        if len(members) == 4
        for query in _queries(images, [here[number] for number in members])
    ]
    if not queries:
        raise DatasetNotFound(
            f"Expected all four pictures of at least one of the first {n_groups} objects in "
            f"{images.root}, there are {len(images)} pictures. {_PUBLISHED}"
        )
    if len(here) < 4 * n_groups:
        n_missing = 4 * n_groups - len(here)
        logger.warning(
            "UKBench: %d of %d pictures are not in %s; %d of %d objects are whole",
            *(n_missing, 4 * n_groups, images.root, len(queries) // 4, n_groups),
        )
    return GroundTruth(path, queries, name="ukbench", protocol="ukbench", images=(images,))


def _queries(images: ImageList, names: Sequence[str]) -> list[TrueQuery]:
    """The four queries of an object, which share their positives."""
    positives = frozenset(names)
    return [
        TrueQuery(name[:12], "", (TrueExample(images.root / name),), positives) for name in names
    ]
