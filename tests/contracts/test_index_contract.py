"""What every index promises, whatever its storage: exact cosine ranking with defined ties."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from index_kinds import (
    TF,
    check,
    csr,
    dense_scores,
    every_kind,
    make,
    names_of,
    random_bags,
    same,
    true_scores,
)

from blcf.errors import InvalidInput, VocabularyMismatch

pytestmark = every_kind


@pytest.mark.parametrize("scores_of", [true_scores, dense_scores])
def test_ranking_is_brute_force(kind, scores_of):
    bags, queries = random_bags(0), random_bags(1, n_images=6)
    index = make(kind, bags)
    assert index.n_images == 40
    for query in queries:
        scores = scores_of(kind, query, bags)
        for k in (1, 7, 39, 40, 1000):
            check(index.search(query, k=k), scores, k)


@pytest.mark.parametrize("tf", sorted(TF))
def test_any_frequencies(kind, tf):
    bags, queries = random_bags(20, tf=tf), random_bags(21, n_images=3, tf=tf)
    index = make(kind, bags[:25], bags[25:])
    for query in [*queries, bags[7]]:
        check(index.search(query), true_scores(kind, query, bags), 100)


@pytest.mark.parametrize("seed", range(3))
def test_batches_of_different_frequencies(kind, seed):
    """Parts code them differently: scores are those of one part to the last bit."""
    batches = [random_bags(i, n_images=12, tf=tf) for i, tf in enumerate([*TF, *TF])]
    everything = sp.vstack(batches, format="csr")
    index, at_once = make(kind, *batches), make(kind, everything)
    for query in random_bags(100 + seed, n_images=2, tf="floats"):
        same(index.search(query), at_once.search(query))
        check(index.search(query), dense_scores(kind, query, everything), 100)


def test_larger_collection_in_batches(kind):
    bags = random_bags(2, n_images=600, n_words=150, density=0.05)
    index = make(kind, *(bags[first : first + 130] for first in range(0, 600, 130)))
    for query in random_bags(3, n_images=5, n_words=150, density=0.1):
        check(index.search(query), dense_scores(kind, query, bags), 100)


def test_duplicates_tie_exactly_in_order_of_insertion(kind):
    one = random_bags(4, n_images=5)
    index = make(kind, one, sp.vstack([one, one[::-1]], format="csr"), one)
    everything = sp.vstack([one, one, one[::-1], one], format="csr")
    for row in range(5):
        ranking = index.search(one[row], k=20)
        places = [row, 5 + row, 14 - row, 15 + row]
        assert ranking.ids[:4].tolist() == sorted(places)
        assert len(set(ranking.scores[:4].tolist())) == 1
        check(ranking, true_scores(kind, one[row], everything), 20)


@pytest.mark.parametrize("k", [0, -1, 2.0, 2.5, "3", None])
def test_k_is_one_or_more(kind, k):
    bags = random_bags(5, n_images=3)
    index = make(kind, bags)
    for search in (index.search, index.search_many):
        with pytest.raises(InvalidInput, match="Expected k.* to be 1 or more, got " + repr(k)):
            search(bags[0], k=k)
    assert len(index.search(bags[0], k=np.int64(2))) == 2


def test_index_without_images(kind):
    query = random_bags(6, n_images=1)
    for index in (kind.make(30), make(kind, sp.csr_matrix((0, 30), dtype=np.float32))):
        assert index.n_images == 0
        assert len(index.search(query)) == 0
        assert [len(ranking) for ranking in index.search_many(query)] == [0]


def test_empty_bags(kind):
    bags = sp.vstack([random_bags(7, n_images=4), sp.csr_matrix((2, 30))], format="csr")
    index = make(kind, bags)
    nothing = index.search(bags[5], k=6)
    assert nothing.ids.tolist() == [0, 1, 2, 3, 4, 5] and not nothing.scores.any()
    check(index.search(bags[0]), true_scores(kind, bags[0], bags), 100)


def test_images_that_share_no_word_come_last(kind):
    index = make(kind, csr([[0, 0, 3, 1], [2, 0, 0, 1], [0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 2]]))
    ranking = index.search(csr([[3, 1, 0, 0]]))
    assert set(ranking.ids[:2].tolist()) == {1, 3} and ranking.scores[1] > 0
    assert ranking.ids[2:].tolist() == [0, 2, 4] and ranking.scores[2:].tolist() == [0, 0, 0]


@pytest.mark.parametrize("cuts", [[1], [20], [3, 3, 17], list(range(1, 40))])
def test_batches_are_as_at_once(kind, cuts):
    bags, queries = random_bags(8), random_bags(9, n_images=4)
    at_once = make(kind, bags)
    ends = [0, *cuts, 40]
    index = make(kind, *(bags[first:last] for first, last in zip(ends, ends[1:])))
    for query in queries:
        same(index.search(query), at_once.search(query))


def test_search_between_additions(kind):
    bags = random_bags(10)
    index = make(kind, bags[:10])
    for first in (10, 20, 30):
        check(index.search(bags[0]), true_scores(kind, bags[0], bags[:first]), 100)
        index.add(names_of(bags[first : first + 10], first), bags[first : first + 10])
    same(index.search(bags[0]), make(kind, bags).search(bags[0]))


def test_search_many_is_search_one_by_one(kind):
    bags, queries = random_bags(11), random_bags(12, n_images=8)
    queries = sp.vstack([queries, sp.csr_matrix((1, 30))], format="csr")
    index = make(kind, bags[:25], bags[25:])
    rankings = index.search_many(queries, k=7)
    assert len(rankings) == 9
    for query, ranking in zip(queries, rankings):
        same(ranking, index.search(query, k=7))
    assert index.search_many(queries[:0]) == []


@pytest.mark.parametrize("n_threads", [1, 2, 3, None])
def test_search_many_whatever_the_threads(kind, n_threads):
    """Few queries share out the parts, many do not; images tie across the shares."""
    bags, queries = random_bags(23, n_images=9, tf="sixteenths"), random_bags(24, n_images=21)
    bags = sp.vstack([bags] * 7, format="csr")
    index = make(kind, *(bags[first : first + 8] for first in range(0, 63, 8)))
    expected = [index.search(query, k=30) for query in queries]
    for n in (1, 2, 5, 21):
        rankings = index.search_many(queries[:n], k=30, n_threads=n_threads)
        assert len(rankings) == n
        for ranking, one in zip(rankings, expected):
            same(ranking, one)


def test_search_from_several_threads(kind):
    bags, queries = random_bags(13, n_images=200), random_bags(14, n_images=40)
    alone = make(kind, bags).search_many(queries, k=20)
    index = make(kind, bags)  # its statistics are computed by whoever comes first
    with ThreadPoolExecutor(8) as pool:
        for ranking, one in zip(pool.map(lambda query: index.search(query, k=20), queries), alone):
            same(ranking, one)


def test_order_and_scale_of_images_change_no_score(kind):
    bags, query = random_bags(15), random_bags(16, n_images=1)
    scores = make(kind, bags).search(query)
    order = np.random.default_rng(0).permutation(40)
    permuted = make(kind, bags[order]).search(query)
    by_id = dict(zip(scores.ids.tolist(), scores.scores.tolist()))
    assert {int(order[i]): s for i, s in zip(permuted.ids, permuted.scores.tolist())} == by_id
    # Powers of 4: exact in binary, and so are their roots.
    factors = sp.diags(4.0 ** np.random.default_rng(1).integers(-3, 4, 40))
    same(make(kind, sp.csr_matrix(factors @ bags)).search(query), scores)
    same(make(kind, bags).search(query * 16), scores)


def test_image_finds_itself(kind):
    bags = random_bags(17)
    index = make(kind, bags)
    for row, ranking in enumerate(index.search_many(bags, k=1)):
        assert ranking.ids.tolist() == [row] and ranking[0].score == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("words, ends", [([0, 30], [0, 2]), ([-1, 2], [0, 2]), ([0, 1], [0, 3, 2])])
def test_matrices_that_are_none(kind, words, ends):
    """What scipy does not look at would lead a kernel out of its arrays."""
    index, good = make(kind, random_bags(22, n_images=3)), random_bags(22, n_images=1)
    bad = sp.csr_matrix((len(ends) - 1, 30), dtype=np.float32)
    bad.indices, bad.indptr = np.array(words, dtype=np.int32), np.array(ends, dtype=np.int32)
    bad.data = np.ones(2, dtype=np.float32)
    before = index.search(good)
    for call in (index.search, index.search_many, lambda bags: index.add(["x"], bags)):
        with pytest.raises(InvalidInput, match="Expected bags as a valid scipy CSR matrix: "):
            call(bad)
    same(index.search(good), before)


def test_any_sparse_form_of_a_bag(kind):
    plain = csr([[0, 2, 0, 3], [1, 0, 0, 0], [4, 4, 0, 1]])
    # Words in any order, twice, and with explicit zeros.
    words, tf = np.array([3, 1, 2, 1, 0, 3, 0, 1, 0]), np.array([3, 1, 0, 1, 1, 1, 4, 4, 0])
    odd = sp.csr_matrix((tf.astype(np.float32), words, [0, 4, 5, 9]), shape=(3, 4))
    before = odd.copy()
    index = make(kind, plain)
    for form in (odd, odd.tocoo().tocsc(), sp.csr_array(plain), plain.astype(int)):
        other = make(kind, form)
        for i in range(3):
            same(other.search(plain[i]), index.search(plain[i]))
            same(index.search(form[i : i + 1]), index.search(plain[i]))
    np.testing.assert_array_equal(odd.indices, before.indices)
    np.testing.assert_array_equal(odd.data, before.data)


def test_refusals_leave_the_index_as_it_was(kind):
    bags = random_bags(18, n_images=3)
    index = make(kind, bags)
    wide, bad, negative = random_bags(19, n_images=3, n_words=31), bags.copy(), bags.copy()
    bad.data[0], negative.data[0] = np.nan, -1
    for call in (index.search, index.search_many, lambda some: index.add(["x"], some)):
        with pytest.raises(VocabularyMismatch, match="Expected bags of 30 words, got 31"):
            call(wide[0])
        with pytest.raises(InvalidInput, match="Expected finite term frequencies, got NaN"):
            call(bad[0])
        with pytest.raises(InvalidInput, match="CSR matrix, got ndarray.*BagOfWords"):
            call(bags[0].toarray())
    with pytest.raises(InvalidInput, match="Expected term frequencies >= 0, got -1"):
        index.add(["a", "b", "c"], negative)
    with pytest.raises(InvalidInput, match="one name per bag, got 2 names and 3 bags"):
        index.add(["a", "b"], bags)
    with pytest.raises(InvalidInput, match=r"CSR matrix, got \w+ of shape \(30,\)"):
        index.search(sp.csr_array(bags)[0])  # a row of a sparse array has one dimension
    with pytest.raises(InvalidInput, match=r"one bag of shape \(1, 30\), got shape \(3, 30\)"):
        index.search(bags)
    assert index.n_images == 3
    same(index.search(bags[0]), make(kind, bags).search(bags[0]))


@st.composite
def histories(draw):
    """The bags of several additions, and a query."""
    n_words = draw(st.integers(1, 5))
    row = st.lists(st.integers(0, 3), min_size=n_words, max_size=n_words)
    batches = draw(st.lists(st.lists(row, max_size=5), min_size=1, max_size=4))
    return [csr(rows, n_words) for rows in [*batches, [draw(row)]]]


@settings(max_examples=40, derandomize=True, database=None, deadline=None)
@given(history=histories(), k=st.integers(1, 30))
def test_any_sequence_of_additions(kind, history, k):
    *batches, query = history
    bags = sp.vstack(batches, format="csr")
    index = make(kind, *batches)
    assert index.n_images == bags.shape[0]
    check(index.search(query, k=k), true_scores(kind, query, bags), k)


@pytest.mark.parametrize("value, message", [(-1.0, "term frequencies >= 0"), (1e300, "infinity")])
def test_queries_that_would_give_no_numbers(kind, value, message):
    index = make(kind, random_bags(0))
    query = sp.csr_matrix((np.array([value, 1.0]), [0, 1], [0, 2]), shape=(1, 30))
    for search in (index.search, index.search_many):
        with pytest.raises(InvalidInput, match=message):
            search(query)
