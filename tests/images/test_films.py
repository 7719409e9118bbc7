"""Films: when their frames come, what they show by either way, and what is said of bad ones."""

from __future__ import annotations

import shutil
import sys
import threading
from fractions import Fraction
from pathlib import Path

import footage
import numpy as np
import pytest
from PIL import Image

from blcf.errors import InvalidInput, UniformFrame, UnreadableImage
from blcf.images import FrameChoice, as_image, find_images, read_ahead, read_frame
from blcf.images.films import is_uniform
from blcf.images.video import OpenFilm, upright_frame

pytest.importorskip("av", reason="films need PyAV (blcf[video])")

N_FRAMES = 60
STEPS = np.random.default_rng(0).integers(300, 9000, N_FRAMES)
IRREGULAR = [int(one) * footage.TICK for one in np.cumsum(STEPS)]
KINDS = {
    "constant.mp4": ("libx264", None),
    "irregular.mp4": ("libx264", IRREGULAR),
    "late.mp4": ("libx264", [50 + one for one in IRREGULAR]),
    "irregular.mkv": ("libx264", IRREGULAR),
    "late.ts": ("libx264", [50 + one for one in IRREGULAR]),
    "old.avi": ("mpeg4", None),
    "disc.mpg": ("mpeg2video", None),
    "vp8.webm": ("libvpx", None),
    "vp9.webm": ("libvpx-vp9", None),
}
EACH = FrameChoice("0.001")  # every frame


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A film of every kind, with its times from the first frame on."""
    folder, made = tmp_path_factory.mktemp("films"), {}
    for name, (codec, times) in KINDS.items():
        footage.write_numbered(folder / name, N_FRAMES, lambda n: n // 20, codec=codec, times=times)
        from_start = times or [Fraction(n, 25) for n in range(N_FRAMES)]
        made[folder / name] = [one - from_start[0] for one in from_start]
    return made


@pytest.fixture(params=KINDS)
def film(request, films):
    return next((path, times) for path, times in films.items() if path.name == request.param)


def test_times_are_exact(film):
    path, times = film
    with OpenFilm(path) as opened:
        timeline = opened.timeline()
    found = [timeline.time(row) for row in range(len(timeline))]
    if path.suffix in (".mkv", ".webm"):  # whole milliseconds, by their time base
        assert max(abs(one - other) for one, other in zip(found, times, strict=True)) <= 0.001
    else:
        assert found == times
    assert not timeline.trouble and all(isinstance(one, Fraction) for one in found)


def test_both_ways_show_the_same_pixels(film):
    """Over a whole film: decoded one after the other, and each sought by its name alone."""
    path, _ = film
    images = find_images(path, choice=EACH)
    assert len(images) == N_FRAMES == len(set(images.names)) and images.names == sorted(
        images.names
    )
    with OpenFilm(path) as opened:
        plain = [upright_frame(frame, opened.aspect) for frame in opened.frames()]
    for number, name in enumerate(images.names):
        in_order = images.original(name).through(np.copy).content
        sought = as_image(images.path(name))
        assert footage.number_in(sought) == number
        np.testing.assert_array_equal(in_order, sought)
        np.testing.assert_array_equal(in_order, plain[number])


def test_asked_for_in_any_order_and_by_several_threads(film):
    path, times = film
    images = find_images(path, choice=EACH)
    originals = [images.original(name) for name in images.names]
    shuffled = np.random.default_rng(1).permutation(N_FRAMES).tolist()
    for order in (range(N_FRAMES), range(0, N_FRAMES, 7), shuffled[:25]):
        chosen = [originals[number] for number in order]
        found = read_ahead(chosen, lambda one: one.resized(96), n_workers=3, ahead=8)
        loaded = [one for _, one in found]
        assert [footage.number_in(one.content) for one in loaded] == list(order)
        assert np.allclose(
            [one.facts.time for one in loaded], [float(times[n]) for n in order], atol=1e-3
        )


def test_a_frame_each_so_many_seconds_is_the_first_at_or_after(films):
    for path, times in films.items():
        if path.suffix in (".mkv", ".webm"):
            continue
        for every in (Fraction(1, 25), Fraction(1, 3), Fraction(1)):
            images = find_images(path, choice=FrameChoice(every))
            ticks = [n * every for n in range(int(times[-1] / every) + 1)]
            wanted = sorted({min(n for n, t in enumerate(times) if t >= tick) for tick in ticks})
            found = [images.original(one).resized(96) for one in images.names]
            assert [footage.number_in(one.content) for one in found] == wanted
            assert [one.facts.time for one in found] == [float(times[n]) for n in wanted]


def test_frames_closer_than_a_millisecond_have_names_of_their_own(tmp_path):
    times = [Fraction(n, 4000) for n in range(12)]
    frames = [footage.numbered(n) for n in range(12)]
    path = footage.write_film(tmp_path / "fast.mp4", frames, times, codec="libx264")
    images = find_images(path, choice=FrameChoice(0.001))  # one in four, its neighbours as near
    assert images.names[1] == "fast.mp4@00:00:00.001" and len(images) == 3
    assert [footage.number_in(as_image(images.path(one))) for one in images.names] == [0, 4, 8]


def test_facts_are_of_the_film(films):
    path = next(iter(films))
    one = find_images(path.parent).original(f"{path.name}@00:00:01.000").resized(96)
    state = path.stat()
    assert (one.facts.mtime_ns, one.facts.n_bytes) == (state.st_mtime_ns, state.st_size)
    assert (one.facts.video, one.facts.time, one.size) == (path.name, 1.0, footage.SIZE)


def test_any_time_shows_what_is_on_the_screen(films):
    path = next(one for one in films if one.name == "constant.mp4")
    for text, number in (("00:00:01.5", 37), ("00:01.039", 25), ("00:01.040", 26), ("00:03", 59)):
        assert footage.number_in(as_image(f"{path}@{text}")) == number
    np.testing.assert_array_equal(read_frame(path, Fraction(3, 2)), as_image(f"{path}@00:01.5"))
    with pytest.raises(UnreadableImage, match=r"over by then: its last frame is at 00:00:02.360"):
        as_image(f"{path}@00:01:00")


def test_what_an_edit_list_leaves_out_is_not_shown(tmp_path):
    path = footage.write_numbered(tmp_path / "cut.mp4", 90, keys=12)
    footage.cut_by_edit_list(path, 29)
    images = find_images(path, choice=EACH)
    assert len(images) == 61 and not images.problems
    for number, name in enumerate(images.names):
        one = images.original(name).resized(96)
        assert footage.number_in(one.content) == 29 + number
        assert one.facts.time == number / 25
        assert footage.number_in(as_image(images.path(name))) == 29 + number


def test_time_is_that_of_the_pictures(tmp_path):
    """Sound that begins before them moves none of their times."""
    images = find_images(footage.write_with_sound(tmp_path / "f.mp4", 60, 10), choice=EACH)
    loaded = [images.original(name).resized(96) for name in images.names]
    assert [footage.number_in(one.content) for one in loaded] == list(range(60))
    assert [one.facts.time for one in loaded] == [n / 25 for n in range(60)]


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_film_is_turned(tmp_path, degrees):
    frames = [footage.numbered(n) for n in range(3)]
    plain = footage.write_film(tmp_path / "plain.mp4", frames)
    turned = footage.write_film(tmp_path / "turned.mp4", frames, rotation=degrees)
    seen = as_image(f"{plain}@00:00:00")
    np.testing.assert_array_equal(as_image(f"{turned}@00:00:00"), np.rot90(seen, degrees // 90))
    assert find_images(turned).original("turned.mp4@00:00:00.000").resized(96).size == (
        footage.SIZE[:: -1 if degrees % 180 else 1]
    )


def test_pixels_become_square(tmp_path):
    frames = [footage.numbered(n) for n in range(3)]
    path = footage.write_film(tmp_path / "wide.mp4", frames, aspect=Fraction(4, 3))
    one = find_images(path).original("wide.mp4@00:00:00.000").resized(128)
    assert one.size == (128, 64) and one.content.shape == (64, 128, 3)
    left = footage.scene(0).reshape(8, 8, 12, 8, 3).mean(axis=(1, 3))
    seen = as_image(f"{path}@00:00:00").astype(float)[36, 5::32]
    assert np.abs(seen - left[4, ::3]).max() < 25  # colours of 4:2:0


def test_frames_of_one_colour_are_dropped(tmp_path):
    frames = [footage.numbered(n) for n in range(75)]
    frames[0] = np.zeros_like(frames[0])
    frames[50] = np.full_like(frames[50], 250)
    images = find_images(footage.write_film(tmp_path / "f.mp4", frames, keys=1))
    assert len(images) == 3
    for name, is_dropped in zip(images.names, (True, False, True)):
        if is_dropped:
            with pytest.raises(UniformFrame, match="of one colour"):
                images.original(name).resized(96)
            as_image(images.path(name))  # whoever asks for it sees it
        else:
            images.original(name).resized(96)


def test_what_is_of_one_colour():
    rng = np.random.default_rng(0)
    black = np.clip(rng.normal(4, 2, (90, 160, 3)), 0, 255).astype(np.uint8)
    assert is_uniform(black) and is_uniform(np.full((9, 9, 3), 250, np.uint8))
    title = black.copy()
    title[40:46, 60:100] = 240
    slope = np.tile(np.linspace(100, 130, 160).astype(np.uint8)[:, None], (90, 1, 3))
    assert not is_uniform(title) and not is_uniform(slope)
    assert not is_uniform(footage.scene(1))


@pytest.fixture
def bad(tmp_path):
    """Films and what is no film, one of each kind."""
    good = footage.write_numbered(tmp_path / "good" / "good.mp4", 75, keys=5)
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("hello\n" * 100)
    (folder / "cut.mp4").write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    shutil.copy(good, folder / "listed.film")
    (folder / "list.mp4").write_text("ffconcat version 1.0\nfile listed.film\n")
    Image.fromarray(footage.scene(0)).save(tmp_path / "p.png")
    shutil.copy(tmp_path / "p.png", folder / "picture.mp4")
    footage.write_sound(folder / "sound.mp4")
    (folder / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (folder / "code.ts").write_text("const a = 1;\n")  # TypeScript: no film, and no problem
    Image.fromarray(footage.scene(0)).save(folder / "p.jpg")
    return folder


REASONS = {
    "empty.mp4": "empty",
    "text.mp4": "no film, damaged",
    "cut.mp4": "no film, damaged or cut short",
    "list.mp4": "a list of other files",
    "picture.mp4": "a picture .png",
    "sound.mp4": "sound only",
    "gone.mp4": "leads nowhere",
}


def test_bad_films_are_named(bad):
    images = find_images(bad)
    assert images.names == ["p.jpg"]
    assert {name for name, _ in images.problems} == set(REASONS)
    for name, reason in images.problems:
        assert REASONS[name].replace(".", "(") in reason, (name, reason)


@pytest.mark.parametrize("name", sorted(set(REASONS) - {"gone.mp4"}))
def test_a_bad_film_alone_is_an_error(bad, name):
    with pytest.raises(InvalidInput, match="expected pictures or films that can be read"):
        find_images(bad / name)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_can_be_read_of_a_cut_film_is_taken(tmp_path, suffix):
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    path = footage.write_numbered(tmp_path / f"f{suffix}", 150, keys=5, options=options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    images = find_images(path, choice=EACH)
    ((name, reason),) = images.problems
    assert name == path.name and "cut short" in reason and f"{len(images)} frames" in reason
    assert 50 < len(images) < 140
    for number, one in enumerate(images.names[:-2]):
        assert footage.number_in(images.original(one).resized(96).content) == number


def test_what_is_broken_in_the_middle_is_passed_over(tmp_path):
    """Nothing stale in place of a frame that cannot be decoded."""
    path = footage.write_numbered(
        tmp_path / "f.mkv", 100, codec="ffv1", keys=1, pixel_format="bgr0"
    )
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 50] = bytes(len(data) // 50)
    path.write_bytes(data)
    images = find_images(path, choice=EACH)
    wrong, read = [], []
    for name in images.names:
        try:
            read.append(images.original(name).resized(96))
        except UnreadableImage as error:
            wrong.append(error.reason)
    assert len(read) > 90
    for one in read:
        assert abs(footage.number_in(one.content) / 25 - one.facts.time) < 1e-3
    assert all("damaged" in reason or "one colour" in reason for reason in wrong)


def test_without_pyav_films_are_named(films, monkeypatch, tmp_path):
    path = next(iter(films))
    shutil.copy(path, tmp_path)
    Image.fromarray(footage.scene(0)).save(tmp_path / "p.jpg")
    monkeypatch.setitem(sys.modules, "av", None)
    images = find_images(tmp_path)
    assert images.names == ["p.jpg"]
    assert images.problems == [
        (path.name, "it is a film, and films need PyAV: pip install 'blcf[video]'")
    ]


def test_a_frame_in_a_list_and_a_film_in_it(films, tmp_path):
    path = next(iter(films))
    shutil.copy(path, tmp_path / "a.mp4")
    listed = tmp_path / "list.txt"
    listed.write_text("a.mp4@00:00.52\na.mp4\n")
    images = find_images(listed)
    assert images.names == [
        "a.mp4@00:00:00.520",
        *(f"a.mp4@00:00:0{n}.000" for n in range(3)),
    ]
    assert find_images(tmp_path / "a.mp4@00:00.52").names == ["a.mp4@00:00:00.520"]
    one = images.original("a.mp4@00:00:00.520").resized(96)
    assert footage.number_in(one.content) == 13 and one.facts.time == 0.52


def test_few_films_are_open_at_once(films):
    """Decoders are threads and memory: of a hundred films two have one."""
    lists = [find_images(path) for path in films]
    for images in lists:
        for name in images.names[:1]:  # never to the end, where they close by themselves
            images.original(name).resized(96)
    open_ones = [
        film for images in lists for film in images.films.values() if film.reader._film is not None
    ]
    assert len(open_ones) <= 2
    assert threading.active_count() < 20


@pytest.mark.parametrize("every", [0, -1, "nan", "1e999999999", "x", True, None, 1e9, float("inf")])
def test_seconds_that_are_none(every):
    with pytest.raises(InvalidInput, match="^Expected every to be a number from 0.001 to 86,400"):
        FrameChoice(every)


def test_seconds_are_exact():
    assert FrameChoice(0.1).seconds == FrameChoice("0.1").seconds == Fraction(1, 10)
    assert FrameChoice(Fraction(1, 3)).seconds == Fraction(1, 3)
    with pytest.raises(InvalidInput, match="frames to be one of every"):
        FrameChoice(1, "evry")


def test_the_real_film(data: Path):
    path = data / "video" / "basketball.mp4"
    images = find_images(path, choice=FrameChoice(3))
    assert [name[-12:] for name in images.names[:2]] == ["00:00:00.000", "00:00:03.000"]
    for name in images.names:
        seen = images.original(name).through(np.copy).content
        np.testing.assert_array_equal(seen, as_image(images.path(name)))
