"""Canvases and what the student sees of them: shape, seeds, photographs of every form."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from blcf.learning import views
from blcf.learning.emblems import make_emblem
from blcf.learning.views import disturb, make_canvas


def _photographs():
    rng = np.random.default_rng(0)
    shapes = [(300, 200), (64, 400), (400, 64), (20, 20), (256, 256), (9, 9)]
    return [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize(shape[::-1])
        )
        for shape in shapes
    ]


def test_canvases_of_photographs_of_every_shape():
    photographs = _photographs()
    for seed in range(60):
        number = seed % len(photographs)
        canvas = make_canvas(photographs, number, 96, np.random.default_rng(seed))
        again = make_canvas(photographs, number, 96, np.random.default_rng(seed))
        assert canvas.shape == (96, 96, 3) and canvas.dtype == np.uint8
        assert np.array_equal(canvas, again)
        seen = disturb(canvas, np.random.default_rng(seed))
        assert seen.shape == canvas.shape and seen.dtype == np.uint8
        assert np.array_equal(seen, disturb(canvas, np.random.default_rng(seed)))


def test_emblems():
    seen = [make_emblem(np.random.default_rng(seed)) for seed in range(40)]
    for seed, emblem in enumerate(seen):
        height, width = emblem.shape[:2]
        assert emblem.dtype == np.uint8 and 96 <= width < 200 and 38 <= height < 240
        assert np.array_equal(emblem, make_emblem(np.random.default_rng(seed)))
    assert np.median([len(np.unique(one.reshape(-1, 3), axis=0)) for one in seen]) > 2


def test_emblems_are_pasted_beside_photographs(monkeypatch):
    black = np.zeros((80, 80, 3), np.uint8)
    monkeypatch.setattr(views, "make_emblem", lambda rng: np.full((99, 99, 3), 255, np.uint8))
    canvases = [make_canvas([black], 0, 64, np.random.default_rng(seed), 0.5) for seed in range(60)]
    shares = np.array([(one > 0).mean() for one in canvases])
    assert (shares > 0).any() and (shares == 0).any()
    assert not make_canvas([black], 0, 64, np.random.default_rng(0)).any(), "not unless asked for"


def test_a_canvas_shows_its_photograph():
    red = np.zeros((100, 120, 3), np.uint8)
    red[..., 0] = 200
    blue = np.zeros((100, 120, 3), np.uint8)
    blue[..., 2] = 200
    shares = []
    for seed in range(40):
        canvas = make_canvas([red, blue], 0, 64, np.random.default_rng(seed))
        shares.append((canvas[..., 0] > canvas[..., 2]).mean())
    assert 0.5 < np.median(shares) <= 1


def test_disturbed_pictures_stay_near():
    canvas = _photographs()[0]
    changes = [
        np.abs(disturb(canvas, np.random.default_rng(seed)).astype(int) - canvas).mean()
        for seed in range(30)
    ]
    assert max(changes) < 64 and min(changes) < 4 and len(set(changes)) > 10


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_a_crop_keeps_the_proportions(share):
    ramp = np.repeat(np.arange(200, dtype=np.uint8)[None, :, None], 100, 0).repeat(3, 2)
    rng = np.random.default_rng(1)
    slopes = []
    for _ in range(20):
        crop = np.asarray(views._crop(ramp, (50, 50), rng, (share, share))).astype(float)
        slopes.append((crop[25, 40] - crop[25, 10]).mean() / 30)
    assert np.median(slopes) == pytest.approx(2 * share, rel=0.1)
