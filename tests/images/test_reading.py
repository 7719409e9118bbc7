"""Reading pictures: every format and orientation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from blcf.errors import UnreadableImage
from blcf.images import find_images, read_image
from blcf.images.reading import convert_image, decode_image

PHOTOS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "photos"
ORIENTATION = 0x0112


def pattern(height: int = 24, width: int = 32) -> npt.NDArray[np.uint8]:
    """A picture without any symmetry: red grows to the right, green downwards."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[..., 0] = np.linspace(0, 255, width)[None, :]
    image[..., 1] = np.linspace(0, 255, height)[:, None]
    image[: height // 3, : width // 4, 2] = 255
    return image


# Formats

LOSSLESS = [("png", {}), ("bmp", {}), ("tif", {}), ("tif", {"compression": "tiff_lzw"}),
            ("tif", {"compression": "tiff_deflate"}), ("webp", {"lossless": True})]  # fmt: skip


@pytest.mark.parametrize(("suffix", "options"), LOSSLESS)
def test_lossless_formats_are_exact(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(pattern()).save(path, **options)
    image = read_image(path)
    np.testing.assert_array_equal(image, pattern())
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous and image.flags.writeable and image.flags.owndata


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_jpeg(tmp_path: Path, options: dict[str, Any]) -> None:
    Image.fromarray(pattern()).save(tmp_path / "a.jpg", quality=95, **options)
    image = read_image(str(tmp_path / "a.jpg"))
    assert image.shape == (24, 32, 3)
    assert np.abs(image.astype(int) - pattern()).mean() < 8


def test_the_content_tells_the_format(tmp_path: Path) -> None:
    Image.fromarray(pattern()).save(tmp_path / "a.jpg", format="PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), pattern())


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif", "mpo"])
def test_first_frame(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (32, 24), colour) for colour in ("red", "blue")]
    path = tmp_path / f"a.{suffix}"
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    with Image.open(path) as saved:
        assert getattr(saved, "n_frames") == 2
    image = read_image(path)
    assert image.shape == (24, 32, 3)
    assert np.abs(image.astype(int) - (255, 0, 0)).max() <= 2


def test_gif_transparency_of_the_first_frame_is_white(tmp_path: Path) -> None:
    frame = Image.new("P", (32, 24), 0)
    frame.putpalette([0, 0, 0, 255, 0, 0])
    frame.paste(1, (0, 0, 16, 24))
    frame.save(tmp_path / "a.gif", transparency=0, save_all=True, append_images=[frame.rotate(180)])
    image = read_image(tmp_path / "a.gif")
    assert image[0, 0].tolist() == [255, 0, 0]
    assert image[0, 31].tolist() == [255, 255, 255]


@pytest.mark.skipif(not PHOTOS.is_dir(), reason=f"no photographs in {PHOTOS}")
def test_real_photographs() -> None:
    images = find_images(PHOTOS)
    assert len(images) >= 10
    for name in images.names:
        image = read_image(images.path(name))
        assert min(image.shape[:2]) > 100
        assert image.std() > 10


# Orientation

STORED = {  # how the pixels of an upright picture lie in a file of each orientation (EXIF 2.32)
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
def test_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = np.ascontiguousarray(STORED[orientation](pattern()))
    choices: dict[str, dict[str, Any]] = {"webp": {"lossless": True}, "jpg": {"quality": 95}}
    options = choices.get(suffix, {})
    Image.fromarray(stored).save(tmp_path / f"a.{suffix}", exif=exif, **options)
    image = read_image(tmp_path / f"a.{suffix}")
    assert image.shape == (24, 32, 3)
    assert image.flags.c_contiguous
    if suffix == "jpg":
        assert np.abs(image.astype(int) - pattern()).mean() < 8
    else:
        np.testing.assert_array_equal(image, pattern())


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientations_are_ignored(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.fromarray(pattern()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), pattern())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0MM\0*\0\0", b"Exif\0\0rubbish" * 9])
def test_a_damaged_exif_block_does_not_lose_the_picture(tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(pattern()).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), pattern())


def test_bytes_and_pictures_of_pillow(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png", exif=exif)
    image = read_image(tmp_path / "a.png")
    assert (decode_image((tmp_path / "a.png").read_bytes()) == image).all()
    with Image.open(tmp_path / "a.png") as opened:
        assert (convert_image(opened) == image).all()
    with pytest.raises(UnreadableImage, match="^a picture of 0 bytes: there are none$"):
        decode_image(b"")
    with pytest.raises(UnreadableImage, match="^a PIL.Image of mode RGB: it is too small"):
        convert_image(Image.new("RGB", (0, 40)))
