"""Clips to a frame: what a film of rare key frames shows from one time to another, and no more."""

from __future__ import annotations

import io
from fractions import Fraction

import footage
import pytest

from blcf.errors import UnreadableImage
from blcf.images import FrameChoice, find_images
from blcf.images.exact_clips import encode_clip
from blcf.images.video import OpenFilm, upright_frame

pytest.importorskip("av", reason="films need PyAV (blcf[video])")


def frames_of(path):
    """(time, s; pixels) of each frame."""
    with OpenFilm(path) as film:
        return [
            ((one.pts - film.start) * film.time_base, upright_frame(one, film.aspect))
            for one in film.frames()
        ]


def clip(film, first, last, path):
    with open(path, "wb") as file:
        encode_clip(film, Fraction(first), Fraction(last), file)
    assert not find_images(path, choice=FrameChoice("0.01")).problems
    return [(time, footage.number_in(pixels)) for time, pixels in frames_of(path)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_to_a_frame(tmp_path, suffix):
    film = footage.write_numbered(tmp_path / f"film{suffix}", 100, keys=1000)
    found = clip(film, "1.48", "2.2", tmp_path / "clip.mp4")
    assert [number for _, number in found] == list(range(37, 56))
    for number, (time, _) in enumerate(found):
        assert abs(time - Fraction(number, 25)) < Fraction(1, 500)
    # Between frames: those on the screen; as floats, which may lie before their frames.
    assert [n for _, n in clip(film, "1.5", "1.53", tmp_path / "c.mp4")] == [37, 38]
    assert [n for _, n in clip(film, 0, 0, tmp_path / "c.mp4")] == [0]
    assert [n for _, n in clip(film, 37 / 25, 38 / 25, tmp_path / "c.mp4")] == [37, 38]
    assert [n for _, n in clip(film, 3.9, 99, tmp_path / "c.mp4")] == [97, 98, 99]


def test_times_that_are_no_decimals(tmp_path):
    times = [Fraction(n, 30) + Fraction(n // 7, 3) for n in range(60)]
    film = footage.write_numbered(tmp_path / "film.mp4", 60, times=times, keys=1000)
    for first, last in ((20, 33), (7, 8), (59, 59)):
        found = clip(film, float(times[first]), float(times[last]), tmp_path / "c.mp4")
        assert [number for _, number in found] == list(range(first, last + 1))
        for time, number in found:
            assert abs(time - (times[number] - times[first])) < Fraction(1, 10_000)


def test_upright_and_square(tmp_path):
    film = footage.write_numbered(tmp_path / "a.mp4", 20, rotation=90, aspect=Fraction(3, 2))
    path = tmp_path / "c.mp4"
    with open(path, "wb") as file:
        encode_clip(film, Fraction(0), Fraction("0.4"), file)
    (_, whole), *_ = frames_of(film)
    (_, first), *_ = frames_of(path)
    assert first.shape == whole.shape and len(frames_of(path)) == 11
    assert abs(first.astype(int) - whole).mean() < 12


def test_odd_sides_and_sound(tmp_path):
    film = tmp_path / "odd.mkv"
    frames = [footage.numbered(n, size=(97, 65)) for n in range(30)]
    footage.write_film(film, frames, codec="ffv1", pixel_format="bgr0")
    assert [n for _, n in clip(film, "0.4", "0.6", tmp_path / "c.mp4")] == list(range(10, 16))
    film = footage.write_with_sound(tmp_path / "sound.mp4", 100, late=10)
    assert [n for _, n in clip(film, 1, 2, tmp_path / "s.mp4")] == list(range(25, 51))
    import av

    with av.open(str(tmp_path / "s.mp4")) as container:
        (sound,) = container.streams.audio
        heard = [frame for frame in container.decode(sound)]
        begin = heard[0].pts * heard[0].time_base
        length = sum(frame.samples for frame in heard) / sound.rate
    assert abs(begin) < 0.05 and abs(length - 1) < 0.1


def test_what_is_not_there(tmp_path):
    film = footage.write_numbered(tmp_path / "film.mp4", 20)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(film.read_bytes()[:900])
    with pytest.raises(UnreadableImage, match="broken.mp4: "):
        encode_clip(broken, Fraction(0), Fraction(1), io.BytesIO())
    with pytest.raises(UnreadableImage, match="there is no such file"):
        encode_clip(tmp_path / "no.mp4", Fraction(0), Fraction(1), io.BytesIO())
    with pytest.raises(UnreadableImage, match="sound only"):
        encode_clip(footage.write_sound(tmp_path / "s.mp4"), Fraction(0), Fraction(1), io.BytesIO())
