"""One search through the stages: rank, rerank by local search, expand, rank again."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from blcf.bags import BagOfWords
from blcf.bags.weighting import dequantise_norms, weighting_of_parts
from blcf.boxes import cells_to_boxes
from blcf.collection import Collection
from blcf.engine.settings import SearchOptions
from blcf.expansion import average_query
from blcf.index import InvertedFile
from blcf.records import Query, Ranking, Window
from blcf.rerank import LocalSearch

__all__ = ["Searcher"]


class Searcher:
    """The search over a snapshot of a collection; safe to use from several threads.

    Parameters
    ----------
    index : inverted file of the collection's images
    collection : their assignment maps, sizes and norms
    bag_of_words : how the bags of whole images are made
    """

    def __init__(self, index: InvertedFile, collection: Collection, bag_of_words: BagOfWords):
        self.index = index
        self.collection = collection
        self.bag_of_words = bag_of_words
        weighting = weighting_of_parts(bag_of_words.weighting)
        self._window_bags = BagOfWords(bag_of_words.n_words, weighting)

    def search(self, query: Query, options: SearchOptions) -> Ranking:
        """The ranking of a query, of at most ``options.k`` hits."""
        vector = self.index.weigh(query.bag)
        expand = options.expand or "none"
        # The expansion needs its hits, and their windows, however few are asked for.
        depth = options.depth if options.rerank else 0
        first_depth = max(depth, options.n_expand if expand != "none" else 0)
        local_search = LocalSearch(
            self.index.idf_, sqrt=self.index.sqrt, shares=options.shares
        )
        share = options.approximate
        k = max(options.k, first_depth)
        ranking = self.index.search(vector, k, weighed=True, approximate=share)
        windows: list[Window] = []
        if options.rerank or expand == "local":
            ranking, windows = self._rerank(local_search, vector, query, ranking, first_depth)
        if expand != "none":
            n_hits = min(options.n_expand, len(ranking))
            hits = self._hit_bags(ranking, windows[:n_hits] if expand == "local" else None, n_hits)
            vector = average_query(vector, self.index.weigh(hits))
            k = max(options.k, depth)
            ranking = self.index.search(vector, k, weighed=True, approximate=share)
            if options.rerank:
                ranking, _ = self._rerank(local_search, vector, query, ranking, options.depth)
        return ranking[: options.k]

    def _rerank(
        self,
        local_search: LocalSearch,
        vector: sp.csr_matrix,
        query: Query,
        ranking: Ranking,
        depth: int,
    ) -> tuple[Ranking, list[Window]]:
        """Order the first `depth` hits by their best window; the others follow as they were.

        The whole image is a window too, whatever its aspect, and counts with the score it has in
        the ranking: no reranked hit falls below the hits that were not looked at.
        """
        head = ranking[:depth]
        dense = local_search.prepare(vector)
        by_norm = self._window_bags.weighting == "norm"
        windows, scores = [], np.empty(len(head), dtype=np.float32)
        boxes = np.full((len(ranking), 4), np.nan, dtype=np.float32)
        for row, image_id in enumerate(head.ids):
            words, size = self.collection.words(image_id), self.collection.size(image_id)
            norms = self._norms(image_id) if by_norm else None
            window = local_search.best_window(
                dense, words, aspect=query.aspect, size=size, weights=norms
            )
            windows.append(window)
            boxes[row] = cells_to_boxes(np.array(window.cells), size, words.shape)
            scores[row] = max(window.score, head.scores[row])
        order = np.lexsort((head.ids, -scores))
        rows = np.concatenate([order, np.arange(len(head), len(ranking))])
        reranked = Ranking(
            [ranking.names[row] for row in rows],
            np.concatenate([scores[order], ranking.scores[depth:]]),
            ranking.ids[rows],
            boxes[rows],
        )
        return reranked, [windows[row] for row in order]

    def _hit_bags(
        self, ranking: Ranking, windows: list[Window] | None, n_hits: int
    ) -> sp.csr_matrix:
        """Bags of the first hits: of their windows, or of the whole images."""
        bags = []
        for row, image_id in enumerate(ranking.ids[:n_hits]):
            words, norms = self.collection.words(image_id), self._norms(image_id)
            if windows is None:
                bags.append(self.bag_of_words.encode(words, norms=norms))
            else:
                cells = windows[row].cells
                bags.append(self._window_bags.encode(words, cells=cells, norms=norms))
        return sp.vstack(bags, format="csr")

    def _norms(self, image_id: int) -> np.ndarray:
        """Norms of an image's features over the largest: float32 (h, w), 0..1."""
        return dequantise_norms(self.collection.norms(image_id))
