"""What comes into an expansion, checked at its door."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.bounds import is_number
from blcf.errors import InvalidInput, VocabularyMismatch

__all__ = ["check_number", "check_scores", "check_vectors", "l2"]


def check_vectors(vectors: Any, what: str, n_words: int | None = None) -> sp.csr_matrix:
    """Give back finite vectors as CSR float64, or raise `InvalidInput`, `VocabularyMismatch`."""
    if not sp.issparse(vectors) or vectors.ndim != 2:
        shape = f" of shape {vectors.shape}" if sp.issparse(vectors) else ""
        raise InvalidInput(
            f"Expected {what} as a scipy CSR matrix, got {type(vectors).__name__}{shape}. "
            "Weigh bags with InvertedFile.weigh."
        )
    if n_words is not None and vectors.shape[1] != n_words:
        raise VocabularyMismatch(
            f"Expected {what} of {n_words} words like the others, got {vectors.shape[1]}. "
            "Weigh all of them with one index."
        )
    checked = sp.csr_matrix(vectors, dtype=np.float64)
    if not np.isfinite(checked.data).all():
        raise InvalidInput(f"Expected {what} of finite numbers, got NaN or infinity.")
    return checked


def check_scores(scores: Any, n: int | None, what: str) -> np.ndarray:
    """Give back one finite number per row as float64 (n,), or raise `InvalidInput`."""
    try:
        checked = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"Expected {what} to be numbers, got {scores!r}.") from error
    if checked.ndim != 1 or (n is not None and checked.size != n):
        wanted = "(n,)" if n is None else f"({n},), one per row,"
        raise InvalidInput(f"Expected {what} of shape {wanted} got shape {checked.shape}.")
    if not np.isfinite(checked).all():
        raise InvalidInput(f"Expected {what} to be finite, got NaN or infinity.")
    return checked


def check_number(value: Any, name: str, *, above: bool = False) -> float:
    """Give back a finite number >= 0 (> 0 with `above`), or raise `InvalidInput`."""
    if not is_number(value) or not math.isfinite(value) or value < 0 or (above and value == 0):
        span = "above 0" if above else "0 or more"
        raise InvalidInput(f"Expected {name} to be a finite number, {span}, got {value!r}.")
    return float(value)


def l2(vector: Any) -> sp.csr_matrix:
    """A vector over its length: CSR float64 (1, n_words), without explicit zeros."""
    vector = sp.csr_matrix(vector, dtype=np.float64)
    norm = np.sqrt(vector.multiply(vector).sum())
    unit = (vector / norm if norm > 0 else vector).tocsr()
    unit.eliminate_zeros()
    return unit
