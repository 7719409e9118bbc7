"""Bags: the oracle's counts of maps and boxes under every weighting, and what is refused."""

from __future__ import annotations

import numpy as np
import oracle
import pytest

from blcf.bags import WEIGHTINGS, BagOfWords, eighths, spatial_weights
from blcf.boxes import box_to_cells
from blcf.errors import InvalidInput, VocabularyMismatch

WORDS = np.array([[0, 3, 3], [1, 3, 0]], dtype=np.int32)
SIZE = (30, 20)  # a cell is 10 x 10 pixels


def as_dict(bag):
    return dict(zip(bag.indices.tolist(), bag.data.tolist()))


def random_map(rng, n_words):
    shape = tuple(int(n) for n in rng.integers(1, 9, 2))
    return rng.integers(0, n_words, shape).astype(np.int32), rng.random(shape) + 0.1


def test_counts_by_hand():
    bag = BagOfWords(n_words=5).encode(WORDS)
    assert bag.shape == (1, 5) and bag.dtype == np.float32 and bag.format == "csr"
    assert bag.toarray().tolist() == [[2, 1, 0, 3, 0]]
    assert bag.nnz == 3 and bag.has_canonical_format


@pytest.mark.parametrize(
    ("box", "counts"),
    [
        ([0, 0, 30, 20], {0: 2, 1: 1, 3: 3}),
        ([10, 0, 30, 10], {3: 2}),
        ([9.5, 0, 30, 10], {0: 1, 3: 2}),
        ([22, 12, 23, 13], {0: 1}),  # inside one cell
        ([0, 10, 20, 500], {1: 1, 3: 1}),  # cut to the image
    ],
)
def test_box_by_hand(box, counts):
    encoder = BagOfWords(n_words=5)
    bag = encoder.encode(WORDS, box=box, size=SIZE)
    assert as_dict(bag) == counts
    cells = box_to_cells(box, SIZE, WORDS.shape)
    assert as_dict(encoder.encode(WORDS, cells=cells)) == counts


def test_norms_by_hand():
    norms = np.array([[4, 1, 1], [0, 2, 2]], dtype=np.float32)
    bag = BagOfWords(n_words=5, weighting="norm").encode(WORDS, channel=norms)
    assert as_dict(bag) == {0: 1.5, 3: 1}  # word 1 lies in a cell of weight 0 only
    half = BagOfWords(n_words=5, weighting="norm")
    # Weights are those of the whole map, not of the box.
    assert as_dict(half.encode(WORDS, channel=norms, cells=(1, 0, 3, 1))) == {3: 0.5}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_random_maps_are_the_oracle(weighting):
    rng = np.random.default_rng(0)
    encoder = BagOfWords(n_words=6, weighting=weighting)
    for _ in range(60):
        words, norms = random_map(rng, 6)
        weights = np.rint(spatial_weights(weighting, words.shape, norms) * 8) / 8
        expected = oracle.bag(words.tolist(), weights.tolist())
        # Eighths add without rounding.
        assert as_dict(encoder.encode(words, channel=norms)) == expected
        width, height = (int(n) for n in rng.integers(20, 300, 2))
        x1, y1 = int(rng.integers(0, width)), int(rng.integers(0, height))
        box = [x1, y1, int(rng.integers(x1 + 1, width + 1)), int(rng.integers(y1 + 1, height + 1))]
        left, top, right, bottom = oracle.box_to_cells(box, (width, height), words.shape)
        expected = oracle.bag(
            words[top:bottom, left:right].tolist(), weights[top:bottom, left:right].tolist()
        )
        bag = encoder.encode(words, box=box, size=(width, height), channel=norms)
        assert as_dict(bag) == expected


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_one_cell(weighting):
    words, norms = np.array([[2]], dtype=np.uint16), np.array([[7.0]])
    encoder = BagOfWords(n_words=3, weighting=weighting)
    assert as_dict(encoder.encode(words, channel=norms)) == {2: 1}
    bag = encoder.encode(words, box=[3, 3, 4, 4], size=(100, 90), channel=norms)
    assert as_dict(bag) == {2: 1}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_many_is_one_by_one(weighting):
    rng = np.random.default_rng(1)
    maps, norms = zip(*(random_map(rng, 9) for _ in range(7)))
    encoder = BagOfWords(n_words=9, weighting=weighting)
    bags = encoder.encode_many(maps, norms)
    assert bags.shape == (7, 9) and bags.dtype == np.float32 and bags.format == "csr"
    for row, words, norm in zip(bags, maps, norms):
        assert as_dict(row) == as_dict(encoder.encode(words, channel=norm))


def test_no_maps():
    bags = BagOfWords(n_words=9).encode_many([])
    assert bags.shape == (0, 9) and bags.dtype == np.float32


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64"])
def test_words_of_any_integer_type(dtype):
    words = WORDS.astype(dtype)
    words.setflags(write=False)
    assert as_dict(BagOfWords(n_words=4).encode(words)) == {0: 2, 1: 1, 3: 3}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (WORDS.astype(float), r"got float64 of shape \(2, 3\)"),
        (WORDS.ravel(), r"got int32 of shape \(6,\)"),
        (WORDS[:0], r"got int32 of shape \(0, 3\)"),
        (WORDS[None], r"got int32 of shape \(1, 2, 3\)"),
        (WORDS + 2, "Expected words from 0 to 4, got 2 to 5. Use the vocabulary that made"),
        (WORDS - 1, "Expected words from 0 to 4, got -1 to 2"),
    ],
)
def test_bad_maps(words, message):
    kind = VocabularyMismatch if "words from" in message else InvalidInput
    with pytest.raises(kind, match=message):
        BagOfWords(n_words=5).encode(words)
    with pytest.raises(kind, match=message):
        BagOfWords(n_words=5).encode_many([WORDS, words])


def test_bad_boxes_and_weightings():
    encoder = BagOfWords(n_words=5)
    with pytest.raises(InvalidInput, match=r"pass size=\(width, height\) as well"):
        encoder.encode(WORDS, box=[0, 0, 3, 3])
    with pytest.raises(InvalidInput, match="empty or reversed"):
        encoder.encode(WORDS, box=[5, 5, 3, 9], size=SIZE)
    with pytest.raises(InvalidInput, match="which lies outside"):
        encoder.encode(WORDS, box=[30, 0, 40, 5], size=SIZE)
    with pytest.raises(InvalidInput, match="Did you mean 'uniform'"):
        BagOfWords(n_words=5, weighting="unifrom").encode(WORDS)
    with pytest.raises(InvalidInput, match="for weighting 'norm', got none"):
        BagOfWords(n_words=5, weighting="norm").encode(WORDS)


def test_region_by_hand():
    encoder = BagOfWords(n_words=5)
    region = np.array([[1, 0.3, 0.06], [0, 2, 0.07]])
    assert as_dict(encoder.encode(WORDS, region=region)) == {0: 1.125, 3: 2.25}
    assert as_dict(encoder.encode(WORDS, region=region > 0.5)) == {0: 1, 3: 1}
    bag = encoder.encode(WORDS, region=region, box=[0, 0, 20, 10], size=SIZE)
    assert as_dict(bag) == {0: 1, 3: 0.25}  # both count


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_regions_multiply_the_weights(weighting):
    rng = np.random.default_rng(2)
    encoder = BagOfWords(n_words=6, weighting=weighting)
    for _ in range(40):
        words, norms = random_map(rng, 6)
        region = (rng.random(words.shape) + 0.1).astype(np.float32)
        weights = eighths(spatial_weights(weighting, words.shape, norms) * region)
        bag = encoder.encode(words, channel=norms, region=region)
        assert as_dict(bag) == oracle.bag(words.tolist(), weights.tolist())
        assert as_dict(bag) == as_dict(encoder.encode(words, channel=norms, region=region.tolist()))
        same = encoder.encode(words, channel=norms, region=np.ones(words.shape))
        assert as_dict(same) == as_dict(encoder.encode(words, channel=norms))


def test_eighths():
    weights = np.array([[0, 0.06, 0.07], [0.1875, 0.3125, 7.9]])  # halves go to the even step
    rounded = eighths(weights)
    assert rounded.dtype == np.float32
    assert rounded.tolist() == [[0, 0, 0.125], [0.25, 0.25, 7.875]]
    assert eighths(rounded).tolist() == rounded.tolist()


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (np.ones((3, 2)), r"of shape \(2, 3\), .* got float64 of shape \(3, 2\)"),
        (1.0, r"got float64 of shape \(\)"),
        (np.full((2, 3), "a"), "got <U1 of shape"),
        (np.full((2, 3), 1j), "got complex128"),
        (np.full((2, 3), np.nan), "finite and >= 0"),
        (np.full((2, 3), np.inf), "finite and >= 0"),
        (np.full((2, 3), -1), "finite and >= 0"),
        (np.zeros((2, 3)), "covers no cell"),
        (np.full((2, 3), 0.06), "weight 1/16 or more, got 0.06 at most: it covers no cell"),
    ],
)
def test_bad_regions(region, message):
    with pytest.raises(InvalidInput, match=message):
        BagOfWords(n_words=5).encode(WORDS, region=region)


def test_arguments_are_not_written():
    words, norms = WORDS.copy(), np.ones((2, 3), dtype=np.float32)
    words.setflags(write=False)
    norms.setflags(write=False)
    for weighting in WEIGHTINGS:
        encoder = BagOfWords(5, weighting)
        encoder.encode(words, box=[1, 1, 9, 9], size=SIZE, channel=norms, region=norms)
