"""One search through the stages: rank, rerank by windows, expand, rank again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.bags import BagOfWords
from blcf.bags.weighting import weighting_of_parts
from blcf.collection.snapshot import Snapshot
from blcf.errors import InvalidInput
from blcf.expansion import discriminative_query, fuse_rankings, joint_query, rocchio_query
from blcf.index import InvertedFile
from blcf.records import Evidence, Query, Ranking
from blcf.searching.expansion import CHANCE_DEPTH, expand
from blcf.searching.explanation import explain
from blcf.searching.options import SearchOptions
from blcf.searching.reranker import Found, Reranker

__all__ = ["Answer", "Searcher"]


@dataclass(frozen=True, eq=False)
class Answer:
    """A ranking, and what it was made of.

    Attributes
    ----------
    ranking : of at most k hits
    vector : CSR float64 (1, n_words), what was searched for at last; of several rankings that
        were fused, that of the first
    boxes : {image: float32 (n, 4)}, xyxy, pixels: all places of the object in the images that
        were localised
    evidence : gives the evidence of a row of the ranking
    """

    ranking: Ranking
    vector: sp.csr_matrix
    boxes: dict[int, np.ndarray]
    evidence: Callable[[int], Evidence]

    def explain(self, row: int) -> Evidence:
        """The evidence of a row of the ranking."""
        return self.evidence(row)

    def __reduce__(self) -> tuple[Any, ...]:
        # Evidence looks into the collection, which does not go with what is pickled.
        return Answer, (self.ranking, self.vector, self.boxes, _left_behind)

    def __deepcopy__(self, memo: Any) -> Answer:
        return self  # nobody changes it


def _left_behind(row: int) -> Evidence:
    raise InvalidInput(
        "The evidence of hits stays with the engine that found them: these were pickled. Search "
        "again to see why they have their scores."
    )


class Searcher:
    """The search over a snapshot of a collection; safe to use from several threads.

    Parameters
    ----------
    index : inverted file of the collection's images
    collection : their assignment maps, sizes and norms
    bag_of_words : how the bags of whole images are made
    centroids : gives the features of the words, float32 (n_words, n_components)
    """

    def __init__(
        self,
        index: InvertedFile,
        collection: Snapshot,
        bag_of_words: BagOfWords,
        centroids: Callable[[], np.ndarray],
    ):
        self.index = index
        self.collection = collection
        self.bag_of_words = bag_of_words
        self.centroids = centroids
        weighting = weighting_of_parts(bag_of_words.weighting)
        self.bag_of_windows = BagOfWords(bag_of_words.n_words, weighting)

    def close(self) -> None:
        """Give the memory maps back; what is asked for later is an error."""
        self.index.close()
        self.collection.close()

    def search(
        self,
        query: Query | Sequence[Query],
        options: SearchOptions,
        negatives: Sequence[Query] = (),
    ) -> Ranking:
        """The ranking of `answer`."""
        return self.answer(query, options, negatives).ranking

    def answer(
        self,
        query: Query | Sequence[Query],
        options: SearchOptions,
        negatives: Sequence[Query] = (),
    ) -> Answer:
        """Search with one or several examples of an object.

        Parameters
        ----------
        query : the examples
        options : how
        negatives : examples of what is not meant
        """
        queries = [query] if isinstance(query, Query) else list(query)
        if not queries:
            raise InvalidInput("Expected one example of the object or more, got none.")
        if options.fusion == "average" or len(queries) == 1:
            return self._answer(queries, options, negatives)
        answers = [self._answer([one], options, negatives) for one in queries]
        ranking, sources = fuse_rankings([one.ranking for one in answers])
        rows = [
            {int(image_id): row for row, image_id in enumerate(one.ranking.ids)} for one in answers
        ]

        def evidence(row: int) -> Evidence:
            source, image_id = int(sources[row]), int(ranking.ids[row])
            part = answers[source].evidence(rows[source][image_id])
            return _among(part, source, queries)

        boxes: dict[int, np.ndarray] = {}
        for image_id, source in zip(ranking.ids.tolist(), sources.tolist()):
            if image_id in answers[source].boxes:
                boxes[image_id] = answers[source].boxes[image_id]
        return Answer(ranking[: options.k], answers[0].vector, boxes, evidence)

    def _answer(
        self, queries: Sequence[Query], options: SearchOptions, negatives: Sequence[Query]
    ) -> Answer:
        by_norm = self.bag_of_windows.weighting == "norm"
        reranker = Reranker(
            self.index, self.collection, by_norm, queries, options, self.centroids
        )
        first = vector = self._vector(queries, negatives, options)
        # The expansion needs its hits, and their windows, however few are asked for.
        depth = max(options.k, options.depth if options.rerank or options.expand == "local" else 0)
        if options.expands:
            depth = max(depth, options.n_expand, CHANCE_DEPTH)
        share = options.approximate
        ranking = self.index.search(vector, depth, weighed=True, approximate=share)
        found: dict[int, Found] = {}
        if options.rerank or options.expand == "local":
            ranking, found = reranker.rerank(vector, ranking)
        n_rounds = options.rounds if options.expands else 0
        for number in range(n_rounds):
            vector = expand(
                first,
                ranking,
                found,
                options,
                index=self.index,
                collection=self.collection,
                bags=(self.bag_of_words, self.bag_of_windows),
                reranker=reranker,
            )
            ranking = self.index.search(vector, depth, weighed=True, approximate=share)
            found = {}
            # A further round needs windows again, whether they are shown or not.
            is_last = number + 1 == n_rounds
            again = options.rerank_again if is_last else True
            if (options.rerank and again) or (options.expand == "local" and not is_last):
                ranking, found = reranker.rerank(vector, ranking)
        ranking = ranking[: options.k]

        def evidence(row: int) -> Evidence:
            image_id = int(ranking.ids[row])
            return explain(
                self,
                vector,
                queries,
                image_id,
                found.get(image_id),
                reranker.parts,
                float(ranking.scores[row]),
                share,
            )

        boxes = {image_id: one.boxes for image_id, one in found.items()}
        return Answer(ranking, vector, boxes, evidence)

    def _vector(
        self, queries: Sequence[Query], negatives: Sequence[Query], options: SearchOptions
    ) -> sp.csr_matrix:
        """What to search for: CSR float64 (1, n_words)."""
        positive = self._joint(queries)
        if not negatives:
            return positive
        wanted = sp.vstack([self._joint([one]) for one in queries])
        unwanted = sp.vstack([self._joint([one]) for one in negatives])
        if options.negatives_by == "svm":
            return discriminative_query(wanted, unwanted)
        return rocchio_query(positive, unwanted, gamma=options.gamma, clip=False)

    def _joint(self, queries: Sequence[Query]) -> sp.csr_matrix:
        """One vector of all views of all examples; each view counts alike."""
        bags = sp.vstack([view.bag for query in queries for view in query.views], format="csr")
        return self.index.weigh(bags) if bags.shape[0] == 1 else joint_query(self.index.weigh(bags))


def _among(part: Evidence, source: int, queries: Sequence[Query]) -> Evidence:
    """Evidence of one example of several, its views counted among those of all."""
    before = sum(len(query.views) for query in queries[:source])
    cells = part.query_cells.copy()
    cells[cells[:, 0] >= 0, 0] += before
    shapes = tuple(view.assignment_map.shape for query in queries for view in query.views)
    return Evidence(
        part.words, cells, part.image_cells, part.contributions, shapes, part.image_shape
    )
