"""Films of which every fact is known: each frame says its number, on a scene that is its shot's."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

SIZE = 96, 64  # width, height
_BITS, _SIDE = 12, 8  # squares along the upper edge, black or white
TICK = Fraction(1, 90_000)


def scene(shot: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """What a shot shows: blocks of colours, uint8 (height, width, 3)."""
    rng = np.random.default_rng(shot)
    blocks = rng.integers(30, 226, (8, 12, 3), dtype=np.uint8)
    rows = np.arange(size[1]) * 8 // size[1]
    return np.ascontiguousarray(blocks[rows][:, np.arange(size[0]) * 12 // size[0]])


def numbered(number: int, shot: int = 0, size: tuple[int, int] = SIZE) -> np.ndarray:
    """The scene of a shot with a number in its upper edge."""
    pixels = scene(shot, size)
    for bit in range(_BITS):
        pixels[:_SIDE, bit * _SIDE : (bit + 1) * _SIDE] = 255 * (number >> bit & 1)
    return pixels


def number_in(pixels: np.ndarray) -> int:
    """The number that a decoded frame says."""
    middle = pixels[_SIDE // 2, _SIDE // 2 : _BITS * _SIDE : _SIDE].mean(axis=1)
    return sum(int(value > 127) << bit for bit, value in enumerate(middle))


def write_film(
    path: Path,
    frames: Sequence[np.ndarray],
    times: Sequence[Fraction] | None = None,
    *,
    codec: str = "libx264",
    rate: int = 25,
    keys: int = 12,
    rotation: int | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    pixel_format: str = "yuv420p",
) -> Path:
    """Write a film.

    Parameters
    ----------
    times : of the frames, s; by default one each 1 / rate
    keys : a key frame each so many frames
    rotation : degrees, counter-clockwise, that a player turns it by
    aspect : width of a pixel by its height
    options : of the container
    """
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        context = stream.codec_context
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        context.gop_size = keys
        if times is not None:
            context.time_base = TICK
        if rotation is not None:
            stream.set_display_rotation(rotation)
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if times is None:
                frame.pts, frame.time_base = number, Fraction(1, rate)
            else:
                frame.pts, frame.time_base = int(times[number] / TICK), TICK
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def write_numbered(path: Path, n_frames: int, shot: Callable[[int], int] = int, **how) -> Path:
    """A film of numbered frames; `shot` gives that of each."""
    return write_film(path, [numbered(n, shot(n)) for n in range(n_frames)], **how)


def cut_by_edit_list(path: Path, first: int) -> None:
    """Let an mp4 of constant rate begin at a frame, by its edit list alone; all packets stay."""
    import av

    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        step = int(1 / (stream.average_rate * stream.time_base))
    data = bytearray(path.read_bytes())
    at = data.find(b"elst") + 4
    version, n, length, begin, rate = struct.unpack(">IIIiI", data[at : at + 20])
    assert (version, n) == (0, 1)
    length -= 40 * first  # ms: the film's own time scale
    data[at : at + 20] = struct.pack(">IIIiI", version, n, length, begin + first * step, rate)
    path.write_bytes(data)


def write_with_sound(path: Path, n_frames: int, late: int) -> Path:
    """Numbered frames, the first of which comes `late` frames after the sound has begun."""
    import av

    with av.open(str(path), "w") as container:
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", 44_100)
        video.width, video.height = SIZE
        video.pix_fmt = "yuv420p"
        for number in range(n_frames):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = number + late, Fraction(1, 25)
            for packet in video.encode(frame):
                container.mux(packet)
        for number in range((n_frames + late) * 44_100 // 25 // 1024):
            silence = np.zeros((1, 1024), np.float32)
            heard = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            heard.sample_rate, heard.pts = 44_100, 1024 * number
            for packet in sound.encode(heard):
                container.mux(packet)
        for stream in (video, sound):
            for packet in stream.encode():
                container.mux(packet)
    return path


def write_sound(path: Path) -> Path:
    """A film without pictures."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        for number in range(20):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 44_100, 1024 * number
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
