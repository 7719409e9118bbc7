"""Films put together from known pictures: where cuts are, when and where each object is seen.

A shot is a camera that pans over a scene of `blcf demo`, or draws near; between shots there is
a cut, a fade through black, or a dissolve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = 320, 240  # width, height of a frame
RATE = 25
FADE = 10  # frames
TICK = Fraction(1, 90_000)


@dataclass
class Shot:
    """A shot of a film: its frames, and what it shows.

    Attributes
    ----------
    scene : name of the picture
    times : of its frames, s
    views : of each frame the part of the picture that is seen, xyxy, pixels of the picture
    """

    scene: str
    times: list[Fraction] = field(default_factory=list)
    views: list[np.ndarray] = field(default_factory=list)


@dataclass
class Composed:
    """A film that was written.

    Attributes
    ----------
    path : of the film
    times : of all frames, s
    cuts : times of the first frames of all shots but the first; of a fade or dissolve its middle
    gradual : which of these are fades or dissolves
    shots : in order
    """

    path: Path
    times: list[Fraction]
    cuts: list[Fraction]
    gradual: list[bool]
    shots: list[Shot]


def _moving(picture: Image.Image, n: int, rng: np.random.Generator) -> list[np.ndarray]:
    """The views of a moving camera: xyxy, pixels of the picture."""
    width, height = picture.size
    scale = min(width / SIZE[0], height / SIZE[1])
    ends = []
    for _ in range(2):
        share = rng.uniform(0.82, 1.0)
        w, h = SIZE[0] * scale * share, SIZE[1] * scale * share
        left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
        ends.append(np.array([left, top, left + w, top + h]))
    return [ends[0] + (ends[1] - ends[0]) * step for step in np.linspace(0, 1, n)]


def compose(
    path: Path,
    scenes: Sequence[Path],
    seed: int,
    *,
    between: str = "cut",
    irregular: bool = False,
    start: Fraction = Fraction(0),
) -> Composed:
    """Write a film of a shot of each scene.

    Parameters
    ----------
    between : "cut", "fade", or "dissolve"
    irregular : whether a fifth of the frames is left out, as by a camera of variable rate
    start : time stamp of the first frame, s
    """
    import av

    rng = np.random.default_rng(seed)
    lengths = rng.integers(40, 90, len(scenes))
    total, shots, number = int(lengths.sum()), [], 0
    kept = rng.random(total) >= 0.2 if irregular else np.ones(total, dtype=bool)
    kept[0] = True
    pictures = {scene: Image.open(scene).convert("RGB") for scene in scenes}
    made: list[tuple[Shot, int]] = []  # shot and position in it, of each frame
    for scene, length in zip(scenes, lengths.tolist()):
        shot = Shot(scene.name)
        shot.views = _moving(pictures[scene], length, rng)
        shot.times = [Fraction(number + n, RATE) for n in range(length)]
        made += [(shot, n) for n in range(length)]
        shots.append(shot)
        number += length
    firsts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).tolist()
    half = FADE // 2

    def seen(shot: Shot, n: int) -> np.ndarray:
        box = tuple(shot.views[min(max(n, 0), len(shot.views) - 1)].tolist())
        picture = pictures[next(one for one in scenes if one.name == shot.scene)]
        return np.asarray(picture.resize(SIZE, Image.Resampling.BILINEAR, box=box), np.float32)

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "20"})
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", TICK
        for frame_number, (shot, n) in enumerate(made):
            if not kept[frame_number]:
                continue
            pixels, place = seen(shot, n), shots.index(shot)
            behind, before = len(shot.views) - 1 - n, n
            if between == "fade" and (place and before < half):
                pixels = pixels * (before / half)
            elif between == "fade" and (place < len(shots) - 1 and behind < half):
                pixels = pixels * (behind / half)
            elif between == "dissolve" and place and before < half:
                other = shots[place - 1]
                share = 0.5 + before / FADE
                pixels = share * pixels + (1 - share) * seen(other, len(other.views))
            elif between == "dissolve" and place < len(shots) - 1 and behind < half:
                share = 0.5 + behind / FADE
                pixels = share * pixels + (1 - share) * seen(shots[place + 1], 0)
            noisy = np.clip(pixels + rng.normal(0, 2, pixels.shape), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="rgb24")
            frame.time_base, frame.pts = TICK, int((start + Fraction(frame_number, RATE)) / TICK)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    times = [Fraction(n, RATE) for n in np.flatnonzero(kept).tolist()]
    cuts = [Fraction(first, RATE) for first in firsts[1:]]
    return Composed(path, times, cuts, [between != "cut"] * len(cuts), shots)


def write_long(path: Path, n_frames: int) -> Path:
    """A film of many small frames, for the memory: a square that wanders over noise."""
    import av

    rng = np.random.default_rng(0)
    ground = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "crf": "30"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for number in range(n_frames):
            pixels = ground.copy()
            left = number % 100
            pixels[30:60, left : left + 28] = number % 256
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path
