"""Vectors of pictures, their classes, and pairs of pictures that match: checked and grouped."""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.errors import InvalidInput

__all__ = ["as_classes", "as_pairs", "as_vectors", "groups_of", "matching_pairs"]


def matching_pairs(classes: np.ndarray) -> np.ndarray:
    """All ordered pairs of one class: int64 (n_pairs, 2), by the first, then by the second.

    Parameters
    ----------
    classes : int (n,)

    Examples
    --------
    >>> matching_pairs(np.array([3, 5, 3])).tolist()
    [[0, 2], [2, 0]]
    """
    classes = as_classes(classes, None, "classes")
    pairs = [
        np.stack([np.repeat(one, len(one) - 1), _others(one)], axis=1)
        for one in groups_of(classes).values()
        if len(one) > 1
    ]
    joined = np.concatenate(pairs) if pairs else np.zeros((0, 2))
    return joined[np.argsort(joined[:, 0], kind="stable")].astype(np.int64)


def _others(group: np.ndarray) -> np.ndarray:
    """For each member of a group all but itself, joined."""
    square = np.broadcast_to(group, (len(group), len(group)))
    return square[~np.eye(len(group), dtype=bool)]


def as_vectors(vectors: Any, name: str) -> np.ndarray:
    """Check vectors: finite floats (n, d) with rows and columns."""
    found = np.asarray(vectors)
    if found.ndim != 2 or not found.size or found.dtype.kind != "f":
        raise InvalidInput(
            f"Expected {name} to be floats of shape (n, d), got {found.dtype} of shape "
            f"{found.shape}."
        )
    if not np.isfinite(found).all():
        raise InvalidInput(f"Expected {name} to be finite, got NaN or infinity. Embed them again.")
    return found


def as_classes(classes: Any, n: int | None, name: str) -> np.ndarray:
    """Check classes: integers (n,), of any n where it is None."""
    found = np.asarray(classes)
    if found.ndim != 1 or found.dtype.kind not in "iu" or (n is not None and len(found) != n):
        shape = "(n,)" if n is None else f"({n},)"
        raise InvalidInput(
            f"Expected {name} to be integers of shape {shape}, one a picture, got {found.dtype} of "
            f"shape {found.shape}."
        )
    return found


def as_pairs(pairs: Any, n: int) -> np.ndarray:
    """Check pairs of n pictures: integers (n_pairs, 2) from 0 to n - 1."""
    found = np.asarray(pairs)
    if found.ndim != 2 or found.shape[1] != 2 or found.dtype.kind not in "iu":
        raise InvalidInput(
            f"Expected pairs to be integers of shape (n_pairs, 2), got {found.dtype} of shape "
            f"{found.shape}. `matching_pairs` makes them of classes."
        )
    if found.size and not 0 <= found.min() <= found.max() < n:
        raise InvalidInput(
            f"Expected pairs of positions from 0 to {n - 1}, got {found.min()} to {found.max()}."
        )
    return found.astype(np.int64)


def groups_of(classes: np.ndarray) -> dict[int, np.ndarray]:
    """The positions of each class, ascending: {class: int64 (n,)}, classes ascending."""
    order = np.argsort(classes, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(classes[order])) + 1)
    return {int(classes[part[0]]): part for part in parts if len(part)}
