"""Convolutions tile by tile, against the sum as it is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from oracle_convolution import convolve

from blcf.features.winograd import filtering_weights
from blcf.kernels import convolution
from blcf.kernels.convolution import BLOCK, LANES, convolve_tiles, memory_shapes

HOUSE = Path(__file__).resolve().parents[2]
WHOLE = (np.float32(-np.inf), np.float32(np.inf))


def layer(seed: int, n_channels: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(m, n_channels, 3, 3)).astype(np.float32)
    return weight, rng.normal(size=m).astype(np.float32)


def picture(seed: int, height: int, width: int, n_channels: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(height, width, n_channels)).astype(np.float32)


def memory(n_channels: int, m: int) -> tuple[np.ndarray, ...]:
    """What a kernel computes in, of a content that would be seen."""
    return tuple(np.full(shape, np.nan, np.float32) for shape in memory_shapes(n_channels, m))


def convolved(cells, weight, bias, bounds=WHOLE, part=None):
    height, width, n_channels = cells.shape
    n_tiles = -(-height // 4) * -(-width // 4)
    found = np.full((height, width, len(bias)), 77, np.float32)
    weights = filtering_weights(torch.from_numpy(weight))
    first, last = part or (0, n_tiles)
    convolve_tiles(cells, weights, bias, *bounds, first, last, memory(n_channels, len(bias)), found)
    return found


@pytest.mark.parametrize("height", [1, 4, 7])
@pytest.mark.parametrize("width", [1, 4, 6, 13])
@pytest.mark.parametrize(("n_channels", "m"), [(1, 1), (3, 5), (5, 17)])
def test_equals_the_sum_as_it_is_written(height, width, n_channels, m) -> None:
    cells, (weight, bias) = picture(height, height, width, n_channels), layer(width, n_channels, m)
    expected = convolve(cells, weight, bias)
    np.testing.assert_allclose(convolved(cells, weight, bias), expected, rtol=1e-5, atol=1e-4)


def test_several_blocks_and_lanes() -> None:
    """More tiles than a block has, its last not whole."""
    cells, (weight, bias) = picture(0, 30, 37, 2), layer(1, 2, 2 * LANES)
    assert BLOCK < 8 * 10 and 8 * 10 % BLOCK
    expected = convolve(cells, weight, bias)
    np.testing.assert_allclose(convolved(cells, weight, bias), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("bounds", [(0, np.inf), (0, 1.5), (-1, 1)])
def test_bounds(bounds) -> None:
    cells, (weight, bias) = picture(2, 6, 9, 3), layer(3, 3, 4)
    expected = convolve(cells, weight, bias, *bounds)
    found = convolved(cells, weight, bias, tuple(map(np.float32, bounds)))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    assert found.min() == bounds[0] and (found.max() == bounds[1] or bounds[1] == np.inf)


def test_parts_are_the_whole() -> None:
    """To the last bit, and a part leaves the cells of other tiles alone."""
    cells, (weight, bias) = picture(4, 18, 11, 4), layer(5, 4, 19)
    whole = convolved(cells, weight, bias)
    joined = np.full_like(whole, 77)
    for part in ((0, 1), (1, 8), (8, 15)):
        found = convolved(cells, weight, bias, part=part)
        is_made = found != 77
        assert (joined[is_made] == 77).all()
        joined[is_made] = found[is_made]
    assert np.array_equal(joined, whole)


def test_the_plain_product_is_that_of_vectors() -> None:
    """The function that the compiler's is written for."""
    n_rows = convolution._ROWS
    values, matrix = picture(6, 1, 2 * n_rows, 7)[0], picture(7, 1, 7, LANES)[0]
    sums = np.zeros((2 * n_rows, 2 * LANES), np.float32)
    convolution._multiply(values, n_rows, matrix, sums, LANES)
    assert not sums[:n_rows].any() and not sums[:, :LANES].any()
    np.testing.assert_array_equal(sums[n_rows:, LANES:], values[n_rows:] @ matrix)


@pytest.mark.slow
def test_as_many_rows_as_with_avx_512(tmp_path: Path) -> None:
    """Twice as many go together there; here they are compiled for what this processor has."""
    script = (
        "from llvmlite import binding\n"
        "features = {'avx512f': True}\n"
        "binding.get_host_cpu_features = lambda: features\n"
        "from blcf.kernels import convolution\n"
        "assert convolution._ROWS == 12\n"
        "import pytest\n"
        f"raise SystemExit(pytest.main(['-q', '-m', 'not slow', {str(Path(__file__))!r}]))\n"
    )
    environment = {**os.environ, "BLCF_CACHE_DIR": str(tmp_path), "NUMBA_CPU_FEATURES": ""}
    found = subprocess.run(
        [sys.executable, "-c", script],
        cwd=HOUSE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert found.returncode == 0, found.stdout + found.stderr
