"""k-means: against a plain twin, on clusters with a known answer, and where words run empty."""

from __future__ import annotations

import numpy as np
import pytest
from oracle import nearest_word
from sklearn.cluster import KMeans

from blcf.errors import InvalidInput
from blcf.vocabulary import assigner
from blcf.vocabulary import kmeans as kmeans_module
from blcf.vocabulary import looks
from blcf.vocabulary.kmeans import KMeansResult, kmeans

# Seeds whose Lloyd iterations empty a word (about one in 300 of such samples does):
# (components, features, words): seed.
EMPTIED = {(1, 30, 8): 97, (2, 12, 4): 140, (2, 30, 8): 149, (3, 30, 8): 292}


def integers(n: int, n_components: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 50, (n, n_components)).astype(np.float32)


def blobs(n: int, n_components: int, n_blobs: int, seed: int) -> np.ndarray:
    """Overlapping clouds."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(n_blobs, n_components))
    spread = rng.normal(size=(n, n_components)) * 0.7
    return (centres[rng.integers(n_blobs, size=n)] + spread).astype(np.float32)


@pytest.fixture
def no_further_than_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kmeans_module, "_PAST", 0)


def plain_kmeans(sample: np.ndarray, n_words: int, seed: int, n_iter: int) -> KMeansResult:
    """Lloyd from the first distinct features of the shuffled sample."""
    features = sample.astype(np.float64)
    centroids: list[np.ndarray] = []
    for feature in features[np.random.default_rng(seed).permutation(len(sample))]:
        if len(centroids) < n_words and not any((feature == c).all() for c in centroids):
            centroids.append(feature)
    history, n_reseeded, counts = [], 0, np.zeros(n_words)
    for _ in range(n_iter):
        words = np.array([nearest_word(feature, centroids) for feature in features])
        distances = [float(((f - centroids[w]) ** 2).sum()) for f, w in zip(features, words)]
        history.append(float(np.mean(distances)))
        farthest = sorted(range(len(features)), key=lambda i: (-round(distances[i], 4), i))
        counts = np.bincount(words, minlength=n_words)
        for word in range(n_words):
            if (words == word).any():
                centroids[word] = features[words == word].mean(axis=0)
            else:
                centroids[word] = features[farthest.pop(0)]
                n_reseeded += 1
    return KMeansResult(np.array(centroids), counts, history, ["exact"] * n_iter, n_reseeded)


@pytest.mark.usefixtures("no_further_than_the_mean")
@pytest.mark.parametrize("seed", range(12))
def test_equals_the_plain_twin(seed: int) -> None:
    sample = integers(40, 2, seed)
    found = kmeans(sample, 10, random_state=seed, tol=0, max_iter=20)
    expected = plain_kmeans(sample, 10, seed, len(found.inertia_history))
    np.testing.assert_allclose(found.inertia_history, expected.inertia_history, rtol=1e-4)
    np.testing.assert_allclose(found.centroids, expected.centroids, rtol=1e-5)
    assert found.looks == expected.looks
    assert found.counts.tolist() == expected.counts.tolist()
    assert found.centroids.dtype == np.float32


@pytest.mark.usefixtures("no_further_than_the_mean")
@pytest.mark.parametrize(("shape", "seed"), EMPTIED.items())
def test_empty_words_go_to_the_farthest_features(shape: tuple[int, int, int], seed: int) -> None:
    n_components, n, n_words = shape
    sample = integers(n, n_components, seed)
    found = kmeans(sample, n_words, random_state=seed, tol=0, max_iter=30)
    expected = plain_kmeans(sample, n_words, seed, len(found.inertia_history))
    assert found.n_reseeded == expected.n_reseeded >= 1
    np.testing.assert_allclose(found.inertia_history, expected.inertia_history, rtol=1e-4)
    np.testing.assert_allclose(found.centroids, expected.centroids, rtol=1e-5)
    assert len(np.unique(found.centroids, axis=0)) == n_words


@pytest.mark.parametrize("seed", range(6))
def test_two_far_clusters_are_found_exactly(seed: int) -> None:
    # Wherever it starts: symmetric clouds of integers around two points.
    cloud = np.array([[0, 0], [1, 0], [-1, 0], [0, 2], [0, -2]])
    sample = np.concatenate([cloud + [100, 20], cloud + [-300, 50], cloud + [-300, 50]])
    found = kmeans(sample.astype(np.float32), 2, random_state=seed, tol=0)
    assert sorted(found.centroids.tolist()) == [[-300, 50], [100, 20]]


@pytest.mark.parametrize("seed", range(4))
def test_repeated_features_each_get_a_word(seed: int) -> None:
    places = np.arange(36).reshape(9, 4).astype(np.float32) ** 2
    sample = np.repeat(places, 50, axis=0)
    found = kmeans(sample, 9, random_state=seed)
    assert sorted(found.centroids.tolist()) == places.tolist()
    assert found.inertia_history == [0] * len(found.inertia_history)


def test_as_many_words_as_features() -> None:
    sample = integers(30, 5, seed=0)
    found = kmeans(sample, 30)
    assert sorted(found.centroids.tolist()) == sorted(sample.tolist())
    assert found.inertia_history[-1] == 0


def test_one_word_is_the_mean() -> None:
    sample = integers(200, 3, seed=0)
    np.testing.assert_allclose(kmeans(sample, 1).centroids[0], sample.mean(axis=0), rtol=1e-6)


def test_one_seed_one_result() -> None:
    sample = blobs(500, 4, 8, seed=0)
    one, same, other = (kmeans(sample, 20, random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.centroids, same.centroids)
    assert one.inertia_history == same.inertia_history
    assert not np.array_equal(one.centroids, other.centroids)


def test_global_random_state_is_left_alone() -> None:
    np.random.seed(5)
    expected = np.random.random()
    np.random.seed(5)
    kmeans(blobs(100, 3, 4, seed=0), 5)
    assert np.random.random() == expected


@pytest.mark.parametrize("seed", range(5))
def test_inertia_falls(seed: int) -> None:
    found = kmeans(blobs(2000, 6, 10, seed), 16, random_state=seed, tol=0, max_iter=15)
    history = found.inertia_history
    assert len(history) >= 3
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in zip(history, history[1:]))


@pytest.mark.parametrize("seed", range(3))
def test_going_past_the_mean_saves_iterations(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = blobs(3000, 8, 40, seed)
    past = kmeans(sample, 100, random_state=seed, tol=0, max_iter=6)
    monkeypatch.setattr(kmeans_module, "_PAST", 0)
    plain = kmeans(sample, 100, random_state=seed, tol=0, max_iter=6)
    assert past.inertia_history[-1] < plain.inertia_history[-1]


def test_the_inertia_is_what_it_says() -> None:
    sample = blobs(60, 3, 4, seed=1)
    seen: list[tuple[int, float]] = []
    found = kmeans(sample, 15, max_iter=4, tol=0, on_iteration=lambda i, x: seen.append((i, x)))
    assert seen == list(enumerate(found.inertia_history))
    assert found.counts.sum() == 60


def test_words_end_at_the_means_of_their_features() -> None:
    sample = blobs(500, 3, 4, seed=1)
    for max_iter in (1, 4):
        found = kmeans(sample, 15, max_iter=max_iter, tol=0)
        means = (found.counts[:, None] * found.centroids).sum(axis=0) / 500
        np.testing.assert_allclose(means, sample.mean(axis=0), atol=1e-5)


def test_it_stops_when_it_has_settled() -> None:
    sample = blobs(300, 3, 4, seed=2)
    n_looks = len(kmeans(sample, 5, max_iter=100, tol=0.5).looks)
    assert n_looks <= 3  # the second look of little gain tells
    assert n_looks < len(kmeans(sample, 5, max_iter=100, tol=0).looks) < 100


def test_near_looks_between_exact_ones() -> None:
    sample = blobs(9_000, 4, 60, seed=0)
    found = kmeans(sample, 1_100, tol=0, max_iter=8)
    assert found.looks == ["exact", "near", "near"] * 2 + ["exact", "near"]
    history = found.inertia_history
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in zip(history, history[1:]))


@pytest.mark.slow
def test_near_looks_lose_little(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = blobs(9_000, 6, 60, seed=0)
    near = kmeans(sample, 1_100, tol=0)
    monkeypatch.setattr(looks, "N_NEAR", 1_100)
    every = kmeans(sample, 1_100, tol=0)
    monkeypatch.setattr(kmeans_module, "N_NEAR", 1_100)
    exact = kmeans(sample, 1_100, tol=0)
    assert near.looks.count("exact") == 5 and set(exact.looks) == {"exact"}
    # Among all words a near look is an exact one.
    np.testing.assert_allclose(every.inertia_history, exact.inertia_history, rtol=2e-3)
    assert near.inertia_history[-1] < 1.01 * exact.inertia_history[-1]


def test_in_two_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = blobs(9_000, 6, 60, seed=0)
    exact = kmeans(sample, 1_000, tol=0)
    monkeypatch.setattr(assigner, "TWO_LEVELS_FROM", 1_000)
    found = kmeans(sample, 1_000, tol=0)
    assert set(found.looks) == {"two-level"}
    assert found.inertia_history[-1] < 1.02 * exact.inertia_history[-1]


def test_a_part_of_the_sample_is_enough() -> None:
    sample = blobs(2000, 4, 6, seed=3)
    found = kmeans(sample, 8, max_features_per_word=20)
    assert found.counts.sum() == 160
    # What it does not look at plays no part.
    unseen = np.random.default_rng(0).permutation(2000)[160:]
    changed = sample.copy()
    changed[unseen] += 100
    again = kmeans(changed, 8, max_features_per_word=20)
    np.testing.assert_array_equal(found.centroids, again.centroids)
    everything = kmeans(sample, 8, max_features_per_word=1000)
    np.testing.assert_array_equal(everything.centroids, kmeans(sample, 8).centroids)


@pytest.mark.parametrize("n_words", [10, 50])
def test_as_good_as_sklearn(n_words: int) -> None:
    sample = blobs(4000, 8, 30, seed=0)
    reference = KMeans(n_words, init="random", n_init=1, random_state=0).fit(sample)
    found = kmeans(sample, n_words, max_iter=30)
    distances = np.linalg.norm(sample[:, None] - found.centroids[None], axis=2) ** 2
    assert distances.min(axis=1).sum() < 1.05 * reference.inertia_


def test_the_sample_is_not_changed() -> None:
    sample = blobs(200, 3, 4, seed=0)
    copy = sample.copy()
    kmeans(sample, 10)
    np.testing.assert_array_equal(sample, copy)


def test_any_float_will_do() -> None:
    half = blobs(200, 3, 4, seed=0).astype(np.float16)
    expected = kmeans(half.astype(np.float32), 10).centroids
    np.testing.assert_array_equal(kmeans(half, 10).centroids, expected)
    np.testing.assert_array_equal(kmeans(np.asfortranarray(half), 10).centroids, expected)


@pytest.mark.parametrize("n_distinct", [1, 9])
def test_fewer_distinct_features_than_words(n_distinct: int) -> None:
    sample = np.tile(integers(n_distinct, 6, seed=0), (20, 1))
    message = rf"at least 10 distinct features for 10 words, got {n_distinct} among"
    with pytest.raises(InvalidInput, match=message):
        kmeans(sample if n_distinct > 1 else np.ones((20, 6)), 10)


@pytest.mark.parametrize(
    ("sample", "n_words", "message"),
    [
        (np.ones((5, 3)), 6, r"as many sampled features as words \(6\), got shape \(5, 3\)"),
        (np.ones((5, 3)), 0, r"as words \(0\)"),
        (np.ones(5), 1, r"got shape \(5,\)"),
        (np.ones((0, 3)), 1, r"got shape \(0, 3\)"),
        (np.array([[1.0, np.nan], [1, 2]]), 1, "finite features for k-means, got NaN or infinity"),
        (np.array([[1.0, np.inf], [1, 2]]), 2, "finite features for k-means"),
    ],
)
def test_samples_that_cannot_be(sample: np.ndarray, n_words: int, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        kmeans(sample, n_words)
