"""Posting lists of a part: built, merged, counted, written and read, and nothing is rounded."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.index.postings import BUFFER, Postings
from blcf.storage import open_h5, write_h5

TINY, HUGE = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max
TF = {
    "counts": [1, 2, 3, 255],
    "large counts": [1, 256, 65_536, 65_537, 1e6],
    "sixteenths": [1 / 16, 7 / 16, 1, 250, 301 + 15 / 16],
    "floats": [0.1, 0.3, 1e-30, 1234.567],
    "extremes": [TINY, 3 * TINY, 1, HUGE],
}


def random_bags(tf, n_images=30, n_words=12, seed=0, density=0.4):
    rng = np.random.default_rng(seed)
    values = np.array(TF[tf], dtype=np.float32)
    dense = rng.choice(values, (n_images, n_words)) * (rng.random((n_images, n_words)) < density)
    return sp.csr_matrix(dense)


def many_values(n_images=40, n_words=2_000):
    """More distinct frequencies than codes of two bytes."""
    dense = np.random.default_rng(1).permutation(n_images * n_words) + np.float32(0.3)
    return sp.csr_matrix(dense.reshape(n_images, n_words).astype(np.float32))


def to_bags(postings):
    shape = postings.n_images, postings.n_words
    tf = postings.spread(postings.values)
    images = postings.image_ids.astype(np.int32)
    bags = sp.csc_matrix((tf, images, postings.word_indptr), shape=shape).tocsr()
    bags.sort_indices()
    return bags


def same_bits(postings, bags):
    """The lists say what the bags say, to the last bit."""
    found = to_bags(postings)
    assert found.shape == bags.shape and found.dtype == np.float32
    for name in ("indptr", "indices"):
        np.testing.assert_array_equal(getattr(found, name), getattr(bags, name))
    np.testing.assert_array_equal(found.data.view(np.uint32), bags.data.view(np.uint32))
    postings.check()


def same(postings, other):
    assert postings.n_images == other.n_images
    for name, array in postings._arrays().items():
        np.testing.assert_array_equal(array, getattr(other, name))
        assert array.dtype == getattr(other, name).dtype


@pytest.mark.parametrize("tf", TF)
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (4, 0), (5, 1), (30, 12)])
def test_from_bags(tf, shape):
    bags = random_bags(tf, *shape)
    before = bags.copy()
    postings = Postings.from_bags(bags)
    assert (postings.n_images, postings.n_words, postings.n_postings) == (*shape, bags.nnz)
    same_bits(postings, before)
    assert (bags != before).nnz == 0
    np.testing.assert_array_equal(postings.values, np.unique(bags.data))
    pairs = {(word, tf) for word, tf in zip(bags.indices.tolist(), bags.data.tolist())}
    assert postings.run_codes.size == postings.run_lengths.size == len(pairs)
    assert postings.run_codes.dtype == np.uint16


def test_lists_lie_in_runs_of_one_frequency():
    bags = sp.csr_matrix(np.array([[3, 0], [1, 0], [3, 2], [1, 0], [3, 0.5]], dtype=np.float32))
    postings = Postings.from_bags(bags)
    assert postings.values.tolist() == [0.5, 1, 2, 3]
    assert postings.word_indptr.tolist() == [0, 5, 7]
    assert postings.image_ids.tolist() == [1, 3, 0, 2, 4, 4, 2]
    assert postings.run_indptr.tolist() == [0, 2, 4]
    assert postings.run_codes.tolist() == [1, 3, 0, 2]
    assert postings.run_lengths.tolist() == [1, 2, 0, 0]  # less one
    assert postings.spread(postings.values).tolist() == [1, 1, 3, 3, 3, 0.5, 2]


def floats(values):
    return np.asarray(values, dtype=np.float32)


STRANGE = {
    "none": floats([]),
    "every sixteenth": floats(np.arange(1, 40_000) / 16),
    "next to a sixteenth": np.nextafter(floats([7 / 16, 300, 1]), floats(9)),
    "the largest that is not sorted": floats([65_536, 65_535 + 15 / 16, 1 / 16]),
    "as many as there are codes": floats(np.arange(65_536) + 0.3),
    "one more": floats(np.arange(65_537) + 0.3),
    "as many sixteenths": floats(np.arange(1, 65_537) / 16),
    "more than there are codes": floats(np.arange(70_000) + 0.3),
    "more sixteenths": floats(np.arange(1, 70_001) / 16),
    "largest and smallest": floats([HUGE, TINY, 1, TINY]),
}


@pytest.mark.parametrize("case", STRANGE)
@pytest.mark.filterwarnings("error")
def test_frequencies_come_back_as_they_were(case):
    tf = np.random.default_rng(0).permutation(STRANGE[case])
    bags = sp.csr_matrix((tf, np.arange(tf.size), [0, tf.size]), shape=(1, tf.size))
    postings = Postings.from_bags(bags)
    same_bits(postings, bags)
    many = np.unique(tf).size > 65_536
    assert postings.run_codes.dtype == (np.uint32 if many else np.uint16)
    same(Postings.merge([(postings, None)]), postings)


positive = st.floats(0, HUGE.item(), width=32, exclude_min=True)
sixteenths = st.integers(1, 1 << 21).map(lambda n: n / 16)
frequencies = st.one_of(positive, st.integers(1, 400), sixteenths)


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(st.lists(frequencies, max_size=20), st.integers(1, 4))
def test_any_frequencies(tf, n_words):
    dense = floats(tf + [0] * (-len(tf) % n_words)).reshape(-1, n_words)
    same_bits(Postings.from_bags(sp.csr_matrix(dense)), sp.csr_matrix(dense))


def test_as_many_images_as_there_can_be():
    bags = sp.csr_matrix(np.ones((BUFFER, 1), dtype=np.float32))
    postings = Postings.from_bags(bags)
    np.testing.assert_array_equal(postings.image_ids, np.arange(BUFFER))
    assert postings.run_lengths.tolist() == [65_535]
    same_bits(postings, bags)
    same(Postings.merge([(postings, None)]), postings)
    assert postings.squared_norms(np.ones(1), False).tolist() == [1] * BUFFER


MIXES = [
    ["counts"],
    ["counts", "counts", "counts"],
    ["large counts", "counts", "large counts"],
    ["sixteenths", "large counts", "counts"],
    ["floats", "floats"],
    ["floats", "extremes", "sixteenths"],
]


@pytest.mark.parametrize("mix", MIXES, ids=" + ".join)
def test_merge_is_from_bags_of_the_survivors(mix):
    rng = np.random.default_rng(3)
    for share in (0, 0.1, 0.6, 1, None):
        bags = [random_bags(tf, n, seed=n) for n, tf in enumerate(mix, start=9)]
        bags.insert(1, random_bags("counts", 0))
        lives = [None if share is None else rng.random(one.shape[0]) < share for one in bags]
        kept = [one if live is None else one[live] for one, live in zip(bags, lives)]
        merged = Postings.merge(list(zip(map(Postings.from_bags, bags), lives)))
        survivors = sp.vstack(kept, format="csr")
        same_bits(merged, survivors)
        # The same lists; values that no image has any more may stay in the table.
        afresh = Postings.from_bags(survivors)
        for name in ("word_indptr", "image_ids", "run_indptr", "run_lengths"):
            np.testing.assert_array_equal(getattr(merged, name), getattr(afresh, name))
        assert np.isin(afresh.values, merged.values).all()


def test_values_of_removed_images_may_stay():
    bags = sp.csr_matrix(np.array([[1, 2], [0, 5], [3, 1]], dtype=np.float32))
    merged = Postings.merge([(Postings.from_bags(bags), np.array([True, False, True]))])
    assert merged.values.tolist() == [1, 2, 3, 5]
    same_bits(merged, bags[[0, 2]])  # which asks `check` as well
    np.testing.assert_array_equal(merged.squared_norms(np.ones(2), False), [5, 10])


def test_merge_with_more_values_than_codes():
    bags = [many_values(), random_bags("large counts", n_words=2_000)]
    live = np.arange(40) % 3 > 0
    many, few = (Postings.from_bags(one) for one in bags)
    merged = Postings.merge([(many, live), (few, None)])
    assert many.run_codes.dtype == merged.run_codes.dtype == np.uint32 != few.run_codes.dtype
    same_bits(merged, sp.vstack([bags[0][live], bags[1]], format="csr"))
    halves = many_values()[:20], many_values()[20:]  # of 40,000 values each
    parts = [Postings.from_bags(one) for one in halves]
    assert [one.run_codes.dtype for one in parts] == [np.uint16] * 2
    same(Postings.merge([(one, None) for one in parts]), many)


@pytest.mark.parametrize("tf", TF)
def test_document_frequencies(tf):
    bags = random_bags(tf)
    postings = Postings.from_bags(bags)
    live = np.random.default_rng(4).random(30) < 0.5
    for mask in (None, live, ~live, np.zeros(30, dtype=bool)):
        df = postings.document_frequencies(mask)
        kept = bags if mask is None else bags[mask]
        assert df.dtype == np.int64
        np.testing.assert_array_equal(df, (kept.toarray() > 0).sum(axis=0))


@pytest.mark.parametrize("tf", [one for one in TF if one != "extremes"])
@pytest.mark.parametrize("sqrt", [False, True])
def test_squared_norms(tf, sqrt):
    bags = random_bags(tf)
    idf = np.random.default_rng(5).random(12)
    dense = bags.toarray().astype(np.float64)
    postings = Postings.from_bags(bags)
    squared = postings.squared_norms(idf, sqrt)
    expected = (((np.sqrt(dense) if sqrt else dense) * idf) ** 2).sum(axis=1)
    np.testing.assert_allclose(squared, expected, rtol=1e-13)
    # To the last bit the same in a part that has other codes.
    mixed = Postings.merge([(postings, None), (Postings.from_bags(random_bags("floats")), None)])
    np.testing.assert_array_equal(mixed.squared_norms(idf, sqrt)[:30], squared)


@pytest.mark.parametrize("weighted, most", [(False, 2.5), (True, 4)])
def test_bytes_of_a_posting(weighted, most):
    """2 for the image, 4 for each run, and the ends of 25,000 lists and of their runs."""
    rng = np.random.default_rng(6)
    words = np.cumsum(rng.integers(1, 77, (4_000, 590), dtype=np.int32), axis=1).ravel()
    words = np.minimum(words, 24_999)
    tf = rng.geometric(0.5, words.size)
    if weighted:
        tf = np.ceil(16 * rng.gamma(2, 0.5, words.size)) / 16
    tf, ends = tf.astype(np.float32), 590 * np.arange(4_001)
    bags = sp.csr_matrix((tf, words, ends), shape=(4_000, 25_000))
    bags.sum_duplicates()
    postings = Postings.from_bags(bags)
    assert postings.n_bytes <= most * postings.n_postings
    assert postings.n_bytes == sum(array.nbytes for array in postings._arrays().values())


@pytest.mark.parametrize("tf", TF)
@pytest.mark.parametrize("n_images", [0, 30])
def test_write_and_read(tf, n_images, tmp_path):
    bags = random_bags(tf, n_images)
    postings = Postings.from_bags(bags)
    with write_h5(tmp_path / "postings.h5", "postings", 1) as file:
        postings.write(file)
    with open_h5(tmp_path / "postings.h5", "postings", 1) as file:
        again = Postings.read(file)
    same(again, postings)
    assert again.n_bytes == postings.n_bytes
    same_bits(again, bags)
    same(Postings.merge([(again, None)]), postings)  # over a read-only map
