"""Where the corners of a query's box are in a picture, by keypoints of both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from blcf.records import Keypoints
from blcf.rerank.keypoints import find_keypoints, match_keypoints
from blcf.rerank.transforms import homography, opencv

__all__ = ["Outline", "find_outline", "keypoints_in", "widened"]

MAX_KEYPOINTS = 2_000  # of a box or window
SIDES = 200, 800  # pixels of its longer side, to which a smaller or larger one is resized
WIDENED = 0.5  # of its sides, each way: what votes miss is mostly within
# Tuned on the 2,910 true hits of logos (blcf-lite), whose votes have a mean IoU of .608: .6155 with
# a ratio of .8, .6137 with .9. Of 6 or 7 inliers boxes lie worse than those of the votes (.623 for
# .654), of 15 and more better (.749 for .721); 6 in all, 10 or 12 lose .001.
RATIO, TOLERANCE = 0.8, 3.0  # of matches; pixels, at the size in which keypoints are found
MIN_INLIERS, MIN_SHARE = 8, 0.3  # that agree, and of the matches
MAX_TILT = 2.0  # opposite edges of an outline, one over the other
MAX_STRETCH = 2.5  # of the box, one side against the other
MAX_AREA = (
    2.5  # of the box around it, over that of the votes: larger ones have .45 for .65 on logos
)


@dataclass(frozen=True, eq=False)
class Outline:
    """The box of a query in a picture.

    Attributes
    ----------
    corners : float32 (4, 2), x and y, pixels of the picture: of the box's top left, top right,
        bottom right and bottom left; they may lie outside of it
    box : float32 (4,), xyxy, pixels: the upright box around them, cut to the picture
    n_inliers : how many keypoints agree
    """

    corners: np.ndarray
    box: np.ndarray
    n_inliers: int

    def mirrored(self) -> Outline:
        """The same, its corners in the order of the box whose mirror image was carried over."""
        return replace(self, corners=self.corners[[1, 0, 3, 2]])


def keypoints_in(pixels: np.ndarray, box: np.ndarray | None) -> Keypoints:
    """Keypoints of a part of a picture; a small part is enlarged first, a large one made smaller.

    Parameters
    ----------
    pixels : uint8 (height, width, 3), RGB
    box : xyxy, pixels, in the picture; None takes all of it

    Returns
    -------
    Keypoints
        Their points are pixels of the whole picture.

    Raises
    ------
    BlcfError
        OpenCV is not installed.
    """
    cv2 = opencv()
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = (0, 0, width, height) if box is None else _around(box, (width, height))
    part = np.ascontiguousarray(pixels[y1:y2, x1:x2])
    longer = max(part.shape[:2])
    scale = min(max(longer, SIDES[0]), SIDES[1]) / longer
    if scale != 1:
        sides = [max(1, round(side * scale)) for side in (x2 - x1, y2 - y1)]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        part = cv2.resize(part, sides, interpolation=how)
    found = find_keypoints(part, MAX_KEYPOINTS)
    scales = np.array([part.shape[1] / (x2 - x1), part.shape[0] / (y2 - y1)])
    return Keypoints(found.points / scales + (x1, y1), found.descriptors, (width, height))


def widened(box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A box that is larger by half of its sides each way, cut to the picture: float64 (4,)."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    more = WIDENED * np.array([x2 - x1, y2 - y1])
    wide = np.concatenate([(x1, y1) - more, (x2, y2) + more])
    return np.clip(wide, 0, (*size, *size))


def find_outline(
    ours: Keypoints, theirs: Keypoints, box: np.ndarray | None, voted: np.ndarray
) -> Outline | None:
    """The query's box, carried over by the homography that most matches follow.

    None where too few follow one, or where that would show the box mirrored, folded, or of a shape
    or size that no picture of a flat thing has.

    Parameters
    ----------
    ours : of the query's box
    theirs : of the window of the picture, see `widened`
    box : of the query, xyxy, pixels; None for the whole picture
    voted : xyxy, pixels: where votes found it

    Raises
    ------
    BlcfError
        OpenCV is not installed.

    Notes
    -----
    Source: Lowe, IJCV 2004, section 7 (matches, and what must agree); Barath, Noskova, Ivashechkin
    & Matas, CVPR 2020 (MAGSAC++). The same keypoints give the same outline. A similarity in place
    of the homography has .617 for .616 on logos and .921 for .936 on shelves; an affine transform
    .616 and .934, and no exact corners.
    """
    pairs = match_keypoints(ours.descriptors, theirs.descriptors, RATIO)
    if len(pairs) < MIN_INLIERS:
        return None
    first, second = ours.points[pairs[:, 0]], theirs.points[pairs[:, 1]]
    box = np.array((0, 0, *ours.size) if box is None else box, dtype=np.float64)
    matrix, inliers = homography(first, second, TOLERANCE * _scale(voted))
    n_inliers = int(inliers.sum())
    if matrix is None or n_inliers < max(MIN_INLIERS, MIN_SHARE * len(pairs)):
        return None
    corners = carried(matrix, box)
    if corners is None or not is_plausible(corners, box):
        return None
    width, height = theirs.size
    around = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    around = np.clip(around, 0, (width, height, width, height)).astype(np.float32)
    area, voted_area = (float((one[2:] - one[:2]).prod()) for one in (around, voted))
    if not 0 < area <= MAX_AREA * voted_area or (around[2:] <= around[:2]).any():
        return None
    return Outline(corners.astype(np.float32), around, n_inliers)


def carried(matrix: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """The corners of a box under a homography, clockwise; None where the horizon crosses it."""
    x1, y1, x2, y2 = box
    corners = np.array([[x1, y1, 1], [x2, y1, 1], [x2, y2, 1], [x1, y2, 1]]) @ matrix.T
    depths = corners[:, 2] * np.sign(corners[0, 2])
    if not np.isfinite(corners).all() or depths.min() <= 1e-9 * depths.max():
        return None
    return corners[:, :2] / corners[:, 2:]


def is_plausible(corners: np.ndarray, box: np.ndarray) -> bool:
    """Whether a quadrilateral is convex, as a box is seen that lies in a plane, and not mirrored.

    Parameters
    ----------
    corners : float64 (4, 2), clockwise from the top left
    box : xyxy, what they are the corners of
    """
    edges = np.roll(corners, -1, axis=0) - corners  # top, right, bottom, left
    after = np.roll(edges, -1, axis=0)
    if not (edges[:, 0] * after[:, 1] - edges[:, 1] * after[:, 0] > 0).all():
        return False
    lengths = np.linalg.norm(edges, axis=1)
    one, other = lengths[:2], lengths[2:]
    if (np.maximum(one, other) > MAX_TILT * np.minimum(one, other)).any():
        return False
    across, down = (one + other) / 2 / (box[2:] - box[:2])
    return bool(max(across, down) <= MAX_STRETCH * min(across, down))


def _scale(box: np.ndarray) -> float:
    """Pixels of a picture a pixel of the size in which the keypoints of a window are found."""
    longer = float((1 + 2 * WIDENED) * (box[2:] - box[:2]).max())
    return longer / min(max(longer, SIDES[0]), SIDES[1])


def _around(box: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The whole pixels under a box, one at least."""
    (x1, y1), (x2, y2) = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
    x1, y1 = min(max(x1, 0), size[0] - 1), min(max(y1, 0), size[1] - 1)
    return x1, y1, min(max(x2, x1 + 1), size[0]), min(max(y2, y1 + 1), size[1])
