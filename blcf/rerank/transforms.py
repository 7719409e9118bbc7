"""Similarity and affine transforms of the plane: estimated, fitted, limited, carrying a box.

A transform is float64 (2, 3): ``transform @ (x, y, 1)``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.errors import BlcfError

__all__ = ["TRANSFORMS", "carried_box", "fit", "is_within", "ransac"]

TRANSFORMS = {"similarity": 2, "affine": 3}  # pairs of points that fix one
MAX_STRETCH = 2.5  # of an affine transform, one direction against the other
N_SAMPLES = 500  # of RANSAC at most; 8,000 find the same on logos


def opencv() -> Any:
    """The module cv2; `BlcfError` where it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise BlcfError(
            "Geometric verification needs OpenCV: pip install 'blcf[verify]'"
        ) from error
    return cv2


def ransac(
    transform: str, ours: np.ndarray, theirs: np.ndarray, tolerance: float
) -> tuple[np.ndarray | None, np.ndarray]:
    """The transform that most pairs of points follow, None where there is none; which do.

    Nothing but the number of pairs decides: see `is_within`.

    Parameters
    ----------
    ours, theirs : float64 (n, 2)
    tolerance : how far a point may lie off

    Raises
    ------
    BlcfError
        OpenCV is not installed.
    """
    cv2 = opencv()
    # scikit-image's, which can refuse a sample at once, takes 52 ms where this takes 1.4 (logos)
    # and finds 5 % more inliers. USAC (affine only) tells objects 1 % better and takes 4 times as
    # long, MAGSAC tells them worse.
    partial = transform == "similarity"
    estimate = cv2.estimateAffinePartial2D if partial else cv2.estimateAffine2D
    matrix, inliers = estimate(
        ours,
        theirs,
        method=cv2.RANSAC,
        ransacReprojThreshold=tolerance,
        maxIters=N_SAMPLES,
        confidence=0.99,
        refineIters=0,  # the fit comes later, to pairs that are one to one
    )
    return matrix, np.ravel(inliers).astype(bool)


def fit(transform: str, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The transform of the least squares; NaN where a similarity is not fixed."""
    if transform == "affine":
        rows = np.column_stack([ours, np.ones(len(ours))])
        return np.linalg.lstsq(rows, theirs, rcond=None)[0].T
    mean, other_mean = ours.mean(axis=0), theirs.mean(axis=0)
    points, others = (ours - mean) @ (1, 1j), (theirs - other_mean) @ (1, 1j)
    spread = np.vdot(points, points).real
    turn = np.vdot(points, others) / spread if spread > 0 else np.complex128(np.nan)
    linear = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([linear, other_mean - linear @ mean])


def is_within(matrix: np.ndarray, max_scale: float, max_rotation: float) -> bool:
    """Whether a transform mirrors nothing and keeps to limits, see `GeometricVerification`."""
    linear = matrix[:, :2]
    if not np.isfinite(matrix).all() or np.linalg.det(linear) <= 0:
        return False
    large, small = np.linalg.svd(linear, compute_uv=False)
    if large > max_scale or small * max_scale < 1 or large > MAX_STRETCH * small:
        return False
    turn = np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])
    return bool(abs(np.degrees(turn)) <= max_rotation)


def carried_box(matrix: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """The upright box around a box that was carried over, cut to the image; None outside of it."""
    x1, y1, x2, y2 = box.astype(np.float64)
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]) @ matrix[:, :2].T + matrix[:, 2]
    carried = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    carried = np.clip(carried, 0, (*size, *size)).astype(np.float32)
    return carried if (carried[:2] < carried[2:]).all() else None
