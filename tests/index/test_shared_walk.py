"""A long walk over the lists is shared among the cores: the same ranking, to the last bit."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import scipy.sparse as sp

from blcf import InvertedFile
from blcf.index import scoring
from blcf.threads import in_one_thread


@pytest.fixture
def index():
    """Seven parts, images that tie, and one of each that is removed."""
    index = InvertedFile(30, idf=True, sqrt=True)
    for number in range(7):
        bags = sp.random(9, 30, 0.3, "csr", np.float32, rng=np.random.default_rng(number % 3))
        index.add([f"{number}/{row}" for row in range(9)], bags)
    index.remove([f"{number}/4" for number in range(7)])
    return index


@pytest.fixture
def query():
    return sp.random(1, 30, 0.5, "csr", np.float32, rng=np.random.default_rng(9))


@pytest.mark.parametrize("n_threads", [2, 3, 16])
@pytest.mark.parametrize("k", [1, 5, 20, 500])
def test_the_ranking_is_that_of_one_thread(index, query, monkeypatch, n_threads, k):
    expected = index.search(query, k)
    used = set()
    together = scoring._rank_together

    def counted(*arguments):
        used.add(threading.get_ident())
        return together(*arguments)

    monkeypatch.setattr(scoring, "_rank_together", counted)
    monkeypatch.setattr(scoring, "WORTH_A_THREAD", 1)
    monkeypatch.setattr(scoring, "n_cores", lambda: n_threads)
    ranking = index.search(query, k)
    assert threading.get_ident() not in used
    assert ranking.names == expected.names
    np.testing.assert_array_equal(ranking.ids, expected.ids)
    np.testing.assert_array_equal(ranking.scores, expected.scores)
    used.clear()
    with in_one_thread():
        assert index.search(query, k).names == expected.names
    assert used == {threading.get_ident()}


def test_how_many_threads_a_walk_is_worth(monkeypatch):
    monkeypatch.setattr(scoring, "n_cores", lambda: 4)
    found = [scoring.threads_for(n) for n in (0, 3_999_999, 4_000_000, 9_000_000, 10**9)]
    assert found == [1, 1, 2, 3, 4]
    with in_one_thread():
        assert scoring.threads_for(10**9) == 1


def test_an_empty_index_is_searched(query, monkeypatch):
    monkeypatch.setattr(scoring, "WORTH_A_THREAD", 1)
    assert InvertedFile(30).search(query, 5).names == []
