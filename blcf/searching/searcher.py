"""One search through the stages: rank, rerank by windows, expand, rank again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from blcf.collection.facts import Fact
from blcf.errors import InvalidInput
from blcf.expansion import discriminative_query, fuse_rankings, rocchio_query
from blcf.expansion.sure import KEPT
from blcf.records import Evidence, Query, Ranking
from blcf.rerank import scaled
from blcf.searching.confidence import HEAD
from blcf.searching.expansion import expand, sure_of
from blcf.searching.explanation import explain
from blcf.searching.looking import Looker, Looks, first_box
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import Outcome, without_bags
from blcf.searching.own import own_pictures, with_pictures
from blcf.searching.pictures import Pictures
from blcf.searching.places import keep_places
from blcf.searching.refining import credited, refine
from blcf.searching.reranker import Reranker
from blcf.searching.scales import joint_vector, with_shares
from blcf.searching.searchable import Searchable

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
    outlines : {image: float32 (4, 2)}, x and y, pixels: the query's box in the images whose
        keypoints agree with its
    evidence : gives the evidence of a row of the ranking
    look_up : gives what is known of an image of the ranking, by its id there
    pictures : the pictures of the ranking, by their ids there
    confidences : float32, of each row of the ranking, see `blcf.searching.confidence`; NaN where
        nothing can be told
    missing : names of the shards that did not answer, and were done without
    """

    ranking: Ranking
    vector: sp.csr_matrix
    boxes: dict[int, np.ndarray]
    evidence: Callable[[int], Evidence]
    look_up: Callable[[int], dict[str, Fact]]
    pictures: Pictures
    confidences: np.ndarray
    missing: tuple[str, ...] = ()
    outlines: dict[int, np.ndarray] = field(default_factory=dict)

    def facts(self, image_id: int) -> dict[str, Fact]:
        """What is known of an image of the ranking."""
        return self.look_up(image_id)

    def explain(self, row: int) -> Evidence:
        """The evidence of a row of the ranking."""
        return self.evidence(row)

    def __reduce__(self) -> tuple[Any, ...]:
        # Evidence looks into the collection, which does not go with what is pickled.
        parts = self.ranking, self.vector, self.boxes, _left_behind, _not_known, self.pictures
        return Answer, (*parts, self.confidences, self.missing, self.outlines)

    def __deepcopy__(self, memo: Any) -> Answer:
        return self  # nobody changes it


def _left_behind(row: int) -> Evidence:
    raise InvalidInput(
        "The evidence of hits stays with the engine that found them: these were pickled. Search "
        "again to see why they have their scores."
    )


def _not_known(image_id: int) -> dict[str, Fact]:
    raise InvalidInput(
        "The facts of hits stay with the engine that found them: these were pickled. Ask the "
        "engine, by engine.facts(name)."
    )


class Searcher:
    """The search over a snapshot of a collection; safe to use from several threads.

    Parameters
    ----------
    searchable : what is searched
    """

    def __init__(self, searchable: Searchable):
        self.searchable = searchable

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
        if options.refine is not None:
            # What is refined does not depend on how many hits are asked for.
            wanted = replace(options, refine=None, k=max(options.k, options.n_refine))
            answer = self.answer(queries, wanted, negatives)
            return self._refined(answer, queries, options)
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
        look_up = self.searchable.snapshot.facts_of
        pictures = Pictures(self.searchable)
        ranking = ranking[: options.k]
        sure = [
            answers[source].confidences[rows[source][image_id]]
            for source, image_id in zip(sources.tolist(), ranking.ids.tolist())
        ]
        return Answer(
            *(ranking, answers[0].vector, boxes, evidence, look_up, pictures),
            np.array(sure, dtype=np.float32),
        )

    def _refined(self, answer: Answer, queries: Sequence[Query], options: SearchOptions) -> Answer:
        """The same with the boxes of the first hits refined, and what agrees in their scores."""
        if answer.ranking.boxes is None:
            given = answer.ranking[: options.k]
            return replace(answer, ranking=given, confidences=answer.confidences[: options.k])
        snapshot = self.searchable.snapshot
        found = refine(snapshot, queries, answer.ranking[: options.n_refine])
        ranking, order = credited(answer.ranking, found)
        boxes = dict(answer.boxes)
        for image_id, one in found.items():
            boxes[image_id] = first_box(one.box, boxes[image_id])
        return replace(
            answer,
            ranking=ranking[: options.k],
            boxes=boxes,
            evidence=partial(_moved, answer.evidence, order, ranking.scores),
            confidences=answer.confidences[order][: options.k],
            outlines={image_id: one.corners for image_id, one in found.items()},
        )

    def _answer(
        self, queries: Sequence[Query], options: SearchOptions, negatives: Sequence[Query]
    ) -> Answer:
        searchable = self.searchable
        if options.scales_by == "gap":
            queries = with_shares(searchable.index, queries)
        among = None
        if options.where is not None:
            among = searchable.chosen(options.where)
        looker = self._looker(queries, options)
        reranker = Reranker(searchable, looker, queries, options)
        vector = self._vector(queries, negatives, options)
        # The expansion needs its hits, and their windows, however few are asked for.
        reranks = options.rerank or options.expands_locally
        depth = max(options.k, HEAD, options.depth if reranks else 0)
        if options.expands:
            depth = max(depth, options.n_expand)
        own = own_pictures(searchable, queries, among) if reranks else {}
        outcome = self._rank(vector, depth, options, among, own)
        if reranks:
            outcome = reranker.rerank(outcome)
        before, kept = outcome, 0
        surely = sure_of(before, options) if options.expand == "auto" else np.zeros(0)
        n_rounds = options.rounds if options.expands else 0
        for number in range(n_rounds):
            expanded = expand(searchable, options, vector, outcome, among)
            if expanded is vector and options.expand == "auto":
                # Nothing is sure: the query stays what it was, and its hits are there, unless a
                # round before reranked them for their windows alone.
                if number and not options.rerank_again:
                    outcome = self._rank(outcome.vector, depth, options, among, {})
                break
            if options.expand == "auto":
                kept = int(np.count_nonzero(surely >= KEPT))
            # A further round needs windows again, whether they are shown or not.
            is_last = number + 1 == n_rounds
            again = options.rerank_again if is_last else True
            again = (options.rerank and again) or (options.expands_locally and not is_last)
            outcome = self._rank(expanded, depth, options, among, own if again else {})
            if again:
                outcome = reranker.rerank(outcome)
        outcome = keep_places(before, outcome, kept)
        sure = sure_of(outcome, options)
        if kept:  # as sure as they were; their scores are those of another query than the others'
            sure = np.minimum.accumulate(np.append(surely[:kept], sure[kept:]))
        n_sure = int(np.count_nonzero(~(sure < options.min_confidence)))  # what is not told stays
        n_given = min(options.k, n_sure)
        outcome = replace(outcome, ranking=outcome.ranking[:n_given])
        boxes = {image_id: one.boxes for image_id, one in outcome.found.items()}
        evidence = partial(explain, searchable, options, queries, without_bags(outcome))
        look_up = searchable.snapshot.facts_of
        pictures = Pictures(searchable)
        return Answer(
            outcome.ranking, outcome.vector, boxes, evidence, look_up, pictures, sure[:n_given]
        )

    def _looker(self, queries: Sequence[Query], options: SearchOptions) -> Looks:
        return Looker(self.searchable, queries, options)

    def _rank(
        self,
        vector: sp.csr_matrix,
        depth: int,
        options: SearchOptions,
        among: Any,
        pictures: dict[int, str],
    ) -> Outcome:
        """The first images of the index, of those that were chosen; some pictures among them."""
        index, share = self.searchable.index, options.approximate
        ranking = index.search(vector, depth, weighed=True, approximate=share, among=among)
        ranking = with_pictures(self.searchable, vector, ranking, pictures, options.depth)
        return Outcome(vector, ranking)

    def _vector(
        self, queries: Sequence[Query], negatives: Sequence[Query], options: SearchOptions
    ) -> sp.csr_matrix:
        """What to search for: CSR float64 (1, n_words)."""
        index = self.searchable.index
        positive = joint_vector(index, queries)
        if not negatives:
            return positive
        wanted = sp.vstack([joint_vector(index, [one]) for one in queries])
        unwanted = sp.vstack([joint_vector(index, [one]) for one in negatives])
        if options.negatives_by == "svm":
            return discriminative_query(wanted, unwanted)
        return rocchio_query(positive, unwanted, gamma=options.gamma, clip=False)


def _moved(
    evidence: Callable[[int], Evidence], order: np.ndarray, scores: np.ndarray, row: int
) -> Evidence:
    """Evidence of a row of a ranking that was put in order anew, scaled to its score."""
    before, score = evidence(int(order[row])), float(scores[row])
    return scaled(before, score) if before.score else before


def _among(part: Evidence, source: int, queries: Sequence[Query]) -> Evidence:
    """Evidence of one example of several, its views counted among those of all."""
    before = sum(len(query.views) for query in queries[:source])
    cells = part.query_cells.copy()
    cells[cells[:, 0] >= 0, 0] += before
    shapes = tuple(view.assignment_map.shape for query in queries for view in query.views)
    return Evidence(
        part.words, cells, part.image_cells, part.contributions, shapes, part.image_shape
    )
