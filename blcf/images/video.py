"""A film through FFmpeg: when its frames come, and what they show. The one home of PyAV.

Time is a frame's time stamp times the time base of its stream, exact, and counted from the stream's
start (FFmpeg's ``start_time``: what edit lists leave as the first frame), whatever that is: a film
cut from a broadcast at two o'clock begins at 0 as well. No time ever comes from counting frames.
"""

from __future__ import annotations

import errno
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from blcf.errors import UnreadableImage
from blcf.images.bounds import check_size
from blcf.images.frame_names import format_time
from blcf.images.names import display_name
from blcf.images.timeline import Timeline

__all__ = ["NEEDS_AV", "FilmFrame", "OpenFilm", "small_frame", "unreadable", "upright_frame"]

Pixels = npt.NDArray[np.uint8]

NEEDS_AV = "it is a film, and films need PyAV: pip install 'blcf[video]'"

# What opens other files, or the network, by names that it holds; and pictures by another name.
_LISTS = ("concat", "dash", "hls", "imf", "lavfi", "rtsp", "sap", "sdp")
_PICTURES = ("gif", "ico", "image2", "apng", "webp")
_ENCRYPTED = ("encv", "drmi")
# Program streams have a time stamp now and then; FFmpeg counts on from it, and behind a seek from
# the wrong frame until the next one comes (.7 s at most, by the standard).
_GUESSING, _ASTRAY = ("mpeg", "mpegvideo"), Fraction(5)
_SMALL = 96
_ENDS_EARLY = 1  # s that are missing at the end before a film is said to be cut short


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """A decoded frame.

    Attributes
    ----------
    pts : its time stamp
    content : of PyAV
    """

    pts: int
    content: Any


def unreadable(path: str | os.PathLike[str], reason: str) -> UnreadableImage:
    """The error of a film, or of a frame, that cannot be read."""
    error = UnreadableImage(f"{display_name(path)}: {reason}")
    error.reason = reason
    return error


class OpenFilm:
    """A film's best video stream, opened; by one thread at a time.

    Raises
    ------
    UnreadableImage
        There is none, it cannot be opened or decoded, or PyAV is not installed.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            import av
        except ImportError as error:
            raise unreadable(path, NEEDS_AV) from error
        self._failures = av.FFmpegError, ValueError, EOFError
        self._open()
        self.time_base: Fraction = self.stream.time_base
        self.start: int = self.stream.start_time or 0
        self.aspect = Fraction(self.stream.sample_aspect_ratio or 1)
        self.rate: Fraction | None = self.stream.average_rate or self.stream.guessed_rate

    def _open(self) -> None:
        import av

        path = self.path
        with self._telling():
            if not os.path.isfile(path):  # opening a pipe would wait for a writer
                there = os.path.lexists(path)
                raise unreadable(
                    path, "it is not a regular file" if there else "there is no such file"
                )
            if not os.path.getsize(path):
                raise unreadable(path, "the file is empty (0 bytes)")
            # A list of files or addresses may be called film.mp4: none of them is opened.
            formats = ",".join(sorted(av.formats_available.difference(_LISTS)))
            safe = {"protocol_whitelist": "file", "format_whitelist": formats}
            self.container = av.open(str(path), options=safe, metadata_errors="replace")
        self._is_used = False
        try:
            self.stream = self._check()
        except UnreadableImage:
            self.close()
            raise

    def _check(self) -> Any:
        names = self.container.format.name.split(",")
        if any(one in _PICTURES or one.endswith("_pipe") for one in names):
            raise unreadable(self.path, f"it is a picture ({names[0]}), not a film; rename it")
        streams = [
            one
            for one in self.container.streams.video
            if "attached_pic" not in (one.disposition.name or "")
        ]
        if not streams:
            n_audio = len(self.container.streams.audio)
            raise unreadable(
                self.path, "it has sound only, no pictures" if n_audio else "it has no video stream"
            )
        best = self.container.streams.best("video")
        stream = best if best in streams else streams[0]
        context = stream.codec_context
        if context is None:
            raise unreadable(self.path, "it is encrypted, or FFmpeg has no decoder for it")
        if context.codec_tag in _ENCRYPTED:
            raise unreadable(self.path, "it is encrypted (DRM)")
        context.thread_type = "AUTO"
        return stream

    def close(self) -> None:
        """Give the file and the decoder back."""
        with suppress(*self._failures):
            self.container.close()

    def __enter__(self) -> OpenFilm:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Whatever goes wrong as an `UnreadableImage` that says what, of which film."""
        try:
            yield
        except self._failures as error:
            if isinstance(error, UnreadableImage):
                raise
            raise unreadable(self.path, _reason(error)) from error
        except OSError as error:
            raise unreadable(self.path, _reason(error)) from error

    def timeline(self) -> Timeline:
        """When its frames come, from its packets."""
        self._rewind()
        stream, is_vp8 = self.stream, self.stream.codec_context.name.startswith("vp8")
        pts, keys, ends, trouble = [], [], [], ""
        try:
            for packet in self.container.demux(stream):
                stamp = packet.dts if packet.pts is None else packet.pts
                if packet.is_corrupt:
                    trouble = trouble or "it is damaged or cut short"
                if stamp is None or packet.is_discard or packet.is_corrupt:  # of an edit list
                    continue
                if is_vp8 and packet.size and not bytes(packet)[0] & 0x10:
                    continue  # a frame that others refer to and nobody sees
                pts.append(stamp)
                ends.append(stamp + (packet.duration or 0))
                if packet.is_keyframe:
                    keys.append(stamp)
        except (*self._failures, OSError) as error:
            trouble = trouble or f"it is damaged or cut short ({_reason(error)})"
        shown = np.unique(np.array(pts, dtype=np.int64))
        shown = shown[shown >= self.start]
        if not trouble and ends:
            trouble = self._ends_early((max(ends) - self.start) * self.time_base)
        sought = np.unique(np.array(keys, dtype=np.int64))
        return Timeline(shown, sought, self.time_base, self.start, trouble)

    def _ends_early(self, end: Fraction) -> str:
        length = None
        if self.stream.duration is not None:
            length = self.stream.duration * self.time_base
        elif "DURATION" in self.stream.metadata:  # Matroska's
            with suppress(ValueError):
                hours, minutes, seconds = self.stream.metadata["DURATION"].split(":")
                length = 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
                length -= self.start * self.time_base
        if length is None or end > length - _ENDS_EARLY:
            return ""
        return f"it is cut short: it ends at {format_time(end)} of {format_time(Fraction(length))}"

    def frames(self, pts: int | None = None) -> Iterator[FilmFrame]:
        """Frames as they are shown, from the first; or from a key frame at or before `pts`.

        What cannot be decoded is passed over: a frame that is missing is seen by its time stamp.
        """
        # A container may seek by decoding time, to a key frame that is shown later than `pts`.
        back = _ASTRAY if self.container.format.name in _GUESSING else Fraction(0)
        while pts is not None and (sought := pts - math.ceil(back / self.time_base)) > self.start:
            self._is_used = True
            try:
                self.container.seek(sought, stream=self.stream)
            except (*self._failures, OSError):  # some containers cannot
                break
            frames = self._decoded()
            first = next(frames, None)
            if first is not None and first.pts <= pts:
                yield first
                yield from frames
                return
            back = 2 * back or Fraction(1, 2)
        self._rewind()
        yield from self._decoded(is_first=True)

    def _rewind(self) -> None:
        """Stand before the first packet; not by seeking, which leads to the first key frame."""
        if self._is_used:
            self.close()
            self._open()
        self._is_used = True

    def _decoded(self, is_first: bool = False) -> Iterator[FilmFrame]:
        """Frames from where the file stands, those before its first key frame left out."""
        key: int | None = self.start if is_first else None
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if key is None:
                    if not packet.is_keyframe:
                        continue
                    key = packet.dts if packet.pts is None else packet.pts
                found = packet.decode()
            except (*self._failures, OSError):  # of the file itself: there is no next packet then
                continue
            for frame in found:
                if frame.pts is not None and frame.pts >= key:
                    yield FilmFrame(frame.pts, frame)


def upright_frame(shown: FilmFrame, aspect: Fraction) -> Pixels:
    """A frame as it is to be seen: RGB, square pixels, turned as its display matrix says.

    Of pixels that are not square the height is kept. Turns by other angles than quarters, which no
    camera writes, are taken to the nearest quarter.

    Parameters
    ----------
    aspect : width of a stored pixel by its height

    Returns
    -------
    uint8 (height, width, 3)
    """
    frame = shown.content
    check_size(frame.width, frame.height)
    reformatted = _converter("upright").reformat(frame, format="rgb24", threads=1)
    pixels = np.asarray(reformatted.to_ndarray(), dtype=np.uint8)
    width = max(1, round(frame.width * aspect))
    if width != frame.width:
        check_size(width, frame.height)
        size = width, frame.height
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC))
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32)[:5].tolist()  # x' = ax + cy, y' = bx + dy
    if abs(b) > abs(a):
        pixels, a, d = pixels.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def small_frame(shown: FilmFrame) -> Pixels:
    """A frame for comparing, its longer side 128 pixels at most: uint8 (height, width, 3), BGR."""
    frame = shown.content
    scale = min(1.0, _SMALL / max(frame.width, frame.height))
    width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
    made = _converter("small").reformat(
        frame, width=width, height=height, format="bgr24", interpolation="AREA", threads=1
    )
    return np.asarray(made.to_ndarray(), dtype=np.uint8)


_this = threading.local()


def _converter(purpose: str) -> Any:
    """What converts frames, one a purpose for each thread: made anew it takes 1.7 ms a frame."""
    if not hasattr(_this, purpose):
        from av.video.reformatter import VideoReformatter

        setattr(_this, purpose, VideoReformatter())
    return getattr(_this, purpose)


def _reason(error: BaseException) -> str:
    if isinstance(error, PermissionError):
        return "there is no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if getattr(error, "errno", None) == errno.EINVAL:  # not on the list of formats
        return "it is a list of other files, not a film"
    text = getattr(error, "strerror", None) or str(error)
    return f"it is no film, damaged or cut short; FFmpeg says: {text}"
