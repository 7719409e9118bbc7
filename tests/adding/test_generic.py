"""The vocabulary of the package: when a collection takes it, and what it refuses."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
import tiles

from blcf import ConvFeatures, SearchEngine, Settings, Vocabulary, Whitening
from blcf.adding import generic
from blcf.adding.generic import (
    PACKAGED,
    read_generic,
    refined,
    takes_generic,
    write_generic,
)
from blcf.collection.description import short_facts
from blcf.errors import FormatError, InvalidInput


@pytest.fixture(scope="module")
def extractor():
    return ConvFeatures(side=96, device="cpu")


def test_it_belongs_to_the_network_of_the_package(extractor):
    assert takes_generic(extractor, Settings(vocabulary="generic"), 1)
    whitening, vocabulary = read_generic("cpu")
    assert whitening.projection_.shape == (extractor.n_channels_, Settings.n_components)
    assert 10_000 <= vocabulary.n_words_ <= 25_000
    assert vocabulary.centroids_.dtype == np.float32
    assert np.array_equal(
        vocabulary.centroids_, vocabulary.centroids_.astype(np.float16).astype(np.float32)
    )


def test_one_picture_is_a_collection(scenes, tmp_path):
    engine = SearchEngine.create(tmp_path / "c.blcf", device="cpu", side=128)
    assert engine.add(scenes / "00.png", progress=False).n_added == 1
    assert engine.info()["model"]["vocabulary"] == "generic"
    assert engine.info()["extractor"]["network"] == "blcf-lite"
    (hit,) = engine.search(scenes / "00.png", query_scales=(1,))  # idf would be 0 everywhere
    assert (hit.name, hit.score) == ("00.png", pytest.approx(1, abs=1e-3))
    engine.add(scenes, progress=False)  # grows, and keeps the words it began with
    assert (len(engine), engine.info()["model"]["vocabulary"]) == (12, "generic")
    assert engine.search(scenes / "03.png", k=1)[0].name == "03.png"
    again = SearchEngine.open(tmp_path / "c.blcf", device="cpu")
    assert again.search(scenes / "03.png", k=1)[0].name == "03.png"
    assert not (tmp_path / "c.blcf" / "training").exists()


def test_the_rule(extractor, monkeypatch):
    monkeypatch.setattr(generic, "FEWEST_TO_LEARN", 12)
    auto = Settings()
    assert takes_generic(extractor, auto, 11) and not takes_generic(extractor, auto, 12)
    assert takes_generic(extractor, Settings(vocabulary="generic"), 10**6)
    assert not takes_generic(extractor, Settings(vocabulary="own"), 1)
    n_words = read_generic("cpu")[1].n_words_
    assert takes_generic(extractor, Settings(n_words=n_words), 1)
    # What does not fit is not an error unless the generic one was asked for by name.
    for settings in ({"n_words": 20}, {"n_components": 64}, {"n_components": None}):
        assert not takes_generic(extractor, Settings(**settings), 1)
        with pytest.raises(InvalidInput, match=f"needs {next(iter(settings))} .*, got "):
            takes_generic(extractor, Settings(vocabulary="generic", **settings), 1)


def test_another_network(tmp_path, scenes):
    other = ConvFeatures(tiles.TileNetwork(), layer="relu", side=128, device="cpu")
    assert not takes_generic(other, Settings(), 1)
    needed = "needs network and layer blcf-lite's conv5:signed, got module"
    with pytest.raises(InvalidInput, match=needed):
        takes_generic(other, Settings(vocabulary="generic"), 1)
    for layer in ("conv3_3", "conv5"):  # the second has the weights of the default layer
        other = ConvFeatures(layer=layer, side=96, device="cpu")
        assert not takes_generic(other, Settings(), 1)
    same = ConvFeatures(layer="features.conv5.relu:signed", side=96, device="cpu")
    assert takes_generic(same, Settings(), 1)
    engine = SearchEngine.create(
        tmp_path / "c.blcf", vocabulary="own", n_words=9, device="cpu", side=128
    )
    engine.add(scenes, progress=False)
    assert engine.info()["model"]["vocabulary"] == "own"
    assert engine.model.n_words == 9


def test_an_unknown_choice():
    with pytest.raises(InvalidInput, match="auto, generic, refined, own, got 'mine'"):
        Settings(vocabulary="mine")


def test_nothing_but_bad_pictures(tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.jpg").write_bytes(b"no picture")
    engine = SearchEngine.create(tmp_path / "c.blcf", device="cpu")
    with pytest.raises(InvalidInput, match="None of 1 pictures .* could be read"):
        engine.add(tmp_path / "bad", progress=False)
    assert not engine.model.is_learned


def test_what_is_written_is_read_back(tmp_path, extractor, monkeypatch):
    rows = np.random.default_rng(0).random((400, extractor.n_channels_), dtype=np.float32)
    whitening = Whitening(16).fit(rows)
    vocabulary = Vocabulary(7, device="cpu").fit(whitening.transform(rows))
    path = tmp_path / "generic.h5"
    write_generic(path, extractor, whitening, vocabulary)
    monkeypatch.setattr(generic, "PACKAGED", path)
    read_whitening, read_vocabulary = read_generic("cpu")
    assert np.array_equal(read_whitening.projection_, whitening.projection_)
    np.testing.assert_allclose(read_vocabulary.centroids_, vocabulary.centroids_, atol=1e-3)
    assert takes_generic(extractor, Settings(n_components=16), 1)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(FormatError):
        read_generic("cpu")
    assert PACKAGED != path


def test_refined_words_go_to_what_the_pictures_have(scenes, tmp_path, call):
    engine = SearchEngine.create(
        tmp_path / "c.blcf", vocabulary="refined", device="cpu", side=128, n_words=10_000
    )
    engine.add(scenes, progress=False)
    assert engine.info()["model"]["vocabulary"] == "refined"
    assert short_facts(engine.collection)["words"] == "10,000 (refined)"
    assert "(the package's, refined)" in call("info", tmp_path / "c.blcf")[1]
    whitening, vocabulary = read_generic("cpu")
    assert np.array_equal(engine.model.whitening.projection_, whitening.projection_)
    words, before = engine.model.centroids, vocabulary.centroids_
    moved = (words != before).any(axis=1)
    assert words.shape == before.shape and 0 < moved.sum() < len(words) / 2
    assert engine.search(scenes / "03.png", k=1)[0].name == "03.png"
    engine.add([scenes / "00.png"], progress=False)  # what it began with it keeps
    assert np.array_equal(engine.model.centroids, words)
    assert not (tmp_path / "c.blcf" / "training").exists()


def test_refined_words_are_the_oracle():
    rng = np.random.default_rng(0)
    words = rng.normal(size=(12, 6)).astype(np.float32)
    features = rng.normal(size=(300, 6)).astype(np.float32) + 1
    counts = np.full(12, 1_000)  # what they were learned from says nothing
    found = refined(Vocabulary.from_parts(words, counts=counts, device="cpu"), features)
    expected = words.copy()
    for _ in range(5):
        nearest = np.array([oracle.nearest_word(one, expected) for one in features])
        for word in set(nearest.tolist()):
            expected[word] = features[nearest == word].mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(found.centroids_, expected, atol=1e-5)


def test_refined_words_of_another_network(scenes, tmp_path):
    with pytest.raises(InvalidInput, match="needs n_components"):
        engine = SearchEngine.create(
            tmp_path / "c.blcf", vocabulary="refined", n_components=9, device="cpu", side=128
        )
        engine.add(scenes, progress=False)


@pytest.mark.filterwarnings("error")
def test_words_are_refined_by_a_map_of_a_file():
    rows = np.random.default_rng(0).random((40, 3), dtype=np.float32)
    rows.flags.writeable = False
    words = Vocabulary.from_parts(rows[:4].copy(), device="cpu")
    assert refined(words, rows).n_words_ == 4


@pytest.mark.parametrize(
    "place",
    [
        "blcf.adding.training.refined",
        pytest.param("blcf.collection.model.Model.encode_many", marks=pytest.mark.slow),
    ],
)
def test_a_refining_run_that_was_killed_is_resumed(scenes, tmp_path, monkeypatch, place):
    """While words are refined, or behind that: the network is not asked again, words are equal."""

    def create(name):
        return SearchEngine.create(tmp_path / name, vocabulary="refined", device="cpu", side=128)

    def killed(*arguments, **options):
        raise MemoryError  # nothing is saved on the way out

    undisturbed = create("u.blcf")
    undisturbed.add(scenes, progress=False)
    with monkeypatch.context() as patch:
        patch.setattr(place, killed)
        with pytest.raises(MemoryError):
            create("c.blcf").add(scenes, progress=False)
    monkeypatch.setattr("blcf.adding.sample.stream_pictures", killed)
    again = SearchEngine.open(tmp_path / "c.blcf", device="cpu")
    assert again.add(scenes, progress=False).n_added == 12
    assert again.info()["model"]["vocabulary"] == "refined"
    assert np.array_equal(again.model.centroids, undisturbed.model.centroids)
    assert not (tmp_path / "c.blcf" / "training").exists()
