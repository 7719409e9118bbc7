"""Small pictures: their boxes lie where those of the originals do, drawn to the pixel."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from blcf.images.thumbnails import Thumbnail

GREY = np.full((100, 200, 3), 90, dtype=np.uint8)


def test_a_picture_becomes_no_larger() -> None:
    assert Thumbnail.of(GREY, 200).picture is GREY
    small = Thumbnail.of(GREY, 50)
    assert isinstance(small.picture, np.ndarray)
    assert small.picture.shape == (32, 50, 3) and small.size == (200, 100)
    np.testing.assert_allclose(small.scaled((20, 50, 200, 100)), (5, 16, 50, 32))
    np.testing.assert_allclose(small.scaled([(0, 0, 200, 50)] * 2), [(0, 0, 50, 16)] * 2)
    assert small.scaled(None) is None


def test_boxes_are_drawn_to_the_pixel() -> None:
    thumbnail = Thumbnail.of(GREY, 200)
    drawn = thumbnail.with_boxes([(20, 30, 60, 80)], "#e69f00").picture
    assert isinstance(drawn, np.ndarray)
    rows, columns = np.nonzero((drawn == (230, 159, 0)).all(axis=2))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (20, 30, 60, 80)
    assert (drawn[32:34, 40] == 255).all() and (drawn[34:76, 24:56] == 90).all()
    assert (GREY == 90).all(), "on a copy"
    # Boxes of the very edge, thinner than a pixel, and two of them.
    edges = [(0, 0, 200, 100), (10, 10, 10.2, 10.2)]
    drawn = thumbnail.with_boxes(edges, "#e69f00").picture
    assert isinstance(drawn, np.ndarray)
    for y, x in ((0, 0), (99, 199), (10, 10)):
        assert drawn[y, x].tolist() == [230, 159, 0]


def test_a_picture_as_text() -> None:
    head, _, data = Thumbnail.of(GREY, 64).uri.partition(",")
    assert head == "data:image/jpeg;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == (64, 32) and np.abs(np.asarray(image).astype(int) - 90).max() < 3


@pytest.mark.parametrize(
    ("given", "reason"),
    [(Path("none.jpg"), "there is no such file"), (b"abc", "it is not a picture in one of")],
)
def test_a_picture_that_is_none_says_why(given: Path | bytes, reason: str) -> None:
    thumbnail = Thumbnail.of(given, 64)
    assert isinstance(thumbnail.picture, str) and thumbnail.picture.startswith(reason)
    assert thumbnail.scaled((0, 0, 1, 1)) is None
    assert thumbnail.with_boxes([(0, 0, 1, 1)], "#000000") is thumbnail
