"""The bounds of every number: what they hold, what is said beyond, and where they stand written."""

from __future__ import annotations

import re
from dataclasses import fields

import numpy as np
import pytest

from blcf import SearchOptions, Settings
from blcf.bounds import BOUNDS, Bounds, check_bounds
from blcf.errors import InvalidInput
from blcf.measuring.evaluator import evaluate

WHOLE = Bounds(1, 8, also=("auto", None))
NUMBER = Bounds(0, 1, whole=False, above=True)
ROW = Bounds(1, 4, row=3)


@pytest.mark.parametrize(
    ("bounds", "value"),
    [
        *((WHOLE, one) for one in (1, 8, np.int64(3), "auto", None)),
        *((NUMBER, one) for one in (1, 1.0, 1e-300, np.float32(0.5))),
        *((ROW, one) for one in ((1,), [1, 2, 4], (np.int8(3),))),
    ],
)
def test_what_they_hold(bounds, value):
    assert bounds.hold(value)


BEYOND = (0, 9, 10**22, 10**5000, -1, float("nan"), float("inf"), True, "1", np.array([1, 2]))


@pytest.mark.parametrize(
    ("bounds", "more"),
    [
        (WHOLE, (1.0, "Auto", [1])),
        (NUMBER, (None, [1])),
        (ROW, ((), (5,), (1, 0), (1,) * 4, (1.0,), 1, "12", (True,))),
    ],
)
def test_what_they_do_not(bounds, more):
    for value in (*BEYOND, *more):
        assert not bounds.hold(value)


def test_the_sentence():
    with pytest.raises(InvalidInput, match="^Expected k to be an integer from 1 to 1,000,000,000,"):
        check_bounds("k", 0)
    with pytest.raises(InvalidInput, match="^Expected n to be .*, or 'auto', got an .* 5,000 "):
        check_bounds("n_words", 10**5000, "n")
    with pytest.raises(InvalidInput, match=r"^Expected alpha to be a number .* got 1e\+308\.$"):
        check_bounds("alpha", 1e308)
    with pytest.raises(InvalidInput, match="integers from 1 to 32, at most 8, got") as error:
        check_bounds("shares", (1,) * 1000)
    assert len(str(error.value)) < 200


def entries(text):
    """{names: description} of a docstring's entries."""
    found = re.findall(r"^ {4}(\w[\w, ]*) : ((?:.|\n {8})+)", text, re.MULTILINE)
    return {name: " ".join(said.split()) for names, said in found for name in names.split(", ")}


@pytest.mark.parametrize("kind", [SearchOptions, Settings])
def test_docs_say_the_bounds_of_every_number(kind):
    said = entries(kind.__doc__)
    for field in fields(kind):
        is_number = re.search("int|float", str(field.type)) is not None
        assert (field.name in BOUNDS) == is_number, f"{field.name} has bounds, if it is a number"
        if is_number:
            assert BOUNDS[field.name].span in said[field.name], field.name


def test_docs_of_an_evaluation():
    assert BOUNDS["keep"].span in entries(evaluate.__doc__)["keep"]


@pytest.mark.parametrize("kind", [SearchOptions, Settings])
def test_the_ends_are_allowed_and_what_is_beyond_is_not(kind):
    for field in fields(kind):
        if field.name not in BOUNDS:
            continue
        bounds = BOUNDS[field.name]
        step = 1 if bounds.whole else 1e-6
        within = [bounds.least + (step if bounds.above else 0), bounds.most]
        beyond = [bounds.least - (0 if bounds.above else step), bounds.most + step]
        row = (lambda one: (one,)) if bounds.row else (lambda one: one)
        others = {"tiles": 2} if field.name == "tile_side" else {}  # which it is of
        for value in within:
            kind(**{field.name: row(value)}, **others)
        for value in (*beyond, 10**22, float("inf"), float("nan"), -1, ""):
            with pytest.raises(InvalidInput, match=f"Expected {field.name} to be "):
                kind(**{field.name: row(value)})
