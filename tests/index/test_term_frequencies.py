"""Codes of term frequencies lose nothing: what is decoded is what was encoded, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blcf.index.term_frequencies import COUNTS, STEPS, VALUES, decode, encode, root_table

RNG = np.random.default_rng(0)
TINY, HUGE = np.finfo(np.float32).smallest_subnormal, np.finfo(np.float32).max


def steps(numbers):
    """Frequencies as `blcf.bags` makes them: float32 of so many steps of 1/255."""
    return (np.asarray(numbers, dtype=np.float64) / 255).astype(np.float32)


def floats(values):
    return np.asarray(values, dtype=np.float32)


def same_bits(array, other):
    assert array.dtype == other.dtype == np.float32
    np.testing.assert_array_equal(array.view(np.uint32), other.view(np.uint32))


CASES = {  # tf, unit, number of escapes
    "none": (floats([]), COUNTS, 0),
    "counts": (floats([1, 2, 255, 1]), COUNTS, 0),
    "counts above 255": (floats([1, 256, 255, 300, 16_777_216, 7]), COUNTS, 3),
    "only escapes": (floats([256, 1e6]), COUNTS, 2),
    "huge count": (floats([HUGE, 1]), COUNTS, 1),
    "every step": (steps(np.arange(1, 65_536)), STEPS, 0),
    "steps beyond": (steps([1, 65_535, 65_536, 70_000, 1 << 23, 9]), STEPS, 3),
    "steps and counts": (floats([1, 3, steps(7), 255, 257, 258]), STEPS, 1),
    "other": (floats([0.3, 0.1, 0.3, 5, 1e-3]), VALUES, 0),
    "subnormal": (floats([TINY, 3 * TINY, 1]), VALUES, 0),
    "subnormal and huge": (floats([HUGE, TINY, 1, TINY]), VALUES, 0),
    "next to a step": (np.nextafter(steps([7, 300]), floats(9)), VALUES, 0),
    "as many as there are codes": (floats(np.arange(65_535) + 0.3), VALUES, 0),
    "more than there are codes": (RNG.permutation(floats(np.arange(70_000) + 0.3)), VALUES, 4_465),
}


@pytest.mark.parametrize("case", CASES)
def test_round_trip(case):
    tf, unit, n_escapes = CASES[case]
    before = tf.copy()
    codes = encode(tf)
    same_bits(tf, before)
    assert codes.unit == unit and codes.codes.shape == tf.shape
    assert codes.codes.dtype == (np.uint8 if unit == COUNTS else np.uint16)
    assert codes.escaped.size == n_escapes == int((codes.codes == 0).sum())
    assert codes.values.size <= 65_535 and (unit == VALUES or not codes.values.size)
    same_bits(decode(codes), tf)


def test_escapes_in_the_order_of_their_places():
    codes = encode(floats([300, 1, 256, 999, 2]))
    assert codes.escaped.tolist() == [300, 256, 999] and codes.codes.tolist() == [0, 1, 0, 0, 2]


positive = st.floats(0, HUGE.item(), width=32, exclude_min=True)
frequencies = st.one_of(
    positive, st.integers(1, 400).map(float), st.integers(1, 70_000).map(lambda n: steps(n).item())
)


@settings(max_examples=200, derandomize=True, database=None, deadline=None)
@given(st.lists(frequencies, max_size=20))
def test_any_frequencies(tf):
    same_bits(decode(encode(floats(tf))), floats(tf))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("sqrt", [False, True])
def test_root_table(case, sqrt):
    tf, unit, _ = CASES[case]
    codes = encode(tf)
    table = root_table(codes, sqrt)
    assert table.dtype == np.float64 and table[0] == 0
    assert table.size == 1 << 8 * codes.codes.itemsize  # an entry for any byte of a damaged file
    coded = codes.codes > 0
    expected = np.sqrt(tf.astype(np.float64)) if sqrt else tf.astype(np.float64)
    np.testing.assert_array_equal(table[codes.codes[coded]], expected[coded])
