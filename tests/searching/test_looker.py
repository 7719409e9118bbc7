"""What looks into the images of a search: threads, and what fails on the way, change nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from blcf import SearchOptions
from blcf.searching.looking import Looker
from blcf.searching.queries import Example, describe_examples
from blcf.searching.scales import joint_vector
from blcf.weighed_maps import WeighedMaps


@pytest.fixture
def asked(planted):
    """A fresh looker, and what it is asked: `look` of all images."""
    searchable = planted.engine(weighting="norm", idf=False).searcher.searchable
    options = SearchOptions(query_scales=(1.0,))
    example = Example(planted.path(2), box=(33, 40, 118, 90))
    queries = describe_examples(searchable, [example], options).queries
    vector = joint_vector(searchable.index, queries)
    ids = list(range(searchable.index.n_images))

    def look(looker, some=ids):
        return looker.look(vector, None, list(some), np.zeros(len(some), np.float32))

    return lambda: Looker(searchable, queries, options), look


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert (one.score, one.cells) == (other.score, other.cells)
        np.testing.assert_allclose(one.boxes, other.boxes, rtol=1e-4)
        for ours, theirs in zip(one.bag, other.bag):
            np.testing.assert_array_equal(ours, theirs)


def test_two_threads_at_once(asked):
    make, look = asked
    expected = look(make())
    for _ in range(5):
        looker = make()
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(look, [looker, looker]):
                same(found, expected)
        same(look(looker), expected)


def test_one_part_behind_the_other_and_in_another_order(asked):
    make, look = asked
    expected, looker = look(make()), make()
    assert look(looker, []) == []
    for some in ([3, 1], [1, 0, 3], range(len(expected)), [5]):
        same(look(looker, some), [expected[image_id] for image_id in some])


def test_it_goes_on_where_reading_failed(asked, monkeypatch):
    make, look = asked
    expected, looker = look(make()), make()
    look(looker, [0, 1])
    with monkeypatch.context() as patch:
        patch.setattr(WeighedMaps, "followed_by", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            look(looker)
    same(look(looker), expected)


def test_bags_are_made_where_something_asks_for_them(planted):
    searchable = planted.engine(weighting="norm", idf=False).searcher.searchable
    for options, wanted in (({}, True), ({"expand": "none", "n_neighbours": 0}, False)):
        options = SearchOptions(query_scales=(1.0,), **options)
        example = Example(planted.path(2), box=(33, 40, 118, 90))
        queries = describe_examples(searchable, [example], options).queries
        looker = Looker(searchable, queries, options)
        vector = joint_vector(searchable.index, queries)
        (found,) = looker.look(vector, None, [2], np.zeros(1, np.float32))
        assert (found.bag[0].size > 0) == wanted
