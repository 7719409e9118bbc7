"""Numbers of pictures over shards, against a list that holds them all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blcf.errors import FormatError
from blcf.sharded.numbering import Runs, ShardNumbering

OWNERS = st.lists(st.sampled_from([None, 0, 1, 2, 3]), max_size=60)


@given(OWNERS)
def test_numbers_are_those_of_a_list_of_all(owners):
    """Place by place: whose picture came there, or nobody's any more."""
    places = [np.flatnonzero([one == shard for one in owners]) for shard in range(4)]
    numbering = ShardNumbering([Runs.of(one) for one in places], list("abcd"))
    expected = []
    counts = [0] * 4
    for owner in owners:
        if owner is not None:
            expected.append((owner, counts[owner]))
            counts[owner] += 1
    assert numbering.n_images == len(expected) == sum(Runs.of(one).n_images for one in places)
    found = numbering.locate(np.arange(len(expected)))
    assert [*zip(*(one.tolist() for one in found))] == expected
    for shard in range(4):
        ids = numbering.ids(shard, np.arange(counts[shard]))
        assert ids.tolist() == [n for n, one in enumerate(expected) if one[0] == shard]
    shuffled = np.random.default_rng(0).permutation(len(expected))
    for shard, rows, there in numbering.split(shuffled):
        assert [expected[n] for n in shuffled[rows]] == [(shard, n) for n in there.tolist()]


def test_a_hundred_million_pictures_are_few_runs():
    runs = [Runs(np.array([n * 10**7]), np.array([10**7])) for n in range(10)]
    numbering = ShardNumbering(runs, list("abcdefghij"))
    assert numbering.n_images == 10**8
    assert [one.tolist() for one in numbering.locate([99_999_999, 0])] == [[9, 0], [10**7 - 1, 0]]
    with pytest.raises(IndexError):
        numbering.locate([10**8])


def test_two_pictures_at_one_place_are_refused():
    runs = [Runs(np.array([0]), np.array([5])), Runs(np.array([4]), np.array([2]))]
    with pytest.raises(FormatError, match="one.blcf and other.blcf say that two pictures came at"):
        ShardNumbering(runs, ["one.blcf", "other.blcf"])
