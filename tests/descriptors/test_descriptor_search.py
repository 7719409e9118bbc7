"""The search by descriptors: brute force, expansion, reranking, several examples, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import blcf.descriptors.search as search_module
from blcf.descriptors import MAC, RMAC, DescriptorSearch, RmacReranker, SPoC, crop_map
from blcf.errors import InvalidInput

RNG = np.random.default_rng(0)
MAPS = [RNG.random((12, 6, 9), dtype=np.float32) ** 3 for _ in range(60)]
NAMES = [f"{i}.jpg" for i in range(60)]
SIZE = (90, 60)


@pytest.fixture(params=[MAC, SPoC, RMAC])
def search(request):
    return DescriptorSearch(request.param(8).fit(MAPS)).add(NAMES, iter(MAPS))


def brute_force(search, query):
    scores = (search.descriptor.transform(MAPS) @ query).astype(np.float32)
    return scores, np.lexsort((np.arange(len(MAPS)), -scores))


def test_ranking_is_brute_force(search):
    crop = crop_map(MAPS[7], (20, 10, 70, 50), SIZE)
    for example in (MAPS[7], crop):
        ranking = search.search([example], k=60)
        scores, order = brute_force(search, search.descriptor.transform([example])[0])
        np.testing.assert_allclose(ranking.scores, scores[order], atol=1e-5)
        assert ranking.ids[:20].tolist() == order[:20].tolist()
    assert search.search([MAPS[7]], k=3).names[0] == "7.jpg"


def test_no_map_is_lost_between_chunks(monkeypatch):
    monkeypatch.setattr(search_module, "_CHUNK", 7)
    descriptor = MAC(8).fit(MAPS)
    search = DescriptorSearch(descriptor).add(NAMES, iter(MAPS))
    rows = descriptor.transform(MAPS)
    np.testing.assert_allclose(search.index_.vectors(np.arange(60)), rows, atol=1e-6)


def test_expansion_is_the_mean_of_the_best(search):
    query = search.descriptor.transform([MAPS[7]])[0]
    _, order = brute_force(search, query)
    rows = search.descriptor.transform(MAPS)
    mean = (query + rows[order[:4]].sum(axis=0)) / 5
    scores, again = brute_force(search, mean / np.linalg.norm(mean))
    ranking = search.search([MAPS[7]], k=60, n_expand=4)
    np.testing.assert_allclose(ranking.scores, scores[again], atol=1e-5)


def test_several_examples_are_averaged(search):
    rows = search.descriptor.transform(MAPS[3:6])
    mean = rows.mean(axis=0)
    query = search.describe(MAPS[3:6])
    np.testing.assert_allclose(query, mean / np.linalg.norm(mean), atol=1e-6)
    both = search.search(MAPS[3:5], k=60)
    assert both.names == search.search(iter(MAPS[3:5]), k=60).names


def test_removed_images_leave_no_trace(search):
    assert search.remove(["7.jpg"]) == 1 and search.n_images == 59
    assert "7.jpg" not in search.search([MAPS[7]], k=60).names
    search.add(["7.jpg"], [MAPS[7]])
    assert search.search([MAPS[7]], k=1).names == ["7.jpg"]


def test_reranking_is_that_of_the_reranker(search):
    def open_map(name):
        return MAPS[int(name.removesuffix(".jpg"))], SIZE

    reranker = RmacReranker(search.descriptor, depth=12, n_expand=2)
    query = crop_map(MAPS[5], (40, 20, 70, 50), SIZE)
    ranking = search.search([query], k=10, reranker=reranker, open_map=open_map, aspect=1.0)
    first = search.search([query], k=12)
    expected = reranker.rerank(first, query, open_map, aspect=1.0)
    assert ranking.names == expected.names[:10] and len(ranking) == 10
    np.testing.assert_array_equal(ranking.boxes, expected.boxes[:10])
    assert set(ranking.names) < set(first.names)


def test_bad_input(search):
    with pytest.raises(InvalidInput, match="call its fit first"):
        DescriptorSearch(MAC())
    with pytest.raises(InvalidInput, match="one name per vector, got 1 names and 2"):
        search.add(["a"], MAPS[:2])
    with pytest.raises(InvalidInput, match="of an example, got none"):
        search.search([])
    with pytest.raises(InvalidInput, match="n_expand"):
        search.search([MAPS[0]], n_expand=-1)
    with pytest.raises(InvalidInput, match="open_map"):
        search.search([MAPS[0]], reranker=RmacReranker(search.descriptor))
    with pytest.raises(InvalidInput, match="12 channels"):
        search.search([MAPS[0][:5]])
    assert search.n_images == 60
    empty = DescriptorSearch(search.descriptor)
    assert len(empty.search([MAPS[0]], n_expand=3)) == 0
