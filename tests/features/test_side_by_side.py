"""Pictures of several shapes through the network at once: the maps of each alone, in order."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from blcf import ConvFeatures
from blcf.features.side_by_side import extract_side_by_side


def _pictures(rng):
    shapes = [(64, 96), (96, 64), (64, 96), (32, 48), (160, 96), (64, 96)]
    return [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_maps_are_those_of_each_alone(n_threads):
    extractor = ConvFeatures()
    pictures = _pictures(np.random.default_rng(0))
    wanted = extractor.extract_resized(pictures)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        found = extract_side_by_side(extractor, pictures, lambda *given: given)
    finally:
        torch.set_num_threads(before)
    assert [position for position, _ in found] == list(range(len(pictures)))
    for (_, each), one in zip(found, wanted):
        np.testing.assert_array_equal(each, one)
    assert extract_side_by_side(extractor, [], lambda *given: given) == []


def test_an_error_comes_out_and_leaves_nothing_running():
    extractor = ConvFeatures()
    before = set(threading.enumerate())

    def refuse(position, feature_map):
        raise ValueError(f"no {position}")

    with pytest.raises(ValueError, match="no "):
        extract_side_by_side(extractor, _pictures(np.random.default_rng(1)), refuse)
    idle = {each for each in set(threading.enumerate()) - before if "one-thread" not in each.name}
    assert not idle


def test_of_another_device_batches_come_one_after_another(monkeypatch):
    extractor = ConvFeatures()
    monkeypatch.setattr(type(extractor), "is_elsewhere", True)
    pictures = _pictures(np.random.default_rng(2))
    here = threading.current_thread()
    found = extract_side_by_side(
        extractor, pictures, lambda position, _: (position, threading.current_thread() is here)
    )
    assert found == [(position, True) for position in range(len(pictures))]
