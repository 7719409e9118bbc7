"""Affine transforms of the plane, and homographies: estimated, fitted, limited.

An affine one is float64 (2, 3), ``transform @ (x, y, 1)``; a homography (3, 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from blcf.errors import BlcfError

__all__ = ["fit", "homography", "is_within", "opencv", "ransac"]

MAX_STRETCH = 2.5  # one direction against the other
N_SAMPLES = 500  # of RANSAC at most
N_SAMPLES_OF_4 = 2_000


def opencv() -> Any:
    """The module cv2; `BlcfError` where it is not installed."""
    try:
        import cv2
    except ImportError as error:
        raise BlcfError("Keypoints need OpenCV: pip install 'blcf[verify]'") from error
    return cv2


def ransac(
    ours: np.ndarray, theirs: np.ndarray, tolerance: float
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
    matrix, inliers = cv2.estimateAffine2D(
        ours,
        theirs,
        method=cv2.RANSAC,
        ransacReprojThreshold=tolerance,
        maxIters=N_SAMPLES,
        confidence=0.99,
        refineIters=0,  # the fit comes later
    )
    return matrix, np.ravel(inliers).astype(bool)


def fit(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """The transform of the least squares."""
    rows = np.column_stack([ours, np.ones(len(ours))])
    return np.linalg.lstsq(rows, theirs, rcond=None)[0].T


def is_within(matrix: np.ndarray, max_scale: float, max_rotation: float) -> bool:
    """Whether a transform mirrors nothing and keeps to limits: degrees, either way."""
    linear = matrix[:, :2]
    if not np.isfinite(matrix).all() or np.linalg.det(linear) <= 0:
        return False
    large, small = np.linalg.svd(linear, compute_uv=False)
    if large > max_scale or small * max_scale < 1 or large > MAX_STRETCH * small:
        return False
    turn = np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])
    return bool(abs(np.degrees(turn)) <= max_rotation)


def homography(
    ours: np.ndarray, theirs: np.ndarray, tolerance: float
) -> tuple[np.ndarray | None, np.ndarray]:
    """The homography that most pairs of points follow, float64 (3, 3), or None; which do.

    Parameters as of `ransac`. OpenCV's MAGSAC++, whose random numbers begin anew in each call.
    """
    cv2 = opencv()
    matrix, inliers = cv2.findHomography(
        ours, theirs, cv2.USAC_MAGSAC, tolerance, maxIters=N_SAMPLES_OF_4, confidence=0.999
    )
    return matrix, np.zeros(len(ours), bool) if inliers is None else np.ravel(inliers).astype(bool)
