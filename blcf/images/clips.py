"""Parts of films as films of their own: packets are copied, nothing is decoded or lost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from blcf.errors import UnreadableImage
from blcf.images.video import OpenFilm, unreadable

__all__ = ["clip_suffix", "copy_clip"]

_FORMATS = {
    ".avi": "avi",
    ".m4v": "mp4",
    ".mkv": "matroska",
    ".mov": "mov",
    ".mp4": "mp4",
    ".ts": "mpegts",
    ".webm": "webm",
}
_OTHERS = ".mkv"  # takes nearly every codec


def clip_suffix(film: Path) -> str:
    """The ending of a film's clips: its own where such a file can be written."""
    suffix = film.suffix.lower()
    return suffix if suffix in _FORMATS else _OTHERS


def copy_clip(film: Path, first: Fraction, last: Fraction, file: BinaryIO) -> None:
    """Write what a film shows from one time to another, s, with its sound.

    It begins at the key frame at or before `first`, as what follows refers to it: earlier by some
    frames or seconds. Its format is that of `clip_suffix`.

    Raises
    ------
    UnreadableImage
        The film cannot be read, or its codec is none that the format takes.
    """
    import av

    with OpenFilm(film) as opened:
        video = opened.stream
        sounds = opened.container.streams.audio
        target = opened.start + math.floor(first / opened.time_base)
        end = opened.start + math.ceil(last / opened.time_base)
        try:
            opened.container.seek(max(target, opened.start), stream=video)
            with av.open(file, "w", format=_FORMATS[clip_suffix(film)]) as written:
                streams = {one.index: written.add_stream_from_template(one) for one in [video]}
                for one in sounds[:1]:
                    streams[one.index] = written.add_stream_from_template(one)
                _copy(opened, streams, end * opened.time_base, written)
        except (av.FFmpegError, ValueError, OSError) as error:
            if isinstance(error, UnreadableImage):
                raise
            text = getattr(error, "strerror", None) or str(error)
            raise unreadable(film, f"no clip can be copied from it; FFmpeg says: {text}") from error


def _with_dts(packets: Iterable[Any], video: int) -> Iterator[Any]:
    """Packets that hold something, each with a decoding time.

    Behind a seek Matroska knows none for the first: they count back from the first that is known.
    """
    waiting: list[Any] = []
    is_known = False
    for packet in packets:
        if not packet.size:
            continue
        waiting.append(packet)
        if packet.stream.index != video or packet.dts is None:
            continue
        if not is_known:
            stamp = packet.dts
            for one in reversed([each for each in waiting if each.stream.index == video][:-1]):
                stamp -= one.duration or 1
                one.dts = stamp
            is_known = True
        yield from (one for one in waiting if one.dts is not None)
        waiting.clear()
    if is_known:
        yield from (one for one in waiting if one.dts is not None)


def _copy(opened: OpenFilm, streams: dict[int, Any], end: Fraction, written: Any) -> None:
    """Packets up to a time, moved so that the first key frame comes at 0."""
    zero: Fraction | None = None
    inputs = [one for one in opened.container.streams if one.index in streams]
    for packet in _with_dts(opened.container.demux(*inputs), opened.stream.index):
        is_video = packet.stream.index == opened.stream.index
        if zero is None:
            if not is_video or not packet.is_keyframe:
                continue
            stamps = [one for one in (packet.dts, packet.pts) if one is not None]
            zero = min(stamps) * packet.time_base
        if packet.dts * packet.time_base > end:
            if is_video:
                return
            continue
        shift = round(zero / packet.time_base)
        if packet.dts < shift:
            continue  # sound before the first picture
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        packet.stream = streams[packet.stream.index]
        written.mux(packet)
