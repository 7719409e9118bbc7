"""Geometric verification: one transform that carries the query's cells to cells of the same words.

The words of a local search may lie anywhere in their window; here they must lie as in the query.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blcf.boxes import as_box
from blcf.checks import as_assignment_map
from blcf.errors import InvalidInput
from blcf.printing import shown
from blcf.rerank.pairs import Pairs, pixels_of_cell, tentative_pairs
from blcf.rerank.transforms import TRANSFORMS, carried_box, fit, is_within, opencv, ransac
from blcf.threads import one_blas_thread

__all__ = ["GeometricVerification", "Verified"]

N_ATTEMPTS = 3  # true hits of logos with a transform: 59 % by 1, 71 % by 3, 74 % by 6


@dataclass(frozen=True, eq=False)
class Verified:
    """The transform that most words of a query agree on.

    Attributes
    ----------
    n_inliers : pairs of cells that agree, each cell of either picture in one pair at most;
        0 where nothing was verified, and then nothing else is there
    transform : float64 (2, 3) or None, ``transform @ (x, y, 1)`` carries pixels of the query
        picture to pixels of the image
    query_cells, image_cells : int32 (n_inliers, 2), x and y of the cells of each pair
    words : int32 (n_inliers,), the word of each pair
    box : float32 (4,) or None, xyxy, pixels of the image: the upright box around the query's box
        as it was carried over, cut to the image
    """

    n_inliers: int
    transform: np.ndarray | None
    query_cells: np.ndarray
    image_cells: np.ndarray
    words: np.ndarray
    box: np.ndarray | None

    @property
    def n_words(self) -> int:
        """Distinct words that agree: a guard that bursts do not pass, as many inliers do."""
        return np.unique(self.words).size


class GeometricVerification:
    """Finds where a query lies in an image, if words of both lie alike.

    Pairs of cells with the same word are tentative; RANSAC finds a transform that many of them
    follow. Its inliers are counted one to one, in order of their distance, so that a burst (a
    word in many cells) does not count as often as it has pairs; the transform is fitted to them
    and they are counted again.

    A transform is refused when it mirrors, turns by more than `max_rotation`, or scales by more
    than `max_scale` (or less than its inverse) in any direction, or has too few inliers. RANSAC
    then tries again without its pairs (without its words where they are few): bursts have many
    pairs, and like to collapse into a point.

    Parameters
    ----------
    transform : "similarity" (scale, rotation, shift) or "affine"
    tolerance : how far a pair may lie off, in cells of the image
    max_rotation : degrees, either way; 180 allows all
    max_scale : cells of the image per cell of the query
    max_pairs_per_word : a word with more pairs is left out
    max_pairs : words with few pairs come first, as many as have no more pairs together
    min_inliers : fewer are none
    min_words : distinct words of the inliers, at least: a blob of one word lies like any other
        (with 6 in place of 4, fewer wrong images pass, and fewer true ones)

    Notes
    -----
    The number of inliers ranks worse than the cosine (logos, 100 hits a query: mAP .506 in place
    of .515). The box is what it is good for: 70 % of the true hits get one, of mean IoU .63 where
    the best window has .35. By the larger one of the cosines of image and box they rank with .524.
    With 64 pairs a word and 512 in all, 59 in place of 71 % get one (a third of the queries).

    Source: Philbin et al., CVPR 2007, section 4.4 (spatial reranking), with pairs of samples in
    place of single ones, since cells have no shape. The estimation is OpenCV's
    ``estimateAffinePartial2D`` or ``estimateAffine2D``: the random numbers of its RANSAC are of
    its own and start anew in each call, so that results are the same in any thread and OpenCV's
    seed is neither needed nor changed.

    Examples
    --------
    >>> import numpy as np
    >>> from blcf.rerank.geometry import GeometricVerification
    >>> query = np.arange(36).reshape(6, 6)
    >>> image = np.full((12, 16), 99)
    >>> image[4:10, 7:13] = query
    >>> weights = np.ones((6, 6), dtype=np.float32)
    >>> found = GeometricVerification().verify(query, weights, (60, 60), image, (160, 120))
    >>> found.n_inliers, found.box.round().tolist()
    (36, [70.0, 40.0, 130.0, 100.0])
    """

    def __init__(
        self,
        *,
        transform: str = "similarity",
        tolerance: float = 2.0,
        max_rotation: float = 45.0,
        max_scale: float = 4.0,
        max_pairs_per_word: int = 1024,
        max_pairs: int = 4096,
        min_inliers: int = 4,
        min_words: int = 4,
    ):
        opencv()  # a missing one is said at once
        if transform not in TRANSFORMS:
            raise InvalidInput(f"Expected a transform of {tuple(TRANSFORMS)}, got {transform!r}.")
        if not 0 < tolerance < np.inf:
            raise InvalidInput(f"Expected a tolerance above 0 cells, got {tolerance}.")
        if not 0 <= max_rotation <= 180:
            raise InvalidInput(f"Expected max_rotation of 0 to 180 degrees, got {max_rotation}.")
        if not 1 <= max_scale < np.inf:
            raise InvalidInput(f"Expected max_scale of 1 or more, got {max_scale}.")
        if max_pairs_per_word < 1 or max_pairs < 1:
            raise InvalidInput(
                "Expected max_pairs_per_word and max_pairs of 1 or more, got "
                f"{max_pairs_per_word} and {max_pairs}."
            )
        if min_inliers < TRANSFORMS[transform] or min_words < 1:
            raise InvalidInput(
                f"Expected min_inliers of {TRANSFORMS[transform]} or more, which fix a transform "
                f"({transform}), and min_words of 1 or more, got {min_inliers} and {min_words}."
            )
        self.transform = transform
        self.tolerance = tolerance
        self.max_rotation = max_rotation
        self.max_scale = max_scale
        self.max_pairs_per_word = max_pairs_per_word
        self.max_pairs = max_pairs
        self.min_inliers = min_inliers
        self.min_words = min_words

    def __repr__(self) -> str:
        return shown(self)

    def verify(
        self,
        query_words: np.ndarray,
        query_weights: np.ndarray,
        query_size: tuple[int, int],
        image_words: np.ndarray,
        image_size: tuple[int, int],
        *,
        cells: tuple[int, int, int, int] | None = None,
        box: np.ndarray | None = None,
    ) -> Verified:
        """Where the query lies in the image.

        Parameters
        ----------
        query_words, image_words : int (h, w), the assignment maps
        query_weights : float32 (h, w), >= 0; cells of weight 0 are no part of the query
        query_size, image_size : (width, height) of the pictures, pixels
        cells : xyxy, half-open: the window of the image's map to look in; None takes all of it
        box : xyxy, pixels of the query picture, what is carried over; None takes the whole picture

        Raises
        ------
        InvalidInput
        BlcfError
            OpenCV is not installed.
        """
        query_words, image_words = _checked_map(query_words), _checked_map(image_words)
        weights = np.asarray(query_weights)
        if weights.shape != query_words.shape or not (weights >= 0).all():
            raise InvalidInput(
                f"Expected weights >= 0 of shape {query_words.shape}, got {weights.shape}"
                + (", some of them negative or NaN." if weights.size else ".")
            )
        for size in (query_size, image_size):
            if len(size) != 2 or min(size) <= 0:
                raise InvalidInput(f"Expected a size (width, height) in pixels, got {size!r}.")
        h, w = image_words.shape
        x1, y1, x2, y2 = (0, 0, w, h) if cells is None else cells
        if not (0 <= x1 < x2 <= w and 0 <= y1 < y2 <= h):
            raise InvalidInput(
                f"Expected cells x1,y1,x2,y2 inside the map of {w}x{h} cells, got {cells}."
            )
        box = as_box((0, 0, *query_size) if box is None else box, query_size)
        inside = np.zeros((h, w), dtype=bool)
        inside[y1:y2, x1:x2] = True
        pairs = tentative_pairs(
            (query_words, weights > 0, query_size),
            (image_words, inside, image_size),
            self.max_pairs_per_word,
            self.max_pairs,
        )
        matrix, kept = self._estimate(pairs)
        if matrix is None:
            none = np.empty((0, 2), dtype=np.int32)
            return Verified(0, None, none, none, none[:, 0], None)
        query_cells = _x_and_y(pairs.ours[kept], query_words.shape[1])
        image_cells = _x_and_y(pairs.theirs[kept], w)
        # From cells to pixels of either picture.
        matrix = matrix * pixels_of_cell(image_words.shape, image_size)
        matrix[:, :2] /= pixels_of_cell(query_words.shape, query_size)
        carried = carried_box(matrix, box, image_size)
        return Verified(kept.size, matrix, query_cells, image_cells, pairs.words[kept], carried)

    def _estimate(self, pairs: Pairs) -> tuple[np.ndarray | None, np.ndarray]:
        """The transform between cells, and the rows of its pairs, one to one; None, none."""
        left = np.arange(pairs.words.size)
        for _ in range(N_ATTEMPTS):
            if left.size < self.min_inliers:
                break
            points = pairs.our_points[left], pairs.their_points[left]
            matrix, inliers = ransac(self.transform, *points, self.tolerance)
            if matrix is None:
                break
            words = np.unique(pairs.words[left[inliers]])
            if words.size < self.min_words:
                left = left[~np.isin(pairs.words[left], words)]
                continue
            if is_within(matrix, self.max_scale, self.max_rotation):
                with one_blas_thread():
                    matrix, kept = self._refine(matrix, pairs)
                n_words = np.unique(pairs.words[kept]).size
                if kept.size >= self.min_inliers and n_words >= self.min_words:
                    return matrix, kept
            left = left[~inliers]
        return None, left[:0]

    def _refine(self, matrix: np.ndarray, pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
        """The transform fitted to its inliers as long as they grow more, and their rows."""
        limits = self.max_scale, self.max_rotation
        kept = self._one_to_one(matrix, pairs)
        while kept.size >= self.min_inliers:
            refined = fit(self.transform, pairs.our_points[kept], pairs.their_points[kept])
            if not is_within(refined, *limits):
                break
            last, now = kept.size, self._one_to_one(refined, pairs)
            if now.size >= last:
                matrix, kept = refined, now
            if now.size <= last:
                break
        return matrix, kept

    def _one_to_one(self, matrix: np.ndarray, pairs: Pairs) -> np.ndarray:
        """The pairs within tolerance, each cell once; the nearest of those that share one."""
        carried = pairs.our_points @ matrix[:, :2].T + matrix[:, 2]
        distances = np.linalg.norm(carried - pairs.their_points, axis=1)
        near = np.flatnonzero(distances <= self.tolerance)
        near = near[np.argsort(distances[near], kind="stable")]
        ours, theirs, kept = set(), set(), []
        for row, one, other in zip(
            near.tolist(), pairs.ours[near].tolist(), pairs.theirs[near].tolist()
        ):
            if one not in ours and other not in theirs:
                ours.add(one)
                theirs.add(other)
                kept.append(row)
        return np.array(kept, dtype=np.int64)


def _checked_map(words: np.ndarray) -> np.ndarray:
    return as_assignment_map(words).astype(np.int32, copy=False)


def _x_and_y(numbers: np.ndarray, w: int) -> np.ndarray:
    y, x = np.divmod(numbers, w)
    return np.column_stack([x, y]).astype(np.int32)
