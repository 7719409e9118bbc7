"""The ranking of global descriptors again, by the region of each hit that shows the object."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from blcf.boxes import cells_to_boxes
from blcf.descriptors.descriptor import MapDescriptor, check_count
from blcf.descriptors.localisation import check_aspect, localise_descriptor
from blcf.descriptors.pooling import as_activations, max_pool
from blcf.expansion.average import average_descriptor
from blcf.printing import shown
from blcf.records import Ranking

__all__ = ["RmacReranker"]


class RmacReranker:
    """Ranks the best hits of a search again, by the region of each that looks most like the query.

    R: `localise_descriptor` finds the region by MAC; the score is the cosine of the query's
    descriptor and that of the region's cells. QE: the mean of the query's descriptor and those of
    the best `n_expand` regions ranks the same hits once more, by the descriptors of their regions.

    Parameters
    ----------
    descriptor : a fitted `RMAC` (or another `MapDescriptor`), that of the search
    depth : hits that are looked at; the others follow as they were
    n_expand : 0 for R alone
    max_aspect_change, step, refine, n_rounds, alpha : see `localise_descriptor`

    Notes
    -----
    Source: Tolias, Sicre & Jegou, ICLR 2016 (1,000 and 5), in the way of the authors'
    released program: QE ranks the same hits again, it does not search the index. On logos
    (SqueezeNet 1.1, fire9, longer side 384, 256 components, queries cropped on the map) mAP is .376
    as searched, .390 with R, .481 with R and QE; mean IoU .340 (.292 for whole pictures).
    """

    def __init__(
        self,
        descriptor: MapDescriptor,
        *,
        depth: int = 1000,
        n_expand: int = 5,
        max_aspect_change: float = 1.1,
        step: int = 3,
        refine: int = 3,
        n_rounds: int = 5,
        alpha: int = 10,
    ):
        self.descriptor = descriptor
        self.depth = depth
        self.n_expand = n_expand
        self.max_aspect_change = max_aspect_change
        self.step = step
        self.refine = refine
        self.n_rounds = n_rounds
        self.alpha = alpha

    def __repr__(self) -> str:
        return shown(self)

    def rerank(
        self,
        ranking: Ranking,
        query_map: np.ndarray,
        open_map: Callable[[str], tuple[np.ndarray, tuple[int, int]]],
        *,
        aspect: float | None = None,
    ) -> Ranking:
        """Order the first hits by their regions.

        Parameters
        ----------
        ranking : of a `FlatIndex` of these descriptors
        query_map : float32 (C, h, w) of the query: of the cropped picture, as in the paper, or the
            crop of its map (`crop_map`)
        open_map : gives the feature map, float32 (C, h, w), of an image by its name, and the
            image's (width, height) in pixels; called once a hit, one map is held at a time
        aspect : width over height of the query's region, in pixels; None takes that of `query_map`

        Returns
        -------
        `Ranking` with a box for every hit that was looked at (NaN for the others). Scores of the
        others are lowered to the smallest new one where they are above it.

        Raises
        ------
        InvalidInput
            Maps that are none; options that cannot be.
        """
        check_count(self.depth, "depth")
        check_count(self.n_expand, "n_expand", least=0)
        query_map = as_activations(query_map, "R-MAC reranking")
        h, w = query_map.shape[1:]
        aspect = w / h if aspect is None else check_aspect(aspect)
        head = ranking[: self.depth]
        boxes = np.full((len(ranking), 4), np.nan, dtype=np.float32)
        query = self.descriptor.transform([query_map])[0]
        regions = self._regions(head.names, max_pool(query_map), aspect, open_map, boxes)
        rows = self.descriptor.transform(regions)
        order, scores = _ordered(rows, query, head.ids)
        if self.n_expand and len(rows):
            expanded = average_descriptor(query, rows[order[: self.n_expand]])
            order, scores = _ordered(rows, expanded, head.ids)
        tail = np.minimum(ranking.scores[len(rows) :], scores.min(initial=np.inf))
        placed = np.concatenate([order, np.arange(len(rows), len(ranking))])
        return Ranking(
            [ranking.names[row] for row in placed],
            np.concatenate([scores, tail]).astype(np.float32),
            ranking.ids[placed],
            boxes[placed],
        )

    def _regions(self, names, mac, aspect, open_map, boxes) -> Iterator[np.ndarray]:
        """The cells of each hit's region; writes its box."""
        for row, name in enumerate(names):
            feature_map, (width, height) = open_map(name)
            feature_map = as_activations(feature_map, "R-MAC reranking")
            h, w = feature_map.shape[1:]
            window = localise_descriptor(
                feature_map,
                mac,
                aspect=aspect * (w / width) / (h / height),
                max_aspect_change=self.max_aspect_change,
                step=self.step,
                refine=self.refine,
                n_rounds=self.n_rounds,
                alpha=self.alpha,
            )
            boxes[row] = cells_to_boxes(np.array(window.cells), (width, height), (h, w))
            x1, y1, x2, y2 = window.cells
            yield feature_map[:, y1:y2, x1:x2]


def _ordered(rows: np.ndarray, query: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places of rows by cosine descending, then by id, and the cosines in that order."""
    # einsum sums a row in the same order whatever the other rows are, as BLAS does not.
    scores = np.einsum("ij,j->i", rows.astype(np.float64), query.astype(np.float64))
    scores = scores.astype(np.float32)
    order = np.lexsort((ids, -scores))
    return order, scores[order]
