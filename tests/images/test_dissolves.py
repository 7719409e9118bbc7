"""Dissolves: where frames half a second apart differ more than those around them."""

from __future__ import annotations

from fractions import Fraction

import footage
import numpy as np
import pytest

from blcf.images import FrameChoice, find_images
from blcf.images.dissolves import DissolveFinder

SIZE = 192, 128


def moving(shot: int, n_frames: int) -> list[np.ndarray]:
    """A camera that pans over a scene, with noise."""
    wide = footage.scene(shot, (2 * SIZE[0], 2 * SIZE[1])).astype(np.float32)
    noise = np.random.default_rng(shot)
    views = (wide[n // 2 : n // 2 + SIZE[1], n // 2 : n // 2 + SIZE[0]] for n in range(n_frames))
    return [view + noise.normal(0, 2, view.shape) for view in views]


def dissolved(length: int = 10, n_shots: int = 4, n_frames: int = 60) -> list[np.ndarray]:
    """Shots that go over into each other within some frames, around multiples of `n_frames`."""
    shots = [moving(shot, n_frames + length) for shot in range(n_shots)]
    frames = []
    for number in range(n_shots * n_frames):
        shot, n = divmod(number + length // 2, n_frames)
        if shot == n_shots:
            shot, n = shot - 1, n_frames + n
        pixels = shots[shot][n]
        if shot and n < length:
            share = (n + 0.5) / length
            pixels = share * pixels + (1 - share) * shots[shot - 1][n_frames + n]
        frames.append(np.clip(pixels, 0, 255).astype(np.uint8))
    return frames


def found_in(frames, rate=25, ratio=1.5):
    finder = DissolveFinder(Fraction(rate), ratio)
    found = [finder.feed(frame) for frame in frames]
    return [one for one in found if one is not None], finder


@pytest.mark.parametrize("length", [6, 10, 14])
def test_their_middles(length):
    found, finder = found_in(dissolved(length))
    assert len(found) == 3 and finder.delay == 18
    assert all(abs(one - wanted) <= 6 for one, wanted in zip(found, (60, 120, 180)))


def test_none_where_there_is_none():
    assert found_in(moving(3, 200))[0] == []
    assert found_in([np.zeros((40, 60, 3), np.uint8)] * 100)[0] == []
    assert found_in(dissolved(), ratio=50)[0] == []
    found, finder = found_in(dissolved(), rate=5)  # nothing can be told of so few
    assert found == [] and finder.delay == 0
    assert found_in([*dissolved()[:50], *[np.zeros((40, 60, 3), np.uint8)] * 50])[0] == []


def test_a_film_of_dissolves(tmp_path):
    pytest.importorskip("av", reason="films need PyAV (blcf[video])")
    pytest.importorskip("scenedetect", reason="shots need PySceneDetect (blcf[video])")
    path = footage.write_film(tmp_path / "f.mp4", dissolved())
    images = find_images(path, choice=FrameChoice(1, "shots"))
    (film,) = images.films.values()
    cuts = [
        (cut - film.timeline.start) * film.timeline.time_base for cut in film.reader._shots.cuts
    ]
    assert len(cuts) == 3
    assert all(abs(cut * 25 - wanted) <= 6 for cut, wanted in zip(cuts, (60, 120, 180)))
    # The same while frames are decoded, each of which is wanted: none is sought again, but
    # the last, as the decoder is given back where the film ends.
    images = find_images(path, choice=FrameChoice("0.04"))
    began = []
    (film,) = images.films.values()
    begin = film.reader._begin
    film.reader._begin = lambda *given: (began.append(1), begin(*given))
    shots = [images.original(name).resized(64).facts.shot for name in images.names]
    assert shots == sorted(shots) and shots[-1] == 3 and len(shots) == 240
    assert np.flatnonzero(np.diff(shots)).tolist() == [round(cut * 25) - 1 for cut in cuts]
    assert len(began) <= 2
