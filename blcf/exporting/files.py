"""Folders of what was found: a clip around each moment, or its best frame as a picture."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from PIL import Image

from blcf.bounds import check_bounds
from blcf.checks import check_bool
from blcf.errors import UnreadableImage
from blcf.images import as_image, display_name, frame_place
from blcf.images.clips import clip_suffix, copy_clip
from blcf.images.exact_clips import EXACT_SUFFIX, encode_clip
from blcf.outputs import open_output
from blcf.searching import Moment
from blcf.storage import refusals

__all__ = ["write_clips", "write_stills"]

_QUALITY = 95


def write_clips(
    moments: Iterable[Moment],
    folder: str | os.PathLike[str],
    margin: float | None = None,
    exact: bool = False,
) -> tuple[list[Path], dict[str, str]]:
    """A film of each moment, copied from its own without loss, or encoded anew.

    Parameters
    ----------
    folder : made where there is none; files of these names are replaced
    margin : s before and behind each moment; by default 1, and 0 of exact clips
    exact : whether a clip begins and ends to a frame: it is decoded and encoded anew (H.264 and
        AAC in mp4). Copied, it begins at the key frame before, which may be seconds earlier

    Returns
    -------
    the files, and {name of the moment: reason} of those of which no clip could be made

    Raises
    ------
    InvalidInput, StorageError
    """
    check_bool("exact", exact)
    margin = (0.0 if exact else 1.0) if margin is None else margin
    check_bounds("margin", margin)
    make = encode_clip if exact else copy_clip
    place, written, skipped = _made(folder), [], {}
    for rank, one in enumerate(moments, start=1):
        frame = None if one.hits.paths[0] is None else frame_place(one.hits.paths[0])
        if one.first is None or one.last is None or frame is None:
            skipped[one.best.name] = "it is no frame of a film that is there"
            continue
        film = frame[0]
        path = place / f"{_file_name(rank, one)}{EXACT_SUFFIX if exact else clip_suffix(film)}"
        first, last = (Fraction(time) for time in (one.first - margin, one.last + margin))
        try:
            with open_output(path) as file:
                make(film, max(Fraction(0), first), last, file)
        except UnreadableImage as error:
            skipped[one.best.name] = error.reason
            continue
        written.append(path)
    return written, skipped


def write_stills(
    moments: Iterable[Moment], folder: str | os.PathLike[str]
) -> tuple[list[Path], dict[str, str]]:
    """The best frame of each moment as a JPEG; see `write_clips`."""
    place, written, skipped = _made(folder), [], {}
    for rank, one in enumerate(moments, start=1):
        shown = one.hits.shown[0]
        try:
            if shown is None:
                raise UnreadableImage("it is not at hand")
            pixels = as_image(shown)
        except UnreadableImage as error:
            skipped[one.best.name] = error.reason or str(error)
            continue
        path = place / f"{_file_name(rank, one)}.jpg"
        with open_output(path) as file:
            Image.fromarray(pixels).save(file, "JPEG", quality=_QUALITY)
        written.append(path)
    return written, skipped


def _made(folder: str | os.PathLike[str]) -> Path:
    place = Path(folder)
    with refusals(place):
        place.mkdir(parents=True, exist_ok=True)
    return place


def _file_name(rank: int, one: Moment) -> str:
    """Rank and best member, as every file system takes it."""
    name = re.sub(r"[^\w.@-]+", "_", display_name(one.best.name).replace(":", "-"))
    return f"{rank:04d}_{name[-120:]}"
