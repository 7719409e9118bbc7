"""Ranking some images only: the ranking of all, without the others."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from index_kinds import check, every_kind, make, random_bags, same, true_scores

from blcf.errors import InvalidInput
from blcf.index import InvertedFile


def copies(seed, n_images=60, n_words=30):
    """Bags of which many are equal, so that scores tie, and some share no word with a query."""
    bags = random_bags(seed, 20, n_words, density=0.15)
    rng = np.random.default_rng(seed)
    return bags[rng.integers(0, 20, n_images)]


def filtered(ranking, mask, k):
    """The slow twin: the ranking of all, and what is not among the chosen taken out."""
    kept = np.flatnonzero(mask[ranking.ids])[:k]
    return [ranking.names[i] for i in kept], ranking.scores[kept], ranking.ids[kept]


def masks(seed, n_images):
    rng = np.random.default_rng(seed)
    yield np.ones(n_images, dtype=bool)
    yield np.zeros(n_images, dtype=bool)
    for share in (0.9, 0.5, 0.1, 0.02):
        yield rng.random(n_images) < share
    lone = np.zeros(n_images, dtype=bool)
    lone[rng.integers(n_images)] = True
    yield lone


@every_kind
@pytest.mark.parametrize("seed", range(3))
def test_like_the_ranking_of_all_without_the_others(kind, seed):
    batches = copies(seed), copies(seed + 10)
    bags = sp.vstack(batches).tocsr()
    index, queries = make(kind, *batches), random_bags(seed + 20, 5)
    whole = [index.search(query, k=bags.shape[0]) for query in queries]
    for mask in masks(seed, bags.shape[0]):
        for k in (1, 3, 1_000):
            many = index.search_many(queries, k, among=mask, n_threads=2)
            for query, ranking, expected in zip(queries, many, whole):
                names, scores, ids = filtered(expected, mask, k)
                found = index.search(query, k, among=mask)
                same(found, ranking)
                assert found.names == names
                np.testing.assert_array_equal(found.scores, scores)
                np.testing.assert_array_equal(found.ids, ids)


@every_kind
def test_like_the_brute_force(kind):
    bags, query = copies(1), random_bags(7, 1)
    index = make(kind, bags)
    everything = np.ones(bags.shape[0], dtype=bool)
    check(index.search(query, 20, among=everything), true_scores(kind, query, bags), 20)


@every_kind
def test_approximate_and_weighed(kind):
    bags, query = copies(2), random_bags(8, 1)
    index, mask = make(kind, bags), np.arange(60) % 3 == 0
    names, scores, _ = filtered(index.search(query, 60, approximate=0.5), mask, 9)
    found = index.search(query, 9, approximate=0.5, among=mask)
    assert found.names == names
    np.testing.assert_array_equal(found.scores, scores)
    same(
        index.search(index.weigh(query), 9, weighed=True, among=mask),
        index.search(query, 9, among=mask),
    )


def index_of(bags):
    return InvertedFile(bags.shape[1], idf=True).add([str(i) for i in range(bags.shape[0])], bags)


@pytest.mark.parametrize(
    "mask", [np.ones(59, dtype=bool), np.ones(60), [True] * 60, np.ones((60, 1), dtype=bool)]
)
def test_no_mask(mask):
    index = index_of(copies(3))
    for search in (index.search, index.search_many):
        with pytest.raises(InvalidInput, match=r"a bool array of shape \(60,\)"):
            search(random_bags(9, 1), 7, among=mask)
