"""Whatever the bytes of a picture: an array, or the reason why not; nothing is printed."""

from __future__ import annotations

import struct
from pathlib import Path

import hurtful
import numpy as np
import pytest
from fuzzing import Target, fuzz
from PIL import Image

from blcf.errors import UnreadableImage
from blcf.images import read_resized
from blcf.images.reading import decode_image


def read(data: bytes, folder: Path) -> None:
    try:
        image = decode_image(data, max_pixels=2_000_000)  # what is large is only slow
    except UnreadableImage as error:
        assert error.reason and "Warning" not in error.reason
        return
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    (folder / "picture").write_bytes(data)
    resized, size = read_resized(folder / "picture", 48)
    assert size == (image.shape[1], image.shape[0]) and max(resized.shape[:2]) == 48


def seeds() -> list[bytes]:
    across, down = np.meshgrid(np.arange(40) * 6, np.arange(30) * 8)
    colour = Image.fromarray(np.stack([across, down, across ^ down], axis=2).astype(np.uint8))
    grey, palette = colour.convert("L"), colour.convert("P")
    alpha = colour.convert("RGBA")
    alpha.putalpha(grey)
    sixteen = Image.fromarray((np.asarray(grey).astype(np.uint16) * 257))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "made by"
    kinds = [
        *[(one, "JPEG", {}) for one in (colour, grey, colour.convert("CMYK"))],
        (colour, "JPEG", {"exif": exif, "comment": b"some"}),
        (colour, "JPEG", {"progressive": True}),
        (colour, "MPO", {"save_all": True, "append_images": [colour]}),
        *[(one, "PNG", {}) for one in (colour, grey, palette, alpha, sixteen, grey.convert("1"))],
        (colour, "PNG", {"exif": exif}),
        (palette, "PNG", {"transparency": 3}),
        (colour, "PNG", {"save_all": True, "append_images": [colour]}),
        *[(palette, "GIF", options) for options in ({}, {"comment": b"some", "transparency": 1})],
        (palette, "GIF", {"save_all": True, "append_images": [grey.convert("P")]}),
        *[(one, "WEBP", {"lossless": less}) for one in (colour, alpha) for less in (False, True)],
        (colour, "WEBP", {"save_all": True, "append_images": [grey.convert("RGB")], "exif": exif}),
        *[(one, "BMP", {}) for one in (colour, grey, palette, grey.convert("1"))],
        *[(one, "TIFF", {}) for one in (colour, grey, palette, sixteen, grey.convert("F"))],
        (grey.convert("I"), "TIFF", {"big_tiff": True}),
    ]
    kinds += [
        (one, "TIFF", {"compression": how})
        for how in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
        for one in (colour, grey)
    ]
    files = [hurtful.saved(image, kind, **options) for image, kind, options in kinds]
    run_length = b"".join(bytes([40, one]) + b"\0\0" for one in range(30)) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, 40, 30, 1, 8, 1, len(run_length), 0, 0, 256, 0)
    start = struct.pack("<2sIHHI", b"BM", 54 + 1024 + len(run_length), 0, 0, 54 + 1024)
    return [*files, start + header + bytes(1024) + run_length, hurtful.grey_tiff(40, 30)]


TARGET = Target("picture", read, seeds(), share=0.3)


@pytest.mark.fuzz
def test_pictures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fuzz(TARGET, tmp_path)
    assert capfd.readouterr().err == ""
