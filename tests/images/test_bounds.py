"""Pictures that ask for more than any picture needs are refused before they are decoded."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import hurtful
import numpy as np
import pytest
from PIL import Image

from blcf.errors import UnreadableImage
from blcf.images import bounds, read_image
from blcf.images.headers import declare

N = bounds.MAX_PARTS


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The reason some bytes are refused; nothing of them may be decoded."""

    def refuse(data: bytes) -> str:
        with monkeypatch.context() as patch, pytest.raises(UnreadableImage) as caught:
            patch.setattr("blcf.images.reading.decode", lambda *_: pytest.fail("decoded"))
            read_image(written(data))
        return caught.value.reason

    def written(data: bytes) -> Path:
        path = tmp_path / "a"
        path.write_bytes(data)
        return path

    return refuse


@pytest.fixture
def read(tmp_path: Path) -> Any:
    def some(data: bytes) -> np.ndarray:
        path = tmp_path / "a"
        path.write_bytes(data)
        return read_image(path)

    return some


def test_scans(refusal: Any, read: Any) -> None:
    assert read(hurtful.jpeg_of_scans(100)).shape == (48, 64, 3)
    assert refusal(hurtful.jpeg_of_scans(101)) == (
        "it has more than 100 scans; no more are read of 3072 pixels"
    )
    assert refusal(hurtful.jpeg_of_scans(10_000)).startswith("it has more than 100 scans")


def test_scans_of_a_large_picture(refusal: Any, read: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("blcf.images.jpeg.MAX_SCANNED", 20 * 64 * 48)
    assert read(hurtful.jpeg_of_scans(20)).shape == (48, 64, 3)
    assert refusal(hurtful.jpeg_of_scans(21)).startswith("it has more than 20 scans")


def test_what_looks_like_a_scan_and_is_none(read: Any) -> None:
    thumbnail = hurtful.segment(0xE1, b"\xff\xda" * 300)
    film = b"\xff\xda" * 300  # behind the picture
    plain = read(hurtful.jpeg())
    assert (read(hurtful.behind_the_start(hurtful.jpeg(), thumbnail) + film) == plain).all()
    many = hurtful.jpeg_of_scans(12)
    between = many[:-2] + hurtful.segment(0xFE, b"\xff\xda" * 300) + many[-2:]
    assert (read(between) == read(many)).all()


def test_segments_of_a_jpeg(refusal: Any, read: Any) -> None:
    exif = hurtful.segment(0xE1, b"Exif\0\0ab")
    plain = read(hurtful.jpeg())
    assert (read(hurtful.behind_the_start(hurtful.jpeg(), exif * 20_000)) == plain).all()
    assert refusal(hurtful.behind_the_start(hurtful.jpeg(), exif * N)) == (
        "it has more than 100000 segments before its pixels; no more are read"
    )
    fillers = b"\xff" * N
    assert "segments before" in refusal(hurtful.behind_the_start(hurtful.jpeg(), fillers))


def test_chunks_of_a_png(refusal: Any, read: Any) -> None:
    text = hurtful.chunk(b"tEXt", b"a\0b")
    assert not read(hurtful.black_png(32, 24, more=text * 50)).any()
    assert refusal(hurtful.black_png(32, 24, more=text * N)) == (
        "it has more than 100000 chunks; no more are read"
    )


@pytest.mark.filterwarnings("error")
def test_an_animation_is_left_out(tmp_path: Path, read: Any) -> None:
    frames = [Image.new("RGB", (32, 24), colour) for colour in ("red", "blue", "lime")]
    data = hurtful.saved(frames[0], "PNG", save_all=True, append_images=frames[1:])
    assert read(data)[0, 0].tolist() == [255, 0, 0]
    declared = declare(data)
    assert b"acTL" in data and not any(kind in declared.data for kind in (b"acTL", b"fdAT"))
    damaged = data.replace(b"acTL\0\0\0\3", b"acTL\xff\xff\xff\xff")  # of which Pillow warns
    assert (read(damaged) == read(data)).all()


def test_blocks_of_a_gif(refusal: Any, read: Any) -> None:
    data = hurtful.saved(Image.new("P", (32, 24)), "GIF")
    at = data.index(b",\0\0\0\0")
    comment = b"!\xfe" + b"\1a" * 1000 + b"\0"
    assert read(data[:at] + comment + data[at:]).shape == (24, 32, 3)
    assert refusal(data[:at] + comment * 101 + data[at:]) == (
        "it has more than 100000 blocks before its first frame; no more are read"
    )


@pytest.mark.filterwarnings("error")
def test_a_gif_whose_frame_is_larger_than_its_screen(refusal: Any, read: Any) -> None:
    data = hurtful.saved(Image.new("P", (60, 50)), "GIF")
    assert data[6:10] == struct.pack("<HH", 60, 50)
    assert read(data[:6] + struct.pack("<HH", 16, 8) + data[10:]).shape == (50, 60, 3)
    at = data.index(b",\0\0\0\0") + 5
    large = data[:at] + struct.pack("<HH", 40_000, 40_000) + data[at + 4 :]
    assert refusal(large).startswith("it is too large (40000 x 40000 pixels")


def test_frames_of_a_webp(refusal: Any) -> None:
    frame = b"ANMF" + struct.pack("<I", 16) + bytes(16)
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + b"\x1f\0\0" + b"\x17\0\0"
    body = b"WEBP" + canvas + frame * (N + 1)
    assert refusal(b"RIFF" + struct.pack("<I", len(body)) + body) == (
        "it has more than 100000 frames; no more are read"
    )


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        ({"t273": (4, [8] * (N + 1))}, "it has more than 100000 parts; no more are read"),
        ({"t257": (4, [N + 1]), "t278": (4, [1])}, "it has more than 100000 parts"),
        ({"t322": (4, [40_000]), "t323": (4, [40_000])}, "its tiles are too large (40000 x 40000"),
        ({"t277": (4, [1000])}, "it has 1000 values a pixel; at most 6 are read"),
        ({"t256": (4, [2**20]), "t257": (4, [2**20])}, "it is too large (1048576 x 1048576"),
    ],
    ids=["strips", "rows", "tiles", "samples", "pixels"],
)
def test_tiff(refusal: Any, read: Any, tags: dict[str, Any], reason: str) -> None:
    assert not read(hurtful.grey_tiff(32, 24)).any()
    assert refusal(hurtful.grey_tiff(32, 24, **tags)).startswith(reason)


def test_scans_of_the_jpegs_in_a_tiff(refusal: Any, monkeypatch: Any) -> None:
    data = hurtful.grey_tiff(32, 24, t259=(3, [7])) + b"\xff\xda" * 200
    monkeypatch.setattr("blcf.images.tiff.MAX_SCANNED", 199 * 32 * 24)
    assert refusal(data) == "its parts are JPEG of more scans than are read"


def test_a_directory_that_points_at_the_whole_file_again_and_again(read: Any) -> None:
    """60,000 tags of 700 kB each are 42 GB, for whoever reads them."""
    n_tags = 60_000
    entry = struct.pack("<HII", 7, 14 * n_tags, 0)
    plain = hurtful.grey_tiff(32, 24)
    at = 8 + 32 * 24
    rows = plain[at + 2 : at + 2 + 9 * 12]
    rows += b"".join(struct.pack("<H", 1000 + one) + entry for one in range(n_tags))
    directory = struct.pack("<H", 9 + n_tags) + rows + bytes(4)
    data = plain[:at] + directory + bytes(14 * n_tags)
    assert not read(data).any()
    declared = declare(data)
    (new,) = struct.unpack_from("<I", declared.data, 4)
    assert struct.unpack_from("<H", declared.data, new) == (9,)  # tags of the pixels alone


def test_a_run_length_coded_bmp(refusal: Any) -> None:
    header = struct.pack("<2sIHHI", b"BM", 0, 0, 0, 54)
    header += struct.pack("<IiiHHIIiiII", 40, 5000, 5000, 1, 8, 1, 0, 0, 0, 0, 0)
    assert refusal(header + b"\1\0\0\0") == (
        "it is a run-length coded BMP of 5000 x 5000 pixels; of such at most 16000000 are read"
    )


def test_bytes(refusal: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("blcf.images.reading.MAX_BYTES", 1000)
    assert refusal(bytes(1001)) == "it is too large (1001 bytes; at most 1000 are read)"


def test_two_sizes(refusal: Any) -> None:
    """A size that was checked is the size that is decoded."""
    data = hurtful.jpeg((64, 48))
    second = hurtful.jpeg((640, 480))
    frame = second[second.index(b"\xff\xc0") :][:19]
    at = data.index(b"\xff\xda")
    assert declare(data[:at] + frame + data[at:]).width == 640  # the last, as for Pillow
    webp = hurtful.saved(Image.new("RGB", (32, 24)), "WEBP", lossless=True)
    vp8x = b"VP8X" + struct.pack("<I", 10) + bytes(4) + b"\x3f\0\0" + b"\x2f\0\0"
    body = b"WEBP" + vp8x + webp[12:]
    assert refusal(b"RIFF" + struct.pack("<I", len(body)) + body)


def test_scans_behind_the_only_one(read: Any) -> None:
    """Where the first scan has all channels, the decoder takes another one for damage."""
    data = hurtful.jpeg()
    scan = data[data.index(b"\xff\xda") : -2]
    with pytest.raises(UnreadableImage, match="the file is damaged"):
        read(data[:-2] + scan * 5000 + data[-2:])
