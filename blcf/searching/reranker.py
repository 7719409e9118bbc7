"""The second stage of a search: the best hits again, by the window that shows the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp

from blcf.expansion import joint_query
from blcf.records import Query, Ranking, View
from blcf.rerank import quadrants, smoothed_scores
from blcf.searching import scales
from blcf.searching.looking import Looks
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import Found, Outcome, bags_of_windows
from blcf.searching.searchable import Searchable

__all__ = ["Reranker", "quarters_of"]


class Reranker:
    """Reranks the hits of one search, once or after each expansion.

    Parameters
    ----------
    searchable : what is searched
    looker : looks into its images
    queries : the examples of the object
    options : how
    """

    def __init__(
        self,
        searchable: Searchable,
        looker: Looks,
        queries: Sequence[Query],
        options: SearchOptions,
    ):
        self._searchable = searchable
        self._index = searchable.index
        self._looker = looker
        self._queries = queries
        self._options = options
        self._quarters = self._vectors_of_quarters() if options.pyramid else None

    def rerank(self, outcome: Outcome) -> Outcome:
        """Order the first hits by their windows; the others follow as they were."""
        vector, ranking = outcome.vector, outcome.ranking
        head = ranking[: self._options.depth]
        ids = [int(image_id) for image_id in head.ids]
        found = dict(zip(ids, self._looker.look(vector, self._quarters, ids, head.scores)))
        scores = self._scores(ids, found)
        order = np.lexsort((head.ids, -scores))
        rows = np.concatenate([order, np.arange(len(ids), len(ranking))]).astype(np.int64)
        boxes = np.full((len(ranking), 4), np.nan, dtype=np.float32)
        for row, image_id in enumerate(ids):
            boxes[row] = found[image_id].boxes[0]
        tail = ranking.scores[len(ids) :]
        if len(ids) and (self._smooths or not self._options.keep_whole):
            tail = np.minimum(tail, scores.min())  # the order stays that of the ranking
        reranked = Ranking(
            [ranking.names[row] for row in rows],
            np.concatenate([scores[order], tail]),
            ranking.ids[rows],
            boxes[rows],
        )
        return Outcome(vector, reranked, found, self._quarters)

    @property
    def _smooths(self) -> bool:
        return self._options.n_neighbours > 0 and self._index.n_images >= scales.LEAST

    def _scores(self, ids: Sequence[int], found: Mapping[int, Found]) -> np.ndarray:
        """The scores of the head: float32 (n,), of what was found, or among its like.

        The query's own picture has its score, and so has what shares no word with the query:
        neighbours do not make a hit of it that nothing explains.
        """
        scores = np.array([found[image_id].score for image_id in ids], dtype=np.float32)
        if not self._smooths or not ids:
            return scores
        bags = bags_of_windows([found[image_id] for image_id in ids], self._index.n_words)
        vectors = self._index.weigh(bags)
        smoothed = smoothed_scores(scores, vectors, self._options.n_neighbours)
        own = np.array([found[image_id].weights is not None for image_id in ids])
        return np.where(own | (scores <= 0), scores, smoothed).astype(np.float32)

    def _vectors_of_quarters(self) -> sp.csr_matrix:
        """Vectors of the quarters of the query: CSR float64 (4, n_words)."""
        quarters, shares = [], []
        for query in self._queries:
            for view, share in zip(query.views, query.shares_of_views()):
                if found := quarters_of(view):
                    quarters.append(found)
                    shares.append(share)
        rows = []
        for same in zip(*quarters):
            vectors = self._index.weigh(sp.vstack([view.bag for view in same], format="csr"))
            rows.append(joint_query(vectors, shares if any(shares) else None))
        return sp.vstack(rows or [sp.csr_matrix((4, self._index.n_words))], format="csr")


def quarters_of(view: View) -> list[View]:
    """The quarters of the object in a view, each a view of its own; none where no cell counts."""
    rows, columns = np.nonzero(view.weights)
    if not rows.size:
        return []
    n_words, quarters = view.bag.shape[1], []
    around = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    for x1, y1, x2, y2 in quadrants(around):
        weights = np.zeros_like(view.weights)
        weights[y1:y2, x1:x2] = view.weights[y1:y2, x1:x2]
        tf = np.bincount(view.assignment_map.ravel(), weights=weights.ravel(), minlength=n_words)
        bag = sp.csr_matrix(tf[None], dtype=np.float32)
        quarters.append(View(view.assignment_map, weights, bag))
    return quarters
