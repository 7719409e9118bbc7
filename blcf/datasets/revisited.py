"""Revisited Oxford and Paris (roxford5k, rparis6k), alone or among a million distractors.

The pictures are those of Oxford5k and Paris6k, in any folders (``jpg``, as revisitop lays them
out). The truth is one pickle, ``gnd_roxford5k.pkl`` or ``gnd_rparis6k.pkl``, read without running
it::

    {"imlist":  ["all_souls_000000", ...],      the database, names without ".jpg"
     "qimlist": ["all_souls_000013", ...],      the 70 queries, which are not in the database
     "gnd": [{"bbx": [x1, y1, x2, y2],          for each query: its box, xyxy, pixels
              "easy": [12, ...], "hard": [...], "junk": [...]}, ...]}     indices into imlist

Source: Radenovic et al., "Revisiting Oxford and Paris", CVPR 2018.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from blcf.boxes import as_box
from blcf.datasets.finding import data_folder
from blcf.datasets.gathering import LEVELS, add_distractors, files_within, pictures_named
from blcf.datasets.safe_pickle import read_pickle
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.images import ImageList, display_name

__all__ = ["read_revisited"]

_PAGE = "http://cmp.felk.cvut.cz/revisitop/"
_PUBLISHED = {
    "roxford5k": f"gnd_roxford5k.pkl is published at {_PAGE}, the pictures (oxbuild_images.tgz) at "
    "https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/",
    "rparis6k": f"gnd_rparis6k.pkl is published at {_PAGE}, the pictures (paris_1.tgz, "
    "paris_2.tgz) at https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/",
}


def read_revisited(
    folder: str | os.PathLike[str],
    name: str,
    *,
    distractors: str | os.PathLike[str] | None = None,
) -> GroundTruth:
    """Read revisited Oxford or Paris.

    The query pictures are not part of the database: they are not in `images`, and are junk of
    every query, for collections of the whole folder.

    Parameters
    ----------
    folder : holds the pictures, at any depth, and the pickle, at most two levels below
    name : "roxford5k" or "rparis6k"
    distractors : the folder of the million pictures (R1M), or a list of their paths

    Returns
    -------
    GroundTruth
        Protocol "revisited": positives are easy and hard, `hard` the hard ones. `images` has the
        database in the order of the pickle, and a second list for distractors (the name then ends
        in "+1m").

    Raises
    ------
    DatasetNotFound
        The folder, the pickle, one of the pictures it names, or the distractors.
    FormatError
        The pickle is not of the form, or holds other than plain values.
    InvalidInput
        Another name; two pictures of one name.
    """
    if not isinstance(name, str) or name not in _PUBLISHED:
        raise InvalidInput(f"Expected roxford5k or rparis6k, got {name!r:.40}.")
    published = _PUBLISHED[name]
    top = data_folder(folder, published)
    files = files_within(top, f"gnd_{name}.pkl")
    if not files:
        raise DatasetNotFound(
            f"Expected gnd_{name}.pkl in {display_name(top)}, it is not there (looked {LEVELS}). "
            f"{published}"
        )
    database, query_pictures, rows = _content(files[0])
    stems = {*database, *query_pictures}
    pictures, found = pictures_named(top, stems)
    missing = stems - found.keys()
    if missing:
        raise DatasetNotFound(
            f"{display_name(files[0])} names {len(stems)} pictures; {len(missing)} of them are "
            f"not below {display_name(top)}, such as {min(missing)}.jpg. {published}"
        )
    names = [found[stem] for stem in database]
    outside = frozenset(found[stem] for stem in query_pictures)
    queries = [
        _query(files[0], number, stem, pictures.path(found[stem]), row, names, outside)
        for number, (stem, row) in enumerate(zip(query_pictures, rows))
    ]
    lists: tuple[ImageList, ...] = (ImageList(pictures.root, names),)
    if distractors is not None:
        lists = add_distractors(lists[0], names, distractors, _PAGE)
        name += "+1m"
    return GroundTruth(top, queries, name=name, protocol="revisited", images=lists)


def _content(path: Path) -> tuple[list[str], list[str], list[dict[str, Any]]]:
    """The database, the query pictures (both without ending) and the rows of the truth."""
    content = read_pickle(path)
    if not isinstance(content, dict) or not {"imlist", "qimlist", "gnd"} <= content.keys():
        raise _not_so(path, "a dict with imlist, qimlist and gnd")
    database, queries = (_stems(path, key, content[key]) for key in ("imlist", "qimlist"))
    if set(database) & set(queries):
        raise _not_so(path, "query pictures (qimlist) that are not in the database (imlist)")
    rows = content["gnd"]
    if (
        not isinstance(rows, list)
        or len(rows) != len(queries)
        or not all(isinstance(row, dict) for row in rows)
    ):
        raise _not_so(path, f"gnd to be a list of {len(queries)} dicts, one for each query")
    return database, queries, rows


def _stems(path: Path, key: str, names: Any) -> list[str]:
    if not isinstance(names, list) or not names or not all(type(name) is str for name in names):
        raise _not_so(path, f"{key} to be a list of names")
    stems = [name.removesuffix(".jpg") for name in names]
    if len(set(stems)) < len(stems):
        raise _not_so(path, f"each name once in {key}")
    return stems


def _query(
    path: Path,
    number: int,
    stem: str,
    image: Path,
    row: dict[str, Any],
    names: list[str],
    outside: frozenset[str],
) -> TrueQuery:
    easy, hard, junk = (
        frozenset(names[i] for i in _indices(path, number, key, row.get(key), len(names)))
        for key in ("easy", "hard", "junk")
    )
    box = row.get("bbx")
    values = box.tolist() if isinstance(box, np.ndarray) and box.shape == (4,) else box
    if not isinstance(values, (list, tuple)) or not all(
        isinstance(value, (int, float, np.number)) for value in values
    ):
        raise _not_so(path, f"gnd[{number}] to have a box bbx of four numbers")
    try:
        edges = as_box(values)
    except ValueError as error:  # InvalidInput, or that a number is too long to be shown
        raise FormatError(f"{display_name(path)}, gnd[{number}]: {error}") from error
    return TrueQuery(stem, stem, (TrueExample(image, edges),), easy | hard, junk | outside, hard)


def _indices(path: Path, number: int, key: str, value: Any, n_images: int) -> list[int]:
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()  # an empty array may be of float
    if (
        not isinstance(value, (list, tuple))
        or not all(isinstance(i, (int, np.integer)) and type(i) is not bool for i in value)
        or not all(0 <= i < n_images for i in value)
    ):
        raise _not_so(path, f"gnd[{number}] to have {key}, indices from 0 to {n_images - 1}")
    return [int(i) for i in value]


def _not_so(path: Path, expected: str) -> FormatError:
    return FormatError(
        f"{display_name(path)}: expected {expected}. Get the file from {_PAGE} again."
    )
