"""Assignment maps of several images and the weights of their cells, for kernels that take many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blcf.checks import as_assignment_map, as_cell_weights
from blcf.errors import InvalidInput, VocabularyMismatch

__all__ = ["WeighedMaps"]


@dataclass(frozen=True, eq=False)
class WeighedMaps:
    """Maps of n images, checked, one behind the other; made by `of`, and then trusted.

    Attributes
    ----------
    n_words : size of the vocabulary that all words are of
    words : int32 (n_cells,), row by row
    weights : float32 (n_cells,), >= 0
    starts : int64 (n,), the first cell of each map
    shapes : int64 (n, 2), rows and columns
    """

    n_words: int
    words: np.ndarray
    weights: np.ndarray
    starts: np.ndarray
    shapes: np.ndarray

    @classmethod
    def of(
        cls,
        maps: Sequence[np.ndarray],
        weights: Sequence[np.ndarray | None],
        n_words: int,
    ) -> WeighedMaps:
        """Check and lay out maps.

        Parameters
        ----------
        maps : int (h, w), of each image
        weights : float (h, w), >= 0, of its cells; None counts each as 1
        n_words : size of the vocabulary

        Raises
        ------
        InvalidInput
            No map; weights of another shape, negative or not finite.
        VocabularyMismatch
            Words that the vocabulary has not.
        """
        checked = [as_assignment_map(one) for one in maps]
        counted = [
            np.ones(one.shape, np.float32) if given is None else np.asarray(given)
            for one, given in zip(checked, weights, strict=True)
        ]
        shapes = np.array([one.shape for one in checked], dtype=np.int64).reshape(-1, 2)
        for one, given in zip(checked, counted):
            if one.shape != given.shape or given.dtype.kind not in "biuf":
                as_cell_weights(given, one.shape)
        words = np.concatenate([one.ravel() for one in checked] or [np.empty(0, np.int32)])
        every = np.concatenate([one.ravel() for one in counted] or [np.empty(0, np.float32)])
        # All at once: of 100 maps one by one it takes longer than what is made of them.
        if not (every.min(initial=0) >= 0 and every.max(initial=0) < np.inf):  # NaN is neither
            for one, given in zip(checked, counted):
                as_cell_weights(given, one.shape)
        if words.size and not 0 <= words.min() <= words.max() < n_words:
            for one in checked:
                as_assignment_map(one, n_words)
        ends = shapes.prod(axis=1).cumsum()
        starts = np.concatenate([[0], ends])[:-1].astype(np.int64)
        # A copy of what is there already takes longer than the rest: its pages are new.
        words, every = (
            one.astype(kind, copy=False) for one, kind in ((words, np.int32), (every, np.float32))
        )
        return cls(n_words, words, every, starts, shapes)

    def __len__(self) -> int:
        return len(self.starts)

    def check_words(self, n_words: int) -> None:
        """Raise `VocabularyMismatch` unless they are maps of so many words: kernels trust them."""
        if self.n_words != n_words:
            raise VocabularyMismatch(
                f"Expected maps of {n_words} words, got maps of {self.n_words}. Use the vocabulary "
                "that made the assignment maps."
            )

    def as_windows(self, cells: Sequence[tuple[int, int, int, int]] | np.ndarray) -> np.ndarray:
        """Check one window of each map: int32 (n, 4), xyxy, half-open, cells.

        Raises
        ------
        InvalidInput
            None, or some outside of the map; another number of windows than of maps.
        """
        if len(cells) != len(self):
            raise InvalidInput(
                f"Expected a window of each of {len(self)} maps, got {len(cells)} of them."
            )
        if not len(self):
            return np.empty((0, 4), dtype=np.int32)
        try:
            found = np.array(cells)
        except ValueError:  # of several lengths
            found = np.empty(0)
        row = 0
        if found.shape == (len(self), 4) and found.dtype.kind in "iu":
            near, far = found[:, :2], found[:, 2:]
            wrong = ((near < 0) | (near >= far) | (far > self.shapes[:, ::-1])).any(axis=1)
            if not wrong.any():
                return found.astype(np.int32)
            row = int(np.argmax(wrong))
        h, w = self.shapes[row].tolist()
        raise InvalidInput(
            f"Expected windows of whole cells, x1,y1,x2,y2 inside a map of {w}x{h} cells, got "
            f"{cells[row]}."
        )

    def take(self, rows: np.ndarray) -> WeighedMaps:
        """Some of the images, in an order of their own; the cells are the same arrays."""
        return WeighedMaps(
            self.n_words, self.words, self.weights, self.starts[rows], self.shapes[rows]
        )

    def followed_by(self, other: WeighedMaps) -> WeighedMaps:
        """The images of both, which are of one vocabulary."""
        other.check_words(self.n_words)
        return WeighedMaps(
            self.n_words,
            np.concatenate([self.words, other.words]),
            np.concatenate([self.weights, other.weights]),
            np.concatenate([self.starts, self.words.size + other.starts]),
            np.concatenate([self.shapes, other.shapes]),
        )

    def words_of(self, row: int) -> np.ndarray:
        """The assignment map of an image: int32 (h, w)."""
        return self._of(self.words, row)

    def weights_of(self, row: int) -> np.ndarray:
        """The weights of its cells: float32 (h, w)."""
        return self._of(self.weights, row)

    def _of(self, values: np.ndarray, row: int) -> np.ndarray:
        h, w = self.shapes[row].tolist()
        first = int(self.starts[row])
        return values[first : first + h * w].reshape(h, w)
