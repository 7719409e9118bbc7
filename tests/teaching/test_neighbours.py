"""Labels that a collection finds by itself."""

from __future__ import annotations

import footage
import numpy as np
import pytest

from blcf import SearchEngine
from blcf.errors import InvalidInput
from blcf.images import FrameChoice, GivenPictures, find_images
from blcf.teaching import neighbour_labels
from blcf.teaching.neighbours import group_pairs

pytest.importorskip("cv2", reason="keypoints need OpenCV: pip install 'blcf[verify]'")


def _slow_groups(pairs, n_inliers, n, largest):
    groups = [{one} for one in range(n)]
    for row in sorted(range(len(pairs)), key=lambda row: -n_inliers[row]):
        one, two = (next(group for group in groups if each in group) for each in pairs[row])
        if one is not two and len(one | two) <= largest:
            groups = [group for group in groups if group not in (one, two)] + [one | two]
    return [min(next(group for group in groups if one in group)) for one in range(n)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("largest", [1, 3, 50])
def test_groups_are_connected_and_not_too_large(seed, largest):
    rng = np.random.default_rng(seed)
    pairs = np.unique(np.sort(rng.integers(0, 30, (25, 2)), axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    n_inliers = rng.integers(8, 12, len(pairs))
    found = group_pairs(pairs, n_inliers, 30, largest)
    assert found.tolist() == _slow_groups(pairs.tolist(), n_inliers.tolist(), 30, largest)
    assert np.bincount(found).max() <= largest


def test_pictures_of_one_thing_get_one_label(tmp_path):
    """Each thing is a drawing of its own, moved about on backgrounds of noise."""
    pictures = {}
    for thing in range(3):
        rng = np.random.default_rng(thing)
        drawing = np.kron(rng.integers(0, 256, (14, 14, 3)), np.ones((10, 10, 1)))
        for number in range(3):
            rng = np.random.default_rng([thing, number])
            pixels = rng.normal(110, 10, (240, 320, 3))
            y, x = rng.integers(0, 100), rng.integers(0, 180)
            pixels[y : y + 140, x : x + 140] = drawing * rng.uniform(0.8, 1)
            pictures[f"{thing}{number}"] = np.clip(pixels, 0, 255).astype(np.uint8)
    pictures["alone"] = np.random.default_rng(9).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    source = GivenPictures({**pictures, "bad": b"no picture"})
    engine = SearchEngine.create(tmp_path / "c.blcf", n_words=128)
    engine.add(source, progress=False)
    found = neighbour_labels(engine, source, n_hits=9)
    assert list(found.labels) == list(pictures) and len(found.pairs) == len(found.n_inliers) >= 6
    groups = {found.labels[name] for name in pictures}
    assert len(groups) == 4
    for thing in range(3):
        assert len({found.labels[f"{thing}{number}"] for number in range(3)}) == 1
    with pytest.raises(InvalidInput, match="n_hits"):
        neighbour_labels(engine, source, n_hits=0)


def test_frames_of_a_shot_get_one_label(tmp_path):
    """The scenes are of few colours, without keypoints."""
    pytest.importorskip("av", reason="films need PyAV: pip install 'blcf[video]'")
    film = footage.write_film(
        tmp_path / "film.mp4", [footage.numbered(n, n // 25) for n in range(75)]
    )
    engine = SearchEngine.create(tmp_path / "c.blcf", n_words=16, side=64)
    engine.add(film, every=0.25, progress=False)
    names = list(engine.names)
    found = neighbour_labels(engine, find_images(film, choice=FrameChoice(every=0.25)))
    for name in names:
        facts = engine.facts(name)
        others = [one for one in names if engine.facts(one)["shot"] == facts["shot"]]
        assert len(others) >= 3 and {found.labels[one] for one in others} == {found.labels[name]}
