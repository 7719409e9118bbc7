"""The vocabulary: its size, assignment of maps, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from oracle import interpolate, nearest_word

from blcf.errors import FormatError, InvalidInput, StorageError
from blcf.vocabulary import Vocabulary, auto_n_words, interpolate_map
from blcf.vocabulary.rows import at_most_distinct
from blcf.vocabulary.size import (
    FEATURES_PER_WORD,
    LARGEST_AUTO,
    LEAST_AUTO,
    SAMPLED_PER_WORD,
    check_n_words,
)


def sample(n: int = 400, n_components: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, n_components), dtype=np.float32)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary(n_words=12, random_state=7, device="cpu").fit(sample())


class Halving:
    """Stands for a whitening; remembers what it was given."""

    def transform(self, features: np.ndarray) -> np.ndarray:
        self.shape = features.shape
        return np.ascontiguousarray(features[:, ::2])


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (3, 5)])
def test_interpolation_equals_the_plain_twin(factor: int, shape: tuple[int, int]) -> None:
    feature_map = np.random.default_rng(0).random((3, *shape), dtype=np.float32)
    found = interpolate_map(feature_map, factor)
    assert found.dtype == np.float32
    expected = np.array([interpolate(channel, factor) for channel in feature_map])
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_interpolation_by_hand() -> None:
    found = interpolate_map(np.array([[[0, 4]]], dtype=np.float16), 2)
    assert found.tolist() == [[[0, 1, 3, 4], [0, 1, 3, 4]]]


def test_a_constant_map_stays_constant() -> None:
    assert (interpolate_map(np.full((2, 3, 4), 7.0), 2) == 7).all()


@pytest.mark.parametrize(
    ("n_features", "n_words"),
    [
        (0, 1),
        (1, 1),
        (2 * SAMPLED_PER_WORD - 1, 1),
        (2 * SAMPLED_PER_WORD, 2),
        (LEAST_AUTO * SAMPLED_PER_WORD - 1, LEAST_AUTO - 1),
        ((LEAST_AUTO + 1) * FEATURES_PER_WORD - 1, LEAST_AUTO),
        ((LEAST_AUTO + 1) * FEATURES_PER_WORD, LEAST_AUTO + 1),
        (LARGEST_AUTO * FEATURES_PER_WORD - 1, LARGEST_AUTO - 1),
        (LARGEST_AUTO * FEATURES_PER_WORD, LARGEST_AUTO),
        (10**10, LARGEST_AUTO),
    ],
)
def test_the_rule_of_auto(n_features: int, n_words: int) -> None:
    assert auto_n_words(n_features) == n_words


def test_the_rule_of_auto_is_documented() -> None:
    for doc in (Vocabulary.__doc__, auto_n_words.__doc__):
        assert f"one word per {FEATURES_PER_WORD} " in str(doc)
        assert f"at most {LARGEST_AUTO:,}" in str(doc)
    doc = str(auto_n_words.__doc__)
    assert f"at least {LEAST_AUTO}, or one per {SAMPLED_PER_WORD} features" in doc.lower()


def test_auto_takes_no_more_words_than_there_are_features() -> None:
    flat = np.repeat(sample(7), 100, axis=0)
    assert Vocabulary(device="cpu").fit(flat).n_words_ == 7
    assert at_most_distinct(flat, 3) == 3 and at_most_distinct(flat[:1], 3) == 1
    assert at_most_distinct(flat, 129) == 129


def test_auto_in_fit() -> None:
    found = Vocabulary(device="cpu").fit(sample(4 * SAMPLED_PER_WORD + 7))
    assert found.n_words == "auto" and found.n_words_ == len(found.centroids_) == 4


def test_fit(vocabulary: Vocabulary) -> None:
    assert vocabulary.n_words_ == 12 and vocabulary.centroids_.shape == (12, 6)
    assert vocabulary.centroids_.dtype == np.float32
    assert len(vocabulary.inertia_history_) > 1
    seen: list[int] = []
    same = Vocabulary(12, random_state=7, device="cpu")
    assert same.fit(sample(), on_iteration=lambda i, _: seen.append(i)) is same
    assert seen == list(range(len(same.inertia_history_)))
    assert same.digest_ == vocabulary.digest_
    other = Vocabulary(12, random_state=8, device="cpu").fit(sample())
    few = Vocabulary(12, max_features_per_word=2, random_state=7, device="cpu").fit(sample())
    assert len({vocabulary.digest_, other.digest_, few.digest_}) == 3


@pytest.mark.parametrize("n_words", [0, -1, True, 2.0, "many", None])
def test_numbers_of_words_that_cannot_be(n_words: Any) -> None:
    message = rf"n_words to be a positive integer or 'auto', got {n_words!r}"
    with pytest.raises(InvalidInput, match=message):
        Vocabulary(n_words).fit(sample())


def test_numbers_of_words_that_can_be() -> None:
    assert check_n_words("auto") == "auto"
    assert check_n_words(np.int64(3)) == 3 and type(check_n_words(np.int64(3))) is int
    with pytest.raises(InvalidInput, match=r"as words \(500\), got shape \(400, 6\)"):
        Vocabulary(500, device="cpu").fit(sample())


def test_assign_features(vocabulary: Vocabulary) -> None:
    features = sample(100, seed=1)
    words = vocabulary.assign_features(features)
    assert words.dtype == np.int32
    centroids = vocabulary.centroids_.tolist()
    assert words.tolist() == [nearest_word(feature, centroids) for feature in features.tolist()]
    fortran = np.asfortranarray(features)
    np.testing.assert_array_equal(vocabulary.assign_features(fortran), words)


@pytest.mark.parametrize("upsample", [1, 2, 3])
def test_assign_puts_each_word_in_its_cell(vocabulary: Vocabulary, upsample: int) -> None:
    feature_map = sample(20, seed=2).T.reshape(6, 4, 5)
    found = vocabulary.assign(feature_map, upsample=upsample)
    assert found.dtype == np.int32 and found.shape == (4 * upsample, 5 * upsample)
    large = interpolate_map(feature_map, upsample)
    centroids = vocabulary.centroids_.tolist()
    expected = [
        [nearest_word(large[:, y, x].tolist(), centroids) for x in range(large.shape[2])]
        for y in range(large.shape[1])
    ]
    assert found.tolist() == expected


def test_assign_interpolates_before_it_whitens(vocabulary: Vocabulary) -> None:
    feature_map = sample(12, 12, seed=3).T.reshape(12, 3, 4)
    whitening = Halving()
    found = vocabulary.assign(feature_map, whitening=whitening)
    assert whitening.shape == (48, 12) and found.shape == (6, 8)
    np.testing.assert_array_equal(found, vocabulary.assign(feature_map[::2]))


@pytest.mark.parametrize("shape", [(6,), (6, 3), (1, 6, 3, 4), (6, 0, 4), (0, 3, 4)])
def test_what_is_no_feature_map(vocabulary: Vocabulary, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"a feature map of shape \(C, h, w\), got shape \("):
        vocabulary.assign(np.zeros(shape, dtype=np.float32))


def test_features_of_another_space(vocabulary: Vocabulary) -> None:
    message = r"Expected features of shape \(n, 6\), got shape \({}\)\. Whiten them as those"
    with pytest.raises(InvalidInput, match=message.format("48, 7")):
        vocabulary.assign(np.zeros((7, 3, 4), dtype=np.float32))
    with pytest.raises(InvalidInput, match=message.format("6,")):
        vocabulary.assign_features(np.zeros(6, dtype=np.float32))


def test_through_a_file(vocabulary: Vocabulary, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.h5"
    vocabulary.save(str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["vocabulary.h5"]
    found = Vocabulary.open(path, device="cpu")
    np.testing.assert_array_equal(found.centroids_, vocabulary.centroids_)
    assert found.digest_ == vocabulary.digest_ and found.n_words == found.n_words_ == 12
    assert found.random_state == 7
    assert found.inertia_history_ == vocabulary.inertia_history_
    feature_map = sample(20, seed=2).T.reshape(6, 4, 5)
    np.testing.assert_array_equal(found.assign(feature_map), vocabulary.assign(feature_map))


def test_a_changed_word_is_noticed(vocabulary: Vocabulary, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.h5"
    vocabulary.save(path)
    with h5py.File(path, "r+") as file:
        file["centroids"][3, 2] += 0.25
    with pytest.raises(FormatError, match=r"vocabulary\.h5 do not match their digest.*Restore it"):
        Vocabulary.open(path)


@pytest.mark.parametrize("missing", ["centroids", "digest", "random_state", "inertia_history"])
def test_a_lost_part_is_noticed(vocabulary: Vocabulary, missing: str, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.h5"
    vocabulary.save(path)
    with h5py.File(path, "r+") as file:
        del (file if missing in file else file.attrs)[missing]
    with pytest.raises(FormatError, match=r"vocabulary\.h5 is damaged"):
        Vocabulary.open(path)


def test_files_that_are_no_vocabulary(vocabulary: Vocabulary, tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.h5"
    with pytest.raises(FormatError, match="is missing"):
        Vocabulary.open(path)
    vocabulary.save(path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(FormatError, match="damaged or cut short"):
        Vocabulary.open(path)
    with h5py.File(path, "w") as file:
        file.attrs.update(kind=np.bytes_("segment"), format_version=1)
    with pytest.raises(FormatError, match="to be a vocabulary of format version 1, got segment"):
        Vocabulary.open(path)
    vocabulary.save(path)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(FormatError, match="got vocabulary of version 99"):
        Vocabulary.open(path)


def test_a_folder_that_is_not_there(vocabulary: Vocabulary, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="Could not write .*absent"):
        vocabulary.save(tmp_path / "absent" / "vocabulary.h5")


def test_partial_fit_in_parts() -> None:
    features = sample(600)
    vocabulary = Vocabulary(12, device="cpu").partial_fit(features[:200])
    assert vocabulary.digest_ == Vocabulary(12, device="cpu").fit(features[:200]).digest_
    before, counts = vocabulary.centroids_.copy(), vocabulary.counts_.copy()
    digest, n_looks = vocabulary.digest_, len(vocabulary.inertia_history_)
    vocabulary.partial_fit(features[200:])
    words = [int(((before - f) ** 2).sum(axis=1).argmin()) for f in features[200:]]
    for word in range(12):
        more = features[200:][np.array(words) == word]
        total = before[word].astype(float) * counts[word] + more.sum(axis=0, dtype=float)
        np.testing.assert_allclose(
            vocabulary.centroids_[word], total / (counts[word] + len(more)), rtol=1e-5, atol=1e-6
        )
    assert vocabulary.counts_.sum() == counts.sum() + 400
    assert vocabulary.digest_ != digest and len(vocabulary.inertia_history_) == n_looks + 1
    map_ = features[:6].T.reshape(-1, 2, 3)
    expected = [int(((vocabulary.centroids_ - f) ** 2).sum(axis=1).argmin()) for f in features[:6]]
    assert vocabulary.assign(map_, upsample=1).ravel().tolist() == expected


def test_partial_fit_goes_on_after_saving(tmp_path: Path) -> None:
    features = sample(600)
    vocabulary = Vocabulary(12, device="cpu").partial_fit(features[:300])
    vocabulary.save(tmp_path / "words.h5")
    opened = Vocabulary.open(tmp_path / "words.h5", device="cpu")
    assert opened.counts_.tolist() == vocabulary.counts_.tolist()
    assert opened.partial_fit(features[300:]).digest_ == (
        vocabulary.partial_fit(features[300:]).digest_
    )


def test_partial_fit_of_nothing_and_of_bad_parts() -> None:
    features = sample(300)
    with pytest.raises(InvalidInput, match="as words"):
        Vocabulary(12, device="cpu").partial_fit(features[:5])
    vocabulary = Vocabulary(12, device="cpu").partial_fit(features)
    digest = vocabulary.digest_
    vocabulary.partial_fit(features[:0])
    with pytest.raises(InvalidInput, match="Expected features of shape"):
        vocabulary.partial_fit(features[:, :2])
    with pytest.raises(InvalidInput, match="finite"):
        vocabulary.partial_fit(np.full_like(features, np.nan))
    assert vocabulary.digest_ == digest


def test_from_parts() -> None:
    features = sample()
    vocabulary = Vocabulary(n_words=12, random_state=7, device="cpu").fit(features)
    found = Vocabulary.from_parts(
        vocabulary.centroids_,
        counts=vocabulary.counts_,
        inertia_history=vocabulary.inertia_history_,
        random_state=7,
        device="cpu",
    )
    assert found.get_params() == vocabulary.get_params()
    assert found.digest_ == vocabulary.digest_ and found.n_words_ == 12
    assert found.n_iter_ == vocabulary.n_iter_ == len(found.inertia_history_)
    np.testing.assert_array_equal(
        found.assign_features(features), vocabulary.assign_features(features)
    )
    assert found.partial_fit(features).digest_ == vocabulary.partial_fit(features).digest_
    other = Vocabulary.from_parts(vocabulary.centroids_.tolist(), device="cpu")  # type: ignore
    assert other.digest_ == vocabulary.digest_ and not other.counts_.any()


@pytest.mark.parametrize(
    ("centroids", "counts", "message"),
    [
        (np.ones(3), None, r"centroids of shape \(n_words, n_components\), got shape \(3,\)"),
        (np.ones((0, 3)), None, r"got shape \(0, 3\)"),
        (np.full((2, 3), np.nan), None, "Expected finite centroids"),
        (np.ones((2, 3)), [1, 2, 3], r"one count for each of 2 words, got shape \(3,\)"),
    ],
)
def test_parts_that_are_no_words(centroids: Any, counts: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Vocabulary.from_parts(centroids, counts=counts)
