"""Damaged posting lists lead no kernel out of its arrays: interpreted, numpy would tell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from blcf.kernels.postings import (
    accumulate_scores,
    accumulate_squared_norms,
    copy_postings,
    count_postings,
    group_runs,
    has_repeats,
)

ROOT = Path(__file__).resolve().parents[2]
BUFFER = 65_536


def any_ends(rng, n, n_lists):
    """Where lists begin, of any lengths: this much `Postings.read` looks at."""
    return np.concatenate([[0], np.sort(rng.integers(0, n + 1, n_lists - 1)), [n]]).astype(np.int32)


def any_lists(rng, code_type):
    """Lists of random bytes, read-only as if mapped, and a table of frequencies."""
    n, n_runs, n_words = (int(rng.integers(1, most)) for most in (60, 30, 9))
    table = rng.random(BUFFER if code_type == np.uint16 else 70_000)
    codes = np.frombuffer(rng.bytes(4 * n_runs), dtype=code_type)[:n_runs]
    if code_type == np.uint32:
        codes = codes % np.uint32(table.size)  # `Postings.read` looks at these as well
    lengths = np.frombuffer(rng.bytes(2 * n_runs), dtype=np.uint16)
    if rng.random() < 0.5:
        lengths = lengths % np.uint16(5)
    ids = np.frombuffer(rng.bytes(2 * n), dtype=np.uint16)
    return any_ends(rng, n, n_words), ids, any_ends(rng, n_runs, n_words), codes, lengths, table


@pytest.mark.parametrize("code_type", [np.uint16, np.uint32])
@pytest.mark.parametrize("seed", range(10))
def test_any_bytes(code_type, seed):
    rng = np.random.default_rng(seed)
    ends, image_ids, *_ = lists = any_lists(rng, code_type)
    n_words = ends.size - 1
    # Two queries that want all words.
    wanted = np.arange(n_words, dtype=np.int32), 2 * np.arange(n_words + 1, dtype=np.int32)
    rows, weights = np.tile(np.arange(2, dtype=np.int32), n_words), np.ones(2 * n_words)
    scores, squared = np.zeros((2, BUFFER)), np.zeros(BUFFER)
    accumulate_scores(*wanted, rows, weights, *lists, scores)
    accumulate_squared_norms(*lists, np.ones(n_words), squared)
    for one in (*scores, squared):
        assert np.isin(np.flatnonzero(one), image_ids).all() and one.sum() <= image_ids.size
    np.testing.assert_array_equal(*scores)
    assert has_repeats(ends, image_ids) in (False, True)


@pytest.mark.parametrize("code_type", [np.uint16, np.uint32])
@pytest.mark.parametrize("seed", range(10))
def test_any_images_are_copied(code_type, seed):
    """Of a file that changes between its check and a merge."""
    rng = np.random.default_rng(seed)
    ends, image_ids, *_ = any_lists(rng, code_type)
    live, counts = rng.random(BUFFER) < 0.5, np.zeros(ends.size - 1, dtype=np.int64)
    count_postings(ends, image_ids, live, counts)
    new_ids = np.where(live, np.arange(BUFFER), -1).astype(np.int32)
    codes = rng.integers(0, 5, image_ids.size).astype(code_type)
    after = np.cumsum([0, *counts])
    ids, of_lists = np.zeros(after[-1], dtype=np.uint16), np.zeros(after[-1], dtype=code_type)
    copy_postings(ends, image_ids, codes, new_ids, after[:-1].copy(), ids, of_lists)
    assert ids.tolist() == image_ids[live[image_ids]].tolist()
    run_ends, run_codes = np.zeros(ends.size, dtype=np.int32), np.empty_like(of_lists)
    lengths = np.empty(of_lists.size, dtype=np.uint16)
    group_runs(after.astype(np.int32), ids, of_lists, 5, run_ends, run_codes, lengths)
    assert (lengths[: run_ends[-1]] + 1).sum() == after[-1]


@pytest.mark.slow
@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="this is the interpreted run")
def test_kernels_hold_without_compilation():
    """Interpreted, numpy checks every index: a kernel that strays outside an array fails."""
    without = ["--ignore", "tests/kernels/test_compiling.py"]  # nothing is compiled
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels", *without],
        cwd=ROOT,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
