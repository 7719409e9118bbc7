"""The value types that the stages exchange, and the contracts the stages keep.

A `Ranking` never holds padding, and its order is defined: score descending, then order of
insertion ascending. Stages know each other only through the protocols below and plain arrays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, overload

import numpy as np
import scipy.sparse as sp

__all__ = ["Hit", "Index", "Query", "Ranking", "Window"]


@dataclass(frozen=True, eq=False)
class Hit:
    """One row of a ranking.

    Attributes
    ----------
    name : relative posix path of the image
    score : cosine similarity with the query
    box : float32 (4,), xyxy, pixels of the original image; None where nothing was localised
    """

    name: str
    score: float
    box: np.ndarray | None = None


@dataclass(frozen=True, repr=False, eq=False)
class Ranking(Sequence[Hit]):
    """The answer to a query: images by score descending, then by order of insertion.

    Attributes
    ----------
    names : list of str, length n
    scores : float32 (n,)
    ids : int64 (n,), positions of the images in the order of insertion
    boxes : float32 (n, 4), xyxy, pixels of the original image, or None (not localised);
        a row of NaN marks a hit that was not localised
    """

    names: list[str]
    scores: np.ndarray
    ids: np.ndarray
    boxes: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, position: int) -> Hit: ...

    @overload
    def __getitem__(self, position: slice) -> Ranking: ...

    def __getitem__(self, position: int | slice) -> Hit | Ranking:
        boxes = None if self.boxes is None else self.boxes[position]
        if isinstance(position, slice):
            return Ranking(self.names[position], self.scores[position], self.ids[position], boxes)
        if boxes is not None and np.isnan(boxes).any():
            boxes = None
        return Hit(self.names[position], float(self.scores[position]), boxes)

    def __iter__(self) -> Iterator[Hit]:
        return (self[position] for position in range(len(self)))

    def __repr__(self) -> str:
        rows = [f"  {i + 1:3d}  {hit.score:.4f}  {hit.name}" for i, hit in enumerate(self[:10])]
        rest = [f"  ... {len(self) - 10} more"] if len(self) > 10 else []
        return "\n".join([f"{type(self).__name__} of {len(self)} images", *rows, *rest])


@dataclass(frozen=True, eq=False)
class Query:
    """What is searched for, after the network: words and where they count.

    Attributes
    ----------
    assignment_map : int32 (h, w), visual words of the whole query image
    size : (width, height) of the query image, pixels
    box : float32 (4,), xyxy, pixels, or None for the whole image
    bag : CSR float32 (1, n_words), raw term frequencies of the cells that count
    """

    assignment_map: np.ndarray
    size: tuple[int, int]
    box: np.ndarray | None
    bag: sp.csr_matrix

    @property
    def aspect(self) -> float:
        """Width over height of the box (of the image where there is none)."""
        if self.box is None:
            return self.size[0] / self.size[1]
        x1, y1, x2, y2 = (float(edge) for edge in self.box)
        return (x2 - x1) / (y2 - y1)


@dataclass(frozen=True)
class Window:
    """The best window of a map for a query.

    Attributes
    ----------
    score : cosine similarity of the query and the bag of the window
    cells : (x1, y1, x2, y2), half-open, in cells of the assignment map
    """

    score: float
    cells: tuple[int, int, int, int]


class Index(Protocol):
    """An index of images: what every index promises, whatever its storage.

    The ranking after any sequence of `add` and `remove` is that of an index built afresh from the
    images that are left.
    """

    @property
    def n_images(self) -> int:
        """How many images the index holds."""
        ...

    def add(self, names: Sequence[str], bags: sp.csr_matrix) -> Index:
        """Append images; ``bags`` is CSR (n_images, n_words) of raw term frequencies."""
        ...

    def remove(self, names: Sequence[str]) -> int:
        """Remove all images of some names; gives how many there were."""
        ...

    def search(self, bag: sp.csr_matrix, k: int = 100) -> Ranking:
        """The ``k`` most similar images (all of them when there are fewer)."""
        ...

    def search_many(self, bags: sp.csr_matrix, k: int = 100) -> list[Ranking]:
        """A ranking per row, each equal to that of `search`."""
        ...
