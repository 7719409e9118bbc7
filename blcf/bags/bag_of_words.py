"""Bag of words: the (weighted) count of every visual word among the cells of a map or a box."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from blcf.bags.weighting import check_weighting, spatial_weights
from blcf.boxes import as_box, box_to_cells
from blcf.checks import as_assignment_map
from blcf.errors import InvalidInput
from blcf.estimator import Estimator
from blcf.kernels.counts import count_words
from blcf.weighed_maps import WeighedMaps

__all__ = ["BagOfWords", "eighths"]

STEPS = 8.0  # of a weight of 1


class BagOfWords(Estimator):
    """Encodes assignment maps as sparse bags of raw term frequencies.

    ``tf_w = sum of weights over the cells assigned to word w``. Roots, idf and the L2 norm are
    not applied here: the index applies them at search time, because they follow its live images.
    Weights count in eighths (an error of 1/16 of a cell at most; whole numbers are exact): then
    few frequencies are distinct, an index keeps the images of one together, and sums are exact.
    On logos (SqueezeNet 1.1, weighting "norm") mAP is .5086 LS, .4869 GS with steps of 1/255,
    .5086, .4865 with 1/16, .5086, .4861 with 1/8 and .5081, .4878 with 1/4.

    Parameters
    ----------
    n_words : int, size of the vocabulary
    weighting : one of `blcf.bags.WEIGHTINGS`, see `blcf.bags.spatial_weights`

    Examples
    --------
    >>> import numpy as np
    >>> bag = BagOfWords(n_words=4).encode(np.array([[0, 3], [3, 3]], dtype=np.int32))
    >>> bag.toarray().tolist()
    [[1.0, 0.0, 0.0, 3.0]]
    """

    def __init__(self, n_words: int, weighting: str = "uniform"):
        self.n_words = n_words
        self.weighting = weighting

    def fit(self, assignment_maps: object = None, y: object = None) -> BagOfWords:
        """Nothing: there is nothing to learn. For a pipeline, which calls it."""
        return self

    def transform(self, assignment_maps: Sequence[np.ndarray]) -> sp.csr_matrix:
        """`encode_many` of whole maps, by the name that a pipeline calls."""
        return self.encode_many(assignment_maps)

    def fit_transform(
        self, assignment_maps: Sequence[np.ndarray], y: object = None
    ) -> sp.csr_matrix:
        """`transform`."""
        return self.transform(assignment_maps)

    def encode(
        self,
        assignment_map: np.ndarray,
        *,
        box: Sequence[float] | np.ndarray | None = None,
        size: tuple[int, int] | None = None,
        cells: tuple[int, int, int, int] | None = None,
        channel: np.ndarray | None = None,
        region: np.ndarray | None = None,
    ) -> sp.csr_matrix:
        """The bag of a map, or of the part of it under a box.

        Parameters
        ----------
        assignment_map : int (h, w), words
        box : xyxy, pixels of the original image, optional; needs `size`. Covers the cells from
            the floor of its near to the ceil of its far side, at least one.
        size : (width, height) of the original image, pixels
        cells : (x1, y1, x2, y2), half-open, cells: in place of a box
        channel : float (h, w), >= 0, for a weighting of `blcf.bags.CHANNELS`: for "norm" the L2
            norms of the raw features
        region : float (h, w), >= 0, by which the weights of the cells are multiplied, see
            `blcf.bags.region_weights`

        Returns
        -------
        CSR float32 (1, n_words)

        Raises
        ------
        InvalidInput
            Words outside the vocabulary, a bad box, a box without size, a region of another
            shape or one that covers no cell.
        """
        words, weights = self._cells(assignment_map, box, size, cells, channel, region)
        return self._bags([(words, weights)])

    def encode_many(
        self,
        assignment_maps: Sequence[np.ndarray],
        channel: Sequence[np.ndarray | None] | None = None,
    ) -> sp.csr_matrix:
        """Bags of whole maps, one row each: CSR float32 (n_images, n_words)."""
        channels = [None] * len(assignment_maps) if channel is None else channel
        return self._bags(
            [
                self._cells(one, None, None, None, values, None)
                for one, values in zip(assignment_maps, channels, strict=True)
            ]
        )

    def encode_one_each(
        self, maps: WeighedMaps, windows: Sequence[tuple[int, int, int, int]] | np.ndarray
    ) -> sp.csr_matrix:
        """Bags of one window of each of several maps, whose weights are those of the cells.

        Parameters
        ----------
        maps : of n images, with the weights that `spatial_weights` gives them
        windows : of each (x1, y1, x2, y2), half-open, cells, inside its map

        Returns
        -------
        CSR float32 (n, n_words)

        Raises
        ------
        InvalidInput, VocabularyMismatch
            Windows outside of the maps; maps of another vocabulary.
        """
        maps.check_words(self.n_words)
        return self._counted(maps, maps.as_windows(windows))

    def _counted(self, maps: WeighedMaps, windows: np.ndarray) -> sp.csr_matrix:
        cells = maps.words, maps.weights, maps.starts, maps.shapes
        words, tf, ends = count_words(*cells, windows.astype(np.int64), STEPS)
        return sp.csr_matrix((tf, words, ends), shape=(len(maps), self.n_words))

    def encode_windows(
        self,
        assignment_map: np.ndarray,
        windows: Sequence[tuple[int, int, int, int]],
        channel: np.ndarray | None = None,
    ) -> sp.csr_matrix:
        """`encode` of several windows of one map, by their `cells`: CSR float32 (n, n_words)."""
        check_weighting(self.weighting)
        words = as_assignment_map(assignment_map, self.n_words)
        weights = spatial_weights(self.weighting, words.shape, channel)
        return self._bags(
            [
                (words[y1:y2, x1:x2].ravel(), weights[y1:y2, x1:x2].ravel())
                for x1, y1, x2, y2 in windows
            ]
        )

    def _bags(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> sp.csr_matrix:
        """The bags of words and weights of cells, a row each."""
        sizes = np.array([words.size for words, _ in parts], dtype=np.int64)
        words = np.concatenate([np.empty(0, np.int32), *(words for words, _ in parts)])
        weights = np.concatenate([np.empty(0, np.float32), *(weights for _, weights in parts)])
        rows = np.stack([np.ones_like(sizes), sizes], axis=1)  # each part a map of one row
        starts = np.concatenate([[0], sizes.cumsum()])[:-1].astype(np.int64)
        cells = words.astype(np.int32), weights.astype(np.float32), starts, rows
        windows = np.stack([0 * sizes, 0 * sizes, sizes, np.ones_like(sizes)], axis=1)
        return self._counted(WeighedMaps(self.n_words, *cells), windows)

    def _cells(self, assignment_map, box, size, cells, channel, region):
        """Words and weights of the cells that count, flat."""
        check_weighting(self.weighting)
        words = as_assignment_map(assignment_map, self.n_words)
        weights = spatial_weights(self.weighting, words.shape, channel)
        if region is not None:
            weights = weights * _as_region(region, words.shape)
        if box is not None:
            if size is None:
                raise InvalidInput(
                    "A box is in pixels of the original image: pass size=(width, height) as well."
                )
            cells = box_to_cells(as_box(box, size), size, words.shape)
        if cells is not None:
            x1, y1, x2, y2 = cells
            words, weights = words[y1:y2, x1:x2], weights[y1:y2, x1:x2]
        return words.ravel(), weights.ravel()


def eighths(weights: np.ndarray) -> np.ndarray:
    """Weights as a bag counts them, rounded to eighths: float32 of the same shape.

    Examples
    --------
    >>> eighths(np.array([0, 0.05, 0.3, 1])).tolist()
    [0.0, 0.0, 0.25, 1.0]
    """
    return (np.rint(np.asarray(weights) * STEPS) / STEPS).astype(np.float32)


def _as_region(region: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    weights = np.asarray(region)
    if weights.shape != shape or weights.dtype.kind not in "biuf":
        raise InvalidInput(
            f"Expected a region of numbers of shape {shape}, as the assignment map, got "
            f"{weights.dtype} of shape {weights.shape}. Use `region_weights` with this shape."
        )
    if not np.isfinite(weights).all() or weights.min() < 0:
        raise InvalidInput("Expected the weights of a region to be finite and >= 0.")
    if not eighths(weights).any():
        raise InvalidInput(
            f"Expected a region with a cell of weight 1/16 or more, got {weights.max():g} at most: "
            "it covers no cell. Use `region_weights`, whose largest weight is 1."
        )
    return weights.astype(np.float32)
