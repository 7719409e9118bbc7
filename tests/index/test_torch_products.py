"""Sparse products on a torch device rank as the posting lists do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from blcf.errors import FormatError, InvalidInput, OutOfMemory
from blcf.index import InvertedFile, torch_products
from blcf.index.torch_products import _keys, _top

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")


def sparse_products_work():
    one = torch.ones((1, 1), dtype=torch.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return (one.to_sparse_csr() @ one).item() == 1
        except RuntimeError:
            return False


needs_products = pytest.mark.skipif(
    not sparse_products_work(), reason="this torch has no sparse CSR products in float64"
)
DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


def random_bags(seed, n_images, n_words=40, tf="counts"):
    rng = np.random.default_rng(seed)
    shape = n_images, n_words
    dense = rng.choice([1, 2, 3, 300], shape) if tf == "counts" else rng.exponential(2, shape)
    return sp.csr_matrix((dense * (rng.random(shape) < 0.2)).astype(np.float32))


def an_index(idf=False, sqrt=False, tf="counts"):
    """Parts of several tables, one empty image, removed ones, and an image twice."""
    index = InvertedFile(40, idf=idf, sqrt=sqrt)
    for number, kind in enumerate(["counts", tf, "counts"]):
        names = [f"{number}/{i}" for i in range(30)]
        index.add(names, random_bags(number, 30, tf=kind))
    index.add(["empty", "copy"], sp.vstack([sp.csr_matrix((1, 40)), random_bags(0, 1)]))
    index.remove(["0/0", "1/7", "1/8", "2/29"])
    return index


def check(ranking, expected):
    """The same ranking; sums in another order may swap what float32 just tells apart."""
    assert ranking.scores.dtype == np.float32 and ranking.ids.dtype == np.int64
    np.testing.assert_allclose(ranking.scores, expected.scores, rtol=2e-7, atol=1e-12)
    if ranking.names == expected.names:
        np.testing.assert_array_equal(ranking.ids, expected.ids)
        return
    assert len(set(ranking.names)) == len(expected)
    for name, score in zip(ranking.names, ranking.scores):
        places = np.isclose(expected.scores, score, rtol=4e-7, atol=1e-12)
        assert name in np.array(expected.names)[places] or places[-1], (name, score)


@needs_products
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("tf", ["counts", "floats"])
@pytest.mark.parametrize("idf, sqrt", [(False, False), (True, False), (True, True)])
def test_ranking_is_that_of_search(idf, sqrt, tf, device):
    index, queries = an_index(idf, sqrt, tf), random_bags(9, 8)
    queries = sp.vstack([queries, sp.csr_matrix((1, 40))], format="csr")
    for k in (1, 5, 87, 88, 1000):
        rankings = index.search_many(queries, k=k, device=device)
        assert len(rankings) == 9
        for query, ranking in zip(queries, rankings):
            check(ranking, index.search(query, k=k))


@needs_products
@pytest.mark.parametrize("more", [0, 1, 9])
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("idf, sqrt", [(False, False), (True, True)])
def test_few_candidates_are_enough_or_it_is_known(idf, sqrt, device, more, monkeypatch):
    monkeypatch.setattr(torch_products, "_MORE", more)
    monkeypatch.setattr(torch_products, "_TOGETHER", 3)
    index = an_index(idf, sqrt)
    queries = sp.vstack([random_bags(9, 8), sp.csr_matrix((1, 40))], format="csr")
    for k in (1, 5, 60, 87):
        for query, ranking in zip(queries, index.search_many(queries, k=k, device=device)):
            check(ranking, index.search(query, k=k))


@needs_products
def test_what_float32_cannot_tell_apart_is_ranked_again(monkeypatch):
    """500 images whose scores differ by less than the error that float32 may make."""
    monkeypatch.setattr(torch_products, "_MORE", 2)
    again = []
    look_again = torch_products._look_again
    monkeypatch.setattr(
        torch_products, "_look_again", lambda *args: (again.append(args[2]), look_again(*args))
    )
    rng = np.random.default_rng(5)
    rows = np.full((500, 30), 1000, np.float32) + rng.integers(0, 2, (500, 30))
    rows[:3, :15] *= 3  # three that are clearly others
    index = InvertedFile(31).add(
        [str(i) for i in range(500)], sp.csr_matrix(np.c_[rows, rows[:, 0]])
    )
    queries = sp.csr_matrix(np.ones((2, 31), np.float32))
    for query, ranking in zip(queries, index.search_many(queries, k=20, device="cpu")):
        check(ranking, index.search(query, k=20))
    assert [len(one) for one in again[0]] == [2]


@needs_products
@pytest.mark.parametrize("device", DEVICES)
def test_batches_of_queries(device, monkeypatch):
    monkeypatch.setattr(torch_products, "BATCH", 3)
    index, queries = an_index(idf=True), random_bags(10, 7)
    for query, ranking in zip(queries, index.search_many(queries, k=6, device=device)):
        check(ranking, index.search(query, k=6))


@needs_products
@pytest.mark.parametrize("device", DEVICES)
def test_ties_are_those_of_the_posting_lists(device):
    """Powers of two: no rounding, and many images of the same score."""
    rows = np.eye(4, dtype=np.float32)[np.random.default_rng(3).integers(0, 4, 200)]
    index = InvertedFile(4).add([str(i) for i in range(200)], sp.csr_matrix(rows))
    index.remove([str(i) for i in range(0, 200, 7)])
    queries = sp.csr_matrix([[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 0]], dtype=np.float32)
    for k in (1, 30, 300):
        for query, ranking in zip(queries, index.search_many(queries, k=k, device=device)):
            expected = index.search(query, k=k)
            assert ranking.names == expected.names
            np.testing.assert_array_equal(ranking.scores, expected.scores)
            np.testing.assert_array_equal(ranking.ids, expected.ids)


@needs_products
@pytest.mark.parametrize("device", DEVICES)
def test_nothing_to_search_or_to_find(device):
    queries = random_bags(11, 3)
    empty = sp.csr_matrix((2, 40), dtype=np.float32)
    for index in (InvertedFile(40), InvertedFile(40).add([], empty[:0])):
        assert [len(one) for one in index.search_many(queries, device=device)] == [0] * 3
    assert an_index().search_many(queries[:0], device=device) == []
    for ranking in InvertedFile(40).add(["a", "b"], empty).search_many(queries, device=device):
        assert ranking.names == ["a", "b"] and not ranking.scores.any()
    gone = InvertedFile(40).add(["a", "a", "b"], random_bags(0, 3))
    gone.remove(["a", "b"])
    assert [len(one) for one in gone.search_many(queries, device=device)] == [0] * 3


@needs_products
def test_vectors_with_negative_weights():
    index = an_index(idf=True)
    vectors = index.weigh(random_bags(12, 4))
    vectors.data[::2] *= -1
    for vector, ranking in zip(vectors, index.search_many(vectors, weighed=True, device="cpu")):
        check(ranking, index.search(vector, weighed=True))


@pytest.mark.parametrize("device", ["gpu", "cuda:77", "", 1.5, "xpu:99"])
def test_unknown_device(device):
    with pytest.raises(InvalidInput, match="Expected a torch device that is there, got .*Leave"):
        an_index().search_many(random_bags(0, 2), device=device)


@needs_products
def test_damaged_lists_reach_no_matrix():
    index = an_index()
    part = index._state.parts[0]
    part.postings.image_ids[0] = 60_000
    with pytest.raises(FormatError, match="Expected posting"):
        index.search_many(random_bags(0, 2), device="cpu")


def test_keys_order_like_a_ranking():
    """Every pair of scores, of either sign, small and large; and images by number."""
    rng = np.random.default_rng(4)
    values = [0.0, -0.0, 1e-45, -1e-45, 1.0, -1.0, 3e38, -3e38, *rng.normal(size=50)]
    scores = np.repeat(np.array(values), 2)
    rng.shuffle(scores)
    first = 4_294_967_295 - scores.size  # the last numbers that there can be
    keys = _keys(torch.from_numpy(scores)[:, None], first)[:, 0].numpy()
    top = _top(np.sort(keys)[::-1])
    shown = scores.astype(np.float32) + np.float32(0)
    order = np.lexsort((np.arange(scores.size), -shown))
    np.testing.assert_array_equal(top.images, first + order)
    np.testing.assert_array_equal(top.scores.view(np.uint32), shown[order].view(np.uint32))


@needs_products
def test_some_images_only():
    index, queries = an_index(idf=True), random_bags(9, 4)
    mask = np.arange(index.n_images) % 3 == 0
    for k in (5, 1_000):
        there = index.search_many(queries, k, among=mask, device="cpu")
        for ranking, expected in zip(there, index.search_many(queries, k, among=mask)):
            check(ranking, expected)
            assert mask[ranking.ids].all() and len(ranking) == min(k, mask.sum())


@needs_products
def test_of_a_large_vocabulary_fewer_queries_go_together(monkeypatch):
    """256 dense queries of a million words take 3 GB."""
    monkeypatch.setattr(torch_products, "_QUERIES", 3 * 40 + 1)
    sizes, best = [], torch_products._Best
    monkeypatch.setattr(
        torch_products, "_Best", lambda one, *args: (sizes.append(one.shape), best(one, *args))[1]
    )
    index, queries = an_index(idf=True), random_bags(10, 7)
    for query, ranking in zip(queries, index.search_many(queries, k=6, device="cpu")):
        check(ranking, index.search(query, k=6))
    assert sizes == [(40, 3), (40, 3), (40, 1)]


def test_a_device_without_float64(monkeypatch):
    def empty(*size, dtype=None, device):  # Apple's
        if dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return torch.zeros(*size)

    monkeypatch.setattr(torch_products.torch, "empty", empty)
    with pytest.raises(InvalidInput, match="got 'mps' .*float64.* Leave device out"):
        an_index(idf=True).search_many(random_bags(10, 2), k=6, device="mps")


def test_a_device_without_room(monkeypatch):
    def full(*args):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch_products, "_rank", full)
    with pytest.raises(OutOfMemory, match="for 2 queries on cpu .* fewer at once, or leave device"):
        an_index(idf=True).search_many(random_bags(10, 2), k=6, device="cpu")
