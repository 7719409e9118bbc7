"""Frames of films by name: ``film.mp4@00:01:12.500`` is what the film shows at that time.

Invariant: such a name leads to one frame without a list of frames, as it is the one on the screen
at that time, the last that began by then. Times are exact (`fractions.Fraction`), and rounded up
where they are written, so that a frame is on the screen at the time of its own name.
"""

from __future__ import annotations

import math
import os
import re
from fractions import Fraction
from pathlib import Path

__all__ = [
    "FILM_SUFFIXES",
    "canonical_frame",
    "file_of",
    "film_of",
    "format_time",
    "frame_name",
    "frame_place",
    "has_film_suffix",
    "split_frame",
]

FILM_SUFFIXES = frozenset(
    ".3g2 .3gp .asf .avi .divx .dv .f4v .flv .m2ts .m2v .m4v .mkv .mov .mp4 .mpe .mpeg .mpg .mts "
    ".mxf .nut .ogm .ogv .rm .rmvb .ts .vob .webm .wmv .y4m".split()
)
"""Endings of the files that are taken for films, in lower case."""

_FRAME = re.compile(r"(.+)@(?:(\d{2,}):)?([0-5]?\d):([0-5]\d)(?:\.(\d{1,12}))?", re.DOTALL)
_FEWEST, _MOST = 3, 12  # decimals of the seconds


def has_film_suffix(path: str) -> bool:
    """Whether a file is taken for a film, by its ending."""
    return os.path.splitext(path)[1].lower() in FILM_SUFFIXES


def split_frame(name: str) -> tuple[str, Fraction] | None:
    """The film of a frame's name and the time in it, s; None for a name of another form.

    Hours, and decimals of the seconds, may be left out.

    Examples
    --------
    >>> split_frame("day1/film.mp4@00:01:12.5")
    ('day1/film.mp4', Fraction(145, 2))
    >>> split_frame("day1/photo.jpg")
    """
    found = _FRAME.fullmatch(name)
    if found is None:
        return None
    film, hours, minutes, seconds, decimals = found.groups(default="0")
    whole = 3600 * int(hours) + 60 * int(minutes) + int(seconds)
    return film, whole + Fraction(int(decimals), 10 ** len(decimals))


def format_time(time: Fraction, until: Fraction | None = None) -> str:
    """A time, s, as HH:MM:SS.mmm, rounded up; with more decimals where it would reach `until`.

    Examples
    --------
    >>> format_time(Fraction(1001, 30000)), format_time(Fraction(145, 2))
    ('00:00:00.034', '00:01:12.500')
    """
    digits = _FEWEST
    while until is not None and digits < _MOST and _rounded(time, digits) >= until:
        digits += 1
    units = math.ceil(time * 10**digits)
    seconds, decimals = divmod(units, 10**digits)
    minutes, seconds = divmod(seconds, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{decimals:0{digits}d}"


def _rounded(time: Fraction, digits: int) -> Fraction:
    return Fraction(math.ceil(time * 10**digits), 10**digits)


def frame_name(film: str, time: Fraction, until: Fraction | None = None) -> str:
    """The name of a frame.

    Parameters
    ----------
    film : name of the film
    time : when the frame comes, s
    until : when the next frame of the film comes, if there is one
    """
    return f"{film}@{format_time(time, until)}"


def film_of(name: str) -> str:
    """The name of the film of a frame's name; "" for a name of another form."""
    found = split_frame(name)
    return found[0] if found else ""


def canonical_frame(name: str) -> str:
    """The name of a frame as it stands in a collection, however its time was written.

    Examples
    --------
    >>> canonical_frame("film.mp4@01:12.5"), canonical_frame("photo.jpg")
    ('film.mp4@00:01:12.500', 'photo.jpg')
    """
    found = split_frame(name)
    if found is None:
        return name
    film, time = found
    digits = len(name.rpartition(".")[2].rstrip("0")) if "." in name[len(film) :] else 0
    if digits <= _FEWEST:
        return frame_name(film, time)
    return frame_name(film, time, time + Fraction(1, 10 ** min(digits, _MOST) * 2))


def frame_place(path: str | os.PathLike[str]) -> tuple[Path, Fraction] | None:
    """The film and the time of a path that is no file, but names a frame of one; else None."""
    text = os.fspath(path)
    found = split_frame(text) if isinstance(text, str) else None
    if found is None:
        return None
    try:
        if os.path.lexists(text) or not os.path.isfile(found[0]):
            return None
    except ValueError:  # a NUL character
        return None
    return Path(found[0]), found[1]


def file_of(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """The file that holds a picture: of a frame its film, else the path itself."""
    found = frame_place(path)
    return path if found is None else found[0]
