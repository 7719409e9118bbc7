"""A collection in several indexes, each ranked by the statistics of all, ranks like the whole."""

from __future__ import annotations

import numpy as np
import pytest
from index_kinds import names_of, random_bags

from blcf.errors import InvalidInput, VocabularyMismatch
from blcf.index import DocumentFrequencies, InvertedFile

N_WORDS = 30


def whole_and_shards(bags, ends, idf, sqrt):
    """One index of all, and one of each span, in order."""
    names = names_of(bags)
    whole = InvertedFile(N_WORDS, idf=idf, sqrt=sqrt).add(names, bags)
    shards = [
        InvertedFile(N_WORDS, idf=idf, sqrt=sqrt).add(names[first:last], bags[first:last])
        for first, last in zip([0, *ends], [*ends, bags.shape[0]])
    ]
    return whole, shards


def share_statistics(shards):
    """What a coordinator does: sum, and hand to each."""
    total = sum(
        (one.frequencies for one in shards), start=DocumentFrequencies.of_none(N_WORDS)
    )
    for one in shards:
        one.rank_by(total)
    return total


def merged(shards, bag, k):
    """Names and scores of the best of all shards: by score, then by order of insertion."""
    found, first = [], 0
    for one in shards:
        ranking = one.search(bag, k)
        found += zip(-ranking.scores, first + ranking.ids, ranking.names)
        first += one.n_images
    return [(name, -score) for score, _, name in sorted(found)[:k]]


@pytest.mark.parametrize("ends", [[], [20], [7, 30], [0, 1, 2, 3, 39, 40]])
@pytest.mark.parametrize(("idf", "sqrt"), [(True, False), (True, True), (False, True)])
def test_shards_rank_like_the_whole(ends, idf, sqrt) -> None:
    bags = random_bags(3, tf="sixteenths")
    whole, shards = whole_and_shards(bags, ends, idf, sqrt)
    total = share_statistics(shards)
    assert total.n_images == whole.n_images and np.array_equal(total.df, whole.df)
    for number in range(0, 40, 7):
        ranking = whole.search(bags[number], 15)
        expected = list(zip(ranking.names, ranking.scores))
        assert merged(shards, bags[number], 15) == expected  # to the last bit
        together = shards[0].search_many(bags[number], 15)[0]
        assert together.names == shards[0].search(bags[number], 15).names


def test_removal_and_a_new_sum() -> None:
    bags = random_bags(5)
    whole, shards = whole_and_shards(bags, [13, 26], True, True)
    share_statistics(shards)
    gone = [f"{number}.jpg" for number in (0, 3, 14, 39)]
    whole.remove(gone)
    for one in shards:
        one.remove(gone)
    stale = merged(shards, bags[1], 36)
    share_statistics(shards)
    ranking = whole.search(bags[1], 36)
    assert merged(shards, bags[1], 36) == list(zip(ranking.names, ranking.scores)) != stale


def test_own_statistics_again() -> None:
    bags = random_bags(7)
    alone = InvertedFile(N_WORDS, idf=True).add(names_of(bags), bags)
    before = alone.search(bags[2], 40)
    alone.rank_by(DocumentFrequencies(1000, alone.df + np.arange(N_WORDS) * 20))
    assert not np.array_equal(alone.search(bags[2], 40).scores, before.scores)
    assert alone.frequencies.n_images == 40, "its own, whatever it ranks by"
    alone.rank_by(None)
    assert np.array_equal(alone.search(bags[2], 40).scores, before.scores)


def test_another_vocabulary() -> None:
    two, three = DocumentFrequencies.of_none(2), DocumentFrequencies.of_none(3)
    with pytest.raises(InvalidInput, match="of 2 words, got 3"):
        two + three
    with pytest.raises(VocabularyMismatch, match="of 4 words, got 3"):
        InvertedFile(4).rank_by(three)
