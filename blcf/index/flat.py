"""The flat index: exact cosine ranking of dense vectors, such as global descriptors."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from blcf.errors import FormatError, InvalidInput
from blcf.index.checked import check_k
from blcf.index.dense import DensePart, DenseState, damaged, merged, with_vectors
from blcf.printing import counted, shown
from blcf.records import Ranking
from blcf.storage import map_file, open_h5, write_h5

__all__ = ["FlatIndex"]

FORMAT_VERSION = 1
KIND = "flat index"

QUERIES = 128  # scored at a time: their estimates of a part take 16 MB


class FlatIndex:
    """Dense vectors of images, and the exact search through all of them.

    The score is the cosine of the query's vector and the image's: both are L2-normalised when they
    come, as float32; a vector of zeros stays one and scores 0. The contract is that of
    `InvertedFile`: ties in order of insertion, any sequence of `add` and `remove` ranks like an
    index built afresh, several queries at once rank like each alone, to the last bit.

    Parameters
    ----------
    n_components : int, entries of a vector

    Notes
    -----
    A product of matrices in float32 only says which images can be among the best; what is ranked
    and shown are dot products in float64 in one order of summation, rounded to float32. No order of
    summation in float32 is off by more than ``n u / (1 - n u)`` times the product of the lengths,
    with n components and u = 2^-24 (Higham, Accuracy and Stability of Numerical Algorithms,
    section 3.1): an image whose product is below the k-th best score by more cannot be among the
    best k.

    Examples
    --------
    >>> import numpy as np
    >>> index = FlatIndex(n_components=2).add(["a.jpg", "b.jpg"], np.array([[2.0, 0], [3, 3]]))
    >>> [(hit.name, round(hit.score, 4)) for hit in index.search(np.array([0.0, 1]), k=2)]
    [('b.jpg', 0.7071), ('a.jpg', 0.0)]
    """

    def __init__(self, n_components: int):
        self.n_components = check_k(n_components, "n_components, the entries of a vector,")
        self._state = DenseState([])
        self._changing = threading.Lock()  # of several threads that add, none loses its images

    def __repr__(self) -> str:
        return shown(self, counted(self.n_images, "image"))

    @property
    def n_images(self) -> int:
        """How many images the index holds."""
        return self._state.numbering.n_images

    def name(self, image_id: int) -> str:
        """The name of an image by its place in the order of insertion."""
        state = self._state
        part, position = state.numbering.locate(image_id)
        return state.parts[part].names[position]

    def vectors(self, ids: Sequence[int] | np.ndarray) -> np.ndarray:
        """The vectors of images by their ids: float32 (n, n_components), L2-normalised.

        Raises
        ------
        InvalidInput
            An id that is no integer from 0 to ``n_images - 1``.
        """
        state, wanted = self._state, np.asarray(ids)
        n_images = state.numbering.n_images
        whole = wanted.size == 0 or np.issubdtype(wanted.dtype, np.integer)
        if wanted.ndim != 1 or not whole or ((wanted < 0) | (wanted >= n_images)).any():
            raise InvalidInput(f"Expected ids of images, 0 to {n_images - 1}, got {ids!r}.")
        out = np.empty((wanted.size, self.n_components), dtype=np.float32)
        for rows, part, positions in state.places(wanted):
            out[rows] = part.checked()[positions]
        return out

    def add(self, names: Sequence[str], vectors: np.ndarray) -> FlatIndex:
        """Append images.

        Parameters
        ----------
        names : one per row
        vectors : float (n_images, n_components), of any length

        Returns
        -------
        self

        Raises
        ------
        InvalidInput
            Not one finite vector of `n_components` entries per name.
        """
        rows = _unit_rows(vectors, self.n_components, "vectors")
        if len(rows) != len(names):
            raise InvalidInput(
                f"Expected one name per vector, got {len(names)} names and {len(rows)} vectors."
            )
        with self._changing:
            self._state = DenseState(with_vectors(self._state.parts, names, rows))
        return self

    def remove(self, names: Sequence[str]) -> int:
        """Remove all images of some names; gives how many there were.

        The others keep their order.
        """
        if isinstance(names, str):
            names = [names]
        with self._changing:
            n_before = self.n_images
            self._state = DenseState(merged([one.without(names) for one in self._state.parts]))
            return n_before - self.n_images

    def search(self, vector: np.ndarray, k: int = 100) -> Ranking:
        """The k images most similar to a vector, serially.

        Parameters
        ----------
        vector : float (n_components,) or (1, n_components), of any length
        k : how many; all images where there are fewer

        Raises
        ------
        InvalidInput
        """
        rows = np.asarray(vector)[None] if np.ndim(vector) == 1 else vector
        rows = _unit_rows(rows, self.n_components, "one vector")
        if len(rows) != 1:
            raise InvalidInput(
                f"Expected one vector of shape ({self.n_components},), got shape {rows.shape}. "
                "Use search_many for several."
            )
        state = self._state  # one for the whole search: other threads may add and remove
        return state.rank(rows, check_k(k), map, 1)[0]

    def search_many(
        self, vectors: np.ndarray, k: int = 100, *, n_threads: int | None = None
    ) -> list[Ranking]:
        """`search` for every row of float (n, n_components).

        Parameters
        ----------
        n_threads : that choose the best; None takes as many as the machine has cores. The products
            of matrices take the threads that numpy's BLAS is set to.
        """
        rows, k = _unit_rows(vectors, self.n_components, "vectors"), check_k(k)
        n_threads = check_k(n_threads or os.cpu_count() or 1, "n_threads, the number of threads,")
        state, rankings = self._state, []
        with ThreadPoolExecutor(n_threads) as pool:
            for first in range(0, len(rows), QUERIES):
                rankings += state.rank(rows[first : first + QUERIES], k, pool.map, n_threads)
        return rankings

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the index to one HDF5 file, which appears whole or not at all."""
        with write_h5(Path(path), KIND, FORMAT_VERSION) as file:
            file.attrs["n_components"] = self.n_components
            for number, part in enumerate(self._state.parts):
                part.write(file.create_group(f"{number:06d}"))

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> FlatIndex:
        """Open a saved index, mapped into memory; `FormatError` where it is damaged.

        Vectors are read, and looked at for damage, when they are first needed.
        """
        with open_h5(Path(path), KIND, FORMAT_VERSION) as file:
            mapped = map_file(path)
            n_components = file.attrs["n_components"]
            if not isinstance(n_components, np.integer) or n_components < 1:
                raise FormatError(damaged(path, f"its vectors have {n_components!r} components"))
            index = cls(int(n_components))
            groups = [file[number] for number in sorted(file)]
            parts = [DensePart.read(group, mapped, index.n_components) for group in groups]
            index._state = DenseState(parts)
        return index


def _unit_rows(vectors: Any, n_components: int, what: str) -> np.ndarray:
    """Vectors of length 1 (or 0), float32 (n, n_components); `InvalidInput` where they are none."""
    shape = np.shape(vectors) if isinstance(vectors, np.ndarray) else type(vectors).__name__
    kind = vectors.dtype.kind if isinstance(vectors, np.ndarray) else ""
    if kind not in ("f", "i", "u") or vectors.ndim != 2 or vectors.shape[1] != n_components:
        raise InvalidInput(
            f"Expected {what} as a float array of {n_components} components a row, got "
            f"{shape}{f' of {vectors.dtype}' if kind else ''}. Use the descriptor of this index."
        )
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
        rows = np.ascontiguousarray(vectors, dtype=np.float32).astype(np.float64)
    if not np.isfinite(rows).all():
        raise InvalidInput(f"Expected {what} of finite numbers, got NaN or infinity.")
    norms = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0).astype(np.float32)
