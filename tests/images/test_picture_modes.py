"""Every Pillow mode as RGB: exact values, transparency over white, 16 bits, floats."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from blcf.images import read_image
from blcf.images.modes import to_rgb

COLOURS: dict[str, Any] = {
    "1": 255,
    "L": 200,
    "P": 3,
    "RGB": (200, 100, 50),
    "CMYK": (55, 155, 205, 0),
    "YCbCr": (124, 86, 182),
    "LAB": (138, 166, 174),
    "HSV": (14, 191, 200),
    "I": 200 * 257,
    "F": 200 / 255,
    "I;16": 200 * 257,
    "I;16L": 200 * 257,
    "I;16B": 200 * 257,
    "LA": (200, 255),
    "RGBA": (200, 100, 50, 255),
    "RGBa": (200, 100, 50, 255),
    "RGBX": (200, 100, 50, 0),
    "PA": (3, 255),
}
GREY = ("L", "I", "F", "I;16", "I;16L", "I;16B", "LA")


@pytest.mark.parametrize("mode", COLOURS)
def test_every_mode(mode: str) -> None:
    image = Image.new(mode, (20, 18), COLOURS[mode])
    if mode in ("P", "PA"):
        image.putpalette([0, 0, 0] * 3 + [200, 100, 50])
    rgb = to_rgb(image)
    assert rgb.shape == (18, 20, 3) and rgb.dtype == np.uint8
    wanted = (255,) * 3 if mode == "1" else (200,) * 3 if mode in GREY else (200, 100, 50)
    tolerance = 2 if mode in ("YCbCr", "LAB", "HSV") else 0  # 8-bit colour spaces that round
    assert np.abs(rgb.astype(int) - wanted).max() <= tolerance


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I", "F",
                                  "I;16", "I;16B"])  # fmt: skip
def test_modes_through_tiff(tmp_path: Path, mode: str) -> None:
    image = Image.new(mode, (20, 18), COLOURS[mode])
    if mode == "P":
        image.putpalette([0, 0, 0] * 3 + [200, 100, 50])
    image.save(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as saved:
        assert saved.mode == mode
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), to_rgb(image))


@pytest.mark.parametrize(("suffix", "mode"), [("png", "I;16"), ("tif", "I;16"), ("tif", "I;16B")])
def test_sixteen_bit_values(tmp_path: Path, suffix: str, mode: str) -> None:
    values = np.arange(65536).reshape(256, 256)
    order = ">u2" if mode == "I;16B" else "<u2"
    image = Image.frombytes(mode, (256, 256), values.astype(order).tobytes())
    image.save(tmp_path / f"a.{suffix}")
    grey = read_image(tmp_path / f"a.{suffix}")
    wanted = np.floor(values * 255 / 65535 + 0.5)
    for channel in range(3):
        np.testing.assert_array_equal(grey[..., channel], wanted)


def test_sixteen_bit_png_with_a_transparent_value(tmp_path: Path) -> None:
    values = np.full((20, 20), 1000, dtype=np.uint16)
    values[0, 0] = 2000
    Image.fromarray(values).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    declared = b"tRNS" + struct.pack(">H", 1000)  # older Pillows do not write it
    chunk = struct.pack(">I", 2) + declared + struct.pack(">I", zlib.crc32(declared))
    (tmp_path / "a.png").write_bytes(content[:33] + chunk + content[33:])  # behind the header
    image = read_image(tmp_path / "a.png")
    assert image[0, 0].tolist() == [8, 8, 8]
    assert (image[1:] == 255).all()


def test_integers_outside_sixteen_bits_are_stretched() -> None:
    values = np.array([[-100, 0, 100]], dtype=np.int32)
    assert to_rgb(Image.fromarray(values))[0, :, 0].tolist() == [0, 128, 255]
    values = np.array([[0, 200, 65535]], dtype=np.int32)  # inside: 200 is dark
    assert to_rgb(Image.fromarray(values))[0, :, 0].tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0, 0.5, 1], [0, 128, 255]),
        ([0.2, 0.2, 0.2], [51, 51, 51]),
        ([0, 100, 255], [0, 100, 255]),
        ([0, 257, 65535], [0, 1, 255]),
        ([-1, 0, 1], [0, 128, 255]),
        ([0, 1e6, 2e6], [0, 128, 255]),
        ([-3, -3, -3], [0, 0, 0]),
        ([np.nan, 0.5, np.inf], [0, 128, 128]),
        ([-np.inf, 0.2, 1], [51, 51, 255]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
        ([-3e38, 0, 3e38], [0, 128, 255]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_floats(values: list[float], wanted: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    assert to_rgb(image)[0, :, 0].tolist() == wanted


def test_cmyk_jpeg(tmp_path: Path) -> None:
    Image.new("CMYK", (32, 24), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    image = read_image(tmp_path / "a.jpg")
    assert np.abs(image.astype(int) - (255, 0, 0)).max() <= 6


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
@pytest.mark.parametrize(
    ("alpha", "wanted"), [(255, (200, 100, 0)), (0, (255, 255, 255)), (51, (244, 224, 204))]
)
def test_alpha_over_white(
    tmp_path: Path, suffix: str, alpha: int, wanted: tuple[int, int, int]
) -> None:
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.new("RGBA", (20, 20), (200, 100, 0, alpha)).save(tmp_path / f"a.{suffix}", **options)
    image = read_image(tmp_path / f"a.{suffix}")
    assert np.abs(image.astype(int) - wanted).max() <= 1


def test_grey_with_alpha_over_white(tmp_path: Path) -> None:
    Image.new("LA", (20, 20), (0, 102)).save(tmp_path / "a.png")
    assert (read_image(tmp_path / "a.png") == 153).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_png_with_a_transparent_colour(tmp_path: Path, mode: str) -> None:
    colour = 10 if mode == "L" else (10, 20, 30)
    image = Image.new(mode, (20, 20), colour)
    image.putpixel((0, 0), 90 if mode == "L" else (90, 90, 90))
    image.save(tmp_path / "a.png", transparency=colour)
    rgb = read_image(tmp_path / "a.png")
    assert (rgb[0, 0] == 90).all()
    assert (rgb[1:] == 255).all()


@pytest.mark.parametrize("transparency", [0, bytes([0, 102])])
def test_palette_with_transparency(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([255, 0, 0, 0, 0, 0])
    image.putpixel((3, 0), 1)
    image.save(tmp_path / "a.png", transparency=transparency)
    rgb = read_image(tmp_path / "a.png")
    assert rgb[5, 5].tolist() == [255, 255, 255]
    assert rgb[0, 3].tolist() == ([0, 0, 0] if transparency == 0 else [153, 153, 153])
