"""The teachers: real weights, maps on the student's grid, targets of length one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from blcf.errors import WeightsError
from blcf.learning.teachers import TAUGHT, Targets, Teachers


def _canvases(data, n=3):
    paths = sorted((data / "natural" / "bsds").rglob("*.jpg"))[::150][:n]
    return np.stack(
        [np.array(Image.open(path).convert("RGB").resize((256, 256))) for path in paths]
    )


@pytest.mark.slow
def test_maps_lie_on_the_grid_of_the_student(data):
    teachers = Teachers(data / "weights", dtype=torch.float32)
    canvases = _canvases(data)
    before = teachers(canvases)
    assert {name: tuple(maps.shape[1:]) for name, maps in before.items()} == {
        "fire9": (512, 14, 14),
        "fire8": (512, 14, 14),
        "mobilenet_v2": (576, 14, 14),
        "lite2": (120, 14, 14),
        "fire5": (256, 28, 28),
    }
    # A small patch is changed: the maps change around the cell that lies there.
    off: dict[str, list[float]] = {}
    for place in range(96, 128, 8):
        changed = canvases.copy()
        patch = changed[:, place - 4 : place + 5, place - 4 : place + 5]
        changed[:, place - 4 : place + 5, place - 4 : place + 5] = patch[:, ::-1, ::-1] // 2 + 60
        for taught in TAUGHT:
            after = teachers(changed)[taught.name]
            change = (after - before[taught.name]).square().sum(1)
            wanted = (place - 16 - (taught.stride / 2 - 0.5)) / taught.stride
            numbers = torch.arange(change.shape[-1])
            for axis in (1, 2):
                shares = change.sum(3 - axis)
                places = (shares * numbers).sum(1) / shares.sum(1)
                off.setdefault(taught.name, []).extend((places - wanted).tolist())
    for name, values in off.items():
        assert abs(np.median(values)) < 0.3, name


def test_targets_are_what_blcf_makes_of_maps(data):
    teachers = Teachers(data / "weights", TAUGHT[:2], dtype=torch.float32)
    maps = teachers(_canvases(data))
    targets = Targets(n_components=32).fit(maps)
    directions, norms = targets.transform("fire8", maps["fire8"])
    assert directions.shape == (3, 32, 14, 14) and norms.shape == (3, 14, 14)
    lengths = np.linalg.norm(directions.astype(np.float32), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=2e-3)
    assert float(norms.astype(np.float32).mean()) == pytest.approx(1, abs=1e-2)


def test_a_layer_of_few_channels_has_zeros_behind_them():
    rng = np.random.default_rng(0)
    maps = {"few": torch.from_numpy(rng.normal(size=(4, 5, 6, 6)).astype(np.float32))}
    directions, _ = Targets(n_components=8).fit(maps).transform("few", maps["few"])
    assert directions.shape == (4, 8, 6, 6) and not directions[:, 5:].any()
    lengths = np.linalg.norm(directions.astype(np.float32), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=2e-3)


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(WeightsError, match="No weights file"):
        Teachers(tmp_path, TAUGHT[:1])
    with pytest.raises(WeightsError, match="No weights file at .*tf_efficientnet_lite2.pth"):
        Teachers(tmp_path, [each for each in TAUGHT if each.network.startswith("timm:")])
