"""A picture of any form is the picture: path, bytes, Pillow's, arrays; what is none is named."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blcf.errors import InvalidInput, UnreadableImage
from blcf.images import as_image, check_image, read_image, use_image
from blcf.images.room import Room

RGB = np.random.default_rng(0).integers(0, 256, (24, 32, 3)).astype(np.uint8)
GREY = RGB[:, :, 0]
ALPHA = np.dstack([RGB, RGB[:, :, 1]])
ORIENTATION = 0x0112


def encoded(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def test_every_form_of_a_picture_is_one(tmp_path: Path) -> None:
    image = Image.fromarray(RGB)
    data = encoded(image, format="PNG")
    (tmp_path / "a.png").write_bytes(data)
    with Image.open(tmp_path / "a.png") as opened:
        forms = [tmp_path / "a.png", str(tmp_path / "a.png"), data, bytearray(data), opened, image]
        forms += [memoryview(data), RGB, RGB.view(np.recarray), np.asfortranarray(RGB)]
        for form in forms:
            found = as_image(form)
            np.testing.assert_array_equal(found, RGB)
            assert found.dtype == np.uint8 and found.flags.c_contiguous
            assert type(found) is np.ndarray
            np.testing.assert_array_equal(use_image(form, lambda pixels: pixels + 1), RGB + 1)
    assert as_image(RGB) is RGB, "no copy"
    assert as_image(RGB[:1]).shape == as_image(image.crop((0, 0, 32, 1))).shape == (1, 32, 3)
    np.testing.assert_array_equal(as_image(RGB[::-1, :, ::-1]), RGB[::-1, :, ::-1])


@pytest.mark.parametrize("array", [GREY, GREY[:, :, None]])
def test_grey_arrays(array: np.ndarray) -> None:
    np.testing.assert_array_equal(as_image(array), GREY[:, :, None].repeat(3, axis=2))


@pytest.mark.parametrize("array", [GREY, RGB, ALPHA])
def test_an_array_is_its_file(tmp_path: Path, array: np.ndarray) -> None:
    """Transparent pixels above all, which lie over white."""
    Image.fromarray(array).save(tmp_path / "a.png")
    np.testing.assert_array_equal(as_image(array), read_image(tmp_path / "a.png"))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pillows_pictures_are_turned_as_their_files_are(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    for suffix in ("png", "tif"):
        Image.fromarray(RGB).save(tmp_path / f"a.{suffix}", exif=exif)
        expected = read_image(tmp_path / f"a.{suffix}")
        assert expected.shape[0] == (24 if orientation < 5 else 32)
        with Image.open(tmp_path / f"a.{suffix}") as image:
            np.testing.assert_array_equal(as_image(image), expected)
            np.testing.assert_array_equal(as_image(image), expected)  # it has not changed
            np.testing.assert_array_equal(as_image(image.copy()), expected)
        data = (tmp_path / f"a.{suffix}").read_bytes()
        np.testing.assert_array_equal(as_image(data), expected)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "CMYK", "I;16", "F"])
def test_pillows_modes(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(GREY).convert("I" if mode == "I;16" else mode)
    image = image.convert(mode)
    image.save(tmp_path / "a.tif")
    np.testing.assert_array_equal(as_image(image), read_image(tmp_path / "a.tif"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "a path, the bytes of a file, a PIL.Image or an array, .* got int"),
        (None, "got NoneType"),
        ([[1, 2], [3, 4]], "got list"),
        (RGB / 255, r"got float64 \(24, 32, 3\). Convert it: of values 0..1, \(255 \* array\)"),
        (GREY > 9, r"got bool \(24, 32\). Convert it: array.astype\('uint8'\) \* 255"),
        (GREY.astype(np.uint16), r"got uint16 .* \(array // 257\)"),
        (GREY.astype(np.int64), r"got int64 .* array.astype\('uint8'\)"),
        (GREY.astype(complex), r"got complex128 .* Give numbers 0..255"),
        (RGB.transpose(2, 0, 1), r"got uint8 \(3, 24, 32\). Put the channels last: .*1, 2, 0"),
        (np.stack([RGB, RGB]), r"got uint8 \(2, 24, 32, 3\). Give one picture"),
        (RGB[:, :, :2], r"got uint8 \(24, 32, 2\). Give one picture"),
        (RGB[0, 0], r"got uint8 \(3,\)"),
        (RGB[:0], r"got uint8 \(0, 32, 3\). It has no pixels"),
    ],
)
def test_what_is_no_picture(given, message) -> None:
    for check in (check_image, as_image):
        with pytest.raises(InvalidInput, match=message):
            check(given)


def test_what_cannot_be_decoded(tmp_path: Path) -> None:
    data = encoded(Image.fromarray(RGB), format="JPEG")
    for bad, message in [
        (b"", "a picture of 0 bytes: there are none"),
        (b"/photos/a.jpg", "a picture of 13 bytes: it is not a picture in one of the formats"),
        (data[:300], "a picture of 300 bytes: .* its header is damaged or cut short"),
        (Image.new("RGB", (0, 40)), "a PIL.Image of mode RGB: it is too small"),
        (tmp_path / "none.jpg", "none.jpg: there is no such file"),
    ]:
        check_image(bad)
        with pytest.raises(UnreadableImage, match=message) as caught:
            as_image(bad)
        assert caught.value.reason and caught.value.reason in str(caught.value)
    (tmp_path / "cut.jpg").write_bytes(data[:-200])
    with Image.open(tmp_path / "cut.jpg") as image, pytest.raises(UnreadableImage, match="cut.jpg"):
        as_image(image)


def test_room_for_a_file_is_held_while_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(10**9)
    monkeypatch.setattr("blcf.images.reading._ROOM", room)
    Image.fromarray(RGB).save(tmp_path / "a.png")
    assert use_image(tmp_path / "a.png", lambda pixels: room._held) >= 2 * RGB.size
    assert use_image(RGB, lambda pixels: room._held) == room._held == 0
    with pytest.raises(UnreadableImage, match="no such file"):
        use_image(tmp_path / "b.png", lambda pixels: 1)
