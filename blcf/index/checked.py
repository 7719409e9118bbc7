"""What comes into an index, checked at its door."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput, VocabularyMismatch

__all__ = ["check_among", "check_bags", "check_k"]


def check_k(k: Any, what: str = "k, the number of results,") -> int:
    """Give back a number of results (or of something else), or raise `InvalidInput`."""
    try:
        number = operator.index(k)
    except TypeError:
        number = 0
    if number < 1:
        raise InvalidInput(f"Expected {what} to be 1 or more, got {k!r}.")
    return number


def check_among(among: Any, n_images: int) -> np.ndarray:
    """Give back a mask of images, bool (n_images,), or raise `InvalidInput`."""
    if not isinstance(among, np.ndarray) or (among.dtype, among.shape) != (bool, (n_images,)):
        got = f"{among.dtype} {among.shape}" if isinstance(among, np.ndarray) else repr(among)
        raise InvalidInput(
            f"Expected among as a bool array of shape ({n_images},), one entry per image of the "
            f"index, got {got[:100]}."
        )
    return among


def check_bags(bags: sp.csr_matrix, n_words: int, *, weighed: bool = False) -> sp.csr_matrix:
    """Bags (float32, >= 0) or vectors (float64) as CSR with ascending distinct words."""
    if not sp.issparse(bags) or bags.ndim != 2:
        shape = f" of shape {bags.shape}" if sp.issparse(bags) else ""
        raise InvalidInput(
            f"Expected bags as a scipy CSR matrix, got {type(bags).__name__}{shape}. "
            "Encode assignment maps with BagOfWords."
        )
    if bags.shape[1] != n_words:
        raise VocabularyMismatch(
            f"Expected bags of {n_words} words, got {bags.shape[1]}. "
            "Encode with the vocabulary of this index."
        )
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
        checked = sp.csr_matrix(bags, dtype=np.float64 if weighed else np.float32)
    try:
        checked.check_format(full_check=True)  # kernels follow words and ends unseen
    except ValueError as error:
        raise InvalidInput(f"Expected bags as a valid scipy CSR matrix: {error}.") from error
    if not checked.has_canonical_format or (checked.data == 0).any():
        checked = checked.copy()
        checked.sum_duplicates()
        checked.eliminate_zeros()
    if not np.isfinite(checked.data).all():
        raise InvalidInput("Expected finite term frequencies, got NaN or infinity.")
    if not weighed and checked.nnz and checked.data.min() < 0:
        raise InvalidInput(f"Expected term frequencies >= 0, got {checked.data.min():g}.")
    return checked
