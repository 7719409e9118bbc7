"""VLAD: against its plain twin and by hand; its words, its local whitening, its options."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import oracle_descriptors as oracle
import pytest

from blcf.descriptors import VLAD
from blcf.descriptors.vlad import residual_sums
from blcf.errors import InvalidInput
from blcf.features.whitening import normalise_rows


def random_maps(n: int = 12, n_channels: int = 5, seed: int = 0) -> list[np.ndarray]:
    """Maps after a ReLU, some of whose cells are dead; float32."""
    rng = np.random.default_rng(seed)
    maps = []
    for i in range(n):
        one = np.maximum(rng.normal(0.3, size=(n_channels, 3 + i % 3, 4)), 0)
        one[:, 0, i % 4] = 0
        maps.append(one.astype(np.float32))
    return maps


@pytest.mark.parametrize("normalisation", ["intra", "signed_sqrt"])
@pytest.mark.parametrize("n_words", [1, 4, 9])
def test_equals_the_plain_twin(n_words: int, normalisation: str) -> None:
    maps = random_maps()
    descriptor = VLAD(n_words=n_words, normalisation=normalisation, whiten=False).fit(maps)
    words = descriptor.vocabulary_.centroids_
    assert words.shape == (n_words, 5) and descriptor.n_components_ == 5 * n_words
    assert descriptor.local_whitening_ is None and descriptor.whitening_ is None
    others = random_maps(8, seed=1)
    expected = [oracle.vlad(one, words, normalisation) for one in others]
    # Roots magnify the rounding of residuals that cancel.
    atol = 1e-5 if normalisation == "intra" else 1e-3
    np.testing.assert_allclose(descriptor.transform(others), expected, atol=atol)


def test_local_whitening() -> None:
    maps = random_maps()
    descriptor = VLAD(n_words=4, n_local_components=3, whiten=False).fit(maps)
    whitening = descriptor.local_whitening_
    assert whitening is not None and whitening.n_components_ == 3
    assert descriptor.n_components_ == 12 and descriptor.n_channels_ == 5
    for one in random_maps(6, seed=1):
        cells = one.reshape(5, -1).T
        features = whitening.transform(cells[cells.any(axis=1)])
        expected = oracle.vlad(features.T[:, None, :], descriptor.vocabulary_.centroids_, "intra")
        np.testing.assert_allclose(descriptor.transform([one])[0], expected, atol=1e-5)


def test_residuals_by_hand() -> None:
    words = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    features = np.array([[1, 0.5], [1, 0.25], [0, 1]], dtype=np.float32)
    found = residual_sums(features, np.array([0, 0, 1]), words)
    # The second word's only feature is the word itself, the third word has none.
    np.testing.assert_array_equal(found, np.array([[0, 0.75], [0, 0], [0, 0]], dtype=np.float32))


def test_a_residual_that_is_but_rounding_has_no_direction() -> None:
    feature = normalise_rows(np.random.default_rng(0).random((1, 64)))
    features = np.repeat(feature, 7, axis=0)
    word = features.mean(axis=0, keepdims=True) * np.float32(1 + 1e-7)
    assert not residual_sums(features, np.zeros(7, dtype=int), word).any()
    assert residual_sums(features, np.zeros(7, dtype=int), word * np.float32(1.01)).any()


def test_repeated_cells_change_no_direction() -> None:
    one = random_maps(1)[0]
    descriptor = VLAD(n_words=4, whiten=False).fit(random_maps())
    found = descriptor.transform([one, np.tile(one, (1, 2, 3)), one[:, ::-1, ::-1]])
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    np.testing.assert_allclose(found[2], found[0], atol=1e-5)


def test_whitened_to_fewer_components() -> None:
    maps = random_maps(30)
    descriptor = VLAD(6, n_words=4).fit(maps, learned_on="others")
    rows = descriptor.transform(maps)
    assert rows.shape == (30, 6) and descriptor.learned_on_ == "others"
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    plain = VLAD(n_words=4, whiten=False).fit(maps)
    np.testing.assert_array_equal(
        plain.vocabulary_.centroids_, descriptor.vocabulary_.centroids_
    )
    assert descriptor.whitening_ is not None
    expected = descriptor.whitening_.transform(plain.transform(maps))
    np.testing.assert_allclose(rows, expected, atol=1e-4)


def test_the_seed_decides() -> None:
    maps = random_maps()
    one, same, other = (
        VLAD(n_words=4, n_samples=40, random_state=seed).fit(maps) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.transform(maps), same.transform(maps))
    assert not np.array_equal(one.vocabulary_.centroids_, other.vocabulary_.centroids_)


def test_no_more_features_than_asked_for() -> None:
    maps = random_maps()
    for n_samples in (30, 100, 10_000):
        descriptor = VLAD(n_words=4, n_samples=n_samples).fit(maps)
        n_features = sum(int(one.any(axis=0).sum()) for one in maps)
        assert descriptor.vocabulary_.counts_.sum() == min(n_samples, n_features)


class Counted(Sequence):
    """Maps that count how often they are read, as those of a file would be."""

    def __init__(self, maps: list[np.ndarray]):
        self.maps, self.n_read = maps, 0

    def __len__(self) -> int:
        return len(self.maps)

    def __getitem__(self, position: Any) -> Any:
        self.n_read += position < len(self.maps)
        return self.maps[position]


def test_a_sequence_is_read_twice_and_not_kept() -> None:
    maps = Counted(random_maps())
    found = VLAD(n_words=4).fit(maps)
    assert maps.n_read == 2 * len(maps)
    expected = VLAD(n_words=4).fit(iter(maps.maps))
    np.testing.assert_array_equal(found.transform(maps), expected.transform(maps))


def test_fewer_features_than_words() -> None:
    with pytest.raises(InvalidInput, match="Ask for fewer words or add pictures"):
        VLAD(n_words=1_000).fit(random_maps(2))
    same = [np.ones((5, 2, 2), dtype=np.float32)] * 3
    with pytest.raises(InvalidInput, match="at least 4 distinct features for 4 words"):
        VLAD(n_words=4).fit(same)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_words": 0}, "n_words to be an integer of 1 or more, got 0"),
        ({"n_words": "auto"}, "n_words to be an integer of 1 or more, got 'auto'"),
        ({"n_local_components": 0}, "n_local_components .* or None for L2 only, got 0"),
        ({"n_local_components": 6}, "n_components from 1 to 5"),
        ({"normalisation": "l2"}, "normalisation of 'intra' or 'signed_sqrt', got 'l2'"),
        ({"n_samples": 0}, "n_samples to be an integer of 1 or more, got 0"),
        ({"random_state": -1}, "random_state to be an integer of 0 or more, got -1"),
        ({"random_state": None}, "random_state to be an integer of 0 or more, got None"),
    ],
)
def test_options_that_cannot_be(options: dict, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        VLAD(**{"n_words": 4, **options}).fit(random_maps())


def test_channels_that_differ() -> None:
    maps = random_maps()
    with pytest.raises(InvalidInput, match=r"one number of channels, got \[4, 5\]"):
        VLAD(n_words=4).fit([*maps, maps[0][:4]])
