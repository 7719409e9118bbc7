"""Pictures of a page: small, embedded once, with boxes, or the reason why there is none."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from blcf.images import thumbnails
from blcf.images.thumbnails import Thumbnails
from blcf.pages import Pictures


@pytest.fixture
def photograph(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (300, 800, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_a_thumbnail(photograph):
    one = Thumbnails()[photograph]
    assert one.size == (800, 300) and one.picture.shape == (150, 400, 3)
    assert one.uri.startswith("data:image/jpeg;base64,")
    np.testing.assert_allclose(one.scaled(np.array([0, 10, 800, 300])), [0, 5, 400, 150])
    several = np.array([[0, 10, 800, 300], [2, 2, 4, 4]])
    np.testing.assert_allclose(one.scaled(several), [[0, 5, 400, 150], [1, 1, 2, 2]])
    assert one.scaled(None) is None
    assert Thumbnails(200)[photograph].picture.shape == (75, 200, 3)


def test_pixels_and_nothing(tmp_path):
    small = np.zeros((20, 30, 3), dtype=np.uint8)
    assert Thumbnails()[small].picture is small
    assert Thumbnails()[None].picture == "it is not at hand"
    gone = Thumbnails()[tmp_path / "gone.png"]
    assert gone.picture == "there is no such file" and gone.scaled(np.arange(4)) is None


def test_each_is_read_once_and_only_the_last_are_kept(photograph, monkeypatch):
    read, true = [], thumbnails.as_image
    monkeypatch.setattr(thumbnails, "as_image", lambda path: read.append(path) or true(path))
    monkeypatch.setattr(thumbnails, "KEPT", 2)
    made = Thumbnails()
    other = photograph.with_name("b.png")
    for path in (photograph, other, photograph, other.with_name("c.png"), photograph, other):
        made[path]
    assert [path.name for path in read] == ["a.png", "b.png", "c.png", "b.png"]


def test_a_picture_is_embedded_once(photograph):
    pictures = Pictures(Thumbnails())
    first = pictures.show(photograph, 'a "b"', [("found", np.array([1, 2, 31, 42]))])
    again = pictures.show(photograph, "again")
    assert 'viewBox="0 0 800 300"' in first and 'aria-label="a &quot;b&quot;"' in first
    assert first.count("<image ") == 1 and "<image" not in again
    (name,) = re.findall(r'<image id="(\w+)"', first)
    assert f'<use href="#{name}"/>' in again
    assert pictures.embedded(photograph) == (name, (800, 300))
    box = '<rect class="found" x="1.0" y="2.0" width="30.0" height="40.0"/>'
    assert box in first and box.replace("found", "found under") in first
    assert 'class="frame"' in first and 'class="frame"' in again


def test_pixels_are_told_apart():
    pictures = Pictures(Thumbnails())
    for _ in range(20):  # arrays that are freed could share an address
        pictures.show(np.zeros((8, 8, 3), dtype=np.uint8), "one")
    assert pictures.show(np.ones((8, 8, 3), dtype=np.uint8), "two").count("<image ") == 1


def test_a_reason_in_its_place(tmp_path):
    pictures = Pictures(Thumbnails())
    (tmp_path / "<i>.png").write_text("no picture")
    shown = pictures.show(tmp_path / "<i>.png", "it")
    assert "no picture: " in shown and "<svg" not in shown and "<i>" not in shown
    assert pictures.embedded(tmp_path / "<i>.png") is None


def test_an_outline_is_a_polygon(photograph):
    pictures = Pictures(Thumbnails())
    corners = np.array([[1, 2], [31, 4], [30, 42], [0, 40]])
    shown = pictures.show(photograph, "a", [("found", corners), ("truth", np.arange(4))])
    assert shown.count("<polygon ") == 2 and 'points="1.0,2.0 31.0,4.0 30.0,42.0 0.0,40.0"' in shown
    assert shown.count('<rect class="truth') == 2
