"""Term frequencies as small codes: one byte for counts, two for weights in steps of 1/255."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["COUNTS", "STEPS", "VALUES", "Codes", "decode", "encode", "root_table"]

# Units of a code: a count; the step of spatial weights (`blcf.bags`); an entry of a table of its
# own, for frequencies that are neither.
COUNTS, STEPS, VALUES = 1.0, 1 / 255, 0.0


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes of term frequencies; nothing is lost: `decode` gives the same float32 values.

    Attributes
    ----------
    unit : float, `COUNTS`, `STEPS` or `VALUES`
    values : float32 (n_values,), what codes 1, 2, ... stand for where the unit is `VALUES`
    codes : uint8 (counts) or uint16 (n,); 0 is an escape
    escaped : float32, the frequencies of the escapes, in the order of their places
    """

    unit: float
    values: np.ndarray
    codes: np.ndarray
    escaped: np.ndarray


def encode(tf: np.ndarray) -> Codes:
    """Codes of term frequencies, float32 (n,), > 0, in the narrowest unit that is exact.

    A count up to 255 takes one byte, a multiple of 1/255 up to 257 two; larger ones escape. Of
    other frequencies the first 65,535 distinct ones take two bytes, the others escape.
    """
    none = np.empty(0, dtype=np.float32)
    steps = np.rint(tf)
    if np.array_equal(steps, tf):
        codes = np.where(steps > 255, 0, steps).astype(np.uint8)
        return Codes(COUNTS, none, codes, tf[codes == 0])
    steps = np.rint(tf.astype(np.float64) * 255)
    if np.array_equal(_from_steps(steps), tf):
        wide = np.where(steps > 65_535, 0, steps).astype(np.uint16)
        return Codes(STEPS, none, wide, tf[wide == 0])
    values, places = np.unique(tf, return_inverse=True)
    wide = np.where(places < 65_535, places + 1, 0).astype(np.uint16).ravel()
    return Codes(VALUES, values[:65_535].astype(np.float32), wide, tf[wide == 0])


def _from_steps(steps: np.ndarray) -> np.ndarray:
    return (steps / 255).astype(np.float32)


def decode(codes: Codes) -> np.ndarray:
    """The term frequencies of codes: float32 (n,)."""
    if codes.unit == VALUES:
        tf = np.concatenate([np.zeros(1, dtype=np.float32), codes.values])[codes.codes]
    elif codes.unit == COUNTS:
        tf = codes.codes.astype(np.float32)
    else:
        tf = _from_steps(codes.codes.astype(np.float64))
    tf[codes.codes == 0] = codes.escaped
    return tf


def root_table(codes: Codes, sqrt: bool) -> np.ndarray:
    """What each code adds, (root of) tf: float64 (256,) or (65,536,), 0 for escapes.

    There is an entry for every code that the bytes can hold, also in a damaged file.
    """
    n_codes = 1 << 8 * codes.codes.itemsize
    if codes.unit != VALUES:
        return _unit_table(codes.unit, n_codes, sqrt)
    table = np.zeros(n_codes)
    table[1 : 1 + codes.values.size] = codes.values
    return np.sqrt(table) if sqrt else table


@lru_cache(maxsize=8)
def _unit_table(unit: float, n_codes: int, sqrt: bool) -> np.ndarray:
    """Shared by all parts of all indexes: half a megabyte for two bytes."""
    table = np.arange(n_codes, dtype=np.float64)
    if unit == STEPS:
        table = _from_steps(table).astype(np.float64)
    return np.sqrt(table) if sqrt else table
