"""What reranking finds in pictures: the window that shows the object, where their words are."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
import scipy.sparse as sp

from blcf.boxes import box_to_cells, cells_to_boxes, iou, nearest_cells
from blcf.records import Query
from blcf.rerank import LocalSearch, PreparedVotes, Voting
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import CellWindow, Found
from blcf.searching.own import Own, is_alone, own_view
from blcf.searching.scales import joint_vector
from blcf.searching.searchable import Searchable
from blcf.searching.tiles import looked_at
from blcf.threads import in_order, one_blas_thread
from blcf.weighed_maps import WeighedMaps

__all__ = ["Looker", "Looks", "first_box"]

_OwnRegion = tuple[Own, sp.csr_matrix, sp.csr_matrix]  # its vector, and that of the example
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
        self._looking = threading.Lock()  # a shard may be asked once more before it has answered
        # Of all images that were looked at: a second ranking shares most of them with the first.
        self._maps = WeighedMaps.of([], [], index.n_words)
        self._sizes = np.empty((0, 2), dtype=np.int64)
        self._voted: dict[int, np.ndarray] = {}  # boxes by row, the same for every vector
        self._prepared: dict[int, PreparedVotes] = {}  # by query, for the words of these images
        self._rows: dict[tuple[int, bool], int] = {}  # by image, and whether it is of its tiles
        self._own: dict[int, _OwnRegion | None] = {}  # by image

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
        with self._looking:
            return self._look(vector, quarters, ids, whole_scores) if len(ids) else []

    def _look(
        self,
        vector: sp.csr_matrix,
        quarters: sp.csr_matrix | None,
        ids: Sequence[int],
        whole_scores: np.ndarray,
    ) -> list[Found]:
        rows, of_tiles = self._read(ids), np.zeros(len(ids), dtype=bool)
        own, settings = self._own_among(ids, rows), self._searchable.model.settings
        if settings.looks_twice:
            of_tiles = self._shown_by_tiles(vector, ids, rows, whole_scores)
            of_tiles[own] = False  # it is compared as a whole with the query's picture
            chosen = np.flatnonzero(of_tiles).tolist()
            rows[chosen] = self._read([ids[row] for row in chosen], of_tiles=True)
        maps = self._maps.take(rows)
        found = []
        windows = self._windows(self._local_search.prepare(vector, quarters), rows, maps)
        for place, whole_score, large in zip(windows, whole_scores.tolist(), of_tiles.tolist()):
            score, cells, boxes = place
            score *= settings.tile_share if large else 1  # a window is like a tile
            is_whole = self._options.keep_whole and whole_score > score
            score = whole_score if is_whole else score
            found.append(Found(score, cells, is_whole, boxes, of_tiles=large))
        for row in own:
            found[row] = self._or_own(ids[row], vector, maps.words_of(row), found[row])
        if not (self._options.n_neighbours or self._options.expands_locally):
            return found
        bags = self._searchable.bags_of_parts.encode_one_each(maps, [one.cells for one in found])
        parts = (np.split(each, bags.indptr[1:-1]) for each in (bags.indices, bags.data))
        return [replace(one, bag=bag) for one, bag in zip(found, zip(*parts))]

    def _windows(
        self, dense: np.ndarray, rows: np.ndarray, maps: WeighedMaps
    ) -> list[tuple[float, CellWindow, np.ndarray]]:
        """Score, cells and boxes of the window of each image that is most like what is searched."""
        shapes, sizes = _pairs(maps.shapes), _pairs(self._sizes[rows])
        if self._options.windows != "votes":
            aspect, found = self._queries[0].aspect, []
            for row, (shape, size) in enumerate(zip(shapes, sizes)):
                words, weights = maps.words_of(row), maps.weights_of(row)
                window = self._local_search.best_window(
                    dense, words, aspect=aspect, size=size, weights=weights
                )
                boxes = cells_to_boxes(np.array([window.cells]), size, shape)
                found.append((window.score, window.cells, boxes))
            return found
        self._vote(rows)
        voted = [self._voted[row] for row in rows.tolist()]
        cells = [nearest_cells(one[0], *where) for one, *where in zip(voted, sizes, shapes)]
        scores = self._local_search.scores_of_windows(dense, maps, cells).tolist()
        return list(zip(scores, cells, voted))

    def _shown_by_tiles(
        self, vector: sp.csr_matrix, ids: Sequence[int], rows: np.ndarray, scores: np.ndarray
    ) -> np.ndarray:
        """Of which images the score is that of a tile, and not of the whole: bool (n,)."""
        searchable = self._searchable
        if searchable.bags_of_images.weighting == searchable.bags_of_parts.weighting:
            maps = self._maps.take(rows)
            wholes = np.hstack([np.zeros_like(maps.shapes), maps.shapes[:, ::-1]])
            bags = searchable.bags_of_parts.encode_one_each(maps, wholes)
        else:
            bags = searchable.bags_of(ids)
        shown = looked_at(vector, self._index, self._options.approximate)
        cosines = (self._index.weigh(bags) @ shown.T).toarray().ravel()
        return scores > cosines + ROUNDING

    def _own_among(self, ids: Sequence[int], rows: np.ndarray) -> list[int]:
        """Which of some images are the picture of an example, see `_own_region`."""
        perhaps = np.ones(len(ids), dtype=bool)  # of a frame the name says it
        if not any(query.frame is not None for query in self._queries):
            wanted = np.array([query.size for query in self._queries])
            perhaps = (self._sizes[rows][:, None] == wanted).all(axis=2).any(axis=1)
        own = []
        for place in np.flatnonzero(perhaps).tolist():
            image_id = ids[place]
            if image_id not in self._own:
                words = self._maps.words_of(int(rows[place]))
                self._own[image_id] = self._own_region(image_id, words)
            if self._own[image_id] is not None:
                own.append(place)
        return own

    def _or_own(
        self, image_id: int, vector: sp.csr_matrix, words: np.ndarray, found: Found
    ) -> Found:
        """What was found in an image, or the query's own region where the image is its picture.

        Searched with that picture alone the region is compared as it was indexed, in one size, and
        scores 1: five sizes together have a cosine of .9 with the one, and another image one of .8.
        Else (several examples, an expanded query) its cosine is a candidate. Votes and grid come
        near a box and miss it by some cells: of 117 boxes in scenes of `blcf demo` the votes gave
        .94 in the mean, .57 at worst, and five of the images did not come first.
        """
        known = self._own[image_id]
        assert known is not None
        own, region, example = known
        query = self._queries[own.example]
        view, size = query.views[own.view], self._snapshot.size(image_id)
        alone = is_alone(vector, example)
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

    def _own_region(self, image_id: int, words: np.ndarray) -> _OwnRegion | None:
        """What stays the same of an image whose picture is that of an example; None of others."""
        size = self._snapshot.size(image_id)
        own = own_view(self._queries, self._snapshot.name(image_id), words, size)
        if own is None:
            return None
        query = self._queries[own.example]
        cells = query.views[own.view].weights
        tf = np.bincount(words.ravel(), cells.ravel(), self._index.n_words)
        region = self._index.weigh(sp.csr_matrix(tf[None], dtype=np.float32))
        return own, region, joint_vector(self._index, [query])

    def _vote(self, rows: np.ndarray) -> None:
        """Find the boxes in maps that were not voted on yet."""
        rows = np.array([row for row in rows.tolist() if row not in self._voted], dtype=np.int64)
        if not rows.size:
            return
        voting = Voting(self._index.n_words, self._searchable.model.centroids)
        new = np.concatenate([self._maps.words_of(row).ravel() for row in rows.tolist()])
        prepared = [
            voting.prepare(query, new, self._prepared.get(number))
            for number, query in enumerate(self._queries)
        ]
        self._prepared.update(enumerate(prepared))

        def locate(part: np.ndarray) -> list[np.ndarray]:
            """The boxes of some images, in one thread."""
            maps, sizes = self._maps.take(part), self._sizes[part]
            if self._options.n_boxes == 1:
                found = [voting.locate_best(one, maps, sizes) for one in prepared]
                best = np.argmax([scores for scores, _ in found], axis=0)  # of equal ones the first
                return [found[one][1][row, None] for row, one in enumerate(best)]
            boxes = []
            for row, size in enumerate(_pairs(sizes)):
                words, weights = maps.words_of(row), maps.weights_of(row)
                located = [
                    voting.locate(one, words, size, weights, n_boxes=self._options.n_boxes)
                    for one in prepared
                ]
                boxes.append(max(located, key=lambda one: one.scores[0]).boxes)
            return boxes

        parts = np.split(rows, range(_TOGETHER, rows.size, _TOGETHER))
        with one_blas_thread() as n_threads:
            for part, found in zip(parts, in_order(locate, parts, n_threads)):
                self._voted.update(zip(part.tolist(), found))

    def _read(self, ids: Sequence[int], of_tiles: bool = False) -> np.ndarray:
        """The rows of images, or of the maps of their tiles, in what was read of the collection.

        Each is read once: int64 (n,).
        """
        new = [image_id for image_id in ids if (image_id, of_tiles) not in self._rows]
        if new:
            weighting, first = self._searchable.bags_of_parts.weighting, len(self._rows)
            sizes, maps = self._snapshot.weighed(weighting, new, of_tiles)
            self._maps = self._maps.followed_by(maps) if first else maps
            self._sizes = np.concatenate([self._sizes[:first], sizes])
            keys = [(image_id, of_tiles) for image_id in new]
            self._rows.update(zip(keys, range(first, first + len(new))))
        return np.array([self._rows[image_id, of_tiles] for image_id in ids], dtype=np.int64)


def _pairs(values: np.ndarray) -> list[tuple[int, int]]:
    return [(first, second) for first, second in values.tolist()]


def first_box(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """A box, and those of others that lie elsewhere: float32 (n, 4)."""
    return np.concatenate([box[None], boxes[iou(boxes, box)[:, 0] < ELSEWHERE]])[: len(boxes)]
