"""Assignment of interpolated maps from scores of their source cells: equal to the plain way."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import numpy as np
import oracle
import pytest
import torch

from blcf.errors import InvalidInput
from blcf.features import ConvFeatures, Whitening
from blcf.images import read_image
from blcf.kernels.assignment import keep_best_words
from blcf.vocabulary import Vocabulary, interpolate_map, interpolated, interpolated_features
from blcf.vocabulary.interpolated import Words, assign_interpolated

KEEP_BEST = {
    "kernel": interpolated._keep_best_by_kernel,
    "torch": interpolated._keep_best_by_torch,  # what runs on other devices
    "GPU": interpolated._keep_best_by_triton,  # its kernel has tests of its own
}


def on_the_cpu(products, bias, half_norms, shifts, scales, y_places, x_places, first, *top):
    """What the kernel of a GPU does, by that of the CPU."""
    assert products.is_contiguous() and shifts.is_contiguous() and scales.is_contiguous()
    arrays = [one.float().numpy() for one in (products, bias, half_norms, shifts, scales)]
    keep_best_words(*arrays, *y_places, *x_places, first, *(one.numpy() for one in top))


@pytest.fixture(params=KEEP_BEST, autouse=True)
def way(request, monkeypatch: pytest.MonkeyPatch) -> str:
    """All ways of keeping the best words."""
    monkeypatch.setattr(interpolated, "_keep_best_by_kernel", KEEP_BEST[request.param])
    kernel = ModuleType("blcf.vocabulary.device_kernel")
    kernel.keep_best_on_device = on_the_cpu  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, kernel.__name__, kernel)
    return str(request.param)


def random_maps(*shape: int, seed: int = 0) -> np.ndarray:
    """Feature maps like those after a ReLU, float32 (n, C, h, w)."""
    values = np.random.default_rng(seed).normal(size=shape) - 0.3
    return np.maximum(values, 0).astype(np.float32)


def whitening_of(maps: np.ndarray, n_components: int) -> Whitening:
    return Whitening(n_components).fit(maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]))


def vocabulary_of(centroids: np.ndarray) -> Vocabulary:
    return Vocabulary.from_parts(centroids, device="cpu")


def unit_rows(n: int, n_components: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(n, n_components))
    return (0.9 * rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def plain_scores(feature_map, centroids, factor, whitening=None):
    """Scores of all words at all interpolated cells, float64 (H, W, n_words); by the oracle."""
    large = np.array([oracle.interpolate(channel, factor) for channel in feature_map])
    features = large.reshape(len(large), -1).T
    if whitening is not None:
        mean, projection = whitening.mean_.tolist(), whitening.projection_.tolist()
        features = np.array([oracle.whiten(f, mean, projection) for f in features.tolist()])
    centroids = centroids.astype(np.float64)
    scores = features @ centroids.T - (centroids**2).sum(axis=1) / 2
    return scores.reshape(*large.shape[1:], -1)


def check(words: np.ndarray, scores: np.ndarray, gap: float = 1e-5) -> None:
    """Equal words wherever the two best scores differ by more than the gap; nowhere a worse one."""
    best = scores.max(axis=-1)
    found = np.take_along_axis(scores, words[..., None].astype(np.int64), -1)[..., 0]
    assert (best - found <= gap).all()
    if scores.shape[-1] > 1:
        second = np.sort(scores, axis=-1)[..., -2]
        clear = best - second > gap
        np.testing.assert_array_equal(words[clear], scores.argmax(axis=-1)[clear])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("factor", [1, 2, 3, 8])
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (5, 1), (3, 4)])
@pytest.mark.parametrize("n_components", [3, 8])
def test_equals_the_plain_twin(shape, factor, n_components, precision) -> None:
    whitening = whitening_of(random_maps(20, 8, 3, 4, seed=1), n_components)
    maps = random_maps(2, 8, *shape)
    vocabulary = vocabulary_of(unit_rows(30, n_components, seed=2))
    words, norms = vocabulary.assign_maps(
        maps, upsample=factor, whitening=whitening, precision=precision
    )
    assert words.dtype == np.int32 and norms.dtype == np.float32
    for one, found, norm in zip(maps, words, norms):
        scores = plain_scores(one, vocabulary.centroids_, factor, whitening)
        check(found, scores, gap=1e-5 if precision == "float32" else 1e-2)
        expected = np.linalg.norm(interpolate_map(one, factor), axis=0)
        np.testing.assert_allclose(norm, expected, rtol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_without_whitening(factor: int) -> None:
    maps = random_maps(2, 5, 3, 4)
    vocabulary = vocabulary_of(np.random.default_rng(1).random((20, 5)) * 2)
    words, _ = vocabulary.assign_maps(maps, upsample=factor)
    for one, found in zip(maps, words):
        check(found, plain_scores(one, vocabulary.centroids_, factor))


def test_real_maps(data: Path) -> None:
    weights = data / "weights" / "squeezenet1_1_features.pth"
    pictures = sorted((data / "logos" / "images").rglob("*.jpg"))[:6]
    if not weights.is_file() or len(pictures) < 6:
        pytest.skip(f"no weights or pictures under {data}")
    extractor = ConvFeatures("squeezenet1_1", weights=weights, side=256, device="cpu")
    maps = [extractor.extract(read_image(picture)) for picture in pictures]
    sample = np.concatenate([interpolate_map(one, 2).reshape(512, -1).T for one in maps])
    for n_components in (64, 512):
        whitening = Whitening(n_components).fit(sample)
        whitened = whitening.transform(sample)
        vocabulary = vocabulary_of(0.7 * whitened[::3] + 0.2 * whitened[1::3][: len(whitened[::3])])
        n_equal = n_cells = 0
        for one in maps:
            plain = whitening.transform(interpolate_map(one, 2).reshape(512, -1).T)
            scores = plain.astype(np.float64) @ vocabulary.centroids_.T.astype(np.float64)
            scores -= (vocabulary.centroids_.astype(np.float64) ** 2).sum(axis=1) / 2
            shape = (2 * one.shape[1], 2 * one.shape[2])
            check(vocabulary.assign(one, whitening=whitening), scores.reshape(*shape, -1))
            low = vocabulary.assign(one, whitening=whitening, precision="bfloat16")
            n_equal += (low.ravel() == scores.argmax(axis=1)).sum()
            n_cells += low.size
        assert n_equal / n_cells > 0.995


def test_zeros(way: str) -> None:
    whitening = whitening_of(random_maps(20, 6, 3, 4, seed=1), 6)
    maps = np.zeros((1, 6, 3, 4), dtype=np.float32)
    vocabulary = vocabulary_of(unit_rows(20, 6, seed=2))
    maps[0, :, 2, 3] = 1  # one cell that is not: zeros, and zeros beside something
    words, norms = vocabulary.assign_maps(maps, whitening=whitening)
    check(words[0], plain_scores(maps[0], vocabulary.centroids_, 2, whitening))
    assert norms[0, 0, 0] == 0
    nothing = np.zeros_like(maps)
    expected = vocabulary.assign_features(whitening.transform(np.zeros((1, 6), np.float32)))
    assert (vocabulary.assign(nothing[0], whitening=whitening) == expected).all()
    # What cancels is zero too: a and -a, midway.
    maps = np.zeros((1, 6, 1, 2), dtype=np.float32)
    maps[0, :, 0, 0], maps[0, :, 0, 1] = 2, -2
    words, norms = vocabulary.assign_maps(maps, upsample=3, whitening=whitening)
    check(words[0], plain_scores(maps[0], vocabulary.centroids_, 3, whitening))


def test_whitened_features_of_no_length_take_the_shortest_word() -> None:
    whitening = whitening_of(random_maps(20, 4, 3, 4, seed=1), 4)
    whitening = Whitening.from_parts(whitening.mean_, np.zeros_like(whitening.projection_))
    vocabulary = vocabulary_of(np.array([[3, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0]]))
    assert (vocabulary.assign(random_maps(4, 2, 3), whitening=whitening) == 1).all()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("n_words", [1, 2, 37, 700, 4_300])
def test_equal_words_take_the_first(
    n_words: int, precision: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Copies in every place of a block and of a tile, whose ends are computed by other code.
    monkeypatch.setattr(interpolated, "_SCORES", 2**9)
    maps = random_maps(1, 24, 3, 4)
    if way == "kernel":
        whitening = whitening_of(random_maps(20, 24, 3, 4, seed=1), 24)
        vocabulary = vocabulary_of(np.repeat(unit_rows(1, 24, seed=0), n_words, axis=0))
        words = vocabulary.assign_maps(maps, whitening=whitening, precision=precision)[0]
        assert not words.any()
    # Interpolation by torch rounds the last words otherwise: small integers leave no rounding.
    row = np.random.default_rng(0).integers(-3, 4, (1, 24))
    vocabulary = vocabulary_of(np.repeat(row, n_words, axis=0))
    assert not vocabulary.assign_maps(np.round(2 * maps), precision=precision)[0].any()


@pytest.mark.parametrize("scale", [1e-38, 1e-30, 1e-12, 1e12, 1e30, 1e37])
def test_extremes_of_float32(scale: float) -> None:
    whitening = whitening_of(random_maps(20, 6, 3, 4, seed=1), 6)
    maps = random_maps(2, 6, 3, 4)
    vocabulary = vocabulary_of(unit_rows(20, 6, seed=2))
    scaled = np.float32(scale) * maps
    scaled[1] = maps[1]  # maps of one batch do not change each other
    words, norms = vocabulary.assign_maps(scaled, whitening=whitening)
    for one, found in zip(scaled, words):
        check(found, plain_scores(one.astype(np.float64), vocabulary.centroids_, 2, whitening))
    expected = np.linalg.norm(interpolate_map(maps[0], 2).astype(np.float64), axis=0) * scale
    np.testing.assert_allclose(norms[0], expected, rtol=1e-5)


def test_what_is_not_finite_harms_its_neighbours_only() -> None:
    whitening = whitening_of(random_maps(20, 6, 3, 4, seed=1), 6)
    maps = random_maps(1, 6, 3, 6)
    vocabulary = vocabulary_of(unit_rows(20, 6, seed=2))
    expected = vocabulary.assign(maps[0], whitening=whitening)
    for value in (np.nan, np.inf):
        maps[0, 0, 0, 0] = value
        words, norms = vocabulary.assign_maps(maps, whitening=whitening)
        assert words[0, 0, 0] == 0 and not np.isfinite(norms[0, 0, 0])
        np.testing.assert_array_equal(words[0, :, 4:], expected[:, 4:])


def test_batches_groups_and_layouts_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whitening = whitening_of(random_maps(20, 16, 3, 4, seed=1), 10)
    maps = random_maps(7, 16, 5, 4)
    vocabulary = vocabulary_of(unit_rows(300, 10, seed=2))
    words, norms = vocabulary.assign_maps(maps, whitening=whitening)
    for one, found, norm in zip(maps, words, norms):
        np.testing.assert_array_equal(vocabulary.assign(one, whitening=whitening), found)
        alone = vocabulary.assign_maps(one[None], whitening=whitening)[1][0]
        np.testing.assert_array_equal(alone, norm)
    last = np.ascontiguousarray(maps.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    for same in (last, maps[::-1][::-1], np.asfortranarray(maps), maps.astype(np.float64)):
        np.testing.assert_array_equal(vocabulary.assign_maps(same, whitening=whitening)[0], words)
    monkeypatch.setattr(interpolated, "_CELLS", 45)
    monkeypatch.setattr(interpolated, "_SCORES", 1)
    monkeypatch.setattr(interpolated, "_SCORES_ON_DEVICE", 1)
    np.testing.assert_array_equal(vocabulary.assign_maps(maps, whitening=whitening)[0], words)


def test_threads_give_the_same() -> None:
    whitening = whitening_of(random_maps(20, 16, 3, 4, seed=1), 16)
    maps = random_maps(12, 16, 5, 4)
    vocabulary = vocabulary_of(unit_rows(600, 16, seed=2))
    expected = vocabulary.assign_maps(maps, whitening=whitening)[0]
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda one: vocabulary.assign(one, whitening=whitening), maps)
    np.testing.assert_array_equal(np.stack(list(found)), expected)


def test_nothing_is_written_into_the_maps() -> None:
    maps = random_maps(1, 6, 3, 4)
    before = maps.copy()
    vocabulary_of(unit_rows(20, 6, seed=2)).assign_maps(maps)
    np.testing.assert_array_equal(maps, before)


def test_tensors_go_through_without_numpy() -> None:
    maps = torch.from_numpy(random_maps(2, 6, 3, 4))
    words, norms = assign_interpolated(maps, Words(torch.from_numpy(unit_rows(9, 6, 0))), 2)
    assert words.dtype == torch.int32 and words.shape == norms.shape == (2, 6, 8)


def test_what_cannot_be() -> None:
    vocabulary = vocabulary_of(unit_rows(9, 6, 0))
    maps = random_maps(1, 6, 3, 4)
    with pytest.raises(InvalidInput, match=r"of shape \(n, C, h, w\), got shape \(6, 3, 4\)"):
        vocabulary.assign_maps(maps[0])
    with pytest.raises(InvalidInput, match="precision to be one of float32, bfloat16, got 'half'"):
        vocabulary.assign_maps(maps, precision="half")
    for factor in (0, True, 1.5):
        with pytest.raises(InvalidInput, match="upsample to be an integer of 1 or more"):
            vocabulary.assign_maps(maps, upsample=factor)  # type: ignore[arg-type]
    unfitted = Whitening(6)
    with pytest.raises(InvalidInput, match="learned nothing yet"):
        vocabulary.assign_maps(maps, whitening=unfitted)
    other = whitening_of(random_maps(9, 8, 3, 4), 6)
    with pytest.raises(InvalidInput, match=r"shape \(n, 8\), got shape \(48, 6\)"):
        vocabulary.assign_maps(maps, whitening=other)
    few = whitening_of(random_maps(9, 6, 3, 4), 5)
    with pytest.raises(InvalidInput, match=r"shape \(n, 6\), got shape \(48, 5\)\. Whiten them"):
        vocabulary.assign_maps(maps, whitening=few)
    with pytest.raises(InvalidInput, match="call fit first"):
        Vocabulary(9).assign_maps(maps)


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 3)])
def test_some_features_of_an_interpolated_map(factor, shape) -> None:
    rng = np.random.default_rng(5)
    feature_map = rng.standard_normal((7, *shape)).astype(np.float32)
    every = interpolate_map(feature_map, factor).reshape(7, -1).T
    cells = rng.permutation(len(every))[: 1 + len(every) // 2]
    found = interpolated_features(feature_map, factor, cells)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    np.testing.assert_allclose(found, every[cells], rtol=0, atol=1e-6)
    assert interpolated_features(feature_map, factor, cells[:0]).shape == (0, 7)


@pytest.mark.parametrize(
    "error, said",
    [
        (RuntimeError("Failed to find C compiler.\nPlease"), "without Triton.*find C compiler."),
        (ImportError("no triton"), None),
        (None, None),
    ],
)
def test_where_triton_cannot_compile_torch_does_it(monkeypatch, caplog, error, said):
    """It ended in a traceback on images of containers without a compiler."""

    def try_kernel(device):
        if error is not None:
            raise error

    monkeypatch.setattr(
        sys.modules["blcf.vocabulary.device_kernel"], "try_kernel", try_kernel, raising=False
    )
    interpolated._runs_triton.cache_clear()
    try:
        chosen = [interpolated._keep_best_on(torch.device("cuda", 0)) for _ in range(2)]
    finally:
        interpolated._runs_triton.cache_clear()
    by_torch = interpolated._keep_best_by_torch
    assert set(chosen) == {by_torch if error else interpolated._keep_best_by_triton}
    assert len(caplog.records) == (said is not None)
    assert said is None or re.search(said, caplog.text)


def test_maps_that_are_enlarged_much_go_in_smaller_groups():
    """Features of 65,536 cells, at most: of maps enlarged eight times there were a million."""
    together = interpolated._cells_together
    assert [together(False, factor) * factor**2 for factor in (1, 2, 8)] == [16_384, 65_536, 65_536]
    assert together(True, 2) == together(True, 8)
