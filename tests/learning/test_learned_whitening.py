"""Learned whitening: its twin, what it promises, and that it helps where it should."""

from __future__ import annotations

import numpy as np
import oracle_losses as oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.errors import InvalidInput
from blcf.features.whitening import Whitening, normalise_rows
from blcf.learning.learned_whitening import learn_pair_whitening
from blcf.learning.vectors import matching_pairs
from blcf.storage import open_h5, write_h5


def _things(
    seed: int, n_classes: int = 30, each: int = 4, d: int = 6
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of things, which differ in two directions between pictures of one thing."""
    rng = np.random.default_rng(seed)
    classes = np.repeat(np.arange(n_classes), each)
    noise = rng.normal(size=(len(classes), d)) * [2, 2, *[0.1] * (d - 2)]
    vectors = 1 + rng.normal(size=(n_classes, d))[classes] + noise
    return vectors.astype(np.float32), classes


def test_cosines_are_those_of_the_twin():
    vectors, classes = _things(0, 6, 3)
    pairs = matching_pairs(classes)
    found = learn_pair_whitening(vectors, pairs).transform(vectors)
    expected = oracle.pair_whitened(vectors.tolist(), pairs.tolist())
    np.testing.assert_allclose(found @ found.T, expected, atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), d=st.integers(2, 8), kept=st.integers(1, 8))
def test_the_scatter_within_pairs_becomes_the_identity(seed, d, kept):
    vectors, classes = _things(seed, 12, 3, d)
    pairs = matching_pairs(classes)
    whole = learn_pair_whitening(vectors, pairs)
    rows = normalise_rows(vectors).astype(np.float64)
    differences = (rows[pairs[:, 0]] - rows[pairs[:, 1]]) @ whole.projection_
    scatter = differences.T @ differences / len(pairs)
    np.testing.assert_allclose(scatter, np.eye(d), atol=1e-3)
    spread = ((rows - whole.mean_) @ whole.projection_).astype(np.float64)
    values = np.square(spread).sum(axis=0)
    assert (np.diff(values) <= 1e-3 * values[0]).all(), "the largest first"
    few = learn_pair_whitening(vectors, pairs, min(kept, d))
    assert np.array_equal(few.projection_, whole.projection_[:, : min(kept, d)])
    assert few.explained_ == pytest.approx(
        values[: few.n_components_].sum() / values.sum(), rel=1e-3
    )
    assert few.digest_ == learn_pair_whitening(vectors, pairs, min(kept, d)).digest_


def test_it_finds_things_better_than_pca():
    """Learned of some things, it helps with others."""
    vectors, classes = _things(1, 60, d=10)
    learned, held = vectors[:120], vectors[120:]
    ours = learn_pair_whitening(learned, matching_pairs(classes[:120]), 8)
    theirs = Whitening(8).fit(learned)
    hits = []
    for whitening in (ours, theirs):
        rows = whitening.transform(held)
        similar = rows @ rows.T - 2 * np.eye(len(rows))
        hits.append((classes[120:][similar.argmax(axis=1)] == classes[120:]).mean())
    assert hits[0] > 0.95 > 0.8 > hits[1]


def test_few_pairs_need_a_ridge():
    vectors, _ = _things(2)
    pairs = np.array([[0, 1], [2, 3]])
    with pytest.raises(InvalidInput, match="all 6 directions, 2 of them do not. .* ridge=0.01"):
        learn_pair_whitening(vectors, pairs)
    whitening = learn_pair_whitening(vectors, pairs, ridge=0.01)
    assert np.isfinite(whitening.transform(vectors)).all()


def test_it_is_stored_as_any_whitening(tmp_path):
    vectors, classes = _things(3)
    whitening = learn_pair_whitening(vectors, matching_pairs(classes), 3)
    with write_h5(tmp_path / "w.h5", "whitening", 1) as file:
        whitening.write(file.create_group("whitening"))
    with open_h5(tmp_path / "w.h5", "whitening", 1) as stored:
        found = Whitening.read(stored.group("whitening"))
    assert np.array_equal(found.transform(vectors), whitening.transform(vectors))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"n_components": 7}, "n_components from 1 to 6"),
        ({"n_components": True}, "got True"),
        ({"ridge": -1}, "ridge of 0 or more, got -1"),
        ({"pairs": np.zeros((0, 2), int)}, "got none"),
        ({"pairs": np.array([[0, 120]])}, "from 0 to 119"),
        ({"vectors": np.zeros(5)}, r"\(n, d\)"),
    ],
)
def test_what_teaches_no_whitening(options, match):
    vectors, classes = _things(3)
    with pytest.raises(InvalidInput, match=match):
        learn_pair_whitening(**({"vectors": vectors, "pairs": matching_pairs(classes)} | options))
