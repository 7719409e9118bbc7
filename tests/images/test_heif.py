"""HEIC and AVIF: read like any picture, upright; named with what to install where nothing can."""

from __future__ import annotations

import io
import random
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageOps, features

from blcf.errors import UnreadableImage
from blcf.images import as_image, find_images, read_image
from blcf.images.heif import NEEDS_AVIF, NEEDS_HEIF, declare_boxed
from blcf.images.reading import read_resized

ORIENTATION = 0x0112


def plain(width: int = 80, height: int = 60) -> Image.Image:
    """Four quarters of colours: which way up it is can be seen."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    for row, column, colour in ((0, 0, 0), (0, 1, 1), (1, 0, 2)):
        rows = slice(row * height // 2, (row + 1) * height // 2)
        pixels[rows, column * width // 2 : (column + 1) * width // 2] = np.eye(3)[colour] * 255
    return Image.fromarray(pixels)


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block.tobytes()


def encoded(kind: str, image: Image.Image, orientation: int = 1) -> bytes:
    file = io.BytesIO()
    if kind == "avif":
        if not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        image.save(file, "AVIF", quality=95, exif=exif(orientation))
    else:
        heif = pytest.importorskip("pillow_heif", reason="HEIC needs pillow-heif (blcf[heic])")
        info = {"exif": exif(orientation), "quality": 95}
        # What its plugin for Pillow does: registered, all tests would have it.
        heif.as_plugin._save_heif(_with_info(image, info), file, "")
    return file.getvalue()


def _with_info(image: Image.Image, info: dict) -> Image.Image:
    copy = image.copy()
    copy.encoderinfo = info
    return copy


KINDS = pytest.mark.parametrize("kind", ["heic", "avif"])


@KINDS
@pytest.mark.parametrize("orientation", range(1, 9))
def test_upright(tmp_path, kind, orientation):
    stored = plain()
    (path := tmp_path / f"a.{kind}").write_bytes(encoded(kind, stored, orientation))
    stored.getexif()[ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(stored), int)
    found = read_image(path)
    assert found.shape == expected.shape and found.dtype == np.uint8
    assert abs(found - expected).mean() < 3
    small, size = read_resized(path, 40)
    assert size == expected.shape[1::-1] and max(small.shape) == 40
    assert np.array_equal(as_image(path.read_bytes()), found)


@KINDS
def test_modes_and_listing(tmp_path, kind):
    clear = Image.new("RGBA", (64, 48), (255, 0, 0, 0))
    (tmp_path / f"clear.{kind.upper()}").write_bytes(encoded(kind, clear))
    (tmp_path / f"grey.{kind}").write_bytes(encoded(kind, Image.new("L", (64, 48), 90)))
    images = find_images(tmp_path)
    assert images.names == [f"clear.{kind.upper()}", f"grey.{kind}"]
    clear_pixels, grey = (read_image(images.path(name)) for name in images.names)
    assert clear_pixels.min() > 250  # over white
    assert abs(grey.astype(int) - 90).max() < 4


@KINDS
def test_damaged_bytes(tmp_path, kind):
    whole = encoded(kind, plain())
    rng, n_bad = random.Random(0), 0
    path = tmp_path / f"a.{kind}"
    for number in range(150):
        data = bytearray(whole[: rng.randrange(9, len(whole))] if number % 2 else whole)
        for _ in range(rng.randrange(6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        try:
            pixels = read_image(path)
        except UnreadableImage as error:
            n_bad += 1
            assert str(error) == f"{path}: {error.reason}"
        else:
            assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
    assert n_bad > 60


@KINDS
def test_what_is_too_large_is_refused_before_it_is_opened(tmp_path, kind, monkeypatch):
    whole = encoded(kind, plain())
    at = whole.find(b"ispe") + 8
    huge = whole[:at] + (60_000).to_bytes(4, "big") * 2 + whole[at + 8 :]
    monkeypatch.setattr("blcf.images.heif._opened", None)
    (path := tmp_path / f"a.{kind}").write_bytes(huge)
    with pytest.raises(UnreadableImage, match="it is too large .60000 x 60000 pixels"):
        read_image(path)
    path.write_bytes(whole + b"ispe" * 100_010)
    with pytest.raises(UnreadableImage, match="more than 100000 pictures and tiles"):
        read_image(path)


HEAD = b"\0\0\0\x18ftyp%b\0\0\0\0mif1miaf"


def test_without_what_reads_them(tmp_path, monkeypatch):
    (tmp_path / "a.heic").write_bytes(HEAD % b"heic" + bytes(100))
    (tmp_path / "a.avif").write_bytes(HEAD % b"avif" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableImage) as caught:
        read_image(tmp_path / "a.heic")
    assert caught.value.reason == NEEDS_HEIF and "pip install 'blcf[heic]'" in NEEDS_HEIF
    monkeypatch.setitem(sys.modules, "PIL.AvifImagePlugin", None)
    monkeypatch.delattr("PIL.AvifImagePlugin", raising=False)
    with pytest.raises(UnreadableImage) as caught:
        read_image(tmp_path / "a.avif")
    assert caught.value.reason == NEEDS_AVIF
    (tmp_path / "film.jpg").write_bytes(HEAD.replace(b"mif1miaf", b"mp41mp42") % b"isom")
    with pytest.raises(UnreadableImage, match="not a picture in one of the formats"):
        read_image(tmp_path / "film.jpg")


def test_nothing_is_registered_with_pillow():
    data = encoded("heic", plain())
    code = (
        "import sys; from PIL import Image; from blcf.images import as_image;"
        "as_image(sys.stdin.buffer.read()); Image.init(); assert 'HEIF' not in Image.OPEN"
    )
    subprocess.run([sys.executable, "-c", code], input=data, check=True)


@KINDS
def test_what_is_declared(kind):
    declared = declare_boxed(encoded(kind, plain()))
    assert (declared.width, declared.height) == (80, 60)
    assert declared.format == {"heic": "HEIF", "avif": "AVIF"}[kind]
