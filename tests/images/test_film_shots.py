"""Shots: cuts, fades and camera motion of films put together from known pictures."""

from __future__ import annotations

from fractions import Fraction

import footage
import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.images import FrameChoice, find_images, read_ahead
from blcf.images.films import list_film
from blcf.images.shot_thread import ShotThread
from blcf.images.shots import ShotFinder
from blcf.images.timeline import Timeline
from blcf.images.video import OpenFilm

pytest.importorskip("av", reason="films need PyAV (blcf[video])")
pytest.importorskip("scenedetect", reason="shots need PySceneDetect (blcf[video])")

N_SHOTS = 8
LENGTHS = [int(n) for n in np.random.default_rng(3).integers(20, 45, N_SHOTS)]


def moving(shot: int, n_frames: int) -> list[np.ndarray]:
    """A camera that pans over the scene of a shot, or draws near to it."""
    wide = footage.scene(shot, (2 * footage.SIZE[0], 2 * footage.SIZE[1]))
    width, height = footage.SIZE
    views = []
    for n in range(n_frames):
        left = min(width, 2 * n) if shot % 2 else n // 2
        views.append(np.ascontiguousarray(wide[n // 3 : n // 3 + height, left : left + width]))
    return views


def film_of_shots(path, fades=(), **how):
    """A film of shots; behind some of them it fades to black and out of it again."""
    frames, cuts = [], []
    for shot, length in enumerate(LENGTHS):
        views = moving(shot, length)
        if shot - 1 in fades:
            steps = np.linspace(0.1, 1, 8)
            views[:8] = [(one * step).astype(np.uint8) for one, step in zip(views, steps)]
        if shot in fades:
            steps = np.linspace(1, 0, 8)
            views[-8:] = [(one * step).astype(np.uint8) for one, step in zip(views[-8:], steps)]
            views += [np.zeros_like(views[0])] * 4
        cuts.append(len(frames))
        frames += views
    return footage.write_film(path, frames, **how), cuts[1:], len(frames)


def found_cuts(path, choice=FrameChoice(1, "shots")):
    images = find_images(path, choice=choice)
    (film,) = images.films.values()
    timeline, cuts = film.timeline, film.reader._shots.cuts
    return [int(np.searchsorted(timeline.pts, cut)) for cut in cuts], images


@pytest.mark.parametrize("fades", [(), (1, 4), tuple(range(N_SHOTS - 1))])
def test_cuts_fades_and_motion(tmp_path, fades):
    path, cuts, _ = film_of_shots(tmp_path / "f.mp4", fades)
    found, _ = found_cuts(path)
    assert len(found) == len(cuts)
    for one, wanted in zip(found, cuts):
        near = 10 if any(wanted == cuts[n] for n in fades) else 0  # the middle of what is dark
        assert abs(one - wanted) <= near, (found, cuts)


def test_of_each_shot_the_middle_and_what_is_so_many_seconds_from_it(tmp_path):
    path, cuts, n_frames = film_of_shots(tmp_path / "f.mp4")
    _, images = found_cuts(path, FrameChoice(Fraction(3, 5), "shots"))
    wanted = []
    for first, end in zip([0, *cuts], [*cuts, n_frames]):
        middle = (first + end - 1) // 2
        wanted += [n for n in range(first, end) if (n - middle) % 15 == 0]
    found = [round(images.original(name).resized(96).facts.time * 25) for name in images.names]
    assert len(found) == len(wanted)
    assert all(abs(one - other) <= 1 for one, other in zip(found, wanted))
    shots = [images.original(name).resized(96).facts.shot for name in images.names]
    assert shots == [int(np.searchsorted(cuts, n, side="right")) for n in found]


def test_each_frame_knows_its_shot_while_it_is_decoded(tmp_path):
    path, cuts, n_frames = film_of_shots(tmp_path / "f.mp4", keys=10)
    images = find_images(path, choice=FrameChoice("0.2"))
    originals = [images.original(name) for name in images.names]
    wanted = [int(np.searchsorted(cuts, 5 * n, side="right")) for n in range(len(originals))]
    loaded = [one for _, one in read_ahead(originals, lambda one: one.resized(96), n_workers=3)]
    assert [one.facts.shot for one in loaded] == wanted
    # From the middle, as a run that is resumed, and in any order.
    for order in (range(20, len(originals)), np.random.default_rng(0).permutation(25).tolist()):
        images = find_images(path, choice=FrameChoice("0.2"))
        seen = [images.original(images.names[n]).resized(96) for n in order]
        assert [one.facts.shot for one in seen] == [wanted[n] for n in order]
        assert [round(one.facts.time * 5) for one in seen] == list(order)


def test_long_fades_keep_no_frames_back(tmp_path):
    """Seconds of black in which every frame is asked for: more than are kept."""
    frames = moving(0, 25) + [np.zeros((64, 96, 3), np.uint8)] * 50 + moving(1, 25)
    for n, one in enumerate(frames[25:75]):
        frames[25 + n] = one.copy()
        frames[25 + n][:8, :24] = 90  # not of one colour, and dark
    path = footage.write_film(tmp_path / "f.mp4", frames)
    images = find_images(path, choice=FrameChoice("0.04"))
    facts = [images.original(name).resized(96).facts for name in images.names]
    assert [round(25 * one.time) for one in facts] == list(range(100))
    shots = [one.shot for one in facts]
    assert shots == sorted(shots) and set(shots[:25]) == {0} and len(set(shots[75:])) == 1
    assert shots[-1] == len(set(shots)) - 1 >= 1


def test_shots_of_a_choice_that_leaves_them_out(tmp_path):
    path, _, _ = film_of_shots(tmp_path / "f.mp4")
    images = find_images(path).without_shots()
    assert [images.original(name).resized(96).facts.shot for name in images.names[:3]] == [-1] * 3


def test_a_higher_threshold_finds_fewer(tmp_path):
    path, cuts, _ = film_of_shots(tmp_path / "f.mp4")
    assert len(found_cuts(path, FrameChoice(1, "shots", 100))[0]) < len(cuts)
    with pytest.raises(InvalidInput, match="shot_threshold to be a number from 1 to 100"):
        FrameChoice(1, "shots", 0)


def test_without_pyscenedetect(tmp_path, monkeypatch):
    path, _, _ = film_of_shots(tmp_path / "f.mp4")
    monkeypatch.setitem(__import__("sys").modules, "scenedetect", None)
    images = find_images(path)
    assert images.original(images.names[0]).resized(96).facts.shot == -1
    with pytest.raises(InvalidInput, match=r"needs 'blcf\[video\]': pip install 'blcf\[video\]'"):
        list_film(path, FrameChoice(1, "shots"))


def test_frames_around_the_middles_are_of_their_shots():
    pts = np.cumsum(np.random.default_rng(0).integers(1, 9, 200))
    timeline = Timeline(pts, pts[:1], Fraction(1, 10), int(pts[0]))
    cuts = [int(pts[n]) for n in (1, 2, 60, 61, 199)]
    for seconds in (Fraction(1, 5), Fraction(3), Fraction(1000)):
        rows = timeline.around_middles(cuts, seconds)
        assert rows == sorted(set(rows))
        assert {int(np.searchsorted(cuts, pts[row], side="right")) for row in rows} == set(range(6))
    assert len(timeline.around_middles(cuts, Fraction(1000))) == 6


def test_in_a_thread_of_its_own_it_finds_what_it_finds_at_once(tmp_path):
    path, _, _ = film_of_shots(tmp_path / "f.mp4", fades=(2,))
    with OpenFilm(path) as film:
        at_once, behind = ShotFinder(film.rate, 3.0), ShotThread(ShotFinder(film.rate, 3.0))
        for number, frame in enumerate(film.frames()):
            at_once.feed(frame)
            behind.feed(frame)
            assert behind.last == at_once.last == frame.pts
            if behind.knows(frame.pts):
                pytest.fail("a shot was known before the frames behind it were seen")
            if number % 50 == 0:  # as where the decoder is given back
                behind.rest()
                known = at_once.known
                assert known is None or (behind.knows(known) and behind.cuts == at_once.cuts)
        at_once.finish()
        behind.finish()
    assert behind.cuts == at_once.cuts and len(behind.cuts) == N_SHOTS - 1
    assert behind.is_over and behind.shot(behind.last) == N_SHOTS - 1


def test_what_fails_in_the_thread_is_said_to_who_hands_over(tmp_path, monkeypatch):
    path, _, _ = film_of_shots(tmp_path / "f.mp4")
    monkeypatch.setattr(ShotFinder, "feed", lambda *_: 1 / 0)
    with OpenFilm(path) as film, pytest.raises(ZeroDivisionError):
        behind = ShotThread(ShotFinder(film.rate, 3.0))
        for frame in film.frames():
            behind.feed(frame)
