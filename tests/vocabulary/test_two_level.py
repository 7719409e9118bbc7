"""Words in two levels: exact where all cells are looked at, and the same however it is called."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import oracle
import pytest
import torch

from blcf.errors import FormatError, InvalidInput
from blcf.features import Whitening
from blcf.vocabulary import Vocabulary, assigner
from blcf.vocabulary.assigner import TWO_LEVELS_FROM, Assigner, resolve_assignment
from blcf.vocabulary.assignment import nearest_words
from blcf.vocabulary.two_level import N_PROBED, TwoLevel


def rows(n: int, n_components: int = 12, seed: int = 0) -> torch.Tensor:
    features = np.random.default_rng(seed).standard_normal((n, n_components), dtype=np.float32)
    return torch.from_numpy(features / np.linalg.norm(features, axis=1, keepdims=True))


@pytest.fixture(scope="module")
def two_level() -> TwoLevel:
    return TwoLevel(rows(3_000))


def maps_and_vocabulary(**keywords: Any) -> tuple[np.ndarray, Whitening, Vocabulary]:
    rng = np.random.default_rng(3)
    maps = np.maximum(rng.standard_normal((5, 10, 4, 6), dtype=np.float32), 0)
    features = maps.transpose(0, 2, 3, 1).reshape(-1, 10)
    whitening = Whitening(7).fit(features)
    vocabulary = Vocabulary(50, device="cpu", max_iter=2, **keywords)
    return maps, whitening, vocabulary.fit(whitening.transform(features))


@pytest.mark.parametrize("n_words", [1, 2, 17, 900])
@pytest.mark.parametrize("n_components", [1, 8, 13])
def test_all_cells_are_exact(n_words: int, n_components: int) -> None:
    centroids, features = rows(n_words, n_components), rows(200, n_components, seed=1)
    two_level = TwoLevel(centroids)
    words, scores = two_level.nearest(features, two_level.n_cells)
    expected, expected_scores = nearest_words(features, centroids)
    assert words.dtype == torch.int64 and scores.dtype == torch.float32
    assert torch.equal(words, expected)
    torch.testing.assert_close(scores, expected_scores, atol=1e-6, rtol=0)


@pytest.mark.parametrize("n_probed", [1, 4, 20])
def test_equals_the_plain_twin(two_level: TwoLevel, n_probed: int) -> None:
    features = rows(60, seed=2)
    words, _ = two_level.nearest(features, n_probed)
    expected = [
        oracle.nearest_in_cells(
            feature,
            rows(3_000).tolist(),
            two_level.cells.tolist(),
            two_level.cell_of_word.tolist(),
            two_level.margin(n_probed),
        )
        for feature in features.tolist()
    ]
    assert words.tolist() == expected


def test_more_cells_find_more(two_level: TwoLevel) -> None:
    features = rows(2_000, seed=4)
    exact = nearest_words(features, rows(3_000))[0]
    shares = [
        float((two_level.nearest(features, n)[0] == exact).float().mean())
        for n in (1, 8, 64, two_level.n_cells)
    ]
    assert shares == sorted(shares) and shares[0] < shares[1] < shares[-1] == 1
    margins = [two_level.margin(n) for n in (1, 8, 64, two_level.n_cells)]
    assert margins == sorted(margins) and margins[0] >= 0 and margins[-1] == np.inf


def test_the_lowest_of_equal_words() -> None:
    centroids = rows(300).repeat(2, 1)
    two_level = TwoLevel(centroids)
    for n_probed in (1, 5, two_level.n_cells):
        assert int(two_level.nearest(rows(300, seed=5), n_probed)[0].max()) < 300
    assert two_level.nearest(centroids, 1)[0].tolist() == [*range(300)] * 2
    same = TwoLevel(torch.ones(40, 8))  # all words in one cell, the others empty
    assert same.nearest(rows(9, 8), 1)[0].tolist() == [0] * 9


def test_a_feature_does_not_depend_on_others_or_threads(two_level: TwoLevel) -> None:
    features = rows(3_500, seed=6)
    words, scores = two_level.nearest(features, 6)
    for some in (slice(0, 1), slice(5, 12), slice(100, 1_100)):
        alone, alone_scores = two_level.nearest(features[some], 6)
        assert torch.equal(alone, words[some]) and torch.equal(alone_scores, scores[some])
    n_threads = torch.get_num_threads()
    try:
        for n in (1, 2, 5):
            torch.set_num_threads(n)
            again, again_scores = two_level.nearest(features, 6)
            assert torch.equal(again, words) and torch.equal(again_scores, scores)
    finally:
        torch.set_num_threads(n_threads)


def test_what_is_not_finite_and_nothing(two_level: TwoLevel) -> None:
    features = rows(40, seed=7)
    expected = two_level.nearest(features, 6)[0]
    features[3], features[17, 5] = torch.nan, torch.nan
    words, scores = two_level.nearest(features, 6)
    assert words[[3, 17]].tolist() == [0, 0] and (scores[[3, 17]] == -torch.inf).all()
    kept = [i for i in range(40) if i not in (3, 17)]
    assert torch.equal(words[kept], expected[kept])
    words, scores = two_level.nearest(features[:0], 6)
    assert words.shape == scores.shape == (0,)


@pytest.mark.parametrize("n_probed", [0, -1, 2.0, True, "all", None])
def test_numbers_of_cells_that_cannot_be(two_level: TwoLevel, n_probed: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"n_probed to be an integer .*, got {n_probed!r}"):
        two_level.nearest(rows(2), n_probed)
    with pytest.raises(InvalidInput, match="n_probed"):
        Vocabulary(3, n_probed=n_probed, device="cpu").fit(rows(30).numpy())


def test_the_cells_are_those_of_the_seed(two_level: TwoLevel) -> None:
    same, other = TwoLevel(rows(3_000)), TwoLevel(rows(3_000), random_state=1)
    assert torch.equal(same.cells, two_level.cells)
    np.testing.assert_array_equal(same.cell_of_word, two_level.cell_of_word)
    assert not torch.equal(other.cells, two_level.cells)
    assert TwoLevel(rows(5), 40).n_cells == 5  # fewer words than cells
    assert TwoLevel(rows(5).repeat(8, 1), 40).n_cells == 5  # none without words
    opened = TwoLevel.from_cells(rows(3_000), two_level.cells.numpy(), two_level.cell_of_word)
    assert opened.margin(6) == two_level.margin(6) and opened.n_bytes == two_level.n_bytes
    features = rows(100, seed=8)
    assert torch.equal(opened.nearest(features, 6)[0], two_level.nearest(features, 6)[0])


def test_the_cells_are_learned_by_the_first_thread_that_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learned: list[TwoLevel] = []
    one = Assigner(rows(200), "two_level", N_PROBED, 0)
    other = threading.Thread(target=lambda: one.two_level)

    def learn(*arguments: Any, **keywords: Any) -> TwoLevel:
        if not other.ident:
            other.start()
            other.join(0.05)  # it waits until these are learned
        learned.append(TwoLevel(*arguments, **keywords))
        return learned[-1]

    monkeypatch.setattr(assigner, "TwoLevel", learn)
    found = one.two_level
    other.join(60)
    assert learned == [found] and one.two_level is found


def test_what_auto_is() -> None:
    assert resolve_assignment("auto", TWO_LEVELS_FROM - 1, "cpu") == "exact"
    assert resolve_assignment("auto", TWO_LEVELS_FROM, "cpu") == "two_level"
    assert resolve_assignment("auto", TWO_LEVELS_FROM, "cuda") == "exact"
    assert resolve_assignment("exact", 10**6, "cpu") == "exact"
    assert resolve_assignment("two_level", 2, "cuda") == "two_level"
    assert f"{TWO_LEVELS_FROM:,} words" in str(Vocabulary.__doc__)
    with pytest.raises(InvalidInput, match="auto, exact, two_level, got 'fast'"):
        Vocabulary(3, assignment="fast", device="cpu").fit(rows(30).numpy())
    vocabulary = Vocabulary(3, device="cpu").fit(rows(30).numpy())
    assert (vocabulary.assignment, vocabulary.assignment_) == ("auto", "exact")
    assert vocabulary.n_probed == N_PROBED


@pytest.mark.parametrize("upsample", [1, 2, 3])
def test_maps(upsample: int) -> None:
    maps, whitening, exact = maps_and_vocabulary()
    maps[1, :, 2, 3] = 0
    near = maps_and_vocabulary(assignment="two_level", n_probed=10**6)[2]
    assert near.assignment_ == "two_level" and near.digest_ == exact.digest_
    settings: dict[str, Any] = {"upsample": upsample, "whitening": whitening}
    words, norms = near.assign_maps(maps, **settings)
    expected, expected_norms = exact.assign_maps(maps, **settings)
    assert words.dtype == np.int32 and norms.dtype == np.float32
    np.testing.assert_array_equal(words, expected)
    np.testing.assert_array_equal(norms, expected_norms)
    features = whitening.transform(maps[0].reshape(10, -1).T)
    np.testing.assert_array_equal(near.assign_features(features), exact.assign_features(features))
    raw = whitening.transform(maps[0].reshape(10, -1).T).T.reshape(7, 4, 6)
    np.testing.assert_array_equal(near.assign(raw), exact.assign(raw))


def test_a_map_has_the_same_words_alone() -> None:
    maps, whitening, vocabulary = maps_and_vocabulary(assignment="two_level", n_probed=2)
    maps = np.concatenate([maps] * 5)
    words, norms = vocabulary.assign_maps(maps, whitening=whitening)
    for one, expected, expected_norms in zip(maps, words, norms):
        alone, alone_norms = vocabulary.assign_maps(one[None], whitening=whitening)
        np.testing.assert_array_equal(alone[0], expected)
        np.testing.assert_array_equal(alone_norms[0], expected_norms)


def test_features_of_length_0_have_the_shortest_word() -> None:
    maps, _, vocabulary = maps_and_vocabulary(assignment="two_level", n_probed=1)
    shortest = int((vocabulary.centroids_**2).sum(axis=1).argmin())
    found = vocabulary.assign(np.zeros((7, 2, 3), np.float32))
    assert (found == shortest).all()
    nan = np.full((7, 2, 3), np.nan, np.float32)
    assert (vocabulary.assign(nan) == 0).all()


def test_saved_and_opened(tmp_path: Path) -> None:
    maps, whitening, vocabulary = maps_and_vocabulary(assignment="two_level", n_probed=2)
    path = tmp_path / "words.h5"
    vocabulary.save(path)
    opened = Vocabulary.open(path, device="cpu")
    assert (opened.assignment, opened.n_probed) == ("two_level", 2)
    assert opened._assigner._two_level is not None  # not learned again
    np.testing.assert_array_equal(
        opened.assign_maps(maps, whitening=whitening)[0],
        vocabulary.assign_maps(maps, whitening=whitening)[0],
    )
    opened.save(tmp_path / "again.h5")
    assert Vocabulary.open(tmp_path / "again.h5", device="cpu").digest_ == vocabulary.digest_
    with h5py.File(path, "r+") as file:
        file["cells"]["cell_of_word"][3] = 10**6
    with pytest.raises(FormatError, match="The cells of .*words.h5 do not match their digest"):
        Vocabulary.open(path, device="cpu")


def test_a_file_of_before_is_exact(tmp_path: Path) -> None:
    vocabulary = maps_and_vocabulary()[2]
    path = tmp_path / "words.h5"
    vocabulary.save(path)
    with h5py.File(path, "r+") as file:
        assert "cells" not in file
        del file.attrs["assignment"], file.attrs["n_probed"]
    opened = Vocabulary.open(path, device="cpu")
    assert (opened.assignment, opened.assignment_) == ("exact", "exact")


def test_the_same_words_in_another_way() -> None:
    words, features = rows(900).numpy(), rows(400, seed=1).numpy()
    vocabulary = Vocabulary.from_parts(words, device="cpu", assignment="two_level")
    in_cells = vocabulary.with_assignment("two_level", n_probed=1)
    assert in_cells.n_probed == 1 and vocabulary.n_probed == N_PROBED
    exact = vocabulary.with_assignment("exact")
    assert (exact.assignment_, vocabulary.assignment_) == ("exact", "two_level")
    assert exact.digest_ == vocabulary.digest_ and exact.centroids_ is vocabulary.centroids_
    plain = Vocabulary.from_parts(vocabulary.centroids_, device="cpu", assignment="exact")
    np.testing.assert_array_equal(exact.assign_features(features), plain.assign_features(features))
    near = vocabulary.assign_features(features)
    again = exact.with_assignment("two_level")
    np.testing.assert_array_equal(again.assign_features(features), near)
    assert (in_cells.assign_features(features) != exact.assign_features(features)).any()
    with pytest.raises(InvalidInput, match="assignment to be one of"):
        vocabulary.with_assignment("fast")
    with pytest.raises(InvalidInput, match="call fit first"):
        Vocabulary(3).with_assignment("exact")
