"""The formulas of the global descriptors: against plain twins, by hand, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import oracle_descriptors as oracle
import pytest

from blcf.descriptors import (
    center_prior,
    crow_channel_weights,
    crow_spatial_weights,
    generalised_mean_pool,
    max_pool,
    max_pool_regions,
    sum_pool,
)
from blcf.errors import InvalidInput

SHAPES = [(1, 1, 1), (3, 1, 1), (4, 1, 7), (4, 6, 1), (5, 4, 4), (7, 5, 8), (2, 9, 3)]
OF_A_MAP: list[Callable[[Any], np.ndarray]] = [
    sum_pool,
    max_pool,
    generalised_mean_pool,
    crow_spatial_weights,
    crow_channel_weights,
]


def random_map(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Activations after a ReLU: about half are 0; float32."""
    rng = np.random.default_rng(seed)
    return np.maximum(rng.normal(size=shape), 0).astype(np.float32)


def maps() -> list[np.ndarray]:
    return [random_map(shape, seed) for shape in SHAPES for seed in range(6)]


def close(found: np.ndarray, expected: Any) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-5, atol=1e-6)


def test_sums() -> None:
    for one in maps():
        weights = np.random.default_rng(1).random(one.shape[1:])
        close(sum_pool(one), oracle.sum_pool(one))
        close(sum_pool(one, weights), oracle.sum_pool(one, weights))
        close(sum_pool(one, np.ones(one.shape[1:])), sum_pool(one))


def test_maxima() -> None:
    for one in maps():
        np.testing.assert_array_equal(max_pool(one), np.float32(oracle.max_pool(one)))
    negative = -1 - random_map((3, 2, 2))
    np.testing.assert_array_equal(max_pool(negative), np.float32(oracle.max_pool(negative)))


def test_maxima_of_regions() -> None:
    rng = np.random.default_rng(0)
    for one in maps():
        h, w = one.shape[1:]
        near = rng.integers(0, [w, h], size=(5, 2))
        regions = np.column_stack([near, rng.integers(near, [w, h]) + 1])
        expected = [oracle.max_pool(one, tuple(region)) for region in regions.tolist()]
        np.testing.assert_array_equal(max_pool_regions(one, regions), np.float32(expected))
    assert max_pool_regions(one, np.zeros((0, 4), dtype=int)).shape == (0, len(one))


@pytest.mark.parametrize("p", [0.5, 1, 3, 7.5])
def test_generalised_means(p: float) -> None:
    for one in maps():
        close(generalised_mean_pool(one, p), oracle.generalised_mean_pool(one, p))


def test_generalised_means_lie_between_mean_and_maximum() -> None:
    one = random_map((6, 5, 7)) + 0.1
    found = [generalised_mean_pool(one, p) for p in (1, 2, 10, 1e6)]
    close(found[0], one.mean(axis=(1, 2)))
    assert all((low < high).all() for low, high in zip(found, found[1:]))
    np.testing.assert_allclose(found[-1], max_pool(one), rtol=1e-4)


def test_generalised_mean_by_hand() -> None:
    one = np.array([[[1, 2, 3, 0]], [[0, 0, 0, 0]], [[-5, -5, -5, -5]]])
    close(generalised_mean_pool(one, 3), [9 ** (1 / 3), 1e-6, 1e-6])


def test_center_prior() -> None:
    for h, w in [(1, 1), (1, 5), (4, 4), (5, 8), (18, 24), (3, 2)]:
        close(center_prior(h, w), oracle.center_prior(h, w))
    # A map of 6 x 6: sigma is 1 cell, the four cells at the centre are .5 away in both directions.
    assert center_prior(6, 6)[2:4, 2:4] == pytest.approx(math.exp(-0.25))
    assert center_prior(6, 6)[0, 2] == pytest.approx(math.exp(-(2.5**2 + 0.25) / 2))
    weights = center_prior(7, 10)
    np.testing.assert_array_equal(weights, weights[::-1, ::-1])
    assert center_prior(1, 1) == 1 and center_prior(9, 9)[4, 4] == 1


@pytest.mark.parametrize(("a", "b"), [(2, 2), (1, 1), (2, 1), (0.5, 3)])
def test_spatial_weights_of_crow(a: float, b: float) -> None:
    for one in maps():
        close(crow_spatial_weights(one, a, b), oracle.crow_spatial_weights(one, a, b))


def test_spatial_weights_of_crow_by_hand() -> None:
    one = np.array([[[3, 0]], [[0, 4]]])  # S = 3, 4, of norm 5
    close(crow_spatial_weights(one), [[math.sqrt(0.6), math.sqrt(0.8)]])
    close(crow_spatial_weights(np.full((3, 2, 2), 7)), np.full((2, 2), math.sqrt(0.5)))
    close(crow_spatial_weights(np.zeros((3, 2, 2))), np.zeros((2, 2)))
    huge = np.array([[[3e30, 0]], [[0, 4e30]]])
    close(crow_spatial_weights(huge, 9, 9), crow_spatial_weights(one, 9, 9))


def test_channel_weights_of_crow() -> None:
    for one in maps():
        close(crow_channel_weights(one), oracle.crow_channel_weights(one))
    # Shares 1, 1/2 and 0 of two cells: the sum is 3/2.
    one = np.array([[[1, 9]], [[0, 2]], [[0, 0]]])
    close(crow_channel_weights(one), [math.log(1.5), math.log(3), 0])
    close(crow_channel_weights(np.zeros((3, 2, 2))), [0, 0, 0])


def test_the_order_of_cells_does_not_matter() -> None:
    one = random_map((4, 5, 6))
    order = np.random.default_rng(0).permutation(30)
    other = one.reshape(4, 30)[:, order].reshape(4, 6, 5)
    for pool in (sum_pool, max_pool, generalised_mean_pool, crow_channel_weights):
        np.testing.assert_allclose(pool(one), pool(other), rtol=1e-5)  # type: ignore[operator]
    weights = crow_spatial_weights(one).reshape(-1)[order]
    np.testing.assert_allclose(crow_spatial_weights(other).reshape(-1), weights, rtol=1e-5)


def test_scale() -> None:
    one = random_map((4, 5, 6)) + 0.01  # above the clamp of GeM
    for pool in (sum_pool, max_pool, generalised_mean_pool):
        np.testing.assert_allclose(pool(8 * one), 8 * pool(one), rtol=1e-5)  # type: ignore
    np.testing.assert_allclose(crow_spatial_weights(8 * one), crow_spatial_weights(one), rtol=1e-5)
    np.testing.assert_array_equal(crow_channel_weights(8 * one), crow_channel_weights(one))


@pytest.mark.parametrize("pool", OF_A_MAP)
def test_any_kind_of_array(pool: Callable) -> None:
    whole = np.round(random_map((3, 4, 6)) * 4)
    expected = pool(whole[:, 1:3, ::2].copy())
    for kind in (np.float16, np.float64, np.uint8, np.int64):
        np.testing.assert_array_equal(pool(whole.astype(kind)[:, 1:3, ::2]), expected)
    np.testing.assert_array_equal(pool(whole[:, 1:3, ::2].tolist()), expected)


@pytest.mark.parametrize("pool", OF_A_MAP)
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 4)), r"of shape \(C, h, w\), got shape \(4, 4\)"),
        (np.zeros((1, 2, 4, 4)), r"got shape \(1, 2, 4, 4\)"),
        (np.zeros((3, 0, 4)), r"channels and cells, got shape \(3, 0, 4\)"),
        (np.zeros((2, 2, 2), dtype=complex), "real numbers, got dtype complex128"),
        (np.array([[["a"]]]), "real numbers, got dtype <U1"),
        ([[[1, 2]], [[3]]], "array of numbers"),
        (None, r"got shape \(\)"),
        (np.full((2, 2, 2), np.nan), "finite in float32, got NaN or infinity"),
        (np.array([[[1.0, np.inf]]]), "finite in float32"),
        (np.array([[[np.inf, -np.inf]]]), "finite in float32"),
        (np.array([[[1e300]]]), "finite in float32"),
    ],
)
def test_what_is_no_map(pool: Callable, bad: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        pool(bad)


@pytest.mark.parametrize("bad", [0, -1, np.nan, np.inf, "3", None, True])
def test_powers_that_cannot_be(bad: Any) -> None:
    one = random_map((2, 2, 2))
    with pytest.raises(InvalidInput, match="Expected p to be a number above 0, got"):
        generalised_mean_pool(one, bad)
    with pytest.raises(InvalidInput, match="Expected a to be a number above 0, got"):
        crow_spatial_weights(one, a=bad)
    with pytest.raises(InvalidInput, match="Expected b to be a number above 0, got"):
        crow_spatial_weights(one, b=bad)


def test_negative_activations_have_no_crow_weights() -> None:
    with pytest.raises(InvalidInput, match="CroW, got -1. Take the maps after the ReLU"):
        crow_spatial_weights(np.full((3, 2, 2), -1))


def test_weights_that_do_not_fit() -> None:
    one = random_map((2, 3, 4))
    with pytest.raises(InvalidInput, match=r"map's shape \(3, 4\), got shape \(4, 3\)"):
        sum_pool(one, np.ones((4, 3)))
    with pytest.raises(InvalidInput, match="spatial weights to be finite"):
        sum_pool(one, np.full((3, 4), np.nan))
    with pytest.raises(InvalidInput, match=r"h and w, in cells, to be 1 or more, got 0, 3"):
        center_prior(0, 3)


@pytest.mark.parametrize(
    "bad", [[[0, 0, 5, 1]], [[0, 0, 1, 4]], [[-1, 0, 1, 1]], [[2, 1, 2, 2]], [[3, 1, 2, 2]]]
)
def test_regions_outside_the_map(bad: list) -> None:
    with pytest.raises(InvalidInput, match=r"inside a map of 4x3 cells .* got \[\["):
        max_pool_regions(random_map((2, 3, 4)), np.array(bad))


@pytest.mark.parametrize("bad", [np.zeros(4, int), np.zeros((2, 3), int), np.zeros((1, 4))])
def test_regions_of_another_form(bad: np.ndarray) -> None:
    with pytest.raises(InvalidInput, match=r"regions int \(n, 4\), x1,y1,x2,y2"):
        max_pool_regions(random_map((2, 3, 4)), bad)
