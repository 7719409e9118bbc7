"""The kernel for GPUs beside that of the CPU; `test_device_kernel` runs this in another process."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from blcf.kernels.assignment import keep_best_words
from blcf.vocabulary import device_kernel
from blcf.vocabulary.device_kernel import keep_best_on_device, try_kernel
from blcf.vocabulary.interpolation import places_of

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") else "cuda"


def both(kept, factor, n_words, n_blocks, values, dtype=torch.float32):
    """What the kernels of the CPU and of the GPU keep of the same blocks of words."""
    device = DEVICE
    rng = np.random.default_rng(kept + factor + n_words)
    n, h, w = 2, 2, 1
    shape = (n, factor * h, factor * w)
    products = rng.choice(values, size=(n, h, w, n_words)).astype(np.float32)
    bias, half_norms = (rng.choice([0.0, 1.0, 2.0], n_words).astype(np.float32) for _ in range(2))
    shifts, scales = (rng.choice([0.0, 1.0], shape).astype(np.float32) for _ in range(2))
    y_places, x_places = places_of(shape[1], factor), places_of(shape[2], factor)
    tops = []
    for on_device in (False, True):
        scores = np.full((*shape, kept), -np.inf, np.float32)
        words = np.zeros(scores.shape, np.int32)
        top = [torch.from_numpy(scores.copy()).to(device), torch.from_numpy(words.copy())]
        top[1] = top[1].to(device)
        for block in np.array_split(np.arange(n_words), n_blocks):
            first, few = int(block[0]), slice(int(block[0]), int(block[-1]) + 1)
            arrays = products[..., few].copy(), bias[few], half_norms[few], shifts, scales
            if on_device:
                made = [torch.from_numpy(one).to(device) for one in arrays]
                made[0], made[1] = made[0].to(dtype), made[1].to(dtype)
                keep_best_on_device(*made, y_places, x_places, first, *top)
            else:
                keep_best_words(*arrays, *y_places, *x_places, first, scores, words)
        tops.append([one.cpu().numpy() for one in top] if on_device else [scores, words])
    return tops


@pytest.mark.parametrize("kept", [1, 2])
@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("n_words, n_blocks", [(7, 1), (1_100, 2)])
def test_it_keeps_what_the_kernel_of_the_cpu_keeps(kept, factor, n_words, n_blocks):
    """Multiples of an eighth of a third: sums are exact but for thirds; many scores are equal."""
    values = np.arange(-8, 9, dtype=np.float32) * (9 if factor == 3 else 1)
    wanted, found = both(kept, factor, n_words, n_blocks, values)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-6, atol=1e-5)
    if factor != 3:  # thirds are rounded, and equal scores with them
        np.testing.assert_array_equal(found[1], wanted[1])


@pytest.mark.parametrize("kept", [1, 2])
def test_what_is_not_finite_is_never_kept(kept):
    wanted, found = both(kept, 2, 40, 2, np.float32([1.0, 2.0, np.nan]))
    np.testing.assert_array_equal(found[1], wanted[1])
    wanted, found = both(kept, 2, 40, 1, np.float32([np.nan]))
    assert (found[1] == 0).all() and (found[0] == -np.inf).all()


def test_products_of_half_the_bits():
    wanted, found = both(2, 2, 300, 2, np.arange(-8.0, 9.0), dtype=torch.bfloat16)
    np.testing.assert_array_equal(found[0], wanted[0])
    np.testing.assert_array_equal(found[1], wanted[1])


def test_it_is_tried(monkeypatch):
    try_kernel(torch.device(DEVICE))
    monkeypatch.setattr(device_kernel, "keep_best_on_device", lambda *args: None)
    with pytest.raises(RuntimeError, match="it gave word 0 of score -inf"):
        try_kernel(torch.device(DEVICE))
