"""Nearest visual word in two levels: the nearest cells of the space first, then their words."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from blcf.bounds import is_integer
from blcf.errors import InvalidInput
from blcf.kernels.cells import TILE, group_by_cell, keep_best_of_cells, probe_cells
from blcf.threads import one_blas_thread
from blcf.vocabulary.assignment import nearest_words

__all__ = ["N_PROBED", "TwoLevel", "cells_digest", "check_n_probed"]

# Cells looked at in the mean: among 1,000,000 words 97 % of features get the word of the exact way,
# in a twelfth of its time; see benchmarks/large_vocabulary/README.md.
N_PROBED = 32

_SAMPLED_PER_CELL, _ITERATIONS = 50, 6
_ROUNDED = 16  # words of a cell in memory, and 8 components: what the kernels take
_FEATURES = 65_536  # at a time: they and the cells they look at take some 50 MB
_SCORES = 2**20  # less than that is done before a second thread has begun
_SAMPLE = 1_000  # words that the margin is learned from


class TwoLevel:
    """The words of a vocabulary, sorted by the cell of the space that they lie in.

    A feature looks at the cells whose own score is at most a margin less than that of its best
    cell; the margin is that of a mean number of cells. A feature between many cells looks at more
    of them than one in the middle of its own: among 1,000,000 words in 2,000 cells, 97 % of
    features find their nearest word among 8,600 words this way, 10,400 where each looks at equally
    many cells. Margins relative to the distance of the cell, of the boundary between two cells or
    of the best word in the first cells need 1.05 to 2.3 times as many words. With 1,000 cells more
    words are looked at than with 4,000, in all 1.3 times as many.

    Parameters
    ----------
    centroids : float32 (n_words, n_components), on the CPU
    n_cells : how many cells, less those without words; None for ``4 sqrt(n_words)``
    random_state : of the sample that the cells are learned from

    Attributes
    ----------
    cells : float32 (n_cells, n_components), centroids of the cells
    cell_of_word : int32 (n_words,)
    shortest : the word nearest to 0
    n_bytes : what the search keeps in memory beside the centroids
    """

    def __init__(
        self, centroids: torch.Tensor, n_cells: int | None = None, *, random_state: int = 0
    ):
        n_words = len(centroids)
        n_cells = min(n_words, n_cells or round(4 * n_words**0.5))
        cells = _learn_cells(centroids, n_cells, random_state)
        # A cell without words goes: a feature that looked at nothing else would find none.
        filled, cell_of_word = nearest_words(centroids, cells)[0].unique(return_inverse=True)
        self._set(centroids, cells[filled], cell_of_word.numpy())

    @classmethod
    def from_cells(
        cls, centroids: torch.Tensor, cells: np.ndarray, cell_of_word: np.ndarray
    ) -> TwoLevel:
        """The same search again, from its `cells` and `cell_of_word`."""
        two_level = cls.__new__(cls)
        two_level._set(centroids, torch.from_numpy(cells), cell_of_word)
        return two_level

    def _set(self, centroids: torch.Tensor, cells: torch.Tensor, cell_of_word: np.ndarray) -> None:
        self.cells = cells
        self.cell_of_word = cell_of_word.astype(np.int32)
        self.n_cells = len(cells)
        self.shortest = int(centroids.square().sum(dim=1).argmin())
        self._sample = centroids[torch.linspace(0, len(centroids) - 1, _SAMPLE).long()]
        self._margins: dict[int, float] = {}
        self._coarse = _Panels(cells.numpy(), np.zeros(len(cells), np.int32), 1)
        self._fine = _Panels(centroids.numpy(), self.cell_of_word, self.n_cells)
        self.n_bytes = self._coarse.n_bytes + self._fine.n_bytes + self.cell_of_word.nbytes

    def nearest(
        self, features: torch.Tensor, n_probed: int = N_PROBED
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The best word of the nearest cells; the nearest word where those are all.

        What a feature gets does not depend on the features beside it, nor on the threads.

        Parameters
        ----------
        features : float32 (n, n_components), on the CPU
        n_probed : how many cells are looked at in the mean, of words looked at as features

        Returns
        -------
        words : int64 (n,), the lowest number of equal scores; 0 where a feature is not finite
        scores : float32 (n,), ``x.c - |c|^2 / 2`` of that word
        """
        margin = self.margin(check_n_probed(n_probed))
        words = np.zeros(len(features), np.int32)
        scores = np.full(len(features), -np.inf, np.float32)
        for first in range(0, len(features), _FEATURES):
            part = slice(first, first + _FEATURES)
            self._search(features[part].numpy(), margin, scores[part], words[part])
        return torch.from_numpy(words).long(), torch.from_numpy(scores)

    def _search(
        self, features: np.ndarray, margin: float, scores: np.ndarray, words: np.ndarray
    ) -> None:
        fine, n_threads = self._fine, torch.get_num_threads()
        rows = _rounded(features)
        starts, pairs = self._pairs(rows, margin, n_threads)

        def look(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
            top, top_words = np.full(len(rows), -np.inf, np.float32), np.zeros(len(rows), np.int32)
            keep_best_of_cells(
                rows,
                starts,
                pairs,
                fine.panels,
                fine.half_norms,
                fine.numbers,
                fine.starts,
                (first, last),
                top,
                top_words,
            )
            return top, top_words

        # Threads take ranges of cells of about equal work.
        work = np.cumsum(np.diff(starts) * np.diff(fine.starts))
        shares = np.linspace(0, work[-1], (n_threads if work[-1] > _SCORES else 1) + 1)
        ends = [0, *np.searchsorted(work, shares[1:-1]).tolist(), self.n_cells]
        for top, top_words in _in_threads(look, ends):
            better = (top > scores) | ((top == scores) & (top_words < words))
            scores[better], words[better] = top[better], top_words[better]

    def _pairs(
        self, rows: np.ndarray, margin: float, n_threads: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The features that look at each cell, see `blcf.kernels.cells.group_by_cell`."""
        coarse = self._coarse
        counts = np.empty(len(rows), np.int32)

        def probe(first: int, last: int) -> np.ndarray:
            return probe_cells(
                rows[first:last],
                coarse.panels,
                coarse.half_norms,
                self.n_cells,
                np.float32(margin),
                counts[first:last],
            )

        n_threads = n_threads if len(rows) * self.n_cells > _SCORES else 1
        ends = np.linspace(0, len(rows), n_threads + 1).astype(int).tolist()
        cells = np.concatenate(_in_threads(probe, ends))
        starts, pairs = np.empty(self.n_cells + 1, np.int64), np.empty(len(cells), np.int32)
        group_by_cell(counts, cells, starts, pairs)
        return starts, pairs

    def margin(self, n_probed: int) -> float:
        """How much less than the best cell a cell may score, that `n_probed` are in the mean.

        The mean is over 1,000 of the words, looked at as features.
        """
        if n_probed >= self.n_cells:
            return np.inf
        if n_probed not in self._margins:
            # Double precision: the same number whatever order a library sums in.
            words, cells = self._sample.double().numpy(), self.cells.double().numpy()
            with one_blas_thread():
                products = words @ cells.T
            scores = torch.from_numpy(products - np.square(cells).sum(axis=1) / 2)
            gaps = (scores.amax(dim=1, keepdim=True) - scores).ravel()
            place = n_probed * len(words)
            self._margins[n_probed] = float(gaps.kthvalue(place).values.float())
        return self._margins[n_probed]


def cells_digest(cells: np.ndarray, cell_of_word: np.ndarray) -> str:
    """SHA-256 (first 16 hex digits) of the cells and of the words in them."""
    digest = hashlib.sha256(str(cells.shape).encode())
    digest.update(np.ascontiguousarray(cells).tobytes())
    digest.update(np.ascontiguousarray(cell_of_word).tobytes())
    return digest.hexdigest()[:16]


class _Panels:
    """Words in the order of their cells, as the kernels take them.

    Attributes
    ----------
    panels, half_norms, numbers, starts : see `blcf.kernels.cells.keep_best_of_cells`
    """

    def __init__(self, centroids: np.ndarray, cell_of_word: np.ndarray, n_cells: int):
        counts = np.bincount(cell_of_word, minlength=n_cells)
        order = np.argsort(cell_of_word, kind="stable")
        self.starts = np.zeros(n_cells + 1, np.int64)
        self.starts[1:] = np.cumsum(-(-counts // _ROUNDED) * _ROUNDED)
        n_components = -(-centroids.shape[1] // 8) * 8
        n_places = int(self.starts[-1])
        self.panels = _aligned_zeros(n_places * n_components)
        self.half_norms = np.full(n_places, np.inf, np.float32)
        self.numbers = np.full(n_places, np.iinfo(np.int32).max, np.int32)
        taken = 0
        for cell in range(n_cells):
            words = order[taken : taken + counts[cell]]
            taken += counts[cell]
            start = self.starts[cell]
            self.numbers[start : start + len(words)] = words
            rows = centroids[words]
            self.half_norms[start : start + len(words)] = np.einsum("ij,ij->i", rows, rows) / 2
            for first in range(start, self.starts[cell + 1], TILE):
                last = min(first + TILE, self.starts[cell + 1])
                panel = self.panels[first * n_components : last * n_components]
                held = rows[first - start : last - start]
                panel = panel.reshape(n_components, last - first)
                panel[: centroids.shape[1], : len(held)] = held.T

    @property
    def n_bytes(self) -> int:
        """Bytes in memory."""
        arrays = (self.panels, self.half_norms, self.numbers, self.starts)
        return sum(array.nbytes for array in arrays)


def _aligned_zeros(size: int) -> np.ndarray:
    """float32 (size,) at a multiple of 64 bytes: products are a seventh faster there."""
    memory = np.zeros(size + 16, np.float32)
    first = -memory.ctypes.data // 4 % 16
    return memory[first : first + size]


def _learn_cells(centroids: torch.Tensor, n_cells: int, random_state: int) -> torch.Tensor:
    """Cells by a few steps of Lloyd's k-means over a sample of the words."""
    order = np.random.default_rng(random_state).permutation(len(centroids))
    sample = centroids[torch.from_numpy(order[: n_cells * _SAMPLED_PER_CELL])]
    cells = sample[:n_cells].clone()
    for _ in range(_ITERATIONS):
        nearest = nearest_words(sample, cells)[0]
        sums = torch.zeros(cells.shape, dtype=torch.float64)
        sums.index_add_(0, nearest, sample.double())
        counts = torch.bincount(nearest, minlength=n_cells)
        filled = counts > 0  # an empty cell stays where it is
        cells[filled] = (sums[filled] / counts[filled, None]).float()
    return cells


def _rounded(features: np.ndarray) -> np.ndarray:
    """Features with a multiple of 8 components, the last ones 0."""
    n_more = -features.shape[1] % 8
    if n_more:
        features = np.pad(features, ((0, 0), (0, n_more)))
    return np.ascontiguousarray(features)


def _in_threads(call: Any, ends: list[int]) -> list[Any]:
    """The results of a call with each part (first, last) between the ends, one thread each."""
    parts = list(zip(ends[:-1], ends[1:]))
    if len(parts) == 1:
        return [call(*parts[0])]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(lambda part: call(*part), parts))


def check_n_probed(n_probed: Any) -> int:
    """Give back a number of cells to look at, or raise `InvalidInput`."""
    if is_integer(n_probed) and n_probed >= 1:
        return int(n_probed)
    raise InvalidInput(f"Expected n_probed to be an integer of 1 or more, got {n_probed!r}.")
