"""TRECVID instance search (INS) of 2013 to 2015: 464 hours of BBC EastEnders, 30 topics a year.

What is found are shots; what is indexed are frames of them (Mohedano et al. took one every four
seconds). A frame tells its shot by its name, in one of these ways, below any folders::

    shot123_45/00001.jpg        a folder for each shot
    shot123_45_00001.jpg        file names with the shot; also shot123_45.jpg and
    TRECVID2013_10.shot123_45.RKF_0.Frame_4.jpg
    123/45/00001.jpg            a folder for each video, in it one for each shot; also
    video123/shot45/00001.jpg

The frames have to be cut out of the videos by whoever holds them (the BBC's licence lets nobody
publish them), shot by shot as the master shot reference says. Video 0 is there to develop with:
the task allows none of its shots in an answer, so its frames are left out.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from blcf.bounds import check_bounds
from blcf.datasets.finding import data_folder
from blcf.datasets.trecvid_topics import EXAMPLE, examples_of, read_relevant, read_topics
from blcf.datasets.truth import GroundTruth, TrueQuery
from blcf.errors import DatasetNotFound, FormatError, InvalidInput
from blcf.images import ImageList, display_name, find_images

__all__ = ["read_trecvid", "shot_of"]

logger = logging.getLogger(__name__)

_TOPICS = re.compile(r"(?!.*inter)(?:.*\b)?ins\b.*topics.*\.xml", re.IGNORECASE)
_QRELS = re.compile(r"(?:.*\b)?ins\b.*qrels(?!.*\.csv$).*", re.IGNORECASE)
_SHOT = re.compile(r"(?<![A-Za-z0-9])shot(\d+)_(\d+)(?!\d)", re.IGNORECASE)
_VIDEO_AND_SHOT = re.compile(r"(?:.*/)?(?:video_?)?(\d+)/(?:shot_?)?(\d+)/[^/]+", re.IGNORECASE)
_PUBLISHED = (
    "NIST publishes topics, example pictures and qrels among the past data of "
    "https://trecvid.nist.gov/; the BBC EastEnders videos and the master shot reference come with "
    "its data agreement."
)


def read_trecvid(
    folder: str | os.PathLike[str],
    year: int | None = None,
    *,
    frames: str | os.PathLike[str] | None = None,
) -> GroundTruth:
    """Read TRECVID INS.

    Parameters
    ----------
    folder : holds the topics (``ins.auto.topics.2013.xml``) and the qrels
        (``ins.search.qrels.tv13``), at most two levels below, and the example pictures and masks
        (``9069.1.src.bmp``, ``9069.1.mask.bmp``), at any depth
    year : 2013, 2014 or 2015; may be left out where the folder has the topics of one year
    frames : the folder of the frames, where it is not below `folder`

    Returns
    -------
    GroundTruth of protocol "trecvid"
        A query is a topic, by its number, with an example for each picture: its mask and the box
        around the mask. Positives are shots, and `shots` gives the shot of each frame. Topics that
        were not judged have no positives.

    Raises
    ------
    InvalidInput
        Not a path, another year, or files of several years and no `year`.
    DatasetNotFound
        Topics, qrels, an example, a mask or all frames are missing.
    FormatError
        Topics, qrels or a mask are not of the form, or do not belong together.

    Notes
    -----
    Source: Over et al., "TRECVID 2013", section on instance search; Awad et al., "Instance search
    retrospective with focus on TRECVID", 2017.
    """
    if year is not None:
        check_bounds("year", year)
    path = data_folder(folder, _PUBLISHED)
    files = list(_files(path, levels=2))
    topics_path = _of_year(files, _TOPICS, year, "ins.auto.topics.2013.xml", path)
    year = year or _year(topics_path.name)
    qrels_path = _of_year(files, _QRELS, year, "ins.search.qrels.tv13", path)
    topics, relevant = read_topics(topics_path), read_relevant(qrels_path)
    if not relevant.keys() & {topic.number for topic in topics}:
        raise FormatError(
            f"Expected {display_name(qrels_path)} to judge topics of {display_name(topics_path)}, "
            "it judges none of them. Take both of one year."
        )
    everything = _images(path)
    pictures: dict[tuple[str, str], Path] = {}
    for name in everything.names:
        match = EXAMPLE.fullmatch(name.rpartition("/")[2])
        if match:
            key = match["stem"], match["kind"].lower()
            pictures.setdefault(key, everything.root / name)
    queries = [
        TrueQuery(
            topic.number,
            topic.text,
            examples_of(topic, pictures),
            relevant.get(topic.number, frozenset()),
        )
        for topic in topics
    ]
    if frames is not None:
        everything = _images(data_folder(frames, _PUBLISHED))
    shots = _shots(everything)
    _warn_of_missing(queries, shots, everything.root)
    images = ImageList(everything.root, list(shots), everything.problems)
    return GroundTruth(
        path, queries, name=f"ins{year or ''}", protocol="trecvid", images=(images,), shots=shots
    )


def shot_of(name: str) -> str | None:
    """The shot that a frame is of, told by its name; None where the name does not tell.

    Examples
    --------
    >>> shot_of("frames/shot123_45/00001.jpg"), shot_of("frames/123/45/00001.jpg")
    ('shot123_45', 'shot123_45')
    """
    named = _SHOT.findall(name)
    if named:
        video, shot = named[-1]
    else:
        match = _VIDEO_AND_SHOT.fullmatch(name)
        if match is None:
            return None
        video, shot = match.groups()
    return f"shot{int(video)}_{int(shot)}"


def _shots(images: ImageList) -> dict[str, str]:
    """{frame: shot} of the pictures that are frames; equal shots are one text."""
    shots: dict[str, str] = {}
    texts: dict[str, str] = {}
    others = []
    n_development = 0
    for name in images.names:
        if EXAMPLE.fullmatch(name.rpartition("/")[2]):
            continue
        shot = shot_of(name)
        if shot is None:
            others.append(name)
        elif shot.startswith("shot0_"):
            n_development += 1
        else:
            shots[name] = texts.setdefault(shot, shot)
    if not shots:
        raise DatasetNotFound(
            "Expected frames that tell their shot by their name, such as shot123_45/00001.jpg, "
            f"shot123_45_00001.jpg or 123/45/00001.jpg, below {display_name(images.root)}; there "
            f"are none among {len(images)} pictures. Cut them out of the videos, or say frames=... "
            f"where they are elsewhere. {_PUBLISHED}"
        )
    if others:
        logger.warning(
            "TRECVID INS: %d pictures do not tell a shot by their name and are left out, such as "
            "%s",
            *(len(others), display_name(others[0])),
        )
    if n_development:
        logger.info("TRECVID INS: %d frames of video 0 are left out", n_development)
    return shots


def _warn_of_missing(queries: Iterable[TrueQuery], shots: dict[str, str], root: Path) -> None:
    wanted = {shot for query in queries for shot in query.positives}
    n_missing = len(wanted.difference(shots.values()))
    if n_missing:
        logger.warning(
            "TRECVID INS: %d of %d relevant shots have no frame in %s",
            *(n_missing, len(wanted), root),
        )


def _images(folder: Path) -> ImageList:
    try:
        return find_images(folder)
    except InvalidInput as error:
        raise DatasetNotFound(f"{error} {_PUBLISHED}") from error


def _files(folder: Path, levels: int) -> Iterator[Path]:
    """Files of a folder and of some levels below it, without looking into the folders of shots."""
    try:
        with os.scandir(folder) as entries:
            listed = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return
    for entry in listed:
        if not entry.is_dir():
            yield Path(entry.path)
        elif levels and not entry.name.startswith(".") and not _SHOT.search(entry.name):
            yield from _files(Path(entry.path), levels - 1)


def _year(name: str) -> int | None:
    """The year that a file name tells: "2013", "tv13"."""
    match = re.search(r"20(\d\d)|tv(\d\d)(?!\d)", name, re.IGNORECASE)
    return 2000 + int(match[1] or match[2]) if match else None


def _of_year(
    files: Iterable[Path], pattern: re.Pattern[str], year: int | None, such_as: str, folder: Path
) -> Path:
    """The one file of a year that is called so; a file whose name tells no year fits any."""
    found = [path for path in files if pattern.fullmatch(path.name)]
    fitting = [path for path in found if year is None or _year(path.name) in (None, year)]
    if not fitting:
        of_year = f" of {year}" if year else ""
        others = f" (only {', '.join(path.name for path in found)})" if found else ""
        raise DatasetNotFound(
            f"Expected a file such as {such_as}{of_year} in {display_name(folder)} or up to two "
            f"levels below, there is none{others}. {_PUBLISHED}"
        )
    if len(fitting) > 1:
        raise InvalidInput(
            f"Expected one file such as {such_as} in {display_name(folder)}, there are "
            f"{', '.join(display_name(path.relative_to(folder)) for path in fitting)}. Say which "
            "year, or keep one of them there."
        )
    return fitting[0]
