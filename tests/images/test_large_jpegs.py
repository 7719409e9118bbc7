"""A JPEG much larger than it is wanted is decoded smaller: nearly the same pixels, its own size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from skimage import data

from blcf.images import read_image, read_resized, resize_image, resized_size

SIZE = 1601, 1203  # of an eighth, a quarter and a half of which the last pixels are cut


@pytest.fixture(scope="module")
def photograph() -> Image.Image:
    return Image.fromarray(data.coffee()).resize(SIZE, Image.Resampling.LANCZOS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [64, 200, 384])
def test_any_orientation(photograph, tmp_path, orientation, side) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph.save(tmp_path / "a.jpg", quality=95, exif=exif)
    whole = read_image(tmp_path / "a.jpg")
    pixels, size = read_resized(tmp_path / "a.jpg", side)
    expected = resize_image(whole, side)
    assert size == (whole.shape[1], whole.shape[0]) == (SIZE if orientation < 5 else SIZE[::-1])
    assert pixels.shape == expected.shape == (*resized_size(*size, side)[::-1], 3)
    assert pixels.flags.c_contiguous and pixels.flags.writeable
    difference = np.abs(pixels.astype(int) - expected)
    assert difference.mean() < 1.2 and np.percentile(difference, 99) < 8


@pytest.mark.parametrize(
    "mode, options", [("RGB", {"progressive": True}), ("L", {}), ("CMYK", {}), ("YCbCr", {})]
)
def test_any_form(photograph, tmp_path, mode, options) -> None:
    photograph.convert(mode).save(tmp_path / "a.jpg", quality=95, **options)
    pixels, size = read_resized(tmp_path / "a.jpg", 200)
    expected = resize_image(read_image(tmp_path / "a.jpg"), 200)
    assert size == SIZE and pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 1.2


@pytest.mark.parametrize("size", [(4000, 16), (16, 4000), (9000, 17)])
def test_flat_ones(tmp_path, size) -> None:
    """Of which not a row would be left."""
    Image.new("RGB", size, "red").save(tmp_path / "a.jpg")
    pixels, found = read_resized(tmp_path / "a.jpg", 32)
    assert found == size and pixels.shape == (32, 32, 3)


def test_others_are_decoded_whole(photograph, tmp_path) -> None:
    """To the last bit: a JPEG of less than four times the side, and every other format."""
    for name, side in (("a.jpg", 801), ("a.png", 100), ("a.webp", 100)):
        photograph.save(tmp_path / name)
        expected = resize_image(read_image(tmp_path / name), side)
        np.testing.assert_array_equal(read_resized(tmp_path / name, side)[0], expected)
