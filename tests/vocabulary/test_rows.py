"""The part of a sample that k-means looks at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.vocabulary import rows as rows_module
from blcf.vocabulary.rows import Rows


def sample(n: int = 100, n_components: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, n_components)).astype(np.float32)


def test_all_rows_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "_BLOCK", 30)
    features = sample()
    rows = Rows(features, None, 0)
    assert len(rows) == 100 and np.shares_memory(rows.sample, features)
    blocks = list(rows.blocks())
    assert [part.stop - part.start for part, _ in blocks] == [30, 30, 30, 10]
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), features)
    np.testing.assert_allclose(rows.squared_lengths, (features**2).sum(axis=1), rtol=1e-5)


def test_some_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    features = sample()
    rows = Rows(features, 40, 0)
    assert len(rows) == 40 and len(set(rows.places.tolist())) == 40
    assert (np.diff(rows.places) > 0).all()
    held = np.concatenate([block for _, block in rows.blocks()])
    np.testing.assert_array_equal(held, features[rows.places])
    # Of another dtype only these are converted; they are the same ones.
    other = Rows(features.astype(np.float64), 40, 0)
    assert other.sample.shape == (40, 3)
    assert sorted(map(tuple, other.sample)) == sorted(map(tuple, held))
    np.testing.assert_array_equal(other.first_distinct(9), rows.first_distinct(9))


def test_a_memory_map_is_read_in_place(tmp_path: Path) -> None:
    features = sample()
    np.save(tmp_path / "sample.npy", features)
    mapped = np.load(tmp_path / "sample.npy", mmap_mode="r")
    rows = Rows(mapped, None, 0)
    assert np.shares_memory(rows.sample, mapped) and type(rows.sample) is np.ndarray
    assert rows.digest() == Rows(features, None, 0).digest()


def test_distinct_rows() -> None:
    features = np.repeat(sample(20), 5, axis=0)
    features[0] = 0.0
    features[1] = -0.0  # the same
    found = Rows(features, None, 3).first_distinct(20)
    assert len(np.unique(found, axis=0)) == 20
    with pytest.raises(InvalidInput, match="at least 22 distinct features for 22 words, got 21"):
        Rows(features, None, 3).first_distinct(22)


def test_another_sample_has_another_digest() -> None:
    features = sample()
    digests = {Rows(features, n, seed).digest() for n, seed in ((None, 0), (50, 0), (50, 1))}
    digests |= {Rows(features[:99], None, 0).digest(), Rows(features + 1, None, 0).digest()}
    assert len(digests) == 5
    assert Rows(features, None, 0).digest() == Rows(features, None, 5).digest()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(bad: float) -> None:
    features = sample()
    features[70, 1] = bad
    with pytest.raises(InvalidInput, match="finite features"):
        Rows(features, None, 0)
