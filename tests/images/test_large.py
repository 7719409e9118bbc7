"""Large pictures: one at a time where memory asks for it, never whole where a side is wanted."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hurtful
import numpy as np
import pytest
from PIL import Image

from blcf.errors import UnreadableImage
from blcf.images import read_image, read_resized, read_through, resize_image
from blcf.images.room import Room

ORIENTATION = 0x0112


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    waves = np.sin(across / 17)[:, :, None] + np.cos(down / 23)[:, :, None] * [1, -1, 0.5]
    image = Image.fromarray((127 + 60 * waves).clip(0, 255).astype(np.uint8))
    if mode == "RGBA":
        image.putalpha(Image.fromarray((across % 256).astype(np.uint8)))
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


@pytest.fixture
def all_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blcf.images.bounds.LARGE_BYTES", 0)


@pytest.mark.parametrize("orientation", [1, 2, 6, 8])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(200, 150), (64, 90), (60, 20)])
def test_resized(tmp_path: Path, size: tuple[int, int], mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    picture(*size, mode).save(path, exif=exif)
    whole = read_image(path)
    resized, found = read_resized(path, 64)
    assert found == (whole.shape[1], whole.shape[0])
    np.testing.assert_array_equal(resized, resize_image(whole, 64))
    assert resized.flags.c_contiguous and resized.flags.writeable


@pytest.mark.parametrize("orientation", [1, 6, 7])
@pytest.mark.parametrize(
    ("name", "mode"), [("a.jpg", "RGB"), ("a.jpg", "L"), ("a.png", "P"), ("a.png", "RGBA"),
                       ("a.webp", "RGB"), ("a.png", "I;16")]
)  # fmt: skip
def test_large_ones_look_the_same(
    tmp_path: Path, all_are_large: None, name: str, mode: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture(603, 401, mode).save(tmp_path / name, exif=exif)
    whole = read_image(tmp_path / name)
    resized, found = read_resized(tmp_path / name, 36)
    assert found == (whole.shape[1], whole.shape[0])
    expected = resize_image(whole, 36).astype(int)
    assert resized.shape == expected.shape
    assert np.abs(resized - expected).max() <= 5 and np.abs(resized - expected).mean() < 0.6


def test_a_large_one_is_never_a_whole_array(tmp_path: Path, all_are_large: None) -> None:
    (tmp_path / "a.png").write_bytes(hurtful.black_png(4000, 3000))
    tracemalloc.start()
    read_resized(tmp_path / "a.png", 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4000 * 3000  # a third of it


def test_large_ones_are_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    @contextmanager
    def large(path: Path) -> Iterator[None]:
        seen.append(("begun", path.name))
        yield
        seen.append(("done", path.name))

    hurtful_one, small = tmp_path / "a.png", tmp_path / "b.png"
    hurtful_one.write_bytes(hurtful.black_png(400, 300))
    small.write_bytes(hurtful.black_png(40, 30))
    monkeypatch.setattr("blcf.images.bounds.LARGE_BYTES", 100_000)
    for path in (hurtful_one, small):
        read_resized(path, 32, large=large)
    assert seen == [("begun", "a.png"), ("done", "a.png")]

    def refuse(path: Path) -> Any:
        raise UnreadableImage("not this one")

    with pytest.raises(UnreadableImage, match="^not this one$"):
        read_resized(hurtful_one, 32, large=refuse)


def test_room_is_shared() -> None:
    room, most, lock, now = Room(100), [0], threading.Lock(), [0]

    def hold(n_bytes: int) -> None:
        with room.held(n_bytes):
            with lock:
                now[0] += min(n_bytes, 100)
                most[0] = max(most[0], now[0])
            time.sleep(0.001)
            with lock:
                now[0] -= min(n_bytes, 100)

    threads = [threading.Thread(target=hold, args=(n,)) for n in [60, 30, 5, 200, 40, 70, 100] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert now == [0] and 0 < most[0] <= 100


def test_a_large_one_is_not_passed_by_those_behind_it() -> None:
    room, order, begun = Room(100), [], threading.Event()

    def hold(name: str, n_bytes: int) -> None:
        with room.held(n_bytes):
            order.append(name)

    with room.held(50):
        threads = [threading.Thread(target=hold, args=("large", 1000))]
        threads[0].start()
        while not room._turn.locked():
            begun.wait(0.001)
        threads.append(threading.Thread(target=hold, args=("small", 1)))
        threads[1].start()
        begun.wait(0.01)
        assert order == []
    for thread in threads:
        thread.join(60)
    assert order == ["large", "small"]


def test_room_is_held_while_a_picture_is_used_and_given_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(10**9)
    monkeypatch.setattr("blcf.images.reading._ROOM", room)
    (tmp_path / "a.png").write_bytes(hurtful.black_png(40, 30))
    held, size = read_through(tmp_path / "a.png", lambda image: room._held)
    assert size == (40, 30) and held >= 7 * 40 * 30 and room._held == 0

    def fail(image: np.ndarray) -> None:
        raise KeyError("of the caller")

    with pytest.raises(KeyError, match="of the caller"):
        read_through(tmp_path / "a.png", fail)
    (tmp_path / "a.png").write_bytes(hurtful.png(40, 30))
    with pytest.raises(UnreadableImage, match="cut short"):
        read_image(tmp_path / "a.png")
    assert room._held == 0
