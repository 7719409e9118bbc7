"""The options of a search: defaults that are right, and a message for everything else."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from blcf.errors import InvalidInput
from blcf.searching.options import SearchOptions

NO_COUNT = (0, -1, 1.5, "3", None, True, float("nan"), [1])
NO_BOOL = (0, 1, "yes", None, np.bool_(True))
NO_NUMBER = (-0.1, float("nan"), float("inf"), "1", None, True, [1], 10**400)

BAD = {
    "k": NO_COUNT,
    "depth": NO_COUNT,
    "min_side": NO_COUNT,
    "n_boxes": NO_COUNT,
    "n_refine": NO_COUNT,
    "n_neighbours": (-1, 101, 1.5, "3", True, None),
    "refine": ("keypoint", "none", "", True, 1),
    "n_expand": NO_COUNT,
    "rounds": NO_COUNT,
    "rerank": NO_BOOL,
    "rerank_again": NO_BOOL,
    "pyramid": NO_BOOL,
    "keep_whole": NO_BOOL,
    "query_flip": NO_BOOL,
    "windows": ("vote", "", None, 1),
    "expand": ("locally", "average", True, 0, None),
    "expand_by": ("mean", None, 1),
    "guard": ("score", "verified", None, True),
    "fusion": ("mean", None, 0),
    "scales_by": ("equal", None, True, 1),
    "negatives_by": ("SVM", None, 0),
    "alpha": NO_NUMBER,
    "gamma": NO_NUMBER,
    "shares": ((), (0,), (1, -2), (1.5,), ("1",), 2, "12", None, (True,), np.array([1, 2])),
    "query_side": (31, 8193, 0, 128.0, "128", True),
    "query_scales": ((), (0,), (0.09,), (4.1,), (1, np.nan), ("1",), 1, None, (True,), (10**400,)),
    "min_confidence": (-0.1, 1.1, float("nan"), "0.5", True, None),
    "approximate": (0, -1, 1.5, float("nan"), "0.5", True),
    "where": ("", " ", 5, True, b"x", ["a = 1"]),
}
GOOD = {
    "k": (1, np.int64(3), 10**9),
    "windows": ("votes", "grid", "all", "coarse"),
    "refine": (None, "keypoints"),
    "n_neighbours": (0, 100, np.int64(3)),
    "expand": ("none", "global", "local", "auto"),
    "scales_by": ("alike", "gap"),
    "alpha": (0, 3, np.float32(0.5)),
    "gamma": (0, 2.5),
    "shares": ((1,), [1, 2, 4], (np.int32(3),)),
    "query_side": (None, 32, 8192, np.int64(300)),
    "query_scales": ((0.1,), [1, 4], (np.float64(0.5),)),
    "min_confidence": (0, 0.5, 1),
    "approximate": (None, 0.5, 1, 1.0),
    "where": (None, "a = 1", "no_column_of_any"),
}


def test_every_option_is_here():
    assert set(BAD) == {one.name for one in fields(SearchOptions)}


@pytest.mark.parametrize(("name", "value"), [(name, bad) for name in BAD for bad in BAD[name]])
def test_bad_values(name, value):
    with pytest.raises(InvalidInput, match=f"(?s)Expected {name} to be .*, got "):
        SearchOptions.from_keywords({name: value})


@pytest.mark.parametrize(("name", "value"), [(name, one) for name in GOOD for one in GOOD[name]])
def test_good_values(name, value):
    assert getattr(SearchOptions.from_keywords({name: value}), name) is value


@pytest.mark.parametrize("windows", ["all", "coarse"])
def test_pyramid_is_of_the_grid_or_of_votes(windows):
    with pytest.raises(InvalidInput, match=f"votes or grid with the pyramid, got '{windows}'"):
        SearchOptions(pyramid=True, windows=windows)
    for allowed in ("votes", "grid"):
        assert SearchOptions(pyramid=True, windows=allowed).pyramid


def test_no_expansion_has_one_name():
    with pytest.raises(InvalidInput, match="No query expansion is expand='none'"):
        SearchOptions(expand=None)
    assert not SearchOptions(expand="none").expands and SearchOptions(expand="local").expands


def test_a_condition_that_is_none():
    with pytest.raises(InvalidInput, match="Cannot use where, a = 1; b: it holds a semicolon"):
        SearchOptions(where="a = 1; b")


def test_an_option_that_was_removed():
    with pytest.raises(InvalidInput, match="The option verify was removed: .* refine='keypoints'"):
        SearchOptions.from_keywords({"verify": "boxes"})
    with pytest.raises(InvalidInput, match="Expected guard to be .*scores.*none.*, got 'verified'"):
        SearchOptions(guard="verified")


def test_near_names():
    with pytest.raises(InvalidInput, match="no option 'expnd' here. Did you mean 'expand'"):
        SearchOptions.from_keywords({"expnd": "local"})
    with pytest.raises(InvalidInput, match="one of votes, grid, all, coarse, got 'grids'. Did you"):
        SearchOptions(windows="grids")
    with pytest.raises(InvalidInput, match="Known: k, rerank, .*approximate"):
        SearchOptions.from_keywords({"zzz": 1})
