"""What can be asked of an open collection; `SearchEngine` is this and makes and changes it, too.

The options of a search stand in each signature, where an editor sees them; what they mean is said
once, in `SearchOptions`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from blcf.checks import fields_among
from blcf.collection import Collection
from blcf.collection.model import Model
from blcf.collection.snapshot import Snapshot
from blcf.errors import InvalidInput, ShardChanged
from blcf.images import ImageLike
from blcf.measuring.evaluation import Evaluation
from blcf.measuring.evaluator import evaluate
from blcf.progress import tqdm
from blcf.qdrant import store_of
from blcf.records import Query, Ranking
from blcf.searching.asking import search_each, search_examples
from blcf.searching.hits import Hits
from blcf.searching.options import SearchOptions
from blcf.searching.queries import Asked, Example, Shown, describe_examples
from blcf.searching.searchable import Searchable
from blcf.searching.searcher import Searcher
from blcf.sharded import open_searcher

if TYPE_CHECKING:
    from blcf.datasets import GroundTruth, TrueQuery

__all__ = ["Searches"]


class Searches:
    """An open collection: its parts while it is open, and every kind of search in it.

    Parameters
    ----------
    model : what its words are made with
    index : where to rank, see `SearchEngine.open`
    """

    def __init__(self, model: Model, index: str | None = None):
        self.path: Path = model.collection.path
        self.index = index
        self._store = None if index is None else store_of(index)
        self.settings = model.settings
        self._model: Model | None = model
        self._searcher: tuple[int, Searcher] | None = None
        self._opening = threading.Lock()  # of threads that search at once, one opens the index
        # What holds memory maps, and may be held by hits and names that somebody keeps.
        self._opened: WeakSet[Searchable | Snapshot] = WeakSet()

    @property
    def model(self) -> Model:
        """The network, the whitening and the vocabulary."""
        if self._model is None:
            raise InvalidInput(f"The engine of {self.path} is closed. Use SearchEngine.open again.")
        return self._model

    @property
    def collection(self) -> Collection:
        """The collection on disk."""
        return self.model.collection

    def __len__(self) -> int:
        return self.collection.n_images

    @property
    def searcher(self) -> Searcher:
        """The search over what is committed, as of `open`, the last change or `refresh`."""
        model = self.model
        model.collection.follow()
        with self._opening:
            generation = model.collection.manifest["generation"]
            if self._searcher is None or self._searcher[0] != generation:
                searcher = open_searcher(model, self._store)
                self._opened.add(searcher.searchable)
                generation = searcher.searchable.snapshot.manifest["generation"]
                self._searcher = generation, searcher
            return self._searcher[1]

    def describe(
        self,
        image: ImageLike,
        box: Any = None,
        side: int | None = None,
        *,
        polygon: Any = None,
        mask: Any = None,
        how: str = "hard",
        scales: Sequence[float] = (1.0,),
    ) -> Query:
        """A query from a picture: through the network, to words, to bags of the object's cells.

        Parameters
        ----------
        image, box, polygon, mask, how : see `search`
        side : longer side to which the picture is resized, pixels; None takes the collection's
        scales : sizes in which it is looked at, relative to `side`: a view each
        """
        example = Example(image, box, polygon, mask, how)
        options = SearchOptions(query_side=side, query_scales=scales)
        return describe_examples(self.searcher.searchable, [example], options).queries[0]

    def search(
        self,
        image: ImageLike | None = None,
        box: Sequence[float] | np.ndarray | None = None,
        *,
        polygon: Sequence[Sequence[float]] | np.ndarray | None = None,
        mask: str | os.PathLike[str] | bytes | np.ndarray | None = None,
        how: str = "hard",
        frame: str | os.PathLike[str] | None = None,
        examples: Sequence[Example] = (),
        negatives: Sequence[Example] = (),
        k: int = 100,
        rerank: bool = True,
        depth: int = 100,
        windows: str = "votes",
        shares: Sequence[int] = (1, 2),
        min_side: int = 1,
        pyramid: bool = False,
        keep_whole: bool = True,
        n_neighbours: int = 5,
        refine: str | None = None,
        n_refine: int = 100,
        n_boxes: int = 1,
        expand: str = "auto",
        expand_by: str = "average",
        alpha: float = 1.0,
        n_expand: int = 10,
        rerank_again: bool = True,
        rounds: int = 1,
        guard: str = "scores",
        query_side: int | None = None,
        query_scales: Sequence[float] = (1.0, 0.35, 0.5, 0.7, 1.4),
        scales_by: str = "gap",
        query_flip: bool = False,
        fusion: str = "average",
        negatives_by: str = "rocchio",
        gamma: float = 0.25,
        approximate: float | None = None,
        where: str | None = None,
        min_confidence: float = 0.0,
    ) -> Hits:
        """Find the pictures that show the object.

        Parameters
        ----------
        image : a path, the bytes of a file, a PIL.Image, or an array, uint8 (height, width, 3) RGB
            and others: see `blcf.images.as_image`
        box : the object in it, xyxy, pixels of the picture; or
        polygon : (n, 2), xy of the corners around it, pixels; or
        mask : bool or float (height, width), 0..1, or a picture, white on the object: the path or
            the bytes of a file. Without one of these the whole picture is searched with.
        how : how cells count that the object covers in part: "hard", all alike; "soft", by the
            share that is covered; "distance", all cells, less with the distance from the object
        frame : in place of an image, the name or path of a picture of the collection: no network
            is needed; it is looked at as it was indexed, in one size
        examples : more pictures of the object
        negatives : pictures of what is not meant
        k, rerank, ... : see `blcf.SearchOptions`

        Returns
        -------
        Hits
            A `Ranking` of at most k pictures, with boxes where it was reranked.

        Raises
        ------
        InvalidInput, UnreadableImage, VocabularyMismatch
        """
        options = SearchOptions(**fields_among(SearchOptions, locals()))
        positives = list(examples)
        if image is not None or frame is not None or not positives:
            positives.insert(0, Example(image, box, polygon, mask, how, frame))
        elif any(region is not None for region in (box, polygon, mask)):
            raise InvalidInput("Expected the picture that the box, polygon or mask belongs to.")
        try:
            return search_examples(self.searcher, positives, options, negatives)
        except ShardChanged:  # between the question what there is, and the search
            self.collection.refresh()
            return search_examples(self.searcher, positives, options, negatives)

    def search_many(
        self,
        queries: Iterable[Example | ImageLike],
        *,
        k: int = 100,
        rerank: bool = True,
        depth: int = 100,
        windows: str = "votes",
        shares: Sequence[int] = (1, 2),
        min_side: int = 1,
        pyramid: bool = False,
        keep_whole: bool = True,
        n_neighbours: int = 5,
        refine: str | None = None,
        n_refine: int = 100,
        n_boxes: int = 1,
        expand: str = "auto",
        expand_by: str = "average",
        alpha: float = 1.0,
        n_expand: int = 10,
        rerank_again: bool = True,
        rounds: int = 1,
        guard: str = "scores",
        query_side: int | None = None,
        query_scales: Sequence[float] = (1.0, 0.35, 0.5, 0.7, 1.4),
        scales_by: str = "gap",
        query_flip: bool = False,
        fusion: str = "average",
        negatives_by: str = "rocchio",
        gamma: float = 0.25,
        approximate: float | None = None,
        where: str | None = None,
        min_confidence: float = 0.0,
        progress: bool = True,
    ) -> list[Hits]:
        """`search` with each of many queries, whose pictures go through the network together.

        Parameters
        ----------
        queries : one `Example` each, or a picture as `search` takes it, which is searched with as
            a whole; a generator will do
        k, rerank, ... : see `blcf.SearchOptions`
        progress : whether to draw a progress bar on stderr

        Returns
        -------
        list of Hits
            In the order of the queries, each what `search` gives.

        Raises
        ------
        InvalidInput, UnreadableImage, VocabularyMismatch
            The message says which query it was, 0 the first.
        """
        options = SearchOptions(**fields_among(SearchOptions, locals()))
        one = isinstance(queries, (str, bytes, os.PathLike, np.ndarray))
        if one or not isinstance(queries, Iterable):
            raise InvalidInput(
                f"Expected several queries in a list, got one {type(queries).__name__}. Search "
                "with one by search."
            )
        total = len(queries) if isinstance(queries, Sequence) else None
        found = search_each(self.searcher, queries, options)
        bar = tqdm(found, "searching", total, unit="query", disable=not progress)
        with closing(found), bar:
            return list(bar)

    def search_query(self, query: Query, options: SearchOptions, image: Shown = None) -> Hits:
        """`search` for a query that went through the network already."""
        return Hits.find(self.searcher, Asked((query,), (image,)), options)

    def evaluate(
        self,
        ground_truth: GroundTruth | str | os.PathLike[str],
        *,
        protocol: str | None = None,
        queries: str = "both",
        keep: int = 10,
        progress: bool = True,
        sink: Callable[[str, TrueQuery, Ranking], object] | None = None,
        k: int = 100,
        rerank: bool = True,
        depth: int = 100,
        windows: str = "votes",
        shares: Sequence[int] = (1, 2),
        min_side: int = 1,
        pyramid: bool = False,
        keep_whole: bool = True,
        n_neighbours: int = 5,
        refine: str | None = None,
        n_refine: int = 100,
        n_boxes: int = 1,
        expand: str = "auto",
        expand_by: str = "average",
        alpha: float = 1.0,
        n_expand: int = 10,
        rerank_again: bool = True,
        rounds: int = 1,
        guard: str = "scores",
        query_side: int | None = None,
        query_scales: Sequence[float] = (1.0, 0.35, 0.5, 0.7, 1.4),
        scales_by: str = "gap",
        query_flip: bool = False,
        fusion: str = "average",
        negatives_by: str = "rocchio",
        gamma: float = 0.25,
        approximate: float | None = None,
        where: str | None = None,
        min_confidence: float = 0.0,
    ) -> list[Evaluation]:
        """Figures of a data set's protocol, average precision for most, and localisation.

        Parameters
        ----------
        ground_truth, protocol, queries, keep, progress, sink : see
            `blcf.measuring.evaluator.evaluate`
        k, rerank, ... : see `blcf.SearchOptions`; the whole ranking counts, whatever k

        Returns
        -------
        One `Evaluation` for box queries (LS) where there are boxes, one for whole pictures (GS).
        """
        options = [SearchOptions(**fields_among(SearchOptions, locals()))]
        how: Any = {"protocol": protocol, "queries": queries, "keep": keep, "progress": progress}
        return evaluate(self.searcher, ground_truth, options, sink=sink, **how)[0]
