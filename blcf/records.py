"""The value types that the stages exchange, and the contracts the stages keep.

A `Ranking` never holds padding, and its order is defined: score descending, then order of
insertion ascending. Stages know each other only through the protocols below and plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
import scipy.sparse as sp

from blcf.errors import InvalidInput

__all__ = ["Evidence", "Hit", "Index", "Keypoints", "Query", "Ranking", "View", "Window"]


@dataclass(frozen=True, eq=False, repr=False)
class Hit:
    """One row of a ranking.

    Attributes
    ----------
    name : relative posix path of the image
    score : cosine similarity with the query
    box : float32 (4,), xyxy, pixels of the original image; None where nothing was localised
    boxes : float32 (n, 4), the same of every place where the object is, the best first
    explain : makes the evidence, see `evidence`
    look_up : gives what is known of the image, see `facts`
    confidence : the chance that it shows the object, as far as the ranking tells, 0..1; None where
        it does not
    outline : float32 (4, 2), x and y, pixels of the original image: where the top left, top right,
        bottom right and bottom left corner of the query's box are, of a mirror image too; None
        where no keypoints agree. `box` is the upright box around it, cut to the image
    """

    name: str
    score: float
    box: np.ndarray | None = None
    boxes: np.ndarray | None = None
    explain: Callable[[], Evidence] | None = None
    look_up: Callable[[], dict[str, Any]] | None = None
    confidence: float | None = None
    outline: np.ndarray | None = None

    def __repr__(self) -> str:
        return f"Hit({self.name!r}, score={self.score:.4f}, box={_edges(self.box)})"

    @property
    def places(self) -> list[np.ndarray]:
        """What to draw: the outline, or else the box, (4, 2) or (4,), then further boxes."""
        boxes = [] if self.box is None else [self.box] if self.boxes is None else [*self.boxes]
        return boxes if self.outline is None else [self.outline, *boxes[1:]]

    def evidence(self) -> Evidence:
        """Which words, at which cells of the query and of the image, made the score.

        Raises
        ------
        InvalidInput
            The hit is not one of an engine's search, which knows the query.
        """
        if self.explain is None:
            raise InvalidInput("Expected a hit of SearchEngine.search: others know no query.")
        return self.explain()

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of the picture: {column: value}, looked up when it is asked for.

        Raises
        ------
        InvalidInput
            The hit is not one of an engine's search, which knows the picture; or was pickled.
        """
        if self.look_up is None:
            raise InvalidInput("Expected a hit of SearchEngine.search: others know no picture.")
        return self.look_up()

    @property
    def time(self) -> float | None:
        """When a frame of a film came, s from its start; None of a picture that is none."""
        time = self.facts["time"]
        return None if time is None else float(time)


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
class View:
    """One look of the network at a query picture: at one size, maybe mirrored.

    Attributes
    ----------
    assignment_map : int32 (h, w), visual words of the whole picture; in views of other sizes than
        the collection's, 0 where a cell away from the object was not assigned
    weights : float32 (h, w), >= 0, what each cell counts in the bag; 0 outside of the object
    bag : CSR float32 (1, n_words), raw term frequencies: the weights, summed by word
    """

    assignment_map: np.ndarray
    weights: np.ndarray
    bag: sp.csr_matrix


@dataclass(frozen=True, eq=False)
class Keypoints:
    """What a picture has of points that can be found again.

    Attributes
    ----------
    points : float64 (n, 2), x and y, pixels of the picture
    descriptors : float32 (n, 128), RootSIFT, of length 1
    size : (width, height) of the picture, pixels
    """

    points: np.ndarray
    descriptors: np.ndarray
    size: tuple[int, int]

    def __len__(self) -> int:
        return len(self.points)


@dataclass(frozen=True, eq=False, repr=False)
class Query:
    """A picture and the object in it, after the network: words and where they count.

    Attributes
    ----------
    views : one or more, the first at the size of the collection's pictures
    size : (width, height) of the query picture, pixels
    box : float32 (4,), xyxy, pixels, around the object (its box, polygon or mask); None for the
        whole picture
    frame : the name of the picture where it is one of the collection, as it was indexed
    keypoints : of the box (of the whole picture); None where they were not asked for, or there are
        no pixels to find them in
    shares : how much each view counts, 0 or more; None: alike
    whole : the view every cell of whose map has its word, of the size of the collection's pictures
    mirrored : whether it is the mirror image of the picture that was given
    """

    views: tuple[View, ...]
    size: tuple[int, int]
    box: np.ndarray | None
    frame: str | None = None
    keypoints: Keypoints | None = None
    shares: tuple[float, ...] | None = None
    whole: int = 0
    mirrored: bool = False

    def __repr__(self) -> str:
        looks = "1 view" if len(self.views) == 1 else f"{len(self.views)} views"
        width, height = self.size
        return f"Query({looks} of a picture of {width}x{height} pixels, box={_edges(self.box)})"

    def shares_of_views(self) -> tuple[float, ...]:
        """How much each view counts."""
        return self.shares or (1.0,) * len(self.views)

    @property
    def bag(self) -> sp.csr_matrix:
        """The bag of the first view."""
        return self.views[0].bag

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


@dataclass(frozen=True, eq=False, repr=False)
class Evidence:
    """Why an image has its score: which words, at which cells of the query and of the image.

    One row per pair of a query's cell and an image's cell that show the same word (fewer where
    words fill both pictures, see `blcf.rerank.evidence`); the contributions of all rows sum to the
    score, those of a cell to what it contributes.

    Attributes
    ----------
    words : int32 (n,)
    query_cells : int32 (n, 3), the example (query picture), x and y of its cell; -1 three times
        where no example shows the word (query expansion or the words near one brought it in)
    image_cells : int32 (n, 2), x and y of the cell of the image's map
    contributions : float64 (n,), descending
    query_shapes : (h, w) of the maps of the examples
    image_shape : (h, w) of the image's map
    """

    words: np.ndarray
    query_cells: np.ndarray
    image_cells: np.ndarray
    contributions: np.ndarray
    query_shapes: tuple[tuple[int, int], ...]
    image_shape: tuple[int, int]

    def __repr__(self) -> str:
        n_words = np.unique(self.words).size
        return f"Evidence(score={self.score:.4f}, {self.words.size} pairs of {n_words} words)"

    @property
    def score(self) -> float:
        """The sum of all contributions."""
        return float(self.contributions.sum())

    def image_heat(self) -> np.ndarray:
        """What each cell of the image contributes: float64 (h, w), its sum is the score."""
        return _heat(self.image_cells, self.contributions, self.image_shape)

    def query_heat(self, example: int = 0) -> np.ndarray:
        """What each cell of an example contributes: float64 (h, w)."""
        if not 0 <= example < len(self.query_shapes):
            raise InvalidInput(
                f"Expected one of {len(self.query_shapes)} examples, 0 the first, got {example}."
            )
        mine = self.query_cells[:, 0] == example
        cells = self.query_cells[mine, 1:]
        return _heat(cells, self.contributions[mine], self.query_shapes[example])


def _edges(box: np.ndarray | None) -> str:
    return "None" if box is None else str([round(float(edge), 1) for edge in box])


def _heat(cells: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    heat = np.zeros(shape)
    np.add.at(heat, (cells[:, 1], cells[:, 0]), values)
    return heat


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
