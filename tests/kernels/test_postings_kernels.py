"""Kernels of the inverted file against plain twins; compiled, and once more interpreted."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import oracle
import pytest
import scipy.sparse as sp

from blcf.kernels.postings import (
    accumulate_scores,
    accumulate_squared_norms,
    build_postings,
    copy_postings,
    count_postings,
    score_images,
)

ROOT = Path(__file__).resolve().parents[2]
BUFFER = 65_536
CODES = pytest.mark.parametrize("code_type", [np.uint8, np.uint16])


@dataclass
class Part:
    """Posting lists as the kernels take them, and as a plain dictionary."""

    lists: dict[int, list[tuple[int, float]]]
    word_indptr: np.ndarray
    image_ids: np.ndarray
    codes: np.ndarray
    table: np.ndarray
    escapes: np.ndarray
    escaped: np.ndarray

    @property
    def arrays(self):
        scored = self.table, self.escapes, self.escaped
        return self.word_indptr, self.image_ids, self.codes, *scored


def a_part(rng, sizes, images, code_type, escape_share=0.2):
    """Lists of given sizes of images from ``images``; every code has a tf of its own."""
    ids = [np.sort(rng.choice(images, n, replace=False)) for n in sizes]
    n_codes = 1 << 8 * np.dtype(code_type).itemsize
    table = rng.permutation(n_codes) / 8 + 1 / 8
    table[0] = 0
    n = sum(sizes)
    codes = rng.integers(1, n_codes, n) * (rng.random(n) >= escape_share)
    escapes = np.flatnonzero(codes == 0).astype(np.int32)
    escaped = 70_000.0 + np.arange(escapes.size)
    tf = table[codes]
    tf[escapes] = escaped
    word_indptr = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    pairs = list(zip(np.concatenate([[], *ids]).astype(int).tolist(), tf.tolist()))
    lists = {w: pairs[word_indptr[w] : word_indptr[w + 1]] for w in range(len(sizes))}
    image_ids = np.concatenate([[], *ids]).astype(np.uint16)
    return Part(lists, word_indptr, image_ids, codes.astype(code_type), table, escapes, escaped)


def some_parts(code_type, seed):
    """Lists of 0 to 9 images, which the kernel takes by fours, and other shapes."""
    rng = np.random.default_rng(seed)
    every = np.arange(BUFFER)
    yield rng, a_part(rng, list(range(10)), np.arange(9), code_type)
    yield rng, a_part(rng, [9, 0, 0, 4, 1], every[-9:], code_type)  # the last ids there are
    yield rng, a_part(rng, [0, 0, 0], every, code_type)
    yield rng, a_part(rng, [5], every, code_type, escape_share=1)
    yield rng, a_part(rng, [40, 7, 40], every, code_type, escape_share=0)
    for _ in range(4):
        sizes = rng.integers(0, 15, int(rng.integers(1, 12))).tolist()
        yield rng, a_part(rng, sizes, every[:: int(rng.integers(1, 4000))], code_type)


def build(bags, codes):
    word_indptr = np.zeros(bags.shape[1] + 1, dtype=np.int32)
    image_ids = np.full(bags.nnz, 9, dtype=np.uint16)
    list_codes = np.full_like(codes, 9)
    places = np.full(int((codes == 0).sum()), -1, dtype=np.int32)
    build_postings(bags.indptr, bags.indices, codes, word_indptr, image_ids, list_codes, places)
    return word_indptr, image_ids, list_codes, places


@CODES
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3, 1), (1, 7), (6, 9), (40, 25)])
def test_build_postings(shape, code_type):
    rng = np.random.default_rng(sum(shape))
    for density in (0, 0.1, 0.5, 1):
        bags = sp.random(*shape, density, format="csr", random_state=rng)
        bags.sort_indices()
        codes = rng.integers(0, 4, bags.nnz).astype(code_type)
        word_indptr, image_ids, list_codes, places = build(bags, codes)
        found = {
            word: list(zip(image_ids[first:last].tolist(), list_codes[first:last].tolist()))
            for word, (first, last) in enumerate(zip(word_indptr[:-1], word_indptr[1:]))
        }
        ends = list(zip(bags.indptr, bags.indptr[1:]))
        rows = [dict(zip(bags.indices[a:b].tolist(), codes[a:b].tolist())) for a, b in ends]
        assert found == oracle.posting_lists(rows, shape[1])
        assert word_indptr[0] == 0 and word_indptr[-1] == bags.nnz
        # Escape by escape in the order of the rows: the same image, the same word.
        image_of = np.repeat(np.arange(shape[0]), np.diff(bags.indptr))[codes == 0]
        assert image_ids[places].tolist() == image_of.tolist()
        words = np.searchsorted(word_indptr, places, side="right") - 1
        assert words.tolist() == bags.indices[codes == 0].tolist()


def test_build_postings_takes_long_indices():
    bags = sp.random(5, 6, 0.5, format="csr", random_state=1)
    codes = np.arange(bags.nnz, dtype=np.uint8)
    expected = build(bags, codes)
    bags.indptr, bags.indices = bags.indptr.astype(np.int64), bags.indices.astype(np.int64)
    for array, same in zip(build(bags, codes), expected):
        np.testing.assert_array_equal(array, same)


def test_build_postings_of_as_many_images_as_there_can_be():
    bags = sp.csr_matrix(np.ones((BUFFER, 1), dtype=np.float32))
    word_indptr, image_ids, _, _ = build(bags, np.ones(BUFFER, dtype=np.uint8))
    np.testing.assert_array_equal(image_ids, np.arange(BUFFER))
    assert word_indptr.tolist() == [0, BUFFER]


@CODES
def test_count_postings(code_type):
    for rng, part in some_parts(code_type, 2):
        live = rng.random(BUFFER) < 0.6
        counts = np.arange(len(part.lists))  # added to
        count_postings(part.word_indptr, part.image_ids, live, counts)
        expected = [w + sum(live[image] for image, _ in one) for w, one in part.lists.items()]
        assert counts.tolist() == expected


@CODES
def test_copy_postings(code_type):
    for rng, part in some_parts(code_type, 3):
        live = rng.random(BUFFER) < 0.6
        new_ids = np.where(live, np.cumsum(live) - 1, -1).astype(np.int32)
        kept = [[(new_ids[i], tf) for i, tf in one if live[i]] for one in part.lists.values()]
        before = rng.integers(0, 3, len(kept))  # postings of the parts before
        sizes = before + [len(one) for one in kept]
        ends = np.cumsum([0, *sizes])[:-1] + before
        image_ids = np.full(sizes.sum(), 7, dtype=np.uint16)
        codes = np.full(sizes.sum(), 7, dtype=code_type)
        places = np.full(part.escapes.size, -9, dtype=np.int32)
        lists = part.word_indptr, part.image_ids, part.codes
        after = ends.copy()
        copy_postings(*lists, new_ids, after, image_ids, codes, part.escapes, places)
        tf = part.table[codes]
        tf[places[places >= 0]] = part.escaped[places >= 0]
        for word, one in enumerate(kept):
            first, last = ends[word], after[word]
            assert list(zip(image_ids[first:last].tolist(), tf[first:last].tolist())) == one
            assert (codes[first - before[word] : first] == 7).all()
        np.testing.assert_array_equal(places == -1, ~live[part.image_ids[part.escapes]])


def queries_together(queries):
    """Words, starts, rows and weights of a list of {word: weight}."""
    words = sorted({word for query in queries for word in query})
    wanted = [(w, r, query[w]) for w in words for r, query in enumerate(queries) if w in query]
    counts = [sum(w == word for w, _, _ in wanted) for word in words]
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    rows = np.array([row for _, row, _ in wanted], dtype=np.int32)
    weights = np.array([weight for _, _, weight in wanted], dtype=np.float64)
    return np.array(words, dtype=np.int32), starts, rows, weights


def random_queries(rng, n_words, n):
    return [
        {w: float(rng.normal()) for w in range(n_words) if rng.random() < 0.6} for _ in range(n)
    ]


@CODES
def test_accumulate_scores(code_type):
    for rng, part in some_parts(code_type, 4):
        for n in (1, 3):
            queries = random_queries(rng, len(part.lists), n)
            scores = np.zeros((n, BUFFER))
            scores[:] = rng.integers(0, 4, BUFFER)  # added to
            expected = scores.tolist()
            accumulate_scores(*queries_together(queries), *part.arrays, scores)
            for row, query in enumerate(queries):
                oracle.add_dot_products(expected[row], part.lists, query)
            assert scores.tolist() == expected  # the same sums in the same order: no rounding


@CODES
def test_queries_alone_and_in_company_score_the_same(code_type):
    for rng, part in some_parts(code_type, 5):
        queries = random_queries(rng, len(part.lists), 5)
        together = np.zeros((5, BUFFER))
        accumulate_scores(*queries_together(queries), *part.arrays, together)
        positions = np.unique(np.concatenate([part.image_ids[::2], [0, 5, 65_535]]).astype(int))
        for row, query in enumerate(queries):
            alone = np.zeros((1, BUFFER))
            words, starts, rows, weights = queries_together([query])
            accumulate_scores(words, starts, rows, weights, *part.arrays, alone)
            np.testing.assert_array_equal(together[row], alone[0])
            for some in (positions, positions[:1], positions[:0]):
                scores = np.zeros(some.size)
                score_images(words, weights, some, *part.arrays, scores)
                np.testing.assert_array_equal(scores, alone[0, some])


@CODES
def test_accumulate_squared_norms(code_type):
    for rng, part in some_parts(code_type, 6):
        idf = rng.random(len(part.lists))
        squared = rng.integers(0, 4, BUFFER).astype(np.float64)
        expected = squared.tolist()
        accumulate_squared_norms(*part.arrays, idf, squared)
        for word, one in part.lists.items():
            for image, tf in one:
                expected[image] += float(idf[word] * idf[word]) * (tf * tf)
        assert squared.tolist() == expected


def test_norms_are_the_same_whatever_has_a_code():
    rng = np.random.default_rng(7)
    part = a_part(rng, [6, 9, 3, 8], np.arange(9), np.uint16)
    part.table, part.escaped = np.sqrt(part.table), np.sqrt(part.escaped)
    coded = part.codes.copy()
    free = np.setdiff1d(np.arange(1, BUFFER), part.codes)[: part.escapes.size]
    coded[part.escapes] = free
    table = part.table.copy()
    table[free] = part.escaped
    idf, some, others = rng.random(4), np.zeros(BUFFER), np.zeros(BUFFER)
    none = np.empty(0, dtype=np.int32), np.empty(0)
    accumulate_squared_norms(*part.arrays, idf, some)
    accumulate_squared_norms(part.word_indptr, part.image_ids, coded, table, *none, idf, others)
    np.testing.assert_array_equal(some, others)
    assert part.escapes.size and math.isclose(some.sum(), others.sum())


@CODES
def test_damaged_lists_lead_no_kernel_out_of_its_arrays(code_type):
    """Any bytes where a mapped file has image ids and codes; interpreted, numpy tells."""
    rng = np.random.default_rng(8)
    for _ in range(10):
        n, n_words = int(rng.integers(1, 60)), int(rng.integers(1, 9))
        ends = np.sort(rng.integers(0, n + 1, n_words + 1)).astype(np.int32)
        ends[0], ends[-1] = 0, n
        image_ids = np.frombuffer(rng.bytes(2 * n), dtype=np.uint16)  # read-only, as if mapped
        codes = np.frombuffer(rng.bytes(8 * n), dtype=code_type)[:n] * (rng.random(n) < 0.7)
        codes = codes.astype(code_type)
        table = rng.random(1 << 8 * codes.itemsize)
        escapes = rng.integers(0, n, int(rng.integers(0, 5))).astype(np.int32)
        arrays = ends, image_ids, codes, table, escapes, rng.random(escapes.size)
        queries = random_queries(rng, n_words, 2)
        accumulate_scores(*queries_together(queries), *arrays, np.zeros((2, BUFFER)))
        words, _, _, weights = queries_together(queries[:1])
        positions = np.unique(np.concatenate([image_ids[:20], [0, 65_535]])).astype(np.int64)
        score_images(words, weights, positions, *arrays, np.zeros(positions.size))
        accumulate_squared_norms(*arrays, np.ones(n_words), np.zeros(BUFFER))
        live, counts = rng.random(BUFFER) < 0.5, np.zeros(n_words, dtype=np.int64)
        count_postings(ends, image_ids, live, counts)
        new_ids = np.where(live, np.arange(BUFFER), -1).astype(np.int32)
        ends_of = np.cumsum([0, *counts])
        escapes = np.flatnonzero(codes == 0).astype(np.int32)
        out = np.empty(counts.sum(), dtype=np.uint16), np.empty(counts.sum(), dtype=code_type)
        places = np.empty_like(escapes)
        copy_postings(ends, image_ids, codes, new_ids, ends_of[:-1].copy(), *out, escapes, places)
        assert (places < counts.sum()).all() and (out[0] == image_ids[live[image_ids]]).all()


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
