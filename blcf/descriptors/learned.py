"""The whitening of vectors of pictures, also where they are longer than many."""

from __future__ import annotations

import numpy as np

from blcf.errors import InvalidInput
from blcf.features.whitening import Whitening, normalise_rows
from blcf.threads import one_blas_thread

__all__ = ["learn_whitening"]


def learn_whitening(
    vectors: np.ndarray, n_components: int | None = None, item: str = "map"
) -> Whitening:
    """The whitening of vectors, also where they are longer than many.

    Fewer vectors than components span few directions: the whitening is learned there, with the same
    result but for rounding. VLAD of 100 words over 512 channels has a covariance of 20 GB; 557
    of them span 557 directions.

    Parameters
    ----------
    vectors : float32 (n, d)
    n_components : int up to d, or None for all
    item : what they are the vectors of

    Raises
    ------
    InvalidInput
        Fewer than two vectors; more components than d; vectors that are all the same.
    """
    n, d = vectors.shape
    if n < 2:
        raise InvalidInput(
            f"Expected at least two {item}s with activations to learn a whitening, got {n}. Add "
            "pictures, or use whiten=False."
        )
    if n_components is not None and n_components > d:
        raise InvalidInput(
            f"Expected n_components from 1 to {d} (the vector's length), got {n_components!r}."
        )
    if n >= d:
        return Whitening(n_components).fit(vectors)
    wide = normalise_rows(vectors).astype(np.float64)
    with one_blas_thread():
        return _from_few_rows(wide, n_components)


def _from_few_rows(wide: np.ndarray, n_components: int | None) -> Whitening:
    """A whitening from fewer vectors than they have components, float64 of length 1."""
    values, axes = np.linalg.eigh(wide @ wide.T)
    kept = values > 1e-10 * values[-1]
    lengths, axes = np.sqrt(values[kept]), axes[:, kept]
    # The rows in an orthonormal basis of their span, which is rows.T @ axes / lengths.
    inner = Whitening().fit(axes * lengths)
    directions = axes / lengths @ inner.projection_[:, :n_components]
    projection = wide.T @ directions
    largest = projection[np.abs(projection).argmax(axis=0), np.arange(projection.shape[1])]
    variances = 1 / np.square(inner.projection_).sum(axis=0)
    learned = Whitening.from_parts(
        wide.mean(axis=0),
        projection * np.where(largest < 0, -1, 1),
        explained=variances[:n_components].sum() / variances.sum(),
    )
    return learned.set_params(n_components=n_components)
