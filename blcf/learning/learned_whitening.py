"""Learned whitening: what differs between pictures of one thing shall count little."""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.bounds import is_integer, is_number
from blcf.errors import InvalidInput
from blcf.features.whitening import Whitening, normalise_rows
from blcf.learning.vectors import as_pairs, as_vectors
from blcf.threads import one_blas_thread

__all__ = ["learn_pair_whitening"]

# Float32 vectors carry noise near 1e-7 of their length: less scatter than its square is none.
_NOISE = 1e-10


def learn_pair_whitening(
    vectors: np.ndarray,
    pairs: np.ndarray,
    n_components: int | None = None,
    *,
    ridge: float = 0.0,
) -> Whitening:
    """A whitening learned from matching pairs; it is applied, stored and built into a head as any.

    With x the L2-normalised vectors: ``m`` = mean of x_q; ``S`` = mean of
    ``(x_q - x_p)(x_q - x_p)^T``; ``P = chol(S)^-1``; ``E`` = eigenvectors of
    ``P (X - m)(X - m)^T P^T``, the largest first; the projection is ``(E^T P)^T``. The scatter
    within pairs becomes the identity, and the first directions are those along which different
    things differ most, measured by how much one thing does.

    Parameters
    ----------
    vectors : float (n, d)
    pairs : int (n_pairs, 2), (query, match), positions; `blcf.learning.vectors.matching_pairs`
    n_components : of the d directions, None for all
    ridge : added to the diagonal of S, in shares of its mean; 0 or more. Fewer pairs than
        directions need some: .01 for instance.

    Returns
    -------
    `blcf.features.Whitening`, whose `explained_` is the share of the sum of eigenvalues

    Raises
    ------
    InvalidInput
        Shapes that do not fit; no pairs; pairs that do not vary in all directions, without a ridge.

    Notes
    -----
    Source: Mikolajczyk & Matas, ICCV 2007; Radenovic, Tolias & Chum, TPAMI 2019, section 3.4;
    cirtorch, ``utils/whiten.py``, which adds to a singular S by itself, in growing steps.
    """
    rows = normalise_rows(as_vectors(vectors, "the vectors")).astype(np.float64)
    pairs = as_pairs(pairs, len(rows))
    n_channels = rows.shape[1]
    _check_options(n_components, ridge, n_channels)
    if not len(pairs):
        raise InvalidInput("Expected matching pairs to learn a whitening from, got none.")
    queries = rows[pairs[:, 0]]
    differences = queries - rows[pairs[:, 1]]
    mean = queries.mean(axis=0)
    with one_blas_thread():
        scatter = differences.T @ differences / len(pairs)
        scatter[np.diag_indices(n_channels)] += ridge * np.trace(scatter) / n_channels
        least = float(np.linalg.eigvalsh(scatter)[0])
        if least <= _NOISE * np.trace(scatter) / n_channels:
            raise InvalidInput(
                f"Expected pairs that vary in all {n_channels} directions, {len(pairs)} of them do "
                "not. Give more pairs, or ridge=0.01."
            )
        inverse = np.linalg.inv(np.linalg.cholesky(scatter))
        spread = (rows - mean) @ inverse.T  # (n, d)
        values, axes = np.linalg.eigh(spread.T @ spread)  # ascending
        kept = n_channels if n_components is None else n_components
        projection = inverse.T @ axes[:, ::-1][:, :kept]  # (d, kept)
    # An eigenvector is defined up to its sign: make its largest entry positive.
    largest = projection[np.abs(projection).argmax(axis=0), np.arange(kept)]
    return Whitening.from_parts(
        mean,
        projection * np.where(largest < 0, -1, 1),
        explained=float(values[::-1][:kept].sum() / values.sum()),
    )


def _check_options(n_components: Any, ridge: Any, n_channels: int) -> None:
    is_count = is_integer(n_components) and 1 <= n_components <= n_channels
    if n_components is not None and not is_count:
        raise InvalidInput(
            f"Expected n_components from 1 to {n_channels} (the length of the vectors), got "
            f"{n_components!r}."
        )
    if not is_number(ridge) or not 0 <= ridge < np.inf:
        raise InvalidInput(f"Expected a ridge of 0 or more, got {ridge!r}.")
