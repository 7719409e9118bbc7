"""Oxford5k and Paris6k, alone or among 100,000 distractors (Oxford105k, Paris106k).

Both have 55 queries, five for each of eleven landmarks (`blcf.datasets.oxford_queries` reads
their files). Junk is dropped from the ranking; the query picture stays in it.

Sources: Philbin et al., CVPR 2007 and CVPR 2008.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from blcf.datasets.finding import data_folder
from blcf.datasets.gathering import LEVELS, add_distractors, pictures_named
from blcf.datasets.oxford_queries import OXFORD_PAGE, PARIS_PAGE, query_files, read_query
from blcf.datasets.truth import GroundTruth, TrueQuery
from blcf.errors import DatasetNotFound
from blcf.images import ImageList, display_name

__all__ = ["PARIS_CORRUPT", "read_oxford5k", "read_paris6k"]

PARIS_CORRUPT = frozenset(
    f"paris_{name}"
    for name in (
        "louvre_000136 louvre_000146 moulinrouge_000422 museedorsay_001059 notredame_000188 "
        "pantheon_000284 pantheon_000960 pantheon_000974 pompidou_000195 pompidou_000196 "
        "pompidou_000201 pompidou_000467 pompidou_000640 sacrecoeur_000299 sacrecoeur_000330 "
        "sacrecoeur_000353 triomphe_000662 triomphe_000833 triomphe_000863 triomphe_000867"
    ).split()
)
"""The 20 files of Paris6k that are no pictures (the page's ``corrupt.txt``), without ``.jpg``."""


@dataclass(frozen=True)
class _Set:
    name: str
    with_distractors: str  # its name among the 100,000
    landmarks: tuple[str, ...]
    published: str
    corrupt: frozenset[str] = frozenset()

    def queries(self) -> list[str]:
        return [f"{landmark}_{n}" for landmark in self.landmarks for n in range(1, 6)]


_OXFORD = _Set(
    "oxford5k",
    "oxford105k",
    (
        *("all_souls", "ashmolean", "balliol", "bodleian", "christ_church", "cornmarket"),
        *("hertford", "keble", "magdalen", "pitt_rivers", "radcliffe_camera"),
    ),
    f"Oxford's VGG publishes oxbuild_images.tgz and gt_files_170407.tgz at {OXFORD_PAGE}; unpack "
    "them into folders of one folder.",
)
_PARIS = _Set(
    "paris6k",
    "paris106k",
    (
        *("defense", "eiffel", "invalides", "louvre", "moulinrouge", "museedorsay", "notredame"),
        *("pantheon", "pompidou", "sacrecoeur", "triomphe"),
    ),
    f"Oxford's VGG publishes paris_1.tgz, paris_2.tgz and paris_120310.tgz at {PARIS_PAGE}; unpack "
    "them into folders of one folder.",
    PARIS_CORRUPT,
)


def read_oxford5k(
    folder: str | os.PathLike[str],
    *,
    ground_truth: str | os.PathLike[str] | None = None,
    distractors: str | os.PathLike[str] | None = None,
) -> GroundTruth:
    """Read Oxford5k, or Oxford105k where distractors are given.

    Parameters
    ----------
    folder : holds the pictures, at any depth, and the ground truth, at most two levels below
    ground_truth : the folder of the text files, where it is another one
    distractors : the folder of Flickr 100k (``oxc1_100k``), or a list of its paths

    Returns
    -------
    GroundTruth
        Protocol "oxford". `images` has one list, the pictures under their names below the deepest
        folder that holds them, and a second one for distractors.

    Raises
    ------
    DatasetNotFound
        The folder, one of the 220 text files, a picture they name, or the distractors.
    FormatError
        A text file is not of the form.
    InvalidInput
        Two pictures have one name.
    """
    return _read(_OXFORD, folder, ground_truth, distractors)


def read_paris6k(
    folder: str | os.PathLike[str],
    *,
    ground_truth: str | os.PathLike[str] | None = None,
    distractors: str | os.PathLike[str] | None = None,
) -> GroundTruth:
    """Read Paris6k, or Paris106k where distractors are given, as `read_oxford5k` does Oxford5k.

    The 20 files that are no pictures (`PARIS_CORRUPT`) are left out of `images` and may be absent.
    The ground truth is taken as it stands, as the official ``compute_ap`` does: such a file among
    the positives would count as not found.
    """
    return _read(_PARIS, folder, ground_truth, distractors)


def _read(
    data: _Set,
    folder: str | os.PathLike[str],
    ground_truth: str | os.PathLike[str] | None,
    distractors: str | os.PathLike[str] | None,
) -> GroundTruth:
    top = data_folder(folder, data.published)
    truth_folder = top if ground_truth is None else data_folder(ground_truth, data.published)
    queries = _queries(data, truth_folder)
    named = {
        _stem(name)
        for query in queries
        for name in query.positives | query.junk | {query.image.name}
    }
    images, found = pictures_named(top, named)
    missing = named - found.keys() - data.corrupt
    if missing:
        raise DatasetNotFound(
            f"The ground truth of {data.name} names {len(named)} pictures; {len(missing)} of them "
            f"are not below {display_name(top)}, such as {min(missing)}.jpg. {data.published}"
        )
    corrupt = {f"{name}.jpg" for name in data.corrupt}
    names = [name for name in images.names if name.rpartition("/")[2] not in corrupt]
    lists: tuple[ImageList, ...] = (replace(images, names=names),)
    if distractors is not None:
        known = [name for stem, name in found.items() if stem not in data.corrupt]
        lists = add_distractors(lists[0], known, distractors, OXFORD_PAGE)
    return GroundTruth(
        top,
        [_with_pictures(query, images, found) for query in queries],
        name=data.name if distractors is None else data.with_distractors,
        protocol="oxford",
        images=lists,
    )


def _queries(data: _Set, folder: Path) -> list[TrueQuery]:
    """The 55 queries."""
    wanted = data.queries()
    files = query_files(folder, wanted)
    absent = [name for name in wanted if name not in files]
    if absent:
        raise DatasetNotFound(
            f"Expected the {len(wanted)} queries of {data.name} in one folder, found "
            f"{len(wanted) - len(absent)}; there is no {absent[0]}_query.txt in "
            f"{display_name(folder)} (looked {LEVELS}). {data.published}"
        )
    return [read_query(files[name].parent, name) for name in wanted]


def _stem(name: str) -> str:
    return name.removesuffix(".jpg")


def _with_pictures(query: TrueQuery, images: ImageList, found: dict[str, str]) -> TrueQuery:
    """The query under the names of the list, and the path of its picture."""
    positives, junk = (
        frozenset(found.get(_stem(name), name) for name in some)
        for some in (query.positives, query.junk)
    )
    image = images.path(found[_stem(query.image.name)])
    return replace(
        query, examples=(replace(query.examples[0], image=image),), positives=positives, junk=junk
    )
