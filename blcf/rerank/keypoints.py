"""Keypoints of pictures, and the transform that two pictures' keypoints agree on.

OpenCV finds the keypoints (extra `verify`) and is imported where they are asked for; matching is
a product of matrices. Labels are made clean by affine transforms (`agree`), boxes of hits are
refined by homographies (`blcf.rerank.outlines`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blcf.bounds import is_number
from blcf.checks import check_integer
from blcf.errors import InvalidInput
from blcf.records import Keypoints
from blcf.rerank.transforms import fit, is_within, opencv, ransac
from blcf.threads import one_blas_thread

__all__ = ["Agreement", "agree", "find_keypoints", "match_keypoints"]

_MAX_SCALE = 4.0  # pixels of one picture a pixel of the other, either way
_N_ATTEMPTS = 2  # of RANSAC; the second without the inliers of a transform that is refused


@dataclass(frozen=True, eq=False)
class Agreement:
    """The transform that carries one picture's keypoints to those of another.

    Attributes
    ----------
    transform : float64 (2, 3), ``transform @ (x, y, 1)`` carries pixels of the first picture to
        pixels of the second
    ours, theirs : float64 (n_inliers, 2), the points that follow it, each in one pair only
    """

    transform: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray

    def __len__(self) -> int:
        return len(self.ours)


def find_keypoints(pixels: np.ndarray, max_keypoints: int = 500) -> Keypoints:
    """SIFT keypoints of a picture with RootSIFT descriptors.

    Parameters
    ----------
    pixels : uint8 (height, width, 3), RGB
    max_keypoints : the strongest are kept; of one place with several directions the first

    Raises
    ------
    InvalidInput
    BlcfError
        OpenCV is not installed.

    Notes
    -----
    Source: Lowe, IJCV 2004 (OpenCV's SIFT); Arandjelovic & Zisserman, CVPR 2012: the root of
    descriptors that are divided by their sum. Gordo et al. (ECCV 2016) take Hessian-affine points.
    """
    check_integer("max_keypoints", max_keypoints, 1)
    cv2 = opencv()
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise InvalidInput(
            "Expected a picture, uint8 (height, width, 3), got "
            f"{pixels.dtype} {pixels.shape}. `blcf.images.as_image` reads one of any form."
        )
    # Places with several directions count several times there: twice as many leave enough.
    sift = cv2.SIFT_create(2 * max_keypoints)
    found, rows = sift.detectAndCompute(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), None)
    size = pixels.shape[1], pixels.shape[0]
    if rows is None:
        return Keypoints(np.zeros((0, 2)), np.zeros((0, 128), np.float32), size)
    points = np.array([each.pt for each in found], dtype=np.float64)
    responses = np.array([each.response for each in found])
    # Of equally strong ones by place: the order is ours, and so is which of one place comes first.
    order = np.lexsort((points[:, 1], points[:, 0], -responses))
    order = order[np.sort(np.unique(points[order], axis=0, return_index=True)[1])][:max_keypoints]
    # The roots of what sums to 1 have length 1.
    rows = np.sqrt(rows[order] / np.maximum(rows[order].sum(axis=1, keepdims=True), 1e-12))
    return Keypoints(points[order], rows, size)


def match_keypoints(ours: np.ndarray, theirs: np.ndarray, ratio: float = 0.85) -> np.ndarray:
    """Pairs of descriptors that are each other's nearest, and nearer than any second by a ratio.

    Parameters
    ----------
    ours, theirs : float32 (n, d) and (m, d), of length 1
    ratio : of the distance to that of the second nearest of the other picture, above 0 up to 1

    Returns
    -------
    int64 (n_pairs, 2), rows of ours and of theirs, ascending

    Raises
    ------
    InvalidInput
        Shapes that do not fit; a ratio that is none.

    Notes
    -----
    Source: Lowe, IJCV 2004, section 7.1, whose ratio is .8.
    """
    if ours.ndim != 2 or theirs.ndim != 2 or ours.shape[1] != theirs.shape[1]:
        raise InvalidInput(
            "Expected descriptors of shapes (n, d) and (m, d), got "
            f"{ours.shape} and {theirs.shape}."
        )
    if not is_number(ratio) or not 0 < ratio <= 1:
        raise InvalidInput(f"Expected a ratio above 0 up to 1, got {ratio!r}.")
    if len(ours) < 2 or len(theirs) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    with one_blas_thread():
        similar = ours @ theirs.T  # (n, m)
    nearest, back = similar.argmax(axis=1), similar.argmax(axis=0)
    rows = np.arange(len(ours))
    best = similar[rows, nearest]
    second = similar.copy()
    second[rows, nearest] = -np.inf
    # Of length 1: |a - b|^2 = 2 - 2 a.b.
    is_near = 1 - best < ratio**2 * (1 - second.max(axis=1))
    kept = np.flatnonzero(is_near & (back[nearest] == rows))
    return np.column_stack([kept, nearest[kept]])


def agree(
    ours: Keypoints,
    theirs: Keypoints,
    *,
    ratio: float = 0.85,
    tolerance: float = 4.0,
    max_rotation: float = 180.0,
    min_inliers: int = 8,
) -> Agreement | None:
    """The affine transform that most matches of two pictures follow; None where too few do.

    One that mirrors, scales by more than 4 either way or stretches by more than 2.5 is refused.

    Parameters
    ----------
    ours, theirs : `Keypoints`
    ratio : see `match_keypoints`
    tolerance : how far a point may lie off, pixels of the second picture
    max_rotation : degrees, either way; 180 allows all
    min_inliers : 3 or more, which fix a transform

    Raises
    ------
    InvalidInput
    BlcfError
        OpenCV is not installed.

    Notes
    -----
    Source: Philbin et al., CVPR 2007, section 4.4. The same keypoints give the same transform: the
    random numbers of OpenCV's ``estimateAffine2D`` begin anew in each call.
    """
    check_integer("min_inliers", min_inliers, 3)
    if not is_number(tolerance) or not 0 < tolerance < np.inf:
        raise InvalidInput(f"Expected a tolerance above 0 pixels, got {tolerance!r}.")
    if not is_number(max_rotation) or not 0 <= max_rotation <= 180:
        raise InvalidInput(f"Expected max_rotation of 0 to 180 degrees, got {max_rotation!r}.")
    pairs = match_keypoints(ours.descriptors, theirs.descriptors, ratio)
    for _ in range(_N_ATTEMPTS):
        if len(pairs) < min_inliers:
            break
        first, second = ours.points[pairs[:, 0]], theirs.points[pairs[:, 1]]
        matrix, inliers = ransac(first, second, tolerance)
        if matrix is None or inliers.sum() < min_inliers:
            break
        with one_blas_thread():
            matrix = fit(first[inliers], second[inliers])
            errors = np.linalg.norm(first @ matrix[:, :2].T + matrix[:, 2] - second, axis=1)
        kept = errors <= tolerance
        if kept.sum() >= min_inliers and is_within(matrix, _MAX_SCALE, max_rotation):
            return Agreement(matrix, first[kept], second[kept])
        pairs = pairs[~inliers]
    return None
