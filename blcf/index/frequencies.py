"""Distinct term frequencies, and the codes that stand for them in posting lists."""

from __future__ import annotations

import numpy as np

from blcf.kernels.postings import look_up_steps, mark_steps

__all__ = ["BUFFER", "code_type", "distinct_frequencies"]

STEPS = np.float32(16)  # of a frequency of 1: finer than those of `blcf.bags`
BUFFER = 65_536  # images of a part at most; entries of an array that is indexed by an image's id


def code_type(n_values: int) -> type:
    """uint16 or uint32: what a code of so many values takes."""
    return np.uint16 if n_values <= BUFFER else np.uint32


def distinct_frequencies(tf: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct frequencies, ascending, and the place of each in them, uint16 or uint32 (n,)."""
    # Counts, and sums of weights in steps, are told apart without sorting.
    present = np.zeros(1 << 20, dtype=bool)
    if mark_steps(tf, STEPS, present):
        steps = np.flatnonzero(present)
        places: np.ndarray = np.zeros(present.size, dtype=code_type(steps.size))
        places[steps] = np.arange(steps.size)
        codes = np.empty(tf.size, dtype=places.dtype)
        look_up_steps(tf, STEPS, places, codes)
        return (steps / float(STEPS)).astype(np.float32), codes
    values, codes = np.unique(tf, return_inverse=True)
    return values, codes.ravel().astype(code_type(values.size))
