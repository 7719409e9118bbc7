"""Every way a picture can be bad: always `UnreadableImage`, with the reason, nothing else."""

from __future__ import annotations

import io
import os
import random
import re
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from blcf.errors import UnreadableImage
from blcf.images import read_image

PHOTOS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "photos"
ORIENTATION = 0x0112


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, *, depth: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    """A PNG made by hand; its header says what it likes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def refusal(path: Path, **limits: int) -> str:
    """The reason `path` is refused; the message must be the path and the reason."""
    with pytest.raises(UnreadableImage) as caught:
        read_image(path, **limits)
    reason: str = getattr(caught.value, "reason")
    assert str(caught.value) == f"{path}: {reason}"
    return reason


def test_missing_folder_empty(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.jpg") == "there is no such file"
    assert refusal(tmp_path / "none" / "a.jpg") == "there is no such file"
    assert refusal(tmp_path) == "it is a folder, not a picture"
    (tmp_path / "a.jpg").write_bytes(b"")
    assert refusal(tmp_path / "a.jpg") == "the file is empty (0 bytes)"
    with pytest.raises(UnreadableImage, match="null byte"):
        read_image("a\0.jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert refusal(tmp_path / "a.jpg") == "it is not a regular file"


@pytest.mark.parametrize("content", [b"just text\n", b"\0" * 1000, b"%!PS-Adobe-3.0 EPSF-3.0\n",
                                     b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM",
                                     b"II*\0"])  # fmt: skip
def test_not_a_picture(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert refusal(tmp_path / "a.jpg") == (
        "it is not a picture in one of the formats that are read "
        "(JPEG, PNG, BMP, TIFF, WEBP, GIF, AVIF, HEIC), or its header is damaged or cut short"
    )


def test_other_formats_are_refused(tmp_path: Path) -> None:
    Image.new("RGB", (32, 24), "red").save(tmp_path / "a.ppm")
    assert refusal(tmp_path / "a.ppm").startswith("it is not a picture in one of the formats")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp"])
def test_cut_short(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert re.match(r"the file is cut short \(.*truncated", refusal(path))


def test_damaged_pixels(tmp_path: Path) -> None:
    data = bytearray(png(32, 24, data=b"\0" * 97 * 24))
    at = data.index(b"IDAT") + 4
    data[at : at + 4] = b"\xff" * 4
    (tmp_path / "a.png").write_bytes(data)
    assert refusal(tmp_path / "a.png").startswith("the file is damaged (")


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (20_000, 20_000)])
def test_a_header_of_a_bomb(tmp_path: Path, width: int, height: int) -> None:
    (tmp_path / "a.png").write_bytes(png(width, height))
    assert re.match(r"it is too large \(.*pixels", refusal(tmp_path / "a.png"))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_the_limit_is_checked_before_decoding(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(300, 400))
    assert refusal(tmp_path / "a.png", max_pixels=119_999) == (
        "it is too large (300 x 400 pixels; at most 119999 pixels are read)"
    )
    assert refusal(tmp_path / "a.png", max_pixels=120_000).startswith("the file is cut short")


@pytest.mark.filterwarnings("error")
def test_pillow_has_nothing_to_warn_of(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(10_000, 10_000))  # within our limit, beyond its warning
    assert refusal(tmp_path / "a.png").startswith("the file is cut short (")


def test_pillow_s_own_limit_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    (tmp_path / "a.png").write_bytes(png(30, 21))
    assert refusal(tmp_path / "a.png") == (
        "it is too large (30 x 21 pixels; at most 600 pixels are read)"
    )


def test_too_small(tmp_path: Path) -> None:
    Image.new("RGB", (400, 12)).save(tmp_path / "a.png")
    assert refusal(tmp_path / "a.png") == (
        "it is too small (400 x 12 pixels; the shorter side must have at least 16)"
    )
    assert read_image(tmp_path / "a.png", min_side=12).shape == (12, 400, 3)
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", min_side=1).shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (PermissionError(13, "Permission denied"), "there is no permission to read it"),
        (OSError(5, "Input/output error"), "it cannot be read (Input/output error)"),
        (MemoryError(), "there is not enough memory to decode it"),
        (SyntaxError("broken chunk"), "the file is damaged (SyntaxError: broken chunk)"),
        (struct.error("needs 4 bytes"), "the file is damaged (error: needs 4 bytes)"),
        (zlib.error("Error -3"), "the file is damaged (error: Error -3)"),
        (OSError("decoder error -2"), "the file is damaged (decoder error -2)"),
        (EOFError(), "the file is cut short (EOFError)"),
        (RecursionError("too deep"), "the file is damaged (RecursionError: too deep)"),
    ],
)
def test_any_decoder_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    Image.new("RGB", (32, 24), "red").save(tmp_path / "a.png")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("blcf.images.reading.open_declared", fail)
    assert refusal(tmp_path / "a.png") == reason


def test_interrupts_are_not_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (32, 24), "red").save(tmp_path / "a.png")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("blcf.images.reading.open_declared", interrupt)
    with pytest.raises(KeyboardInterrupt):
        read_image(tmp_path / "a.png")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_no_permission(tmp_path: Path) -> None:
    Image.new("RGB", (32, 24), "red").save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert refusal(tmp_path / "a.png") == "there is no permission to read it"


def test_the_message_can_always_be_printed() -> None:
    with pytest.raises(UnreadableImage, match=r"^caf\\udce9\\n\.jpg: there is no such file$"):
        read_image("caf\udce9\n.jpg")


def originals(tmp_path: Path) -> list[bytes]:
    """Small files of every format, and real photographs where the checkout has them."""
    across, down = np.meshgrid(np.arange(64) * 4, np.arange(48) * 5)
    picture = Image.fromarray(np.stack([across, down, across ^ down], axis=2).astype(np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    options: list[tuple[str, dict[str, Any]]] = [
        ("JPEG", {"exif": exif}), ("PNG", {"exif": exif}), ("WEBP", {"exif": exif}), ("GIF", {}),
        ("BMP", {}), ("TIFF", {}),
    ]  # fmt: skip
    files = []
    for name, extra in options:
        buffer = io.BytesIO()
        picture.save(buffer, name, **extra)
        files.append(buffer.getvalue())
    files += [path.read_bytes() for path in sorted(PHOTOS.glob("*.jpg"))[:2]]
    return files


@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes(tmp_path: Path) -> None:
    generator = random.Random(0)
    n_refused = 0
    path = tmp_path / "a"
    for file in originals(tmp_path):
        for _ in range(30):
            data = bytearray(file)
            if generator.random() < 0.4:
                del data[generator.randrange(len(data)) :]
            # half of the time near the start, where the headers are
            end = min(len(data), 400) if generator.random() < 0.5 else len(data)
            for _ in range(generator.choice((0, 1, 4, 20)) if end else 0):
                data[generator.randrange(end)] = generator.randrange(256)
            path.write_bytes(data)
            try:
                image = read_image(path)
            except UnreadableImage as error:
                n_refused += 1
                assert str(error) == f"{path}: {getattr(error, 'reason')}"
            else:
                assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    assert n_refused > 50


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files cannot be counted")
@pytest.mark.filterwarnings("ignore")
def test_files_are_closed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    read_image_or_none(path)
    before = len(os.listdir("/proc/self/fd"))
    kept = []  # an error that is kept must not keep its file open
    for file in originals(tmp_path):
        for data in (file, file[: len(file) // 2], file[:30]):
            path.write_bytes(data)
            kept.append(read_image_or_none(path))
    assert len(os.listdir("/proc/self/fd")) == before


def read_image_or_none(path: Path) -> object:
    try:
        return read_image(path)
    except UnreadableImage as error:
        return error


def test_no_setting_of_pillow_or_of_the_warnings_is_changed(tmp_path: Path) -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    Image.new("RGB", (32, 24), "red").save(tmp_path / "a.png")
    read_image(tmp_path / "a.png")
    refusal(tmp_path / "none.png")
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    assert after == before
