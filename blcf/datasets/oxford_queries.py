"""The text files of Oxford's and Paris's ground truth: four for each query.

::

    all_souls_1_query.txt    oxc1_all_souls_000013 136.5 34.1 648.5 955.7
    all_souls_1_good.txt     one picture a line, without its ending: clear pictures of the object
    all_souls_1_ok.txt       more than a quarter of it is visible
    all_souls_1_junk.txt     less than a quarter of it

Positives are good and ok. The box is xyxy in pixels. The prefix ``oxc1_`` (Oxford's only) is no
part of the picture's name.

Source: Philbin et al., CVPR 2007.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from blcf.boxes import as_box
from blcf.datasets.finding import data_folder, plain_text
from blcf.datasets.gathering import LEVELS, files_within
from blcf.datasets.truth import TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, FormatError
from blcf.images import display_name

__all__ = ["OXFORD_PAGE", "PARIS_PAGE", "query_files", "read_oxford_queries", "read_query"]

OXFORD_PAGE = "https://www.robots.ox.ac.uk/~vgg/data/oxbuildings/"
PARIS_PAGE = "https://www.robots.ox.ac.uk/~vgg/data/parisbuildings/"

_QUERY_END = "_query.txt"
_PUBLISHED = (
    f"Oxford's VGG publishes gt_files_170407.tgz at {OXFORD_PAGE} and paris_120310.tgz at "
    f"{PARIS_PAGE}"
)


def read_oxford_queries(folder: str | os.PathLike[str]) -> list[TrueQuery]:
    """Read the text files alone, however many queries they hold, without pictures.

    Parameters
    ----------
    folder : holds files ``*_query.txt`` and theirs, at most two levels below

    Returns
    -------
    list of TrueQuery, by name; the picture ``all_souls_000013`` has the name and the path
    ``all_souls_000013.jpg``

    Raises
    ------
    DatasetNotFound
        No such files, or one of the four of a query is missing.
    FormatError
        A file is not of the form; the message says which line.
    """
    top = data_folder(folder, _PUBLISHED)
    names = query_files(top)
    if not names:
        raise DatasetNotFound(
            f"Expected files *{_QUERY_END} in {display_name(top)}, there are none (looked "
            f"{LEVELS}). {_PUBLISHED}"
        )
    return [read_query(path.parent, name) for name, path in sorted(names.items())]


def query_files(top: Path, wanted: Collection[str] | None = None) -> dict[str, Path]:
    """{query: its file}, of the folder that holds most of the wanted ones, the nearest such.

    At most two levels below `top`; None wants all.
    """
    paths = files_within(top, f"*{_QUERY_END}")
    if wanted is not None:
        paths = [path for path in paths if _query_name(path) in wanted]
    if not paths:
        return {}
    folder = Counter(path.parent for path in paths).most_common(1)[0][0]
    return {_query_name(path): path for path in paths if path.parent == folder}


def _query_name(path: Path) -> str:
    return path.name.removesuffix(_QUERY_END)


def read_query(folder: Path, name: str) -> TrueQuery:
    """Read the four files of a query; errors and names as in `read_oxford_queries`."""
    path = folder / f"{name}{_QUERY_END}"
    lines = _lines(path)
    if len(lines) != 1:
        raise FormatError(
            f"{display_name(path)}: expected one line, a picture and its box, got {len(lines)}."
        )
    ((number, words),) = lines
    try:
        picture, *edges = words
        box = as_box([float(edge) for edge in edges])
    except ValueError as error:  # InvalidInput among them
        raise FormatError(
            f"{display_name(path)}, line {number}: expected a picture and four numbers "
            f"x1 y1 x2 y2, got {' '.join(words)!r:.100} ({error})"
        ) from error
    good, ok, junk = (_pictures(folder / f"{name}_{kind}.txt") for kind in ("good", "ok", "junk"))
    if not good | ok:
        raise FormatError(f"{display_name(path)}: the query has no positives, good or ok.")
    return TrueQuery(
        name,
        re.sub(r"_\d+$", "", name),
        (TrueExample(Path(_file_name(picture)), box),),
        good | ok,
        junk,
    )


def _pictures(path: Path) -> frozenset[str]:
    for number, words in _lines(path):
        if len(words) != 1:
            raise FormatError(
                f"{display_name(path)}, line {number}: expected the name of one picture, got "
                f"{' '.join(words)!r:.100}."
            )
    return frozenset(_file_name(words[0]) for _, words in _lines(path))


def _file_name(picture: str) -> str:
    """The official files leave the ending away; some copies have it."""
    return f"{picture.removeprefix('oxc1_').removesuffix('.jpg')}.jpg"


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """(line number, words) of the lines that are not blank; a picture's name has no "/"."""
    try:
        text = plain_text(path)
    except OSError as error:
        raise DatasetNotFound(
            f"Expected {display_name(path)}, which cannot be read ({error.strerror}). A query has "
            "four files: query, good, ok and junk."
        ) from error
    lines = [(n, line.split()) for n, line in enumerate(text.split("\n"), start=1) if line.strip()]
    for number, words in lines:
        if not re.fullmatch(r"[\w.+-]+", words[0]):
            raise FormatError(
                f"{display_name(path)}, line {number}: expected the name of a picture, got "
                f"{words[0]!r:.100}."
            )
    return lines
