"""Masks: grey, colour and alpha in every mode, turned as the picture is, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import read_image
from blcf.images.masks import read_mask

SIZE = (32, 24)
ORIENTATION = 0x0112
LEVELS = np.arange(24 * 32).reshape(24, 32) % 256


def saved(folder: Path, image: Image.Image, suffix: str = "png", **options: Any) -> Path:
    image.save(folder / f"mask.{suffix}", **options)
    return folder / f"mask.{suffix}"


def levels(folder: Path, image: Image.Image, **options: Any) -> npt.NDArray[np.int64]:
    """The mask in 255ths."""
    mask = read_mask(saved(folder, image, **options), image.size)
    assert mask.shape == image.size[::-1] and mask.dtype == np.float32
    assert mask.min() >= 0 and mask.max() <= 1
    return np.rint(mask * 255).astype(int)


def coloured(alpha: npt.NDArray[Any] | int) -> Image.Image:
    pixels = np.empty((24, 32, 4), dtype=np.uint8)
    pixels[...] = (255, 0, 0, 0)
    pixels[..., 3] = alpha
    return Image.fromarray(pixels, "RGBA")


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "gif"])
def test_grey(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(LEVELS.astype(np.uint8))
    np.testing.assert_array_equal(levels(tmp_path, image, suffix=suffix), LEVELS)


def test_one_bit(tmp_path: Path) -> None:
    image = Image.fromarray(LEVELS > 99)
    assert image.mode == "1"
    np.testing.assert_array_equal(levels(tmp_path, image), 255 * (LEVELS > 99))


def test_sixteen_bits(tmp_path: Path) -> None:
    image = Image.fromarray((LEVELS * 257).astype(np.uint16))
    np.testing.assert_array_equal(levels(tmp_path, image), LEVELS)


def test_floats(tmp_path: Path) -> None:
    image = Image.fromarray((LEVELS / 255).astype(np.float32))
    np.testing.assert_array_equal(levels(tmp_path, image, suffix="tif"), LEVELS)


@pytest.mark.parametrize(
    ("colour", "level"),
    [((255, 255, 255), 255), ((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)],
)
def test_luminance_of_colours(tmp_path: Path, colour: tuple[int, ...], level: int) -> None:
    image = Image.new("RGB", SIZE, colour)
    assert (levels(tmp_path, image) == level).all()
    palette = Image.new("P", SIZE, 1)
    palette.putpalette([0, 0, 0, *colour])
    assert (levels(tmp_path, palette) == level).all()


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_varying_alpha_is_the_mask(tmp_path: Path, suffix: str) -> None:
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    found = levels(tmp_path, coloured(LEVELS), suffix=suffix, **options)
    np.testing.assert_array_equal(found, LEVELS)


@pytest.mark.parametrize("alpha", [0, 128, 255])
def test_constant_alpha_is_passed_over(tmp_path: Path, alpha: int) -> None:
    assert (levels(tmp_path, coloured(alpha)) == 76).all()
    empty_sheet = Image.new("RGBA", SIZE, (0, 0, 0, alpha))
    assert (levels(tmp_path, empty_sheet) == 0).all()


def test_other_transparency(tmp_path: Path) -> None:
    grey = Image.merge("LA", [Image.new("L", SIZE, 9), Image.fromarray(LEVELS.astype(np.uint8))])
    np.testing.assert_array_equal(levels(tmp_path, grey), LEVELS)
    palette = Image.fromarray((LEVELS > 99).astype(np.uint8))
    palette.putpalette([7, 7, 7, 9, 9, 9])
    found = levels(tmp_path, palette, transparency=0)
    np.testing.assert_array_equal(found, 255 * (LEVELS > 99))


def test_sixteen_bits_with_a_transparent_value(tmp_path: Path) -> None:
    image = Image.new("I;16", SIZE, 1000)
    image.info["transparency"] = 1000
    found = levels(tmp_path, image, transparency=1000)
    assert (found == read_image(tmp_path / "mask.png")[..., 0]).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_orientation_is_that_of_the_picture(tmp_path: Path, mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = Image.fromarray(LEVELS.astype(np.uint8))
    picture.save(tmp_path / "picture.png", exif=exif)
    upright = read_image(tmp_path / "picture.png")[..., 0]
    path = saved(tmp_path, picture if mode == "L" else coloured(LEVELS), exif=exif)
    mask = read_mask(path, upright.shape[::-1])
    np.testing.assert_array_equal(np.rint(mask * 255), upright)


def test_another_size_than_the_picture(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.new("L", (24, 32)))
    with pytest.raises(InvalidInput, match=r"mask.png: .* 32x24 pixels, got one of 24x32. Draw"):
        read_mask(path, SIZE)


def test_small_masks_are_left_to_their_picture(tmp_path: Path) -> None:
    assert (levels(tmp_path, Image.new("L", (3, 1), 255)) == 255).all()


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="none.png: there is no such file"):
        read_mask(tmp_path / "none.png", SIZE)
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableImage, match="not a picture in one of the formats"):
        read_mask(tmp_path / "a.png", SIZE)
    path = saved(tmp_path, coloured(np.random.default_rng(0).integers(0, 256, (24, 32))))
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(UnreadableImage, match="mask.png: the file is cut short"):
        read_mask(path, SIZE)
