"""Spatial weights by hand, and norms in steps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from blcf.bags import WEIGHTINGS, spatial_weights
from blcf.bags.weighting import check_weighting, dequantise_channel, quantise_channel
from blcf.errors import InvalidInput

E = math.exp
NORMS = np.array([[1, 2, 4], [0, 8, 3]], dtype=np.float32)


def test_uniform():
    assert spatial_weights("uniform", (2, 3)).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_center_by_hand():
    # sigma = 3 / 3: exp(-d^2 / 2)
    expected = [[E(-1), E(-0.5), E(-1)], [E(-0.5), 1, E(-0.5)], [E(-1), E(-0.5), E(-1)]]
    np.testing.assert_allclose(spatial_weights("center", (3, 3)), expected, rtol=1e-6)
    # sigma = 2 / 3: exp(-d^2 * 9 / 8); the centre lies between the two rows
    row = [E(-1.25 * 9 / 8), E(-0.25 * 9 / 8), E(-1.25 * 9 / 8)]
    np.testing.assert_allclose(spatial_weights("center", (2, 3)), [row, row], rtol=1e-6)


def test_linear_by_hand():
    edge = 1 - 1 / math.sqrt(2)
    expected = [[0, edge, 0], [edge, 1, edge], [0, edge, 0]]
    np.testing.assert_allclose(spatial_weights("linear", (3, 3)), expected, rtol=1e-6)
    # distances 1.5, 0.5, 0.5, 1.5 of at most 1.5
    np.testing.assert_allclose(spatial_weights("linear", (1, 4)), [[0, 2 / 3, 2 / 3, 0]], rtol=1e-6)


def test_norm_by_hand():
    expected = [[0.125, 0.25, 0.5], [0, 1, 0.375]]
    assert spatial_weights("norm", (2, 3), NORMS).tolist() == expected
    assert spatial_weights("norm", [2, 3], 1000 * NORMS).tolist() == expected
    assert spatial_weights("norm", (2, 3), 0 * NORMS).tolist() == [[1, 1, 1], [1, 1, 1]]


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 1), (4, 4), (5, 9), (30, 40)])
def test_what_holds_for_each(weighting, shape):
    norms = np.random.default_rng(0).random(shape)
    symmetric = (norms + norms[::-1]) + (norms + norms[::-1])[:, ::-1]
    weights = spatial_weights(weighting, shape, symmetric)
    assert weights.shape == shape and weights.dtype == np.float32
    assert 0 <= weights.min() and 0 < weights.max() <= 1
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-6)
    np.testing.assert_allclose(weights, weights[:, ::-1], atol=1e-6)
    if weighting in ("center", "linear"):  # never heavier away from the centre
        half = weights[shape[0] // 2 :, shape[1] // 2 :]
        assert (np.diff(half, axis=0) <= 0).all() and (np.diff(half, axis=1) <= 0).all()
        np.testing.assert_array_equal(spatial_weights(weighting, shape[::-1]), weights.T)


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_one_cell_weighs_1(weighting):
    assert spatial_weights(weighting, (1, 1), np.array([[3.0]])).tolist() == [[1]]


def test_unknown_weighting():
    with pytest.raises(InvalidInput, match="got 'centre'. Did you mean 'center'?"):
        spatial_weights("centre", (2, 2))
    for name in ("salience", "", None, 3):
        with pytest.raises(InvalidInput, match="Expected a weighting of .*'uniform'"):
            check_weighting(name)
    assert check_weighting("norm") == "norm"


def test_norm_needs_norms_of_the_shape_of_the_map():
    with pytest.raises(InvalidInput, match=r"norms of shape \(2, 3\) .* got none"):
        spatial_weights("norm", (2, 3))
    with pytest.raises(InvalidInput, match=r"norms of shape \(3, 2\) .* got shape \(2, 3\)"):
        spatial_weights("norm", (3, 2), NORMS)


def test_norms_in_steps():
    quantised = quantise_channel(NORMS)
    assert quantised.dtype == np.uint8 and quantised.max() == 255 and quantised[1, 0] == 0
    weights = spatial_weights("norm", (2, 3), NORMS)
    assert np.abs(dequantise_channel(quantised) - weights).max() <= 1 / 510 + 1e-7
    rng = np.random.default_rng(1)
    for scale in (1e-6, 1, 1e6):
        norms = (rng.random((20, 30)) * scale).astype(np.float32)
        again = spatial_weights("norm", (20, 30), dequantise_channel(quantise_channel(norms)))
        assert np.abs(again - spatial_weights("norm", (20, 30), norms)).max() <= 1 / 510 + 1e-6
    assert not quantise_channel(np.zeros((2, 2))).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_linear_where_all_cells_are_equally_far(shape):
    assert spatial_weights("linear", shape).tolist() == np.ones(shape).tolist()


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_norms_that_are_none(bad):
    norms = NORMS.copy()
    norms[0, 0] = bad
    with pytest.raises(InvalidInput, match="finite and >= 0"):
        spatial_weights("norm", (2, 3), norms)
