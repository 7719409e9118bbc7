"""The kernels of integral max pooling against their plain twins."""

from __future__ import annotations

import numpy as np
import oracle_integral
import pytest

from blcf.kernels.integral_max import best_rectangle, integrate_powers, pool_rectangle


def random_map(rng, n_channels, h, w, density=0.5):
    """Activations as after a ReLU: many zeros, some channels without any."""
    values = rng.exponential(20, (n_channels, h, w)) * (rng.random((n_channels, h, w)) < density)
    values[rng.random(n_channels) < 0.2] = 0
    return values.astype(np.float32)


def integrate(feature_map, exponent=10, unit=2.0**52):
    n_channels, h, w = feature_map.shape
    largest = feature_map.max(axis=(1, 2)).astype(np.float64)
    scales = np.divide(1, largest, out=np.zeros(n_channels), where=largest > 0)
    integral = np.full((h + 1, w + 1, n_channels), -7, dtype=np.int64)
    cells = np.ascontiguousarray(feature_map.transpose(1, 2, 0))
    integrate_powers(cells, scales, exponent, unit, integral)
    return integral, largest


@pytest.mark.parametrize("exponent", [1, 2, 3, 8, 10])
def test_integral_images_are_exact(exponent):
    """Maps of whole quarters of the maximum: their powers are exact, whatever the pow."""
    rng = np.random.default_rng(exponent)
    for _ in range(10):
        n_channels, h, w = rng.integers(1, 6, 3)
        values = rng.integers(0, 5, (n_channels, h, w)).astype(np.float32)
        values[:, 0, 0] = 4
        values[-1] = 0
        integral, _ = integrate(values, exponent)
        for c in range(n_channels):
            rows = oracle_integral.powers(values[c].tolist(), 2**52, exponent)
            assert integral[:, :, c].tolist() == oracle_integral.integral(rows)


def test_pooling_equals_the_plain_formula():
    rng = np.random.default_rng(0)
    for _ in range(6):
        feature_map = random_map(rng, 5, 6, 8)
        integral, largest = integrate(feature_map, unit=2.0**56)
        for rectangle in oracle_integral.every_rectangle(6, 8)[::3]:
            pooled = np.full(5, np.nan)
            pool_rectangle(integral, 2.0**56, 10, *rectangle, pooled)
            plain = [
                oracle_integral.near_maximum(channel, rectangle, 10)
                for channel in feature_map.tolist()
            ]
            exact = [oracle_integral.maximum(c, rectangle) for c in feature_map.tolist()]
            seen = pooled > 0.1  # of the channel's maximum: above what rounding touches
            np.testing.assert_allclose((pooled * largest)[seen], np.array(plain)[seen], rtol=1e-6)
            n_cells = (rectangle[2] - rectangle[0]) * (rectangle[3] - rectangle[1])
            assert (pooled * largest <= np.array(exact) * n_cells**0.1 * (1 + 1e-6)).all()
            assert ((pooled * largest)[seen] >= np.array(exact)[seen] * (1 - 1e-6)).all()


def test_what_is_empty_is_0_whatever_lies_around():
    """Sums in floats would leave their rounding, whose tenth root is .05."""
    rng = np.random.default_rng(1)
    feature_map = rng.uniform(90, 300, (8, 24, 18)).astype(np.float32)
    feature_map[:, 10:14, 5:9] = 0
    feature_map[0, 11, 6] = 15  # a twentieth of the maximum
    integral, largest = integrate(feature_map, unit=2.0**53)
    pooled = np.empty(8)
    pool_rectangle(integral, 2.0**53, 10, 5, 10, 9, 14, pooled)
    assert not pooled[1:].any()
    assert pooled[0] * largest[0] == pytest.approx(15, rel=1e-3)


def test_large_sums_stay_inside_of_int64():
    for shape in ((1, 1), (24, 18), (60, 64)):
        unit = 2.0 ** (62 - int(np.ceil(np.log2(shape[0] * shape[1]))))
        integral, _ = integrate(np.full((2, *shape), 3e38, dtype=np.float32), unit=unit)
        assert integral[-1, -1].tolist() == [int(unit) * shape[0] * shape[1]] * 2


@pytest.mark.parametrize("aspect", [0.0, 0.5, 1.0, 1.7, 50.0])
def test_the_search_is_that_of_the_plain_twin(aspect):
    rng = np.random.default_rng(int(10 * aspect))
    for case in range(12):
        h, w = rng.integers(1, 11, 2).tolist()
        step, shift, n_rounds = rng.integers(1, 4), rng.integers(0, 4), rng.integers(0, 6)
        feature_map = random_map(rng, 6, h, w, density=0.3)
        integral, largest = integrate(feature_map, unit=2.0**53)
        query = rng.random(6)
        query /= np.linalg.norm(query)
        best, change = np.array([0, 0, w, h]), 1.1 if case % 2 else 2.0
        score = best_rectangle(
            integral, 2.0**53, 10, query * largest, largest**2, aspect, change, step, shift,
            n_rounds, best
        )
        scores = {}

        def score_of(rectangle):
            if rectangle not in scores:
                pooled = np.empty(6)
                pool_rectangle(integral, 2.0**53, 10, *rectangle, pooled)
                scores[rectangle] = _score(query * largest, largest**2, pooled)
            return scores[rectangle]

        found, top, start = oracle_integral.search(
            score_of, h, w, step, aspect, change, shift, n_rounds
        )
        assert tuple(best.tolist()) == found and score == top >= start


def _score(products, squares, pooled):
    """In the order of the kernel, so that ties are the same."""
    dot = squared = 0.0
    for a, b, x in zip(products.tolist(), squares.tolist(), pooled.tolist()):
        dot += a * x
        squared += b * x * x
    return dot / squared**0.5 if squared > 0 else 0.0
