"""What a stage prints: its parameters that are not the default, and what it holds; one line."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import tiles

from blcf import (
    BagOfWords,
    ConvFeatures,
    FlatIndex,
    InvertedFile,
    LocalSearch,
    Vocabulary,
    Whitening,
)
from blcf.descriptors import MAC, RMAC, VLAD, CroW, DescriptorSearch, RmacReranker
from blcf.printing import shown
from blcf.rerank import Voting

SAMPLE = np.random.default_rng(0).random((60, 8), dtype=np.float32)
MAPS = [np.random.default_rng(i).random((8, 5, 6), dtype=np.float32) for i in range(12)]
BAGS = sp.csr_matrix(np.eye(3, dtype=np.float32))


def fitted() -> MAC:
    return MAC(4).fit(MAPS)


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (BagOfWords(9), "BagOfWords(n_words=9)"),
        (BagOfWords(9, "norm"), "BagOfWords(n_words=9, weighting='norm')"),
        (Whitening(), "Whitening(): not fitted"),
        (Whitening(4).fit(SAMPLE), "Whitening(n_components=4): 8 channels to 4 components"),
        (Vocabulary(), "Vocabulary(): not fitted"),
        (
            Vocabulary(5, random_state=1).fit(SAMPLE),
            "Vocabulary(n_words=5, random_state=1): 5 words of 8 components",
        ),
        (
            InvertedFile(3, idf=True).add(["a", "b", "c"], BAGS),
            "InvertedFile(n_words=3, idf=True): 3 images, 3 postings",
        ),
        (FlatIndex(2).add(["a"], SAMPLE[:1, :2]), "FlatIndex(n_components=2): 1 image"),
        (LocalSearch(np.ones(3)), "LocalSearch(idf=float64 (3,))"),
        (
            LocalSearch(np.ones(3), windows="all", shares=(1, 2)),
            "LocalSearch(idf=float64 (3,), shares=(1, 2), windows='all')",
        ),
        (Voting(3, SAMPLE[:3]), "Voting(n_words=3, centroids=float32 (3, 8))"),
        (RMAC(32), "RMAC(n_components=32): not fitted"),
        (CroW(spatial_weights=False), "CroW(spatial_weights=False): not fitted"),
        (VLAD(n_words=7), "VLAD(n_words=7): not fitted"),
        (fitted(), "MAC(n_components=4): 8 channels to 4 components"),
        (
            DescriptorSearch(fitted()).add(["a"], MAPS[:1]),
            "DescriptorSearch(MAC(n_components=4): 8 channels to 4 components): 1 image",
        ),
        (RmacReranker(RMAC(), depth=9), "RmacReranker(descriptor=RMAC(): not fitted, depth=9)"),
    ],
    ids=lambda one: type(one).__name__ if not isinstance(one, str) else "",
)
def test_a_stage_prints(stage: object, expected: str) -> None:
    assert repr(stage) == expected


def test_a_network_prints() -> None:
    extractor = ConvFeatures(tiles.TileNetwork(), layer="relu", side=128, dtype="float32")
    assert repr(extractor).startswith(
        "ConvFeatures(network=<TileNetwork>, layer='relu', side=128, dtype='float32'): relu of "
        "module TileNetwork, 64 channels, float32 on "
    )


class Stage:
    def __init__(self, a: object, b: object = (1, 2), *, c: object = None):
        self.a, self.b, self.c = a, b, c


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (Stage(1), "Stage(a=1)"),
        (Stage(1, (1, 2), c=None), "Stage(a=1)"),
        (Stage(1, [1, 2]), "Stage(a=1, b=[1, 2])"),
        (Stage(np.zeros((2, 0))), "Stage(a=float64 (2, 0))"),
        (Stage(1, c=np.ones(3)), "Stage(a=1, c=float64 (3,))"),
        (Stage("x" * 99), f"Stage(a='{'x' * 59}...)"),
        (Stage(list(range(99))), "Stage(a=<list>)"),
        (Stage(True, b=1.0), "Stage(a=True, b=1.0)"),
    ],
)
def test_parameters(stage: Stage, expected: str) -> None:
    assert shown(stage) == expected
    assert shown(stage, "3 words") == f"{expected}: 3 words"
