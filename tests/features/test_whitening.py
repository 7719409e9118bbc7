"""Whitening: against a plain numpy twin, on degenerate data, and through a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.features import Whitening
from blcf.features import whitening as module
from blcf.features.whitening import normalise_rows
from blcf.storage import open_h5, write_h5


def sample(n: int = 600, n_channels: int = 12, seed: int = 0) -> np.ndarray:
    """Correlated and not negative, as activations are; float32 (n, n_channels)."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, n_channels)) @ rng.normal(size=(n_channels, n_channels))
    return np.maximum(mixed + 1, 0).astype(np.float32)


def plain_whitening(features: np.ndarray, n_components: int, other: np.ndarray) -> np.ndarray:
    """L2 -> PCA whitening of `other`, learned from `features`, by the singular values; float64."""

    def unit(rows: np.ndarray) -> np.ndarray:
        norms = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
        return rows / np.where(norms == 0, 1, norms)

    rows = unit(features)
    mean = rows.mean(axis=0)
    _, singular, directions = np.linalg.svd(rows - mean, full_matrices=False)
    directions = directions[:n_components]
    signs = [row[np.abs(row).argmax()] < 0 for row in directions]
    directions = np.where(np.array(signs)[:, None], -directions, directions)
    scale = singular[:n_components] / np.sqrt(len(rows))
    return unit((unit(other) - mean) @ directions.T / scale)


def test_normalise_rows() -> None:
    rows = np.array([[3, 4], [0, 0], [-5, 12]])
    expected = np.array([[0.6, 0.8], [0, 0], [-5 / 13, 12 / 13]], dtype=np.float32)
    found = normalise_rows(rows)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32 and rows[0, 0] == 3


def test_nan_stays_nan() -> None:
    assert np.isnan(normalise_rows(np.array([[1, np.nan], [1, 0]]))).any(axis=1).tolist() == [
        True,
        False,
    ]


def test_the_covariance_becomes_the_identity() -> None:
    features = sample()
    whitening = Whitening().fit(features)
    # Before the second normalisation.
    white = (normalise_rows(features) - whitening.mean_) @ whitening.projection_
    np.testing.assert_allclose(white.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(np.cov(white.T, ddof=0), np.eye(12), atol=1e-3)


@pytest.mark.parametrize("n_components", [1, 5, 12])
def test_equals_the_plain_twin(n_components: int) -> None:
    features, other = sample(), sample(seed=1)
    whitening = Whitening(n_components).fit(features)
    found = whitening.transform(other)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, plain_whitening(features, n_components, other), atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_what_is_kept_of_the_variance() -> None:
    features = sample()
    shares = [Whitening(n).fit(features).explained_ for n in (1, 4, 8, 12)]
    assert sorted(shares) == shares and 0 < shares[0] < 0.9
    assert shares[-1] == pytest.approx(1)


def test_batches_are_all_at_once() -> None:
    features = sample()
    whole = Whitening(8).fit(features)

    def batches() -> Iterator[np.ndarray]:
        yield features[:0]  # a picture without features
        yield features[:7]
        yield features[7:500]
        yield features[500:]

    parts = Whitening(8).fit_batches(batches())
    np.testing.assert_allclose(parts.mean_, whole.mean_, atol=1e-6)
    np.testing.assert_allclose(parts.projection_, whole.projection_, rtol=1e-3, atol=1e-3)


def test_chunks_are_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    features = sample()
    expected = Whitening(8).fit(features).transform(features)
    monkeypatch.setattr(module, "_CHUNK", 37)
    found = Whitening(8).fit(features).transform(features)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_directions_without_variance_are_dropped() -> None:
    # Channels 4 and 5 repeat others, channel 6 is dead: 4 directions are left.
    features = sample(n_channels=4)
    copies = np.column_stack([features, features[:, :2], np.zeros(len(features))])
    whitening = Whitening(7).fit(copies)
    assert whitening.n_components_ == 4 and whitening.n_components == 7
    assert whitening.projection_.shape == (7, 4)
    assert np.isfinite(whitening.transform(copies)).all()
    assert Whitening(3).fit(copies).n_components_ == 3


def test_fewer_features_than_channels() -> None:
    features = sample(n=5, n_channels=12)
    assert Whitening().fit(features).n_components_ == 4  # five points span four directions


def test_the_same_feature_everywhere() -> None:
    one_direction = np.outer(np.arange(1, 51), np.arange(1, 7))  # the same after L2
    for features in (np.ones((50, 6)), one_direction, np.zeros((9, 4))):
        with pytest.raises(InvalidInput, match="local features are the same: nothing to learn"):
            Whitening().fit(features.astype(np.float32))


def test_rows_of_zeros() -> None:
    features = sample()
    features[::7] = 0
    whitening = Whitening(6).fit(features)
    found = whitening.transform(features)
    np.testing.assert_allclose(found, plain_whitening(features, 6, features), atol=1e-4)
    # A dead cell is a feature like another: it goes where the mean's opposite goes.
    np.testing.assert_allclose(found[0], found[7])


@pytest.mark.parametrize("n_components", [0, -1, 13])
def test_components_that_cannot_be(n_components: int) -> None:
    message = rf"n_components from 1 to 12 \(the channels\), got {n_components}\."
    with pytest.raises(InvalidInput, match=message):
        Whitening(n_components).fit(sample())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_features_that_are_not_finite(bad: float) -> None:
    features = sample()
    features[17, 3] = bad
    with np.errstate(invalid="ignore"), pytest.raises(InvalidInput, match="two finite local feat"):
        Whitening().fit(features)


def test_too_few_features() -> None:
    for n in (0, 1):
        with pytest.raises(InvalidInput, match=rf"at least two finite local features .* got {n}\."):
            Whitening().fit(sample()[:n])
    with pytest.raises(InvalidInput, match="at least two finite local features"):
        Whitening().fit_batches([])


def test_signs_are_defined() -> None:
    features = sample()
    whitening = Whitening().fit(features)
    columns = whitening.projection_
    assert (columns[np.abs(columns).argmax(axis=0), np.arange(12)] > 0).all()
    again = Whitening().fit(features[::-1])  # another order of sums, the same signs
    np.testing.assert_allclose(again.projection_, columns, rtol=1e-2, atol=1e-2)


def test_the_same_sample_gives_the_same_bytes() -> None:
    one, other = Whitening(6).fit(sample()), Whitening(6).fit(sample())
    assert one.digest_ == other.digest_ != Whitening(6).fit(sample(seed=1)).digest_


def test_float16_input_is_summed_in_full() -> None:
    half = sample(4000).astype(np.float16)
    found = Whitening(6).fit(half)
    wide = Whitening(6).fit(half.astype(np.float32))
    np.testing.assert_array_equal(found.projection_, wide.projection_)
    np.testing.assert_array_equal(found.transform(half), wide.transform(half.astype(np.float32)))


def test_the_input_is_not_changed() -> None:
    features = sample()
    copy = features.copy()
    Whitening(4).fit(features).transform(features)
    np.testing.assert_array_equal(features, copy)


def test_scale_does_not_matter() -> None:
    features = sample()
    found = Whitening(6).fit(features * 8).transform(features / 4)
    np.testing.assert_array_equal(found, Whitening(6).fit(features).transform(features))


@pytest.mark.parametrize("shape", [(12,), (3, 11), (3, 13), (12, 3, 3)])
def test_shapes_that_do_not_fit(shape: tuple[int, ...]) -> None:
    whitening = Whitening(4).fit(sample())
    with pytest.raises(InvalidInput, match=r"of shape \(n, 12\), got shape \("):
        whitening.transform(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("features", [np.zeros(4), np.zeros((8, 3, 3)), np.float32(1)])
def test_fit_needs_rows(features: Any) -> None:
    with pytest.raises(InvalidInput, match=r"Expected features of shape \(n, n_channels\).*\.T"):
        Whitening().fit(features)


def test_no_features_to_transform() -> None:
    found = Whitening(4).fit(sample()).transform(np.zeros((0, 12), dtype=np.float32))
    assert found.shape == (0, 4)


def test_through_a_file(tmp_path: Path) -> None:
    features = sample()
    whitening = Whitening(5).fit(features)
    with write_h5(tmp_path / "whitening.h5", "whitening", 1) as file:
        whitening.write(file.create_group("whitening"))
    with open_h5(tmp_path / "whitening.h5", "whitening", 1) as stored:
        found = Whitening.read(stored.group("whitening"))
    assert found.digest_ == whitening.digest_
    assert (found.n_components, found.n_components_) == (5, 5)
    assert found.explained_ == whitening.explained_
    np.testing.assert_array_equal(found.transform(features), whitening.transform(features))


def test_from_parts() -> None:
    features = sample()
    whitening = Whitening(5).fit(features)
    found = Whitening.from_parts(
        whitening.mean_.tolist(),  # type: ignore[arg-type]
        whitening.projection_.astype(np.float64),
        explained=whitening.explained_,
    )
    assert found.digest_ == whitening.digest_ and found.explained_ == whitening.explained_
    assert (found.n_components, found.n_components_, found.n_features_in_) == (5, 5, 12)
    np.testing.assert_array_equal(found.transform(features), whitening.transform(features))
    assert np.isnan(Whitening.from_parts(whitening.mean_, whitening.projection_).explained_)
    kept = found.digest_
    whitening.mean_[:] = 0
    assert found.digest_ == kept


@pytest.mark.parametrize(
    ("mean", "projection", "message"),
    [
        (np.ones(3), np.ones((4, 2)), r"a mean .* got shapes \(3,\) and \(4, 2\)"),
        (np.ones((3, 1)), np.ones((3, 1)), r"got shapes \(3, 1\) and \(3, 1\)"),
        (np.ones(3), np.float32(1), r"got shapes \(3,\) and \(\)"),
        (np.ones(3), np.full((3, 2), np.nan), "of finite numbers"),
        (np.full(3, np.inf), np.ones((3, 2)), "of finite numbers"),
        (np.ones(3), np.ones((3, 0)), "of finite numbers"),
    ],
)
def test_parts_that_are_none(mean: Any, projection: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Whitening.from_parts(mean, projection)
