"""Global descriptors: one contract for all kinds, the twins, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import oracle_descriptors as oracle
import pytest

from blcf.descriptors import (
    MAC,
    RMAC,
    VLAD,
    CroW,
    Descriptor,
    GeM,
    NeuralCodes,
    SPoC,
    SumPooling,
    UCroW,
    crop_map,
)
from blcf.descriptors.learned import learn_whitening
from blcf.errors import InvalidInput
from blcf.features import Whitening
from blcf.features.whitening import normalise_rows

N_CHANNELS = 6
SHAPES = [(3, 4), (5, 3), (1, 1), (4, 4), (1, 6), (6, 2)]


def random_maps(n: int = 40, seed: int = 0) -> list[np.ndarray]:
    """Maps of several sizes, after a ReLU, with channels that differ in scale; float32."""
    rng = np.random.default_rng(seed)
    scales = np.arange(1, N_CHANNELS + 1)[:, None, None]
    shapes = [(N_CHANNELS, *SHAPES[i % len(SHAPES)]) for i in range(n)]
    return [
        np.maximum(rng.normal(0.5, size=shape) * scales, 0).astype(np.float32) + 1e-3
        for shape in shapes
    ]


def small_vlad(n_components: int | None = None, **options: Any) -> VLAD:
    return VLAD(n_components, n_words=3, **options)


KINDS: dict[str, Callable[..., Descriptor]] = {
    "SumPooling": SumPooling,
    "UCroW": UCroW,
    "SPoC": SPoC,
    "MAC": MAC,
    "RMAC": RMAC,
    "CroW": CroW,
    "GeM": GeM,
    "VLAD": small_vlad,
}
# How each kind pools a map, for those that give one vector.
TWINS: dict[str, tuple[Descriptor, Callable[[Any], list[float]]]] = {
    "sum": (SumPooling(), oracle.sum_pool),
    "uCroW": (UCroW(), oracle.sum_pool),
    "CroW without weights": (CroW(spatial_weights=False, channel_weights=False), oracle.sum_pool),
    "SPoC": (SPoC(), lambda m: oracle.sum_pool(m, oracle.center_prior(*m.shape[1:]))),
    "SPoC without prior": (SPoC(center_prior=False), oracle.sum_pool),
    "MAC": (MAC(), oracle.max_pool),
    "CroW": (CroW(), lambda m: oracle.crow(m, 2, 2)),
    "CroW 1 3": (CroW(a=1, b=3), lambda m: oracle.crow(m, 1, 3)),
    "CroW spatial": (
        CroW(channel_weights=False),
        lambda m: oracle.sum_pool(m, oracle.crow_spatial_weights(m, 2, 2)),
    ),
    "GeM": (GeM(), lambda m: oracle.generalised_mean_pool(m, 3)),
    "GeM 5": (GeM(p=5), lambda m: oracle.generalised_mean_pool(m, 5)),
}

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.mark.parametrize("name", TWINS)
def test_one_vector_of_a_map(name: str) -> None:
    descriptor, pool = TWINS[name]
    learned_from, maps = random_maps(), random_maps(12, seed=1)
    found = descriptor.fit(learned_from).transform(maps)
    # What is learned is the whitening of the pooled vectors; it has tests of its own.
    whitening = Whitening().fit(np.array([pool(one) for one in learned_from]))
    expected = [
        oracle.whiten_with(pool(one), whitening.mean_, whitening.projection_) for one in maps
    ]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    descriptor.whiten = False
    found = descriptor.fit(learned_from).transform(maps)
    np.testing.assert_allclose(found, [oracle.unit(pool(one)) for one in maps], atol=1e-5)
    descriptor.whiten = True


@pytest.mark.parametrize("n_scales", [1, 3])
def test_rmac(n_scales: int) -> None:
    learned_from, maps = random_maps(), random_maps(12, seed=1)
    found = RMAC(n_scales=n_scales, whiten=False).fit(learned_from).transform(maps)
    expected = [oracle.rmac(one, n_scales, oracle.unit) for one in maps]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    regions = [
        oracle.max_pool(one, region)
        for one in learned_from
        for region in oracle.rmac_regions(*one.shape[1:], n_scales)
    ]
    learned = Whitening(4).fit(np.array(regions))
    descriptor = RMAC(4, n_scales=n_scales).fit(learned_from)
    expected = [
        oracle.rmac(
            one,
            n_scales,
            lambda vector: oracle.whiten_with(vector, learned.mean_, learned.projection_),
        )
        for one in maps
    ]
    np.testing.assert_allclose(descriptor.transform(maps), expected, atol=1e-4)


@every_kind
def test_the_contract(kind: Callable[..., Descriptor]) -> None:
    maps, others = random_maps(), random_maps(9, seed=1)
    descriptor = kind(4)
    assert descriptor.fit(maps, learned_on="paris6k") is descriptor
    assert (descriptor.n_components, descriptor.n_components_) == (4, 4)
    assert descriptor.learned_on_ == "paris6k" and descriptor.n_channels_ == N_CHANNELS
    assert isinstance(descriptor.whitening_, Whitening)
    found = descriptor.transform(others)
    assert found.shape == (9, 4) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    # One by one, from a generator, of another dtype: the same.
    np.testing.assert_array_equal(np.vstack([descriptor.transform([m]) for m in others]), found)
    np.testing.assert_array_equal(descriptor.transform(iter(others)), found)
    np.testing.assert_array_equal(
        descriptor.transform([m.astype(np.float64) for m in others]), found
    )
    again = kind(4).fit(m for m in maps)
    np.testing.assert_array_equal(again.transform(others), found)
    assert again.learned_on_ == ""
    assert descriptor.transform([]).shape == (0, 4)


@every_kind
def test_fit_transform(kind: Callable[..., Descriptor]) -> None:
    maps = random_maps()
    expected = kind(4).fit(maps).transform(maps)
    descriptor = kind(4)
    np.testing.assert_array_equal(descriptor.fit_transform(iter(maps), learned_on="x"), expected)
    assert descriptor.learned_on_ == "x"


@every_kind
@pytest.mark.parametrize("whiten", [False, True])
def test_scale_does_not_matter(kind: Callable[..., Descriptor], whiten: bool) -> None:
    maps = random_maps(20)
    found = kind(whiten=whiten).fit(maps).transform([8 * m for m in maps])
    np.testing.assert_allclose(found, kind(whiten=whiten).fit_transform(maps), atol=1e-5)


@every_kind
@pytest.mark.parametrize("whiten", [False, True])
def test_a_map_without_activations(kind: Callable[..., Descriptor], whiten: bool) -> None:
    maps = random_maps(20)
    blank = np.zeros((N_CHANNELS, 3, 4), dtype=np.float32)
    found = kind(whiten=whiten).fit([blank, *maps, blank])
    rows = found.transform([maps[0], blank])
    assert not rows[1].any() and np.linalg.norm(rows[0]) == pytest.approx(1)
    np.testing.assert_array_equal(rows[:1], kind(whiten=whiten).fit(maps).transform(maps[:1]))
    with pytest.raises(InvalidInput, match="got only maps (whose vectors are 0|without any act)"):
        kind(whiten=whiten).fit([blank, blank])


def test_a_region_without_activations_adds_nothing() -> None:
    one = np.zeros((2, 1, 2), dtype=np.float32)
    one[:, 0, 0] = 3, 4  # regions of 1 x 1 cell: the second is empty
    descriptor = RMAC(n_scales=1).fit([one, one + 1, 2 - one / 2])
    found = descriptor.transform([one, one[:, :, :1]])
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)


@pytest.mark.parametrize("kind", [SumPooling, MAC, GeM])
def test_a_constant_map_is_as_one_cell_of_it(kind: Callable[..., Descriptor]) -> None:
    cell = random_maps(3)[2]
    assert cell.shape == (N_CHANNELS, 1, 1)
    descriptor = kind().fit(random_maps())
    found = descriptor.transform([cell, np.tile(cell, (1, 5, 7))])
    np.testing.assert_allclose(found[0], found[1], atol=1e-4)


def test_a_local_query_is_the_descriptor_of_the_crop() -> None:
    maps = random_maps()
    descriptor = MAC(whiten=False).fit(maps)
    crop = crop_map(maps[0], (20, 0, 40, 20), (40, 30))  # 3 x 4 cells of 10 x 10 pixels
    expected = oracle.unit(oracle.max_pool(maps[0], (2, 0, 4, 2)))
    np.testing.assert_allclose(descriptor.transform([crop])[0], expected, atol=1e-6)


def test_neural_codes() -> None:
    codes = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    descriptor = NeuralCodes(5).fit(codes, learned_on="landmarks")
    expected = Whitening(5).fit(codes).transform(codes)
    np.testing.assert_allclose(descriptor.transform(codes), expected, atol=1e-6)
    np.testing.assert_array_equal(descriptor.transform(list(codes)), descriptor.transform(codes))
    assert descriptor.n_channels_ == 7 and descriptor.learned_on_ == "landmarks"
    found = NeuralCodes(whiten=False).fit_transform(codes)
    np.testing.assert_allclose(found, normalise_rows(codes), atol=1e-6)
    with pytest.raises(InvalidInput, match="Expected 7 channels .* got 8 in code 1"):
        descriptor.transform([np.ones(7), np.ones(8)])
    with pytest.raises(InvalidInput, match=r"code 0 to be of shape \(d,\), got shape \(2, 3, 3\)"):
        descriptor.transform([np.zeros((2, 3, 3))])
    with pytest.raises(InvalidInput, match="codes with components"):
        descriptor.fit([np.zeros(0)])


def test_more_components_than_maps_can_fill() -> None:
    # Four maps span three directions; their rows are the corners of a tetrahedron.
    rows = MAC().fit_transform(random_maps(4))
    assert rows.shape == (4, 3)
    np.testing.assert_allclose(rows @ rows.T, np.eye(4) * 4 / 3 - 1 / 3, atol=0.01)


@pytest.mark.parametrize("n_components", [None, 1, 5, 9])
def test_whitening_of_few_long_vectors(n_components: int | None) -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(30, 8)) @ rng.normal(size=(8, 40)) + 2).astype(np.float32)
    found, expected = learn_whitening(vectors, n_components), Whitening(n_components).fit(vectors)
    assert found.n_components_ == expected.n_components_ <= 9  # 8, and their mean
    assert found.n_components == n_components
    assert found.explained_ == pytest.approx(expected.explained_, rel=1e-4)
    others = np.concatenate([vectors, rng.random((5, 40), dtype=np.float32)])
    np.testing.assert_allclose(found.transform(others), expected.transform(others), atol=1e-3)


@every_kind
def test_transform_before_fit(kind: Callable[..., Descriptor]) -> None:
    with pytest.raises(InvalidInput, match="learned nothing yet: call fit first"):
        kind().transform(random_maps(2))


@every_kind
def test_a_fit_that_fails_leaves_nothing_behind(kind: Callable[..., Descriptor]) -> None:
    descriptor = kind().fit(random_maps())
    with pytest.raises(InvalidInput):
        descriptor.fit([np.zeros((4, 4))])
    with pytest.raises(InvalidInput, match="call fit first"):
        descriptor.transform(random_maps())


@every_kind
def test_too_little_to_learn_from(kind: Callable[..., Descriptor]) -> None:
    maps = random_maps()
    for nothing in ([], iter(())):
        with pytest.raises(InvalidInput, match="Expected maps to learn from, got none"):
            kind().fit(nothing)
    if kind not in (RMAC, small_vlad):  # which have many vectors of one map, or 0
        with pytest.raises(InvalidInput, match="two maps with activations .* whiten=False"):
            kind().fit(maps[:1])
    with pytest.raises(InvalidInput, match=r"n_components from 1 to \d+ \(the .*, got 999"):
        kind(999).fit(maps)


@every_kind
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((N_CHANNELS, 4)), r"map 2 to be of shape \(C, h, w\), got shape \(6, 4\)"),
        (np.full((N_CHANNELS, 2, 2), np.nan), "map 2 to be finite in float32, got NaN"),
        (np.ones((N_CHANNELS + 1, 2, 2)), "channels"),
        ("a.jpg", r"map 2 to be of shape \(C, h, w\)"),
    ],
)
def test_a_bad_map_is_named(kind: Callable[..., Descriptor], bad: Any, message: str) -> None:
    maps = random_maps()
    with pytest.raises(InvalidInput, match=message):
        kind().fit([*maps[:2], bad, *maps[3:]])
    with pytest.raises(InvalidInput, match=message):
        kind().fit(maps).transform([maps[0], maps[1], bad])


@every_kind
def test_one_map_in_place_of_a_list(kind: Callable[..., Descriptor]) -> None:
    maps = random_maps()
    with pytest.raises(InvalidInput, match="map 0 to be of shape .* give a list of them"):
        kind().fit(maps[0])
    with pytest.raises(InvalidInput, match="map 0 to be of shape .* give a list of them"):
        kind().fit(maps).transform(maps[0])
    with pytest.raises(InvalidInput, match="Expected a list of maps, got int"):
        kind().fit(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="Expected a list of maps, got NoneType"):
        kind().fit_transform(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("descriptor", "message"),
    [
        (MAC(0), "n_components to be an integer of 1 or more, or None for all, got 0"),
        (MAC("all"), "got 'all'"),  # type: ignore[arg-type]
        (MAC(True), "got True"),
        (MAC(3, whiten=False), "n_components=3 are components of the whitening"),
        (MAC(whiten="no"), "whiten to be True or False, got 'no'"),  # type: ignore[arg-type]
        (RMAC(n_scales=0), "n_scales to be an integer of 1 or more, got 0"),
        (CroW(a=-1), "a to be a number above 0, got -1"),
        (CroW(b=0), "b to be a number above 0, got 0"),
        (GeM(p=0), "p to be a number above 0, got 0"),
    ],
)
def test_options_that_cannot_be(descriptor: Descriptor, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        descriptor.fit(random_maps())
