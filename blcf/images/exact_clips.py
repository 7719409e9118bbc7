"""Parts of films as films of their own that begin and end to a frame: decoded and encoded anew."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from blcf.errors import UnreadableImage
from blcf.images.bounds import Refused
from blcf.images.video import FilmFrame, OpenFilm, unreadable, upright_frame

__all__ = ["EXACT_SUFFIX", "encode_clip"]

EXACT_SUFFIX = ".mp4"
_CODECS = ("libx264", "mpeg4")  # x264 where this FFmpeg has it
_OPTIONS = {"libx264": {"crf": "18", "preset": "veryfast"}, "mpeg4": {"qscale": "3"}}
_FINEST = {"libx264": 1 << 30, "mpeg4": 65_535}  # ticks of a second that the codec has
_MOST = 240  # frames a second that the encoder is told: of its bit rates, not of time stamps
_HAIR = Fraction(1, 10**6)  # s: a time that was a float may lie before its frame
_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)  # of AAC


def encode_clip(film: Path, first: Fraction, last: Fraction, file: BinaryIO) -> None:
    """Write what a film shows from one time to another, s, to a frame, with its sound, as mp4.

    The first frame is the one on the screen at `first`, and comes at 0; the others come when they
    do in the film, and the last is the one on the screen at `last`. Rotation and pixels that are
    not square are applied, sides made even by leaving out a row or column.

    Raises
    ------
    UnreadableImage
        The film cannot be opened, or nothing can be decoded of it there.
    """
    import av

    with OpenFilm(film) as opened:
        begin, end = (
            opened.start + math.floor((time + _HAIR) / opened.time_base) for time in (first, last)
        )
        shown = _shown(opened, begin, end)
        try:
            zero = next(shown, None)
            if zero is None:
                raise unreadable(film, "nothing can be decoded of it there")
            with av.open(file, "w", format="mp4") as written:
                _encode(opened, zero, shown, end, written)
        except Refused as error:
            raise unreadable(film, str(error)) from error
        except (av.FFmpegError, ValueError, OSError) as error:
            if isinstance(error, UnreadableImage):
                raise
            text = getattr(error, "strerror", None) or str(error)
            raise unreadable(film, f"no clip can be made of it; FFmpeg says: {text}") from error


def _shown(opened: OpenFilm, begin: int, end: int) -> Iterator[FilmFrame]:
    """The frames that are on the screen from one time stamp to another."""
    before: FilmFrame | None = None
    for frame in opened.frames(begin):
        if frame.content.is_corrupt:
            continue
        if frame.pts > end:
            break
        if frame.pts > begin and before is not None:
            yield before
        before = frame
    if before is not None:
        yield before


def _encode(
    opened: OpenFilm,
    zero: FilmFrame,
    others: Iterator[FilmFrame],
    end: int,
    written: Any,
) -> None:
    import av

    codec = next(one for one in _CODECS if one in av.codecs_available)
    rate = min(opened.rate or Fraction(25), Fraction(_MOST))
    stream = written.add_stream(codec, rate=rate, options=_OPTIONS[codec])
    pixels = upright_frame(zero, opened.aspect)
    height, width = (max(2, side // 2 * 2) for side in pixels.shape[:2])
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    time_base = opened.time_base
    if time_base.denominator > _FINEST[codec]:
        time_base = Fraction(1, _FINEST[codec])
    stream.codec_context.time_base = time_base
    sounds = opened.container.streams.audio[:1]
    heard = None
    if sounds and "aac" in av.codecs_available:
        heard = written.add_stream("aac", sounds[0].rate if sounds[0].rate in _RATES else 48_000)
        heard.layout = "stereo"
    latest = -1
    for shown in _with_first(zero, others):
        pixels = upright_frame(shown, opened.aspect)[:height, :width]
        if pixels.shape[:2] != (height, width):
            continue  # of another size, behind a change within the film
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        moment = round((shown.pts - zero.pts) * opened.time_base / time_base)
        latest = max(moment, latest + 1)
        frame.pts, frame.time_base = latest, time_base
        written.mux(stream.encode(frame))
    written.mux(stream.encode())
    if heard is not None:
        _encode_sound(opened, zero.pts, end, heard, written)


def _encode_sound(opened: OpenFilm, begin: int, end: int, heard: Any, written: Any) -> None:
    """The sound between two time stamps of the pictures; what cannot be decoded is left out."""
    import av

    opened.container.seek(begin, stream=opened.stream)
    sound = opened.container.streams.audio[0]
    zero, until = begin * opened.time_base, end * opened.time_base
    for packet in opened.container.demux(sound):
        try:
            found = packet.decode()
        except av.FFmpegError:
            continue
        for frame in found:
            if frame.pts is None or frame.time_base is None:
                continue
            time = frame.pts * frame.time_base
            if time < zero:
                continue
            if time >= until:
                written.mux(heard.encode())
                return
            frame.pts = round((time - zero) * frame.rate)
            frame.time_base = Fraction(1, frame.rate)
            written.mux(heard.encode(frame))
    written.mux(heard.encode())


def _with_first(zero: FilmFrame, others: Iterator[FilmFrame]) -> Iterator[FilmFrame]:
    yield zero
    yield from others
