"""A function of the caller's: called with each picture, checked, averaged over cells."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from blcf.adding.given_channel import GivenChannel, cell_means
from blcf.errors import UnreadableImage

PIXELS = np.zeros((6, 8, 3), np.uint8)
SIDES = st.integers(1, 9)
NUMBERS = st.integers(0, 1000)


MAPS = st.tuples(SIDES, SIDES).flatmap(lambda shape: arrays(np.int64, shape, elements=NUMBERS))


@settings(deadline=None)
@given(MAPS, SIDES, SIDES)
def test_means_are_the_oracles(values, h, w):
    expected = oracle.cell_means(values, h, w)
    found = cell_means(values, (h, w))
    assert found.shape == (h, w) and (found >= 0).all()
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert found.mean() == pytest.approx(values.mean(), abs=1e-9)


def test_means_of_a_large_map():
    """A single pixel that counts is not lost in the sums."""
    values = np.zeros((3000, 4000), np.float32)
    values[2999, 3999] = 1
    found = cell_means(values, (30, 40))
    assert found[29, 39] == pytest.approx(1e-4, rel=1e-6)
    assert not found.flat[:-1].any()


def test_relative_to_the_largest_and_no_finer_than_the_picture():
    values = GivenChannel("saliency", lambda pixels: [[0, 2], [4, 1]]).of(PIXELS)
    assert values.dtype == np.float32 and values.tolist() == [[0, 0.5], [1, 0.25]]
    fine = np.arange(24 * 4, dtype=np.float64).reshape(24, 4)
    values = GivenChannel("saliency", lambda pixels: fine).of(PIXELS)
    assert values.shape == (6, 4)
    np.testing.assert_allclose(values, cell_means(fine / 95, (6, 4)), atol=1e-6)


@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.int64, np.float16, np.float64])
def test_any_kind_of_numbers(kind):
    values = GivenChannel("saliency", lambda pixels: np.array([[0, 1]], kind)).of(PIXELS)
    assert values.tolist() == [[0, 1]]


def test_where_nothing_strikes_all_count_alike():
    channel = GivenChannel("saliency", lambda pixels: np.zeros((2, 2)))
    cells = channel.on_cells(channel.of(PIXELS), (3, 4))
    assert list(cells) == ["saliency"] and cells["saliency"].tolist() == [[255] * 4] * 3


def fails(pixels):
    raise KeyError("no such face\nof two lines")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (fails, "saliency failed .KeyError: 'no such face"),
        (lambda pixels: None, "of shape .h, w., got object of shape ()"),
        (lambda pixels: pixels, r"got uint8 of shape \(6, 8, 3\)"),
        (lambda pixels: np.zeros((0, 3)), r"got float64 of shape \(0, 3\)"),
        (lambda pixels: [["a"]], "got <U1 of shape"),
        (lambda pixels: [[1j]], "got complex128"),
        (lambda pixels: [[1], [1, 2]], "ValueError"),
        (lambda pixels: [[0, np.nan]], "finite numbers >= 0"),
        (lambda pixels: [[0, np.inf]], "finite numbers >= 0"),
        (lambda pixels: [[0, -1e-9]], "finite numbers >= 0"),
    ],
)
def test_what_is_no_map_is_told_of_the_picture(function, reason):
    with pytest.raises(UnreadableImage, match=reason) as error:
        GivenChannel("saliency", function).of(PIXELS)
    assert error.value.reason == str(error.value) and "\n" not in error.value.reason
