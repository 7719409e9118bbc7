"""Kernels of the inverted file against plain twins; compiled, and once more interpreted."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from blcf.kernels.postings import (
    accumulate_scores,
    accumulate_squared_norms,
    build_postings,
    select_top,
)

ROOT = Path(__file__).resolve().parents[2]


def random_bags(rng, n_images, n_words, density=0.4):
    counts = rng.integers(1, 6, (n_images, n_words)) * (rng.random((n_images, n_words)) < density)
    return sp.csr_matrix(counts.astype(np.float32))


def posting_lists(bags):
    """The plain twin: {word: [(image, tf), ...]}, images ascending."""
    lists = {word: [] for word in range(bags.shape[1])}
    for image, row in enumerate(bags.toarray().tolist()):
        for word, tf in enumerate(row):
            if tf:
                lists[word].append((image, tf))
    return lists


def build(bags):
    word_indptr = np.zeros(bags.shape[1] + 1, dtype=np.int64)
    image_ids = np.full(bags.nnz, -1, dtype=np.int32)
    tf = np.full(bags.nnz, np.nan, dtype=np.float32)
    build_postings(bags.indptr, bags.indices, bags.data, word_indptr, image_ids, tf)
    return word_indptr, image_ids, tf


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3, 1), (1, 7), (6, 9), (40, 25)])
def test_build_postings(shape):
    rng = np.random.default_rng(sum(shape))
    for density in (0, 0.1, 0.5, 1):
        bags = random_bags(rng, *shape, density)
        word_indptr, image_ids, tf = build(bags)
        found = {
            word: list(zip(image_ids[first:last].tolist(), tf[first:last].tolist()))
            for word, (first, last) in enumerate(zip(word_indptr[:-1], word_indptr[1:]))
        }
        assert found == posting_lists(bags)
        assert word_indptr[0] == 0 and word_indptr[-1] == bags.nnz


def test_build_postings_takes_long_indices():
    bags = random_bags(np.random.default_rng(1), 5, 6)
    expected = build(bags)
    bags.indptr, bags.indices = bags.indptr.astype(np.int64), bags.indices.astype(np.int64)
    for array, same in zip(build(bags), expected):
        np.testing.assert_array_equal(array, same)


@pytest.mark.parametrize("sqrt", [False, True])
def test_accumulate_scores(sqrt):
    rng = np.random.default_rng(2)
    for _ in range(20):
        n_images, n_words = (int(n) for n in rng.integers(1, 15, 2))
        bags = random_bags(rng, n_images, n_words)
        words = np.flatnonzero(rng.random(n_words) < 0.5)
        weights = rng.random(words.size)
        scores = rng.integers(0, 4, n_images).astype(np.float64)
        expected = scores.tolist()
        lists = posting_lists(bags)
        for word, weight in zip(words.tolist(), weights.tolist()):
            for image, tf in lists[word]:
                expected[image] += weight * (math.sqrt(tf) if sqrt else tf)
        accumulate_scores(words, weights, *build(bags), sqrt, scores)
        assert scores.tolist() == expected  # the same sums in the same order: no rounding between


@pytest.mark.parametrize("sqrt", [False, True])
def test_accumulate_squared_norms(sqrt):
    rng = np.random.default_rng(3)
    for _ in range(20):
        n_images, n_words = (int(n) for n in rng.integers(1, 15, 2))
        bags = random_bags(rng, n_images, n_words)
        idf = rng.random(n_words)
        squared = rng.integers(0, 4, n_images).astype(np.float64)
        expected = squared.tolist()
        for word, entries in posting_lists(bags).items():
            for image, tf in entries:
                expected[image] += float(idf[word] * idf[word]) * (tf if sqrt else tf * tf)
        accumulate_squared_norms(*build(bags), idf, sqrt, squared)
        np.testing.assert_allclose(squared, expected, rtol=1e-14)


def best(scores, k):
    top_scores = np.full(k, np.nan, dtype=np.float32)
    top_images = np.full(k, -1, dtype=np.int64)
    select_top(scores, top_scores, top_images)
    return list(zip(top_images.tolist(), top_scores.tolist()))


def sorted_best(scores, k):
    pairs = sorted(enumerate(scores.tolist()), key=lambda pair: (-pair[1], pair[0]))
    return pairs[:k]


@pytest.mark.parametrize("n_values", [1, 2, 3, 100])
def test_select_top_for_every_k(n_values):
    rng = np.random.default_rng(n_values)
    for n in (*range(9), 31):
        scores = rng.integers(0, n_values, n).astype(np.float32)  # ties in plenty
        for k in range(n + 1):
            assert best(scores, k) == sorted_best(scores, k), (scores, k)


@pytest.mark.parametrize(
    "scores", [np.arange(20), -np.arange(20), np.zeros(20), np.array([-1, 0, -1, 0, 5] * 4)]
)
def test_select_top_in_order_and_equal(scores):
    scores = scores.astype(np.float32)
    before = scores.copy()
    for k in (0, 1, 2, 7, 19, 20):
        assert best(scores, k) == sorted_best(scores, k)
    np.testing.assert_array_equal(scores, before)


def test_select_top_of_every_small_ranking():
    for number in range(3**5):
        scores = np.array([number // 3**i % 3 for i in range(5)], dtype=np.float32)
        for k in range(6):
            assert best(scores, k) == sorted_best(scores, k)


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="this is the interpreted run")
def test_kernels_hold_without_compilation():
    """Interpreted, numpy checks every index: a kernel that strays outside an array fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels"],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
