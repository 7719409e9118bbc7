"""Evidence: every pair of cells by a double loop, sums that are scores, bursts, mistakes."""

from __future__ import annotations

import numpy as np
import oracle_places
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.bags import BagOfWords
from blcf.errors import BlcfError, InvalidInput, VocabularyMismatch
from blcf.index import InvertedFile
from blcf.records import Evidence, View
from blcf.rerank import LocalSearch
from blcf.rerank import evidence as module
from blcf.rerank.evidence import join_evidence, region_evidence, scaled

ONE = np.ones(1)


def view(words, weights):
    return View(words, weights, bag=None)


def rows(evidence: Evidence) -> dict[tuple, float]:
    """{(word, query cell, image cell): contribution}; a pair has one row."""
    keys = [
        (word, tuple(query_cell), tuple(image_cell))
        for word, query_cell, image_cell in zip(
            evidence.words.tolist(), evidence.query_cells.tolist(), evidence.image_cells.tolist()
        )
    ]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, evidence.contributions.tolist()))


def random_map(rng, n_words):
    shape = tuple(int(n) for n in rng.integers(1, 6, 2))
    return rng.integers(0, n_words, shape), (rng.integers(0, 5, shape) / 4).astype(np.float32)


def random_case(rng):
    """What `region_evidence` takes: positional arguments and keywords."""
    n_words = int(rng.integers(1, 9))
    examples = [view(*random_map(rng, n_words)) for _ in range(rng.integers(0, 4))]
    words, weights = random_map(rng, n_words)
    wanted, idf = rng.normal(size=n_words), rng.random(n_words)
    wanted[rng.random(n_words) < 0.3] = 0
    idf[rng.random(n_words) < 0.2] = 0
    x1, x2 = sorted(rng.choice(words.shape[1] + 1, 2, replace=False).tolist())
    y1, y2 = sorted(rng.choice(words.shape[0] + 1, 2, replace=False).tolist())
    options = {
        "cells": (x1, y1, x2, y2) if rng.random() < 0.6 else None,
        "norm": float(rng.random()) if rng.random() < 0.3 else None,
        "sqrt": bool(rng.random() < 0.5),
    }
    return (examples, wanted, idf, words, weights), options


def by_the_oracle(case, options):
    examples, wanted, idf, words, weights = case
    window = options["cells"] or (0, 0, *words.shape[::-1])
    pictures = [(example.assignment_map.tolist(), example.weights.tolist()) for example in examples]
    return oracle_places.evidence(
        pictures,
        wanted.tolist(),
        idf.tolist(),
        words.tolist(),
        window,
        weights.tolist(),
        options["sqrt"],
        options["norm"],
    )


def in_order(evidence: Evidence) -> bool:
    """Contributions descend; equal ones by cell of the image, then of the query, row by row."""
    (x, y), (example, qx, qy) = evidence.image_cells.T, evidence.query_cells.T
    order = np.lexsort((evidence.words, qx, qy, example, x, y, -evidence.contributions))
    return order.tolist() == list(range(order.size))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_pair_by_a_double_loop(seed: int) -> None:
    case, options = random_case(np.random.default_rng(seed))
    expected = by_the_oracle(case, options)
    evidence = region_evidence(*case, **options)
    found = rows(evidence)
    assert found.keys() == expected.keys()
    for key, contribution in expected.items():
        assert found[key] == pytest.approx(contribution, abs=1e-12)
    assert in_order(evidence)
    assert evidence.score == pytest.approx(sum(expected.values()), abs=1e-9)
    assert evidence.image_shape == case[3].shape
    assert evidence.query_shapes == tuple(example.assignment_map.shape for example in case[0])
    dtypes = [evidence.words.dtype, evidence.query_cells.dtype, evidence.image_cells.dtype]
    assert dtypes == [np.int32] * 3 and evidence.contributions.dtype == np.float64


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_with_few_pairs_each_cell_keeps_what_it_contributes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case, options = random_case(rng)
    full = region_evidence(*case, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MOST_PAIRS", int(rng.integers(0, 20)))
        few = region_evidence(*case, **options)
        n_cells = sum(example.assignment_map.size for example in case[0]) + 2 * case[3].size
        assert few.words.size <= module.MOST_PAIRS + n_cells
    assert in_order(few) and rows(few).keys() <= rows(full).keys()
    np.testing.assert_allclose(few.image_heat(), full.image_heat(), atol=1e-9)
    for number in range(len(case[0])):
        np.testing.assert_allclose(few.query_heat(number), full.query_heat(number), atol=1e-9)
    assert few.score == pytest.approx(full.score, abs=1e-9)


def test_two_flat_walls_are_no_million_pairs() -> None:
    words, weights = np.zeros((60, 70), int), np.ones((60, 70))
    evidence = region_evidence([view(words, weights)], ONE, ONE, words, weights)
    assert evidence.words.size == 4200 and evidence.score == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(evidence.image_heat(), 1 / 4200, atol=1e-12)
    np.testing.assert_allclose(evidence.query_heat(), 1 / 4200, atol=1e-12)


@pytest.mark.parametrize("sqrt", [False, True])
@pytest.mark.parametrize("use_idf", [False, True])
def test_the_sum_is_the_score_of_the_index_and_of_the_best_window(
    sqrt: bool, use_idf: bool
) -> None:
    rng = np.random.default_rng(3)
    n_words = 12
    maps = [rng.integers(0, n_words, (7, 9)) for _ in range(20)]
    norms = [rng.random((7, 9)).astype(np.float32) for _ in maps]
    bag_of_words = BagOfWords(n_words, "norm")
    index = InvertedFile(n_words, idf=use_idf, sqrt=sqrt)
    index.add([f"{i}.jpg" for i in range(20)], bag_of_words.encode_many(maps, norms))
    counted = [np.rint(norm / norm.max() * 8) / 8 for norm in norms]  # as a bag counts
    box = np.zeros((7, 9))
    box[1:5, 2:7] = counted[0][1:5, 2:7]
    bag = bag_of_words.encode(maps[0], cells=(2, 1, 7, 5), channel=norms[0])
    search = LocalSearch(index.idf_, sqrt=sqrt)
    wanted = search.prepare(index.weigh(bag))
    query = [view(maps[0], box)], wanted, index.idf_
    ranking = index.search(bag)
    for image, score in zip(ranking.ids, ranking.scores):
        whole = region_evidence(*query, maps[image], counted[image], sqrt=sqrt)
        assert whole.score == pytest.approx(score, abs=1e-6)
        assert not whole.query_heat()[box == 0].any()
        best = search.best_window(wanted, maps[image], weights=norms[image])
        part = region_evidence(*query, maps[image], norms[image], cells=best.cells, sqrt=sqrt)
        assert part.score == pytest.approx(best.score, abs=1e-9)
        x1, y1, x2, y2 = best.cells
        assert part.image_heat()[y1:y2, x1:x2].sum() == pytest.approx(best.score, abs=1e-9)


def test_maps_of_one_cell() -> None:
    one = np.array([[1]]), np.ones((1, 1))
    wanted, idf = np.array([0.0, 0.5]), np.array([1.0, 2.0])
    evidence = region_evidence([view(*one)], wanted, idf, *one, share=0.5)
    assert rows(evidence) == {(1, (0, 0, 0), (0, 0)): 0.125}


def test_no_common_word() -> None:
    query = [view(np.array([[0, 1]]), np.ones((1, 2)))]
    wanted = np.array([0.6, 0.8, 0.0])
    evidence = region_evidence(query, wanted, np.ones(3), np.full((2, 3), 2), np.ones((2, 3)))
    assert rows(evidence) == {} and evidence.score == 0
    assert evidence.query_cells.shape == (0, 3) and evidence.image_cells.shape == (0, 2)
    assert evidence.image_heat().tolist() == np.zeros((2, 3)).tolist()
    assert evidence.query_heat().tolist() == np.zeros((1, 2)).tolist()
    assert rows(join_evidence([evidence, evidence])) == rows(scaled(evidence, 0)) == {}


def test_no_weight_no_norm_no_evidence() -> None:
    words = np.zeros((2, 2), int)
    query = [view(words, np.ones((2, 2)))]
    assert not rows(region_evidence(query, ONE, ONE, words, np.zeros((2, 2))))
    assert not rows(region_evidence(query, ONE, 0 * ONE, words, np.ones((2, 2))))
    assert not rows(region_evidence(query, ONE, ONE, words, np.ones((2, 2)), norm=0))


def test_words_that_no_example_shows() -> None:
    # Word 1 lies outside of the box, word 2 is of a hit that expanded the query.
    query = [view(np.array([[0, 1]]), np.array([[1.0, 0.0]]))]
    wanted, words, ones = np.array([3.0, 2.0, -1.0]), np.array([[0, 1, 2]]), np.ones((1, 3))
    found = region_evidence(query, wanted, np.ones(3), words, ones, norm=1)
    nowhere = (-1, -1, -1)
    expected = {(0, (0, 0, 0), (0, 0)): 3.0, (1, nowhere, (1, 0)): 2.0, (2, nowhere, (2, 0)): -1.0}
    assert rows(found) == expected
    assert list(rows(found)) == list(expected)  # in this order
    alone = region_evidence([], np.ones(3), np.ones(3), np.array([[0, 2]]), np.ones((1, 2)), norm=1)
    assert rows(alone) == {(0, nowhere, (0, 0)): 1.0, (2, nowhere, (1, 0)): 1.0}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_joined_parts_are_their_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    (examples, wanted, idf, words, weights), options = random_case(rng)
    parts = []
    for _ in range(3):
        words_of_part = np.where(rng.random(words.shape) < 0.8, words, rng.integers(0, idf.size))
        options["share"] = float(rng.normal())
        parts.append(region_evidence(examples, wanted, idf, words_of_part, weights, **options))
    expected: dict[tuple, float] = {}
    for part in parts:
        for key, contribution in rows(part).items():
            expected[key] = expected.get(key, 0.0) + contribution
    joined = join_evidence(parts)
    assert in_order(joined)
    assert rows(joined) == pytest.approx({k: v for k, v in expected.items() if v}, abs=1e-12)
    assert joined.score == pytest.approx(sum(part.score for part in parts), abs=1e-9)
    np.testing.assert_allclose(
        joined.image_heat(), sum(part.image_heat() for part in parts), atol=1e-12
    )
    alone = join_evidence(parts[:1])
    assert list(rows(alone).items()) == list(rows(parts[0]).items())


def test_what_cancels_is_left_out() -> None:
    words, weights = np.array([[0]]), np.ones((1, 1))
    both = [
        region_evidence([view(words, weights)], ONE, ONE, words, weights, share=share)
        for share in (0.25, -0.25)
    ]
    assert rows(join_evidence(both)) == {}


def test_scaled() -> None:
    case, _ = random_case(np.random.default_rng(5))
    evidence = region_evidence(*case)
    assert evidence.score != 0
    for score in (0.75, -0.5):
        other = scaled(evidence, score)
        assert other.score == pytest.approx(score, abs=1e-12) and in_order(other)
        factor = score / evidence.score
        assert rows(other) == pytest.approx({k: v * factor for k, v in rows(evidence).items()})
    assert rows(scaled(evidence, 0)) == {}


def test_nothing_is_written() -> None:
    words, weights = np.arange(4).reshape(2, 2).astype(np.uint16), np.ones((2, 2), np.float32)
    wanted, idf = np.ones(4, np.float32), np.ones(4)
    for array in (words, weights, wanted, idf):
        array.setflags(write=False)
    evidence = region_evidence(
        [view(words, weights)], wanted, idf, words, weights, cells=(1, 0, 2, 2)
    )
    assert evidence.words.tolist() == [1, 3]
    contributions = evidence.contributions.copy()
    scaled(join_evidence([evidence, evidence]), 0.5)
    np.testing.assert_array_equal(evidence.contributions, contributions)


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"wanted": np.ones(5)}, VocabularyMismatch, r"shapes \(5,\) and \(4,\)"),
        ({"wanted": sp.csr_matrix((1, 4)).toarray()}, VocabularyMismatch, r"\(1, 4\) and \(4,\)"),
        ({"wanted": np.array([1, 2, np.nan, 1])}, InvalidInput, "to be finite"),
        ({"idf": np.array([1, 2, np.inf, 1])}, InvalidInput, "to be finite"),
        ({"words": np.full((2, 3), 4)}, VocabularyMismatch, "0 to 3 in the image, got 4 to 4"),
        ({"words": np.full((2, 3), -1)}, VocabularyMismatch, "got -1 to -1"),
        ({"words": np.ones((2, 3))}, InvalidInput, r"integers of shape \(h, w\) of the image"),
        ({"words": np.ones(3, int)}, InvalidInput, r"got int64 of shape \(3,\)"),
        ({"weights": np.ones((3, 2))}, InvalidInput, r"of shape \(2, 3\) of the image.*\(3, 2\)"),
        ({"weights": np.full((2, 3), -0.5)}, InvalidInput, "weights >= 0 .* -0.5 to -0.5"),
        ({"weights": np.full((2, 3), np.nan)}, InvalidInput, "finite weights"),
        ({"cells": (0, 0, 4, 2)}, InvalidInput, r"inside a map of 3x2 cells, got \(0, 0, 4, 2\)"),
        ({"cells": (1, 0, 1, 2)}, InvalidInput, "Expected a window"),
        ({"norm": -1.0}, InvalidInput, "norm >= 0, got 1.0 and -1.0"),
        ({"share": np.nan}, InvalidInput, "finite share"),
        (
            {"examples": [view(np.array([[0]]), np.ones((1, 1))), view(np.eye(2), ONE)]},
            InvalidInput,
            "of example 1, got float64",
        ),
    ],
)
def test_mistakes(changes: dict, error: type[BlcfError], match: str) -> None:
    arguments = {
        "examples": [view(np.array([[0]]), np.ones((1, 1)))],
        "wanted": np.ones(4),
        "idf": np.ones(4),
        "words": np.zeros((2, 3), int),
        "weights": np.ones((2, 3)),
    }
    with pytest.raises(error, match=match):
        region_evidence(**{**arguments, **changes})


def test_mistakes_with_evidence() -> None:
    words, weights = np.array([[0, 0]]), np.ones((1, 2))
    some = region_evidence([view(words, weights)], ONE, ONE, words, weights)
    none = region_evidence([view(words, weights)], ONE, ONE, words, 0 * weights)
    turned = region_evidence([view(words, weights)], ONE, ONE, words.T, weights.T)
    with pytest.raises(InvalidInput, match=r"of the same pictures.*\(1, 2\).*\(2, 1\)"):
        join_evidence([some, turned])
    with pytest.raises(InvalidInput, match=r"of one shape, got \[\]"):
        join_evidence([])
    with pytest.raises(InvalidInput, match="a sum of 0.0 for a score of 0.5"):
        scaled(none, 0.5)
    with pytest.raises(InvalidInput, match="score of nan"):
        scaled(some, np.nan)
    for example in (-1, 1):
        with pytest.raises(InvalidInput, match=f"one of 1 examples, 0 the first, got {example}"):
            some.query_heat(example)
