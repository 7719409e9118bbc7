"""More words than there are local features are refused before anything is sampled."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import tiles
from PIL import Image

from blcf import ConvFeatures, Settings
from blcf.adding import possible_words
from blcf.adding.possible_words import check_possible
from blcf.errors import InvalidInput
from blcf.images import read_image
from blcf.images.sizes import read_size


@pytest.fixture
def four(tmp_path):
    """Four pictures of 8 x 8 tiles: 64 local features each."""
    maps = tiles.planted_scenes()[0][:4]
    return [tiles.save(tmp_path / "frames" / f"{n}.png", one) for n, one in enumerate(maps)]


def test_nothing_is_sampled(four, tmp_path, monkeypatch):
    monkeypatch.setattr("blcf.adding.sample.stream_maps", lambda *a: pytest.fail("sampled"))
    engine = tiles.create(tmp_path / "c.blcf", n_words=1_000_000, vocabulary="own")
    with pytest.raises(InvalidInput) as error:
        engine.add(tmp_path / "frames", progress=False)
    assert str(error.value) == (
        "Expected n_words to be at most 256, got 1,000,000: 4 pictures of side 128 have no more "
        "local features. Ask for fewer words (--words) or 'auto', or begin with 15,625 pictures or "
        "more."
    )
    assert not (tmp_path / "c.blcf" / "training").exists()


def extractor_of(stride):
    """A network without arithmetic."""
    return SimpleNamespace(
        extract=lambda image, side: np.zeros((1, side // stride, side // stride))
    )


def test_up_to_the_last_feature(four):
    for upsample, most in ((1, 256), (2, 1024)):
        for n_words in (1, most, "auto"):
            settings = Settings(side=128, upsample=upsample, n_words=n_words)
            check_possible(extractor_of(16), settings, four, 4)
        with pytest.raises(InvalidInput, match=f"at most {most:,}, got {most + 1:,}"):
            settings = Settings(side=128, upsample=upsample, n_words=most + 1)
            check_possible(extractor_of(16), settings, four, 4)


def test_no_more_heads_are_read_than_it_takes(four, monkeypatch):
    seen = []
    monkeypatch.setattr(possible_words, "read_size", lambda path: seen.append(path) or (128, 128))
    check_possible(extractor_of(16), Settings(side=128, upsample=1, n_words=65), four, 4)
    assert seen == four[:2]


def test_of_a_part_of_the_pictures_more_are_no_remedy(four):
    settings = Settings(side=128, n_words=10**6)
    with pytest.raises(InvalidInput) as error:
        check_possible(extractor_of(16), settings, four, 5)
    assert "begin with" not in str(error.value)


def test_pictures_that_cannot_be_read(four, tmp_path):
    """They have no features; where none can be read, whoever draws says why."""
    bad = tmp_path / "bad.png"
    bad.write_text("no picture")
    missing = tmp_path / "no.png"
    assert read_size(bad) is read_size(missing) is read_size(tmp_path) is None
    settings = Settings(side=128, upsample=1, n_words=257)
    with pytest.raises(InvalidInput, match="at most 256, got 257: 6 pictures"):
        check_possible(extractor_of(16), settings, [bad, missing, *four], 6)
    check_possible(extractor_of(16), settings, [bad, missing], 2)


@pytest.mark.parametrize("side", [160, 512])
def test_the_estimate_is_no_less_than_there_are(tmp_path, side):
    """And little more: two rows of cells at most, where a side is no multiple of the stride."""
    extractor = ConvFeatures(side=side)
    for size in ((300, 300), (300, 200), (100, 300), (301, 47)):
        path = tmp_path / f"{size}.png"
        Image.new("RGB", size).save(path)
        assert read_size(path) == size
        h, w = extractor.extract(read_image(path)).shape[1:]
        settings = Settings(side=side, upsample=1, n_words=h * w)
        check_possible(extractor, settings, [path], 1)
        most = max(h, w) * (min(h, w) + 2)
        with pytest.raises(InvalidInput, match="begin with 2 pictures or more"):
            settings = Settings(side=side, upsample=1, n_words=most + 1)
            check_possible(extractor, settings, [path], 1)
