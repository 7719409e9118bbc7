"""What reranking finds in pictures: the window that shows the object, where their words are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from blcf.bags.weighting import spatial_weights
from blcf.boxes import box_to_cells, cells_to_boxes, iou, nearest_cells
from blcf.records import Query
from blcf.rerank import LocalSearch, Voting
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import Found
from blcf.searching.own import is_alone, own_view
from blcf.searching.scales import joint_vector
from blcf.searching.searchable import Searchable
from blcf.threads import in_order, one_blas_thread

__all__ = ["Looker", "Looks", "first_box"]

_Image = tuple[np.ndarray, tuple[int, int], np.ndarray | None]
ROUNDING = 1e-6  # of scores, which are float32
ELSEWHERE = 0.2  # IoU, as in `blcf.rerank.Voting`
_TOGETHER = 8  # images that a thread votes on, one after the other: half a millisecond each


class Looks(Protocol):
    """What reranking asks: `Looker` where the images are here."""

    def look(
        self,
        vector: sp.csr_matrix,
        quarters: sp.csr_matrix | None,
        ids: Sequence[int],
        whole_scores: np.ndarray,
    ) -> list[Found]:
        """What is found in images."""
        ...


class Looker:
    """Looks into the images of one search; what it finds in one depends on no other.

    Parameters
    ----------
    searchable : what is searched
    queries : the examples of the object
    options : how
    """

    def __init__(self, searchable: Searchable, queries: Sequence[Query], options: SearchOptions):
        self._searchable = searchable
        self._index = index = searchable.index
        self._snapshot = searchable.snapshot
        self._queries = queries
        self._options = options
        voted = options.windows == "votes"
        self._local_search = LocalSearch(
            index.idf_,
            sqrt=index.sqrt,
            shares=options.shares,
            windows="grid" if voted else options.windows,
            min_side=options.min_side,
            pyramid=options.pyramid,
        )
        self._images: dict[int, _Image] = {}
        self._voted: dict[int, np.ndarray] = {}  # boxes by image: the same for every vector

    def look(
        self,
        vector: sp.csr_matrix,
        quarters: sp.csr_matrix | None,
        ids: Sequence[int],
        whole_scores: np.ndarray,
    ) -> list[Found]:
        """What is found in images.

        Parameters
        ----------
        vector : CSR float64 (1, n_words), what is searched for
        quarters : those of the query, see `Outcome`
        ids : of the images
        whole_scores : float32 (n,), of the whole images
        """
        return list(self._look(vector, quarters, list(ids), whole_scores))

    def _look(
        self,
        vector: sp.csr_matrix,
        quarters: sp.csr_matrix | None,
        ids: list[int],
        whole_scores: np.ndarray,
    ) -> Iterable[Found]:
        options, dense = self._options, self._local_search.prepare(vector, quarters)
        aspect = self._queries[0].aspect
        if options.windows == "votes":
            self._vote(ids)
        for image_id, whole_score in zip(ids, whole_scores.tolist()):
            words, size, weights = self._image(image_id)
            boxes = self._voted.get(image_id)
            if boxes is None:
                window = self._local_search.best_window(
                    dense, words, aspect=aspect, size=size, weights=weights
                )
                cells, score = window.cells, window.score
                boxes = cells_to_boxes(np.array([cells]), size, words.shape)
            else:
                cells = nearest_cells(boxes[0], size, words.shape)
                score = self._local_search.score_of_window(dense, words, cells, weights=weights)
            is_whole = options.keep_whole and whole_score > score
            found = Found(whole_score if is_whole else score, cells, is_whole, boxes)
            yield self._or_own(image_id, vector, found)

    def _or_own(self, image_id: int, vector: sp.csr_matrix, found: Found) -> Found:
        """What was found in an image, or the query's own region where the image is its picture.

        Searched with that picture alone the region is compared as it was indexed, in one size, and
        scores 1: five sizes together have a cosine of .9 with the one, and another image one of .8.
        Else (several examples, an expanded query) its cosine is a candidate. Votes and grid come
        near a box and miss it by some cells: of 117 boxes in scenes of `blcf demo` the votes gave
        .94 in the mean, .57 at worst, and five of the images did not come first.
        """
        words, size, _ = self._image(image_id)
        own = own_view(self._queries, self._snapshot.name(image_id), words, size)
        if own is None:
            return found
        query = self._queries[own.example]
        view = query.views[own.view]
        tf = np.bincount(words.ravel(), view.weights.ravel(), self._index.n_words)
        region = self._index.weigh(sp.csr_matrix(tf[None], dtype=np.float32))
        alone = is_alone(vector, joint_vector(self._index, [query]))
        wanted = self._index.weigh(view.bag) if alone else vector
        length = float(np.linalg.norm(wanted.data))
        score = float((wanted @ region.T).sum()) / length if length else 0.0
        if score < found.score - ROUNDING:
            return found
        box = np.array((0, 0, *size), np.float32) if query.box is None else query.box
        cells, boxes = box_to_cells(box, size, words.shape), first_box(box, found.boxes)
        before = sum(len(one.views) for one in self._queries[: own.example])
        shown = before + own.view if alone else None
        return Found(score, cells, False, boxes, weights=view.weights, view=shown)

    def _vote(self, ids: list[int]) -> None:
        """Find the boxes of images that were not looked at yet."""
        images = {one: self._image(one) for one in ids if one not in self._voted}
        if not images:
            return
        voting = Voting(self._index.n_words, self._searchable.model.centroids)
        words = np.concatenate([one.ravel() for one, _, _ in images.values()])
        prepared = [voting.prepare(query, words) for query in self._queries]

        def locate(part: list[int]) -> list[np.ndarray]:
            """The boxes of some images, in one thread."""
            looked_at = [images[image_id] for image_id in part]
            if self._options.n_boxes == 1:
                found = [voting.locate_best(one, looked_at) for one in prepared]
                best = np.argmax([scores for scores, _ in found], axis=0)  # of equal ones the first
                return [found[one][1][row, None] for row, one in enumerate(best)]
            boxes = []
            for assignment_map, size, weights in looked_at:
                located = [
                    voting.locate(one, assignment_map, size, weights, n_boxes=self._options.n_boxes)
                    for one in prepared
                ]
                boxes.append(max(located, key=lambda one: one.scores[0]).boxes)
            return boxes

        wanted = list(images)
        parts = [wanted[first : first + _TOGETHER] for first in range(0, len(wanted), _TOGETHER)]
        with one_blas_thread() as n_threads:
            for part, found in zip(parts, in_order(locate, parts, n_threads)):
                self._voted.update(zip(part, found))

    def _image(self, image_id: int) -> _Image:
        """Words, size in pixels and weights (None: all alike) of an image; unpacked once."""
        if image_id not in self._images:
            words, weights = self._snapshot.words(image_id), None
            weighting = self._searchable.bags_of_parts.weighting
            channel = self._snapshot.channel(weighting, image_id)
            if channel is not None:  # not the bare one: where all are 0, all cells count alike
                weights = spatial_weights(weighting, words.shape, channel)
            self._images[image_id] = words, self._snapshot.size(image_id), weights
        return self._images[image_id]


def first_box(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """A box, and those of others that lie elsewhere: float32 (n, 4)."""
    return np.concatenate([box[None], boxes[iou(boxes, box)[:, 0] < ELSEWHERE]])[: len(boxes)]
