"""What every index promises, of the flat index: exact cosine ranking of dense vectors."""

from __future__ import annotations

import math
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_kinds import check, every_dense_kind, merge_early, reopened, same

from blcf.errors import InvalidInput
from blcf.index import FlatIndex

D = 7


def random_vectors(seed, n, d=D):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def whole_vectors(seed, n, d=D):
    """Small integers: many ties and vectors of zeros."""
    return np.random.default_rng(seed).integers(-1, 2, (n, d)).astype(np.float32)


def index_of(make, *batches):
    """Images are named by their number."""
    starts = np.cumsum([0, *map(len, batches)]).tolist()
    named = [
        ([f"{i}.jpg" for i in range(first, first + len(rows))], rows)
        for first, rows in zip(starts, batches)
    ]
    return make(batches[0].shape[1], *named)


def true_scores(query, vectors):
    """Cosines by definition."""
    def length(row):
        return math.sqrt(math.fsum(x * x for x in row))

    rows, query = vectors.astype(float).tolist(), query.astype(float).tolist()
    lengths = [length(query) * length(row) for row in rows]
    dots = [math.fsum(a * b for a, b in zip(query, row)) for row in rows]
    return np.array([dot / both if both else 0.0 for dot, both in zip(dots, lengths)])


def ranked_plainly(query, vectors, k):
    """The index to the last bit: unit vectors in float32, a plain float64 sum, float32, order."""
    def unit(row):
        row = row.astype(np.float64)
        norm = np.sqrt(np.square(row).sum())
        return (row / norm if norm else row).astype(np.float32).astype(float).tolist()

    q, pairs = unit(query), []
    for i, row in enumerate(vectors):
        total = 0.0
        for a, b in zip(q, unit(row)):
            total += a * b
        pairs.append((-np.float32(total), i))
    pairs.sort()
    return [i for _, i in pairs[:k]], [-score for score, _ in pairs[:k]]


@every_dense_kind
@pytest.mark.parametrize("kind", [random_vectors, whole_vectors])
def test_ranking_is_brute_force(make, kind):
    vectors, queries = kind(0, 60), kind(1, 6)
    index = index_of(make, vectors[:9], vectors[9:30], vectors[30:])
    assert index.n_images == 60
    for query in queries:
        for k in (1, 7, 59, 60, 1000):
            ranking = index.search(query, k=k)
            check(ranking, true_scores(query, vectors), k)
            ids, scores = ranked_plainly(query, vectors, k)
            assert ranking.ids.tolist() == ids
            np.testing.assert_array_equal(ranking.scores, scores)


@pytest.mark.parametrize("d", [1, 3, 64, 129, 2048])
def test_any_number_of_components(d):
    vectors, query = random_vectors(2, 700, d), random_vectors(3, 1, d)[0]
    vectors[::7] = vectors[0]  # ties that start in every tile
    index = index_of(lambda d, batch: FlatIndex(d).add(*batch), vectors)
    ids, scores = ranked_plainly(query, vectors, 30)
    for ranking in (index.search(query, 30), *index.search_many(np.stack([query] * 3), 30)):
        assert ranking.ids.tolist() == ids
        np.testing.assert_array_equal(ranking.scores, scores)


@every_dense_kind
def test_nearly_equal_images_are_told_apart(make):
    """Scores a rounding apart: a product in float32 alone would mix them up."""
    rng = np.random.default_rng(4)
    base = rng.standard_normal(200)
    vectors = (base + 3e-4 * rng.standard_normal((80, 200))).astype(np.float32)
    index = index_of(make, vectors[:50], vectors[50:])
    for ranking in (index.search(base, 40), index.search_many(np.stack([base, -base]), 40)[0]):
        assert ranking.ids.tolist() == ranked_plainly(base.astype(np.float32), vectors, 40)[0]


@every_dense_kind
def test_search_many_is_search_one_by_one(make, monkeypatch):
    monkeypatch.setattr("blcf.index.flat.QUERIES", 4)
    vectors, queries = random_vectors(5, 300, 33), random_vectors(6, 11, 33)
    queries[3] = 0
    index = index_of(make, vectors[:100], vectors[100:])
    alone = [index.search(query, k=20) for query in queries]
    for n_threads in (1, 2, 3, None):
        for n in (0, 1, 2, 11):
            many = index.search_many(queries[:n], k=20, n_threads=n_threads)
            assert len(many) == n
            for ranking, one in zip(many, alone):
                same(ranking, one)
    np.testing.assert_array_equal(alone[3].ids, np.arange(20))
    assert not alone[3].scores.any()


@every_dense_kind
def test_zeros_length_and_dtype(make):
    vectors, query = random_vectors(7, 20), random_vectors(8, 1)[0]
    vectors[[2, 5]] = 0
    ranking = index_of(make, vectors).search(query)
    check(ranking, true_scores(query, vectors), 100)
    assert not ranking.scores[np.isin(ranking.ids, [2, 5])].any()
    factors = 4.0 ** np.arange(-10, 10)[:, None]
    scaled = (vectors * factors).astype(np.float64)
    same(index_of(make, scaled).search(query[None] * 16), ranking)
    same(index_of(make, np.asfortranarray(vectors)).search(query), ranking)
    whole = whole_vectors(9, 12)
    same(index_of(make, whole.astype(np.int8)).search(whole[1].astype(int)),
         index_of(make, whole).search(whole[1]))


@every_dense_kind
def test_vectors_and_names(make):
    vectors = random_vectors(10, 25)
    index = index_of(make, vectors[:10], vectors[10:])
    found = index.vectors([24, 0, 0, 11])
    assert found.dtype == np.float32 and found.flags.writeable
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(found, unit[[24, 0, 0, 11]], atol=1e-6)
    found[:] = 0  # a copy
    np.testing.assert_allclose(index.vectors(np.arange(25)), unit, atol=1e-6)
    assert index.vectors([]).shape == (0, D)
    assert [index.name(i) for i in range(25)] == [f"{i}.jpg" for i in range(25)]
    for bad in ([25], [-1], [0.5], ["0"], 3, [[1]]):
        with pytest.raises(InvalidInput, match="Expected ids of images, 0 to 24, got"):
            index.vectors(bad)


@every_dense_kind
def test_refusals_leave_the_index_as_it_was(make):
    vectors = random_vectors(11, 3)
    index = index_of(make, vectors)
    before = index.search(vectors[0])
    bad = vectors.copy()
    bad[1, 2] = np.nan
    huge = vectors.astype(np.float64) * 1e300
    for values, message in [
        (bad, "finite numbers, got NaN"),
        (huge, "finite numbers, got NaN or infinity"),
        (vectors[:, :4], rf"array of {D} components a row, got \(3, 4\) of float32"),
        (vectors.tolist(), "got list"),
        (vectors[None], r"got \(1, 3, 7\)"),
        (vectors.astype(complex), "of complex64|of complex128"),
        (None, "got NoneType"),
    ]:
        for call in (index.search, index.search_many, lambda rows: index.add(["a"] * 3, rows)):
            with pytest.raises(InvalidInput, match=message):
                call(values)
    with pytest.raises(InvalidInput, match="one name per vector, got 2 names and 3 vectors"):
        index.add(["a", "b"], vectors)
    with pytest.raises(InvalidInput, match=r"one vector of shape \(7,\), got shape \(3, 7\)"):
        index.search(vectors)
    for k in (0, -1, 2.5, "3", None):
        for search in (index.search, index.search_many):
            with pytest.raises(InvalidInput, match="Expected k.* to be 1 or more, got " + repr(k)):
                search(vectors[:1], k=k)
    with pytest.raises(InvalidInput, match="n_threads"):
        index.search_many(vectors, n_threads=-1)
    same(index.search(vectors[0]), before)


names = st.sampled_from("abcdefg")
row = st.lists(st.integers(-2, 2), min_size=3, max_size=3)
step = st.one_of(
    st.tuples(st.just("add"), st.lists(st.tuples(names, row), max_size=6)),
    st.tuples(st.just("remove"), st.lists(names, max_size=3)),
    st.tuples(st.just("reopen"), st.none()),
)


def rows_of(images):
    return np.array([row for _, row in images], dtype=np.float32).reshape(-1, 3)


@settings(max_examples=80, derandomize=True, database=None, deadline=None)
@given(steps=st.lists(step, min_size=1, max_size=9), query=row, k=st.integers(1, 20))
def test_any_sequence_of_add_and_remove(steps, query, k):
    query, images = np.array(query, dtype=np.float32), []
    with pytest.MonkeyPatch.context() as monkeypatch:
        merge_early(monkeypatch)
        index = FlatIndex(3)
        for what, which in steps:
            if what == "reopen":
                index = reopened(index)
            elif what == "add":
                index.add([name for name, _ in which], rows_of(which))
                images += which
            else:
                left = [one for one in images if one[0] not in which]
                assert index.remove(which) == len(images) - len(left)
                images = left
            fresh = FlatIndex(3).add([name for name, _ in images], rows_of(images))
            assert [index.name(i) for i in range(index.n_images)] == [name for name, _ in images]
            same(index.search(query, k=k), fresh.search(query, k=k))
            same(index.search_many(query[None], k=k)[0], fresh.search(query, k=k))
            np.testing.assert_array_equal(
                index.vectors(range(len(images))), fresh.vectors(range(len(images)))
            )


@every_dense_kind
def test_names_that_are_not_there(make):
    vectors = random_vectors(12, 5)
    index = make(D, (["a", "b", "a"], vectors[:3]), (["c", "ab"], vectors[3:]))
    before = index.search(vectors[0])
    for unknown in ([], ["d"], ["", "A"], "d"):
        assert index.remove(unknown) == 0
    same(index.search(vectors[0]), before)
    assert index.remove("ab") == 1  # a plain string is one name
    assert index.remove(["a", "c", "a"]) == 3
    assert index.n_images == 1 and index.search(vectors[0])[0].name == "b"
    assert index.remove(["b"]) == 1 and len(index.search(vectors[0])) == 0


def test_threads_see_the_ranking_of_some_state(monkeypatch):
    """One thread adds and removes, two search: every ranking is that of a moment."""
    merge_early(monkeypatch)
    vectors, query = random_vectors(13, 60), random_vectors(14, 1)[0]
    begun = Barrier(3)
    index, done, expected = FlatIndex(D), Event(), set()

    def key(ranking):
        return tuple(ranking.names), ranking.scores.tobytes()

    states = [0, *range(1, 60)]
    for n in states:
        plain = FlatIndex(D).add([f"{i}" for i in range(n)], vectors[:n])
        expected.add(key(plain.search(query, 5)))
        plain.remove([f"{n - 2}"])
        expected.add(key(plain.search(query, 5)))

    def search():
        found = {key(index.search(query, 5))}
        begun.wait(60)  # a busy machine may let a thread begin when all was added
        while not done.is_set():
            found.add(key(index.search(query, 5)))
            found.add(key(index.search_many(np.stack([query] * 3), 5, n_threads=2)[1]))
        return found | {key(index.search(query, 5))}

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as pool:
            searches = [pool.submit(search) for _ in range(2)]
            try:
                begun.wait(60)
                for i in range(59):
                    index.add([f"{i}"], vectors[i : i + 1])
            finally:
                done.set()
            found = set().union(*(one.result() for one in searches))
    finally:
        sys.setswitchinterval(interval)
    assert found <= expected and len(found) > 1


def test_images_that_several_threads_add_are_all_there():
    vectors, index = random_vectors(15, 60), FlatIndex(D)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: index.add([f"{i}"], vectors[i : i + 1]), range(60)))
    assert {index.name(i) for i in range(60)} == {f"{i}" for i in range(60)}
