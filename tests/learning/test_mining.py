"""Mining against plain twins, on small whole numbers so that ties are ties; drawing of tuples."""

from __future__ import annotations

import numpy as np
import oracle_losses as oracle
import pytest

from blcf.errors import InvalidInput
from blcf.learning import mining
from blcf.learning.mining import hard_negatives, hard_positives, semi_hard_triplets
from blcf.learning.sampling import mine_tuples, sample_pairs, sample_pool, sample_tuples
from blcf.learning.vectors import matching_pairs


def _drawn(seed: int, n: int = 40, n_classes: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of small whole numbers, many alike, and their classes."""
    rng = np.random.default_rng(seed)
    vectors = rng.integers(-1, 3, (n, 4)).astype(np.float32)
    return vectors, rng.permutation(np.arange(n) % n_classes)


@pytest.mark.parametrize("seed", range(4))
def test_hard_negatives(seed, monkeypatch):
    monkeypatch.setattr(mining, "_AT_ONCE", 7)
    pool, classes = _drawn(seed)
    queries, own = _drawn(seed + 10, 17, 9)  # class 8 is not in the pool
    found = hard_negatives(queries, pool, own, classes, 5)
    expected = oracle.hard_negatives(
        queries.tolist(), pool.tolist(), own.tolist(), classes.tolist(), 5
    )
    assert found.dtype == np.int64 and found.tolist() == expected
    for row, its in zip(found, own):
        assert len({*classes[row].tolist(), its}) == 6, "five other things"


@pytest.mark.parametrize("seed", range(4))
def test_hard_positives(seed):
    vectors, classes = _drawn(seed)
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(matching_pairs(classes))
    agreement = rng.integers(0, 10, len(pairs))
    for floor in (0, 4, 9, 10):
        expected = oracle.hard_positives(
            vectors.tolist(), pairs.tolist(), agreement.tolist(), floor
        )
        assert hard_positives(vectors, pairs, agreement, floor).tolist() == expected
    whole = hard_positives(vectors, pairs)
    assert whole.tolist() == hard_positives(vectors, pairs, agreement, 0).tolist()
    assert whole[:, 0].tolist() == list(range(40))


@pytest.mark.parametrize("margin", [0.5, 1, 3, 100])
def test_semi_hard_triplets(margin):
    vectors, classes = _drawn(5)
    found = semi_hard_triplets(vectors, classes, margin)
    expected = oracle.semi_hard_triplets(vectors.tolist(), classes.tolist(), margin)
    assert found.tolist() == expected
    assert (len(found) == 0) == (margin <= 1), "whole numbers are 1 apart or equal"


def test_matching_pairs():
    _, classes = _drawn(2)
    expected = [[i, j] for i in range(40) for j in range(40) if i != j and classes[i] == classes[j]]
    assert matching_pairs(classes).tolist() == expected
    none = matching_pairs(np.arange(5))
    assert none.shape == (0, 2) and none.dtype == np.int64
    vectors = np.eye(5, dtype=np.float32)
    assert hard_positives(vectors, none).shape == (0, 2)
    assert semi_hard_triplets(vectors, np.zeros(5, int), 1).shape == (0, 3)


def test_pairs_are_drawn_by_the_seed():
    classes = np.array([7, 1, 7, 2, 1, 7, 9])  # 2 and 9 are alone
    seen = set()
    for seed in range(60):
        pairs = sample_pairs(classes, 100, seed)
        assert sorted(pairs[:, 0].tolist()) == [0, 1, 2, 4, 5]
        assert (pairs[:, 0] != pairs[:, 1]).all()
        assert (classes[pairs[:, 0]] == classes[pairs[:, 1]]).all()
        assert np.array_equal(pairs, sample_pairs(classes, 100, np.random.default_rng(seed)))
        assert np.array_equal(pairs[:2], sample_pairs(classes, 2, seed))
        seen |= {tuple(pair) for pair in pairs.tolist()}
    assert seen == {tuple(pair) for pair in matching_pairs(classes).tolist()}, "each some time"


def test_tuples_are_drawn_by_the_seed():
    _, classes = _drawn(1)
    one, again, other = (sample_tuples(classes, 12, 5, seed) for seed in (3, 3, 4))
    assert len(one) == 12 and one.rows.shape == (12, 7) and one.rows.dtype == np.int64
    assert np.array_equal(one.rows, again.rows) and not np.array_equal(one.rows, other.rows)
    for query, positive, *negatives in classes[one.rows].tolist():
        assert query == positive and len({query, *negatives}) == 6
    assert len(np.unique(one.queries)) == 12


def test_mined_tuples_hold_the_hardest_of_the_pool():
    vectors, classes = _drawn(3)
    pairs = sample_pairs(classes, 10, 0)
    pool = sample_pool(40, 25, 0)
    assert len(np.unique(pool)) == 25 and np.array_equal(pool, sample_pool(40, 25, 0))
    tuples = mine_tuples(pairs, vectors[pairs[:, 0]], pool, vectors[pool], classes, 3)
    assert np.array_equal(tuples.rows[:, :2], pairs)
    assert np.isin(tuples.negatives, pool).all()
    everything = mine_tuples(pairs, vectors[pairs[:, 0]], np.arange(40), vectors, classes, 3)
    hardest = [
        oracle.hard_negatives(
            [vectors[query].tolist()], vectors.tolist(), [classes[query]], classes.tolist(), 3
        )[0]
        for query in pairs[:, 0]
    ]
    assert everything.negatives.tolist() == hardest


VECTORS, CLASSES = _drawn(0)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: hard_negatives(VECTORS, VECTORS, CLASSES, CLASSES, 8), "at least 8 classes"),
        (lambda: hard_negatives(VECTORS, VECTORS[:, :3], CLASSES, CLASSES), "one length, got 4"),
        (lambda: hard_negatives(VECTORS, VECTORS, CLASSES[:3], CLASSES), r"integers .* \(40,\)"),
        (lambda: hard_negatives(VECTORS, VECTORS / 0, CLASSES, CLASSES), "pool to be finite"),
        (lambda: hard_negatives(VECTORS, VECTORS, CLASSES, CLASSES * 0.5), "got float64"),
        (lambda: hard_negatives(VECTORS, VECTORS, CLASSES, CLASSES, 0), "n to be 1 or more"),
        (lambda: hard_positives(VECTORS, CLASSES), r"\(n_pairs, 2\)"),
        (lambda: hard_positives(VECTORS, np.array([[0, 40]])), "from 0 to 39, got 0 to 40"),
        (lambda: hard_positives(VECTORS, np.array([[0, 1]]), CLASSES), r"agreement .* \(1,\)"),
        (lambda: semi_hard_triplets(VECTORS[0], CLASSES), r"floats of shape \(n, d\)"),
        (lambda: semi_hard_triplets(VECTORS, CLASSES, 0), "margin above 0"),
        (lambda: sample_pairs(np.arange(4), 2, 0), "4 pictures of 4 classes"),
        (lambda: sample_pairs(CLASSES, 0, 0), "n_queries to be 1 or more"),
        (lambda: sample_tuples(CLASSES, 2, 8, 0), "more than 8 classes .* got 8"),
        (lambda: sample_pool(4, 0, 0), "n_pool to be 1 or more"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_cannot_be_mined(call, match):
    with pytest.raises(InvalidInput, match=match):
        call()
