"""Scaling pictures: sizes to the pixel, antialiasing, what is refused."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blcf.errors import InvalidInput
from blcf.images import resize_image, resized_size


def test_resized_size() -> None:
    assert resized_size(640, 480, 320) == (320, 240)
    assert resized_size(480, 640, 320) == (240, 320)
    assert resized_size(100, 100, 340) == (340, 340)  # up
    assert resized_size(3, 2, 33) == (33, 32)  # 22 pixels would be too few
    assert resized_size(1000, 333, 100) == (100, 33)
    assert resized_size(1000, 335, 100) == (100, 34)  # 33.5: halves go up
    assert resized_size(1000, 345, 100) == (100, 35)  # 34.5: Python's round() gives 34
    assert resized_size(5000, 1, 500, min_side=48) == (500, 48)


@given(
    st.integers(1, 10_000), st.integers(1, 10_000), st.integers(32, 2_000), st.integers(1, 32)
)  # fmt: skip
def test_resized_size_keeps_the_aspect(width: int, height: int, side: int, min_side: int) -> None:
    new_width, new_height = resized_size(width, height, side, min_side)
    assert max(new_width, new_height) == side
    assert min(new_width, new_height) >= min_side
    assert resized_size(height, width, side, min_side) == (new_height, new_width)
    exact = min(width, height) * side / max(width, height)
    if exact >= min_side:
        assert abs(min(new_width, new_height) - exact) <= 0.5 + 1e-9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 10, 100), "at least 1 x 1 pixels, got 0 x 10"),
        ((10, 10, 31), "got min_side=32 and side=31"),
        ((10, 10, 31, 0), "got min_side=0 and side=31"),
    ],
)
def test_sizes_that_cannot_be(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        resized_size(*arguments)


def test_resize_image() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    original = image.copy()
    small = resize_image(image, 40)
    assert small.shape == (32, 40, 3) and small.dtype == np.uint8 and small.flags.writeable
    assert resize_image(image, 160).shape == (120, 160, 3)
    assert resize_image(image[::-1, ::2], 60).shape == (60, 40, 3)
    same = resize_image(image, 80)
    np.testing.assert_array_equal(same, image)
    same[:] = 0
    np.testing.assert_array_equal(image, original)


def test_shrinking_is_antialiased() -> None:
    stripes = np.zeros((256, 256, 3), dtype=np.uint8)
    stripes[:, ::2] = 255  # every second column: plain bilinear picks columns and makes moire
    small = resize_image(stripes, 64).astype(int)
    assert np.abs(small[:, 2:-2] - 127.5).max() < 3


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((40, 40), dtype=np.uint8),
        np.zeros((40, 40, 4), dtype=np.uint8),
        np.zeros((40, 40, 3), dtype=np.float32),
    ],
)
def test_resize_refuses_other_arrays(image: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(InvalidInput, match=r"uint8 \(height, width, 3\), got"):
        resize_image(image, 64)
    with pytest.raises(InvalidInput, match="at least 1 x 1"):
        resize_image(np.zeros((0, 40, 3), dtype=np.uint8), 64)
