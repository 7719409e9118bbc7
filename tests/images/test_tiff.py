"""TIFF: what Pillow decodes of the whole file is decoded of its cleaned directory, in silence."""

from __future__ import annotations

import ctypes
import random
import threading
from pathlib import Path
from typing import Any

import hurtful
import numpy as np
import pytest
from PIL import Image, features

from blcf.errors import UnreadableImage
from blcf.images import complaints, read_image
from blcf.images.modes import to_rgb

ALL_KINDS = [
    "raw",
    "packbits",
    "tiff_lzw",
    "tiff_adobe_deflate",
    "tiff_deflate",
    "jpeg",
    "zstd",
    "lzma",
]
ACROSS, DOWN = np.meshgrid(np.arange(90), np.arange(70))
GREY = ((ACROSS * 3 + DOWN * DOWN) % 256).astype(np.uint8)


def can_be_written(kind: str) -> bool:
    try:
        return bool(hurtful.saved(Image.fromarray(GREY), "TIFF", compression=kind))
    except OSError:  # not configured
        return False


KINDS = [kind for kind in ALL_KINDS if kind == "raw" or can_be_written(kind)]
needs_libtiff = pytest.mark.skipif(not features.check("libtiff"), reason="Pillow has no libtiff")


def pictures() -> dict[str, Image.Image]:
    rgb = np.stack([GREY, GREY[::-1], GREY[:, ::-1]], axis=2)
    grey, colour = Image.fromarray(GREY), Image.fromarray(rgb)
    alpha = Image.fromarray(np.dstack([rgb, GREY]))
    sixteen = Image.fromarray((GREY.astype(np.uint16) * 257))
    return {
        **{"1": grey.convert("1"), "L": grey, "P": colour.convert("P"), "RGB": colour},
        **{"LA": alpha.convert("LA"), "RGBA": alpha, "CMYK": colour.convert("CMYK")},
        **{"I;16": sixteen, "F": grey.convert("F"), "I": grey.convert("I")},
    }


@needs_libtiff
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_every_mode_and_compression(tmp_path: Path, kind: str, big: bool) -> None:
    n_read = 0
    for mode, picture in pictures().items():
        path = tmp_path / f"{mode.replace(';', '')}.tif"
        try:
            picture.save(path, compression=kind, big_tiff=big)
        except (OSError, ValueError, KeyError, RuntimeError):  # not of every mode
            continue
        with Image.open(path) as image:
            expected = to_rgb(image)
        np.testing.assert_array_equal(read_image(path), expected)
        n_read += 1
    assert n_read > 1


@pytest.mark.parametrize("tile", [(16, 16), (32, 48), (128, 128)])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"byteorder": ">"}], ids=str)
def test_tiles(tmp_path: Path, tile: tuple[int, int], options: dict[str, Any]) -> None:
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", GREY, tile=tile, photometric="minisblack", **options)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[:, :, 0], GREY)


@needs_libtiff
@pytest.mark.filterwarnings("error")
def test_tags_of_others_are_no_matter(tmp_path: Path) -> None:
    tags = {34022: 2, 65000: 3, 33550: 12, 34377: 7, 37724: 7}
    info = {number: "x" if kind == 2 else b"x" if kind == 7 else 1 for number, kind in tags.items()}
    Image.fromarray(GREY).save(tmp_path / "a.tif", tiffinfo=info, compression="tiff_lzw")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[:, :, 0], GREY)


@pytest.mark.filterwarnings("error")
def test_a_tag_of_too_many_values(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(hurtful.grey_tiff(32, 24, t262=(3, [1, 1])))
    assert read_image(tmp_path / "a.tif").shape == (24, 32, 3)


@needs_libtiff
@pytest.mark.filterwarnings("error")
@pytest.mark.skipif(not complaints._switches(), reason="libtiff is within Pillow")
def test_damage_is_the_reason_and_nothing_is_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    generator, n_refused = random.Random(0), 0
    path = tmp_path / "a.tif"
    for kind in KINDS:
        whole = hurtful.saved(Image.fromarray(GREY), "TIFF", compression=kind)
        for _ in range(25):
            data = bytearray(whole)
            for _ in range(generator.randrange(1, 8)):
                data[generator.randrange(len(data))] = generator.randrange(256)
            path.write_bytes(data)
            try:
                read_image(path)
            except UnreadableImage as error:
                n_refused += 1
                assert "Warning" not in error.reason
    assert n_refused > 20
    assert capfd.readouterr() == ("", "") and not caplog.records


@pytest.mark.skipif(not complaints._switches(), reason="libtiff is within Pillow")
def test_the_handlers_of_libtiff_are_put_back() -> None:
    library = ctypes.CDLL(Image.core.__file__)
    library.TIFFSetErrorHandler.restype = ctypes.c_void_p
    library.TIFFSetErrorHandler.argtypes = [ctypes.c_void_p]

    def handler() -> int | None:
        there = library.TIFFSetErrorHandler(None)
        library.TIFFSetErrorHandler(there)
        return there

    before, entered, leave = handler(), threading.Event(), threading.Event()

    def other() -> None:
        with complaints.without_complaints():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert entered.wait(10) and before is not None
    with complaints.without_complaints():
        assert handler() is None
    assert handler() is None  # the other is still at it
    leave.set()
    thread.join()
    assert handler() == before
