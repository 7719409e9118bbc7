"""INRIA Holidays: 1,491 photographs of 500 places, the first of each place being its query.

::

    jpg/100000.jpg              place 1000, its query: the number is divisible by 100
    jpg/100001.jpg              place 1000, to be found
    jpg/100100.jpg              place 1001, its query
    eval_holidays/holidays_images.dat    optional: all file names, one a line, of the evaluation

The copies that were turned upright (used by the papers that say "rotated") have the same names.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from blcf.datasets.finding import data_folder, find_pictures, plain_bytes
from blcf.datasets.gathering import files_within
from blcf.datasets.truth import GroundTruth, TrueExample, TrueQuery
from blcf.errors import DatasetNotFound, FormatError
from blcf.images import ImageList

__all__ = ["read_holidays"]

logger = logging.getLogger(__name__)

_PICTURE = re.compile(r"(\d{6})\.jpe?g", re.IGNORECASE)
_PLACES = ("", "jpg", "images", "holidays", "holidays/jpg")
_LIST = "holidays_images.dat"
_N_IMAGES = 1491
_PUBLISHED = (
    "INRIA publishes jpg1.tar.gz, jpg2.tar.gz and eval_holidays.tgz at "
    "https://lear.inrialpes.fr/~jegou/data.php; unpack them into one folder."
)


def read_holidays(folder: str | os.PathLike[str]) -> GroundTruth:
    """Read INRIA Holidays.

    Parameters
    ----------
    folder : the folder of the pictures, or the one above it; of the original photographs or of
        those that were turned upright

    Returns
    -------
    GroundTruth of protocol "holidays"
        The queries are pictures of the set, whole; each is its own junk. With
        ``holidays_images.dat`` the positives are those of the official evaluation, also where
        they are not in the folder and cannot be found; without it, those in the folder.

    Raises
    ------
    InvalidInput
        Not a path.
    DatasetNotFound
        No such pictures, or no query among them.
    FormatError
        ``holidays_images.dat`` is not a list of such names.

    Notes
    -----
    Source: Jegou, Douze, Schmid, "Hamming embedding and weak geometric consistency for large scale
    image search", ECCV 2008; groups as in its program holidays_map.py.
    """
    path = data_folder(folder, _PUBLISHED)
    images = find_pictures(
        path, _PLACES, _PICTURE, "pictures 100000.jpg, 100001.jpg, ...", _PUBLISHED
    )
    here: dict[str, str] = {}  # {number: name}; one file of a number, as there is one picture
    for name in images.names:
        here.setdefault(name[:6], name)
    images = ImageList(images.root, list(here.values()))
    listed = _listed(path)
    members: dict[str, set[str]] = {}  # {the first four digits: names}
    for number in listed or here:
        members.setdefault(number[:4], set()).add(here.get(number, f"{number}.jpg"))
    queries = [
        TrueQuery(
            number,
            "",
            (TrueExample(images.root / name),),
            frozenset(members.get(number[:4], {name}) - {name}),
            frozenset([name]),
        )
        for number, name in here.items()
        if number.endswith("00") and (not listed or number in listed)
    ]
    if not queries:
        raise DatasetNotFound(
            f"Expected queries, pictures with a number divisible by 100 such as 100000.jpg, in "
            f"{images.root}; there are none among {len(images)} pictures. {_PUBLISHED}"
        )
    n_published = len(listed) or _N_IMAGES
    n_missing = len(listed - here.keys()) if listed else max(0, _N_IMAGES - len(here))
    if n_missing:
        logger.warning(
            "Holidays: %d of %d pictures are not in %s", n_missing, n_published, images.root
        )
    return GroundTruth(path, queries, name="holidays", protocol="holidays", images=(images,))


def _listed(folder: Path) -> set[str]:
    """The numbers that the official list holds; none where there is no list."""
    file = next(iter(files_within(folder, _LIST)), None)
    if file is None:
        return set()
    try:
        text = plain_bytes(file).decode("utf-8-sig")
    except (OSError, ValueError) as error:  # FormatError among them
        raise FormatError(f"Expected {file} to be a list of pictures ({error}).") from error
    numbers = set()
    for line, name in enumerate(text.splitlines(), start=1):
        match = _PICTURE.fullmatch(name.strip())
        if match:
            numbers.add(match[1])
        elif name.strip():
            raise FormatError(
                f"{file}, line {line}: expected a picture such as 100000.jpg, got {name!r:.80}."
            )
    return numbers
