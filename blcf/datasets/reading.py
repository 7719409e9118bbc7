"""One door to every data set: which one a folder holds is told by the files in it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from blcf.datasets.finding import data_folder
from blcf.datasets.gathering import LEVELS, files_within
from blcf.datasets.gldv2 import read_gldv2
from blcf.datasets.ground_truth import read_ground_truth
from blcf.datasets.holidays import read_holidays
from blcf.datasets.ilias import read_ilias
from blcf.datasets.instre import read_instre
from blcf.datasets.oxford import read_oxford5k, read_paris6k
from blcf.datasets.revisited import read_revisited
from blcf.datasets.trecvid import read_trecvid
from blcf.datasets.truth import GroundTruth
from blcf.datasets.ukbench import read_ukbench
from blcf.errors import DatasetNotFound, InvalidInput
from blcf.images import display_name

__all__ = ["KINDS", "Kind", "read_dataset"]


@dataclass(frozen=True)
class Kind:
    """A data set, or a form of data sets, that can be read.

    Attributes
    ----------
    read : the function, which takes the folder and options
    sign : a file by which a folder is known to hold it, a pattern; "" where it has to be said
    needs : what its folder holds, for messages
    """

    read: Callable[..., GroundTruth]
    sign: str
    needs: str


def _read_gt_json(path: str | os.PathLike[str]) -> GroundTruth:
    path = Path(path)
    return read_ground_truth(path / "gt.json" if path.is_dir() else path)


KINDS = {
    "gt.json": Kind(_read_gt_json, "gt.json", "the file gt.json, and its pictures"),
    "oxford5k": Kind(
        read_oxford5k,
        "all_souls_1_query.txt",
        "Oxford's pictures and the files all_souls_1_query.txt ...",
    ),
    "paris6k": Kind(
        read_paris6k,
        "defense_1_query.txt",
        "Paris's pictures and the files defense_1_query.txt ...",
    ),
    "roxford5k": Kind(
        partial(read_revisited, name="roxford5k"),
        "gnd_roxford5k.pkl",
        "Oxford's pictures and gnd_roxford5k.pkl",
    ),
    "rparis6k": Kind(
        partial(read_revisited, name="rparis6k"),
        "gnd_rparis6k.pkl",
        "Paris's pictures and gnd_rparis6k.pkl",
    ),
    "instre": Kind(read_instre, "gnd_instre.mat", "INSTRE-S1, -S2, -M and gnd_instre.mat"),
    "trecvid": Kind(
        read_trecvid,
        "*ins*topics*.xml",
        "ins.auto.topics.2013.xml, ins.search.qrels.tv13, the example pictures and the frames",
    ),
    "ilias": Kind(read_ilias, "positive_ids.txt", "ilias_core and image_ids"),
    "gldv2": Kind(
        read_gldv2,
        "retrieval_solution*.csv",
        "index, test and retrieval_solution_v2.1.csv (its private queries)",
    ),
    "gldv2-public": Kind(partial(read_gldv2, usage="public"), "", "the same (its public queries)"),
    "holidays": Kind(read_holidays, "100000.jp*g", "the pictures 100000.jpg ..."),
    "ukbench": Kind(read_ukbench, "ukbench00000.jp*g", "the pictures ukbench00000.jpg ..."),
}
"""Every kind of data set by name."""

_BY_PICTURES = ("holidays", "ukbench")  # have no file of truth; others may hold such a picture


def read_dataset(
    path: str | os.PathLike[str], *, kind: str | None = None, **options: Any
) -> GroundTruth:
    """Read the data set that a folder holds.

    Parameters
    ----------
    path : the folder, or a ``gt.json``
    kind : a name of `KINDS`; told by the files at most two levels below `path` where left out
    **options : those of the kind's own function (`read_oxford5k` takes ``distractors``)

    Raises
    ------
    DatasetNotFound
        No folder, no known data set in it, or a part of it is missing.
    FormatError
        A file is not of its form.
    InvalidInput
        No such kind or option, or several data sets in one folder.

    Examples
    --------
    >>> read_dataset("data/oxford5k", distractors="data/oxc1_100k").name  # doctest: +SKIP
    'oxford105k'
    """
    if kind is None:
        kind = _kind_of(path)
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidInput(f"Expected a kind of {', '.join(KINDS)}; got {kind!r:.40}.")
    read = KINDS[kind].read
    known = list(inspect.signature(read).parameters)[1:]
    if isinstance(read, partial):
        known = [name for name in known if name not in read.keywords]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise InvalidInput(
            f"{kind} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}."
        )
    return read(path, **options)


def _kind_of(path: str | os.PathLike[str]) -> str:
    is_path = isinstance(path, (str, os.PathLike))
    if is_path and (os.path.isfile(path) or os.fspath(path).endswith(".json")):
        return "gt.json"
    published = f"Known are {', '.join(KINDS)}."
    folder = data_folder(path, published)
    files = files_within(folder, *(one.sign for one in KINDS.values() if one.sign))
    files = [file for file in files if file.name != "gt.json" or file.parent == folder]
    found = [
        name
        for name, one in KINDS.items()
        if one.sign and any(file.match(one.sign) for file in files)
    ]
    kinds = [name for name in found if name not in _BY_PICTURES] or found
    if not kinds:
        needs = "; ".join(f"{name}: {one.needs}" for name, one in KINDS.items())
        raise DatasetNotFound(
            f"No known data set in {display_name(folder)} (looked {LEVELS}). A folder holds, for "
            f"{needs}."
        )
    if len(kinds) > 1:
        raise InvalidInput(
            f"{display_name(folder)} holds several data sets: {', '.join(kinds)}. Give the folder "
            f"of one, or say which by kind={kinds[0]!r} (--kind {kinds[0]})."
        )
    return kinds[0]
