"""Which match of a query is learned from: any, or the least alike of those within reach."""

from dataclasses import replace

import numpy as np
import pytest
from test_ranking import CLASSES, PICTURES, SETTINGS, _network

from blcf.errors import FormatError, InvalidInput
from blcf.learning.embedding import embed
from blcf.learning.ranking import RankingTraining
from blcf.learning.sampling import sample_matches


def test_matches_to_choose_among() -> None:
    classes = np.array([4, 7, 4, 4, 9, 7, 4])
    for seed in range(20):
        drawn = sample_matches(classes, 100, 2, seed)
        assert set(drawn[:, 0].tolist()) == {0, 1, 2, 3, 5, 6}  # 4 has no match
        assert (classes[drawn[:, 0]] == classes[drawn[:, 1]]).all()
        assert (drawn[:, 0] != drawn[:, 1]).all()
        assert len(np.unique(drawn, axis=0)) == len(drawn) == 4 * 2 + 2
        changes = np.flatnonzero(np.diff(drawn[:, 0])) + 1
        assert len(changes) == 5  # those of a query together
        few = sample_matches(classes, 2, 2, seed)
        assert list(dict.fromkeys(few[:, 0])) == list(dict.fromkeys(drawn[:, 0]))[:2]
        assert np.array_equal(few, sample_matches(classes, 2, 2, np.random.default_rng(seed)))


def test_only_those_within_reach() -> None:
    classes = np.array([4, 7, 4, 4, 9, 7, 4])
    reach = np.array([[0, 2], [2, 0], [0, 3], [1, 5], [1, 5]])
    drawn = sample_matches(classes, 100, 5, 0, reach)
    assert sorted(map(tuple, drawn.tolist())) == [(0, 2), (0, 3), (1, 5), (2, 0)]
    with pytest.raises(InvalidInput, match="two classes"):
        sample_matches(classes, 1, 1, 0, np.array([[0, 1]]))
    with pytest.raises(InvalidInput, match="none at all"):
        sample_matches(classes, 1, 1, 0, np.empty((0, 2), int))
    with pytest.raises(InvalidInput, match="positions from 0 to 6"):
        sample_matches(classes, 1, 1, 0, np.array([[0, 7]]))


def test_the_least_alike_is_learned_from(tmp_path) -> None:
    settings = replace(SETTINGS, n_positives=3)
    training = RankingTraining(_network(), settings, device="cpu")
    tuples = training._mine(PICTURES, CLASSES, None, iter)
    vectors = embed(training.network, PICTURES, range(len(PICTURES)), device=training.device)
    for query, positive in zip(tuples.queries, tuples.positives):
        matches = np.flatnonzero((CLASSES == CLASSES[query]) & (np.arange(len(CLASSES)) != query))
        assert len(matches) == 3  # all of them were looked at
        assert positive == matches[np.argmin(vectors[matches] @ vectors[query])]
    assert len(np.unique(tuples.queries)) == settings.n_queries
    record = training.run(PICTURES, CLASSES, tmp_path)
    assert len(record) == 3 and record[-1]["loss"] < record[0]["loss"] * 1.2
    with pytest.raises(FormatError):  # another training than that whose state is there
        RankingTraining(_network(), SETTINGS, device="cpu").run(PICTURES, CLASSES, tmp_path)


@pytest.mark.parametrize("n_positives", [1, 2])
def test_a_training_within_reach(n_positives, tmp_path) -> None:
    reach = np.array([[0, 1], [1, 0], [4, 6], [4, 7], [9, 8]])
    training = RankingTraining(_network(), replace(SETTINGS, n_positives=n_positives), device="cpu")
    tuples = training._mine(PICTURES, CLASSES, reach, iter)
    assert set(zip(tuples.queries.tolist(), tuples.positives.tolist())) <= set(
        map(tuple, reach.tolist())
    )
    assert sorted(tuples.queries.tolist()) == [0, 1, 4, 9]
    training.run(PICTURES, CLASSES, tmp_path, reach=reach)
    with pytest.raises(FormatError):
        again = RankingTraining(_network(), training.settings, device="cpu")
        again.run(PICTURES, CLASSES, tmp_path)


def test_settings() -> None:
    with pytest.raises(InvalidInput, match="n_positives"):
        replace(SETTINGS, n_positives=0)
