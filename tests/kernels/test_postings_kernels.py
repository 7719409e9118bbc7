"""Kernels of the inverted file against plain twins; compiled, and once more interpreted."""

from __future__ import annotations

from dataclasses import dataclass

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
    group_runs,
    has_repeats,
)

BUFFER = 65_536
MANY = 70_000  # codes that take 4 bytes
CODES = pytest.mark.parametrize("code_type", [np.uint16, np.uint32])


@dataclass
class Part:
    """Posting lists as the kernels take them, and as plain ones: [(image, code)] by word."""

    lists: list[list[tuple[int, int]]]
    word_indptr: np.ndarray
    image_ids: np.ndarray
    run_indptr: np.ndarray
    run_codes: np.ndarray
    run_lengths: np.ndarray
    table: np.ndarray

    @property
    def arrays(self):
        runs = self.run_indptr, self.run_codes, self.run_lengths
        return (self.word_indptr, self.image_ids, *runs, self.table)

    @property
    def by_word(self):
        """{word: [(image, tf)]}"""
        return {
            word: [(image, float(self.table[code])) for image, code in one]
            for word, one in enumerate(self.lists)
        }


def ends_of(parts):
    return np.cumsum([0, *map(len, parts)]).astype(np.int32)


def grouped(lists, code_type, table):
    """The twin of `group_runs`: every code of a list, ascending, with the images that have it."""
    runs = [
        [(code, [i for i, one in pairs if one == code]) for code in sorted({c for _, c in pairs})]
        for pairs in lists
    ]
    flat = [run for of_word in runs for run in of_word]
    return Part(
        lists,
        ends_of(lists),
        np.array([image for _, images in flat for image in images], dtype=np.uint16),
        ends_of(runs),
        np.array([code for code, _ in flat], dtype=code_type),
        np.array([len(images) - 1 for _, images in flat], dtype=np.uint16),
        table,
    )


def a_part(rng, sizes, images, code_type, n_different):
    """Lists of given sizes of images from ``images``; every code has a tf of its own."""
    n_codes = BUFFER if code_type == np.uint16 else MANY
    some = np.append(rng.integers(0, n_codes, n_different - 1), n_codes - 1)
    ids = [np.sort(rng.choice(images, n, replace=False)).tolist() for n in sizes]
    lists = [list(zip(one, rng.choice(some, len(one)).tolist())) for one in ids]
    return grouped(lists, code_type, rng.permutation(n_codes) / 8 + 1 / 8)


def some_parts(code_type, seed):
    """Runs of 1 to 10 images, which the kernel takes by fours, and other shapes."""
    rng = np.random.default_rng(seed)
    every = np.arange(BUFFER)
    yield rng, a_part(rng, list(range(11)), np.arange(10), code_type, 1)
    yield rng, a_part(rng, [*range(20), 50], np.arange(50), code_type, 5)
    yield rng, a_part(rng, [9, 0, 0, 4, 1], every[-9:], code_type, 2)  # the last ids there are
    yield rng, a_part(rng, [0, 0, 0], every, code_type, 1)
    yield rng, a_part(rng, [5], every, code_type, 1)
    yield rng, a_part(rng, [40, 7, 40], every, code_type, 500)
    for _ in range(4):
        sizes = rng.integers(0, 30, int(rng.integers(1, 12))).tolist()
        images = every[:: int(rng.integers(1, 2000))]
        yield rng, a_part(rng, sizes, images, code_type, int(rng.integers(1, 9)))


def test_the_parts_have_runs_of_all_lengths():
    lengths = np.concatenate([part.run_lengths for _, part in some_parts(np.uint16, 1)])
    assert set(range(10)) <= set(lengths.tolist())


def build(bags, codes):
    word_indptr = np.zeros(bags.shape[1] + 1, dtype=np.int32)
    image_ids = np.full(bags.nnz, 9, dtype=np.uint16)
    list_codes = np.full_like(codes, 9)
    build_postings(bags.indptr, bags.indices, codes, word_indptr, image_ids, list_codes)
    return word_indptr, image_ids, list_codes


@CODES
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3, 1), (1, 7), (6, 9), (40, 25)])
def test_build_postings(shape, code_type):
    rng = np.random.default_rng(sum(shape))
    for density in (0, 0.1, 0.5, 1):
        bags = sp.random(*shape, density, format="csr", random_state=rng)
        bags.sort_indices()
        codes = rng.integers(0, 4, bags.nnz).astype(code_type)
        word_indptr, image_ids, list_codes = build(bags, codes)
        found = {
            word: list(zip(image_ids[first:last].tolist(), list_codes[first:last].tolist()))
            for word, (first, last) in enumerate(zip(word_indptr[:-1], word_indptr[1:]))
        }
        ends = list(zip(bags.indptr, bags.indptr[1:]))
        rows = [dict(zip(bags.indices[a:b].tolist(), codes[a:b].tolist())) for a, b in ends]
        assert found == oracle.posting_lists(rows, shape[1])
        assert word_indptr[0] == 0 and word_indptr[-1] == bags.nnz


def test_build_postings_takes_long_indices():
    bags = sp.random(5, 6, 0.5, format="csr", random_state=1)
    codes = np.arange(bags.nnz, dtype=np.uint16)
    expected = build(bags, codes)
    bags.indptr, bags.indices = bags.indptr.astype(np.int64), bags.indices.astype(np.int64)
    for array, same in zip(build(bags, codes), expected):
        np.testing.assert_array_equal(array, same)


def group(word_indptr, image_ids, codes, n_codes):
    run_indptr, run_codes = np.zeros_like(word_indptr), np.full_like(codes, 9)
    run_lengths = np.full(codes.size, 9, dtype=np.uint16)
    group_runs(word_indptr, image_ids, codes, n_codes, run_indptr, run_codes, run_lengths)
    return run_indptr, run_codes[: run_indptr[-1]], run_lengths[: run_indptr[-1]]


@CODES
def test_group_runs(code_type):
    for _, part in some_parts(code_type, 9):
        ids = np.array([image for one in part.lists for image, _ in one], dtype=np.uint16)
        codes = np.array([code for one in part.lists for _, code in one], dtype=code_type)
        found = group(part.word_indptr, ids, codes, part.table.size)
        np.testing.assert_array_equal(ids, part.image_ids)
        for array, same in zip(found, (part.run_indptr, part.run_codes, part.run_lengths)):
            np.testing.assert_array_equal(array, same)
            assert array.dtype == same.dtype


def test_as_many_images_as_there_can_be_in_one_run():
    bags = sp.csr_matrix(np.ones((BUFFER, 1), dtype=np.float32))
    ends, image_ids, codes = build(bags, np.full(BUFFER, 2, dtype=np.uint16))
    runs = group(ends, image_ids, codes, 3)
    np.testing.assert_array_equal(image_ids, np.arange(BUFFER))
    assert [one.tolist() for one in (ends, *runs)] == [[0, BUFFER], [0, 1], [2], [65_535]]
    table, scores, squared = np.full(BUFFER, 3.0), np.zeros((1, BUFFER)), np.zeros(BUFFER)
    accumulate_scores(*queries_together([{0: 5.0}]), ends, image_ids, *runs, table, scores)
    accumulate_squared_norms(ends, image_ids, *runs, table, np.ones(1), squared)
    assert (scores == 15).all() and (squared == 9).all()


@CODES
def test_count_postings(code_type):
    for rng, part in some_parts(code_type, 2):
        live = rng.random(BUFFER) < 0.6
        counts = np.arange(len(part.lists))  # added to
        count_postings(part.word_indptr, part.image_ids, live, counts)
        expected = [w + sum(live[image] for image, _ in one) for w, one in enumerate(part.lists)]
        assert counts.tolist() == expected


@CODES
def test_copy_postings(code_type):
    for rng, part in some_parts(code_type, 3):
        lengths = part.run_lengths.astype(int) + 1
        pairs = list(zip(part.image_ids.tolist(), np.repeat(part.run_codes, lengths).tolist()))
        ends = part.word_indptr
        live = rng.random(BUFFER) < 0.6
        new_ids = np.where(live, np.cumsum(live) - 1, -1).astype(np.int32)
        kept = [
            [(new_ids[i], code) for i, code in pairs[first:last] if live[i]]
            for first, last in zip(ends, ends[1:])
        ]
        before = rng.integers(0, 3, len(kept))  # postings of the parts before
        sizes = before + [len(one) for one in kept]
        ends = np.cumsum([0, *sizes])[:-1] + before
        image_ids = np.full(sizes.sum(), 7, dtype=np.uint16)
        codes = np.full(sizes.sum(), 7, dtype=code_type)
        of_part = np.array([code for _, code in pairs], dtype=code_type)
        after = ends.copy()
        lists = part.word_indptr, part.image_ids, of_part
        copy_postings(*lists, new_ids, after, image_ids, codes)
        for word, one in enumerate(kept):
            first, last = ends[word], after[word]
            assert list(zip(image_ids[first:last].tolist(), codes[first:last].tolist())) == one
            assert (codes[first - before[word] : first] == 7).all()


def test_has_repeats():
    for _, part in some_parts(np.uint16, 7):
        assert not has_repeats(part.word_indptr, part.image_ids)
    ends = np.array([0, 3, 3, 5], dtype=np.int32)
    for ids, repeats in (([1, 9, 1, 1, 9], True), ([9, 1, 0, 1, 9], False), ([0] * 5, True)):
        assert has_repeats(ends, np.array(ids, dtype=np.uint16)) == repeats


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
                oracle.add_dot_products(expected[row], part.by_word, query)
            assert scores.tolist() == expected  # the same sums in the same order: no rounding


@CODES
def test_queries_alone_and_in_company_score_the_same(code_type):
    for rng, part in some_parts(code_type, 5):
        queries = random_queries(rng, len(part.lists), 5)
        together = np.zeros((5, BUFFER))
        accumulate_scores(*queries_together(queries), *part.arrays, together)
        for row, query in enumerate(queries):
            alone = np.zeros((1, BUFFER))
            accumulate_scores(*queries_together([query]), *part.arrays, alone)
            np.testing.assert_array_equal(together[row], alone[0])


@CODES
def test_accumulate_squared_norms(code_type):
    for rng, part in some_parts(code_type, 6):
        idf = rng.random(len(part.lists))
        squared = rng.integers(0, 4, BUFFER).astype(np.float64)
        expected = squared.tolist()
        accumulate_squared_norms(*part.arrays, idf, squared)
        for word, one in part.by_word.items():
            for image, tf in one:
                expected[image] += float(idf[word] * idf[word]) * (tf * tf)
        assert squared.tolist() == expected
