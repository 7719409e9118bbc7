"""The number of threads changes no bit of a model, a bag, a ranking or a box."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from blcf import Vocabulary, Whitening
from blcf.descriptors import RMAC, SPoC
from blcf.records import Query, View
from blcf.rerank import Voting
from blcf.vocabulary.kmeans import kmeans

SCRIPT = Path(__file__).with_name("thread_counts.py")


def under(n_threads: int, compute):
    """What is computed where torch and BLAS have so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        with threadpool_limits(n_threads, "blas"):
            return [np.array(each) for each in compute()]
    finally:
        torch.set_num_threads(before)


def check_equal(compute) -> None:
    expected = under(1, compute)
    for n_threads in (2, 3, 8):
        for one, other in zip(expected, under(n_threads, compute)):
            np.testing.assert_array_equal(one, other, strict=True)


def unit_rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("n", "d"), [(10_000, 112), (700, 512), (9_000, 333)])
def test_whitening(n: int, d: int) -> None:
    rows = np.maximum(unit_rows(n, d), 0)
    check_equal(lambda: vars(Whitening(24).fit(rows)).values())
    whitening = Whitening(d).fit(rows)
    for n_rows in (1, 24, 5_000):
        check_equal(lambda: [whitening.transform(rows[:n_rows])])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize(("n", "d", "n_words"), [(3_000, 600, 60), (6_000, 100, 1_100)])
def test_k_means(n: int, d: int, n_words: int, precision: str) -> None:
    rows = unit_rows(n, d)

    def learn():
        found = kmeans(rows, n_words, max_iter=4, precision=precision)
        return found.centroids, found.counts, found.inertia_history

    check_equal(learn)


def test_partial_fit() -> None:
    rows = unit_rows(6_000, 33)

    def learn():
        found = Vocabulary(40, device="cpu").fit(rows[:3_000]).partial_fit(rows[3_000:])
        return found.centroids_, found.inertia_history_

    check_equal(learn)


@pytest.mark.parametrize("assignment", ["exact", "two_level"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("n_channels", [112, 1_024])
def test_assignment(assignment: str, precision: str, n_channels: int) -> None:
    maps = np.maximum(np.random.default_rng(1).normal(size=(2, n_channels, 7, 9)), 0)
    maps = maps.astype(np.float32)
    sample = np.maximum(unit_rows(3 * n_channels, n_channels), 0)
    whitening = Whitening(n_channels // 2).fit(sample)
    words = whitening.transform(sample[:1_500])

    def assign():
        vocabulary = Vocabulary.from_parts(words, device="cpu", assignment=assignment)
        return [
            *vocabulary.assign_maps(maps, whitening=whitening, precision=precision),
            vocabulary.assign_features(words + np.float32(0.01)),
        ]

    check_equal(assign)


def test_several_threads_at_once() -> None:
    """Each gets what one alone gets, and the numbers of threads are what they were."""
    maps = np.maximum(np.random.default_rng(4).normal(size=(2, 96, 9, 8)), 0).astype(np.float32)
    rows = np.maximum(unit_rows(5_000, 96), 0)

    def work():
        whitening = Whitening(40).fit(rows)
        vocabulary = Vocabulary(50, max_iter=3, device="cpu").fit(whitening.transform(rows))
        words, norms = vocabulary.assign_maps(maps, whitening=whitening)
        return vocabulary.centroids_, words, norms

    def work_in_threads():
        with ThreadPoolExecutor(4) as pool:
            found = [each.result() for each in [pool.submit(work) for _ in range(8)]]
        blas = [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]
        return [np.concatenate(each) for each in zip(*found)] + [blas]

    expected = [np.concatenate([each] * 8) for each in under(1, work)]
    for one, other in zip(expected, under(3, work_in_threads)):
        np.testing.assert_array_equal(one, other)
    assert set(under(3, work_in_threads)[-1].tolist()) == {3}


@pytest.mark.parametrize("make", [SPoC, RMAC])
def test_descriptors(make) -> None:
    rng = np.random.default_rng(2)
    maps = [np.maximum(rng.normal(size=(512, 20, 33)), 0).astype(np.float32) for _ in range(9)]
    check_equal(lambda: [make(4).fit_transform(maps)])


def test_votes() -> None:
    rng = np.random.default_rng(3)
    centroids = unit_rows(5_000, 128)
    words = rng.integers(5_000, size=(30, 40)).astype(np.int32)
    view = View(words, np.ones((30, 40), np.float32), None)
    query = Query((view,), (400, 300), None)

    def prepare():
        voting = Voting(5_000, centroids, floor=0.1, n_bins=8)
        votes = voting.prepare(query)
        return votes.values, votes.bins

    check_equal(prepare)


@pytest.mark.parametrize(
    ("dtype", "counts"),
    [
        ("auto", (1, 3)),
        pytest.param("float32", (1, 2, 3), marks=pytest.mark.slow),
        pytest.param("bfloat16", (1, 2, 3), marks=pytest.mark.slow),
    ],
)
def test_a_collection(dtype: str, counts: tuple[int, ...], tmp_path: Path) -> None:
    """With OMP_NUM_THREADS, as a user sets it, in a process for each number."""
    found = {}
    for n_threads in counts:
        folder = tmp_path / str(n_threads)
        folder.mkdir()
        command = [sys.executable, str(SCRIPT), str(n_threads), str(folder), dtype]
        environment = {**os.environ, "OMP_NUM_THREADS": str(n_threads)}
        path = [str(SCRIPT.parents[1]), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        found[n_threads] = json.loads(done.stdout)
    for n_threads in counts[1:]:
        assert found[n_threads] == found[1]
