"""A k-means that was stopped goes on from its checkpoint, with the same result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blcf.vocabulary.kmeans import KMeansResult, kmeans


def sample(n: int = 6_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)


class Stopped(Exception):
    pass


def stop_after(n_iterations: int):
    def report(iteration: int, inertia: float) -> None:
        if iteration == n_iterations - 1:
            raise Stopped

    return report


def same(one: KMeansResult, other: KMeansResult) -> bool:
    return (
        np.array_equal(one.centroids, other.centroids)
        and np.array_equal(one.counts, other.counts)
        and one.inertia_history == other.inertia_history
        and one.looks == other.looks
        and one.n_reseeded == other.n_reseeded
    )


@pytest.mark.parametrize("n_words", [50, 1_050])  # near looks too
@pytest.mark.parametrize("n_done", [1, 3, 5, 6, 8])
def test_it_goes_on(tmp_path: Path, n_words: int, n_done: int) -> None:
    path = tmp_path / "checkpoint.h5"
    expected = kmeans(sample(), n_words, tol=0, max_iter=8)
    with pytest.raises(Stopped):
        kmeans(
            sample(), n_words, tol=0, max_iter=8, checkpoint=path, on_iteration=stop_after(n_done)
        )
    seen: list[int] = []
    found = kmeans(
        sample(),
        n_words,
        tol=0,
        max_iter=8,
        checkpoint=path,
        on_iteration=lambda i, _: seen.append(i),
    )
    assert same(found, expected)
    assert seen == list(range(n_done, 8))


def test_of_another_run_it_starts_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.h5"
    kmeans(sample(), 20, checkpoint=path, max_iter=3)
    for features, options in (
        (sample(seed=1), {"max_iter": 3}),
        (sample(), {"max_iter": 4}),
        (sample(), {"max_iter": 3, "random_state": 1}),
        (sample(), {"max_iter": 3, "max_features_per_word": 9}),
    ):
        found = kmeans(features, 20, checkpoint=path, **options)
        assert same(found, kmeans(features, 20, **options))


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_a_damaged_one_is_none(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "checkpoint.h5"
    expected = kmeans(sample(), 20, checkpoint=path, max_iter=3)
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"x" * 500}[damage])
    assert same(kmeans(sample(), 20, checkpoint=path, max_iter=3), expected)
    assert "k-means starts again" in caplog.text
