"""Why a hit has its score: the evidence, for each way in which a score is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from blcf.bags import eighths, spatial_weights
from blcf.records import Evidence, Query
from blcf.rerank import join_evidence, pyramid_parts, region_evidence, scaled
from blcf.searching.options import SearchOptions
from blcf.searching.outcome import Outcome
from blcf.searching.reranker import quarters_of
from blcf.searching.searchable import Searchable
from blcf.searching.tiles import best_part, looked_at

__all__ = ["by_picture", "explain"]

TINY = 1e-12  # a sum of nothing


def explain(
    searchable: Searchable,
    options: SearchOptions,
    queries: Sequence[Query],
    outcome: Outcome,
    row: int,
) -> Evidence:
    """The evidence of a hit, which sums to its score.

    Parameters
    ----------
    queries : the examples; their views are numbered one after the other
    outcome : of the search
    row : of its ranking
    """
    index, snapshot = searchable.index, searchable.snapshot
    image_id = int(outcome.ranking.ids[row])
    vector = outcome.kept.get(image_id, outcome.vector)
    found = outcome.found.get(image_id)
    asked, cells, bags = vector, None, searchable.bags_of_parts
    if found is None or found.is_whole:
        asked = looked_at(vector, index, options.approximate)
        cells = best_part(searchable, asked, image_id)[1] if searchable.has_tiles else None
        of_tiles, bags = cells is not None, bags if cells else searchable.bags_of_images
    else:
        of_tiles = found.of_tiles
    _, words, channel = snapshot.seen(bags.weighting, image_id, of_tiles)
    weights = spatial_weights(bags.weighting, words.shape, channel)
    views = [
        replace(view, weights=view.weights * np.float32(share))
        for query in queries
        for view, share in zip(query.views, query.shares_of_views())
    ]

    def region(wanted: sp.csr_matrix, weights: np.ndarray, cells, shown=views, share=1.0):
        dense = wanted.toarray()[0] * index.idf_
        return region_evidence(
            shown, dense, index.idf_, words, weights, cells=cells, sqrt=index.sqrt, share=share
        )

    if found is None or found.is_whole:
        evidence = region(asked, eighths(weights), cells)
    elif found.weights is not None:
        wanted, shown = vector, views
        if found.view is not None:  # the others are there, so that views keep their numbers
            wanted = index.weigh(views[found.view].bag)
            shown = [
                view if number == found.view else replace(view, weights=0 * view.weights)
                for number, view in enumerate(views)
            ]
        evidence = region(wanted, found.weights, None, shown)
    else:
        if outcome.quarters is None:
            evidence = region(vector, weights, found.cells)
        else:
            vectors = [vector, *(outcome.quarters[quarter] for quarter in range(4))]
            quarters = [quarters_of(view) or [view] * 4 for view in views]
            regions = zip(vectors, [views, *zip(*quarters)], pyramid_parts(found.cells))
            evidence = join_evidence(
                [
                    region(row, weights, cells, shown, share)
                    for row, shown, (share, cells) in regions
                ]
            )
    # Rounding to float32, and what caps or shrinks hits behind others.
    score = float(outcome.ranking.scores[row])
    return scaled(evidence, score) if abs(evidence.score) > TINY else evidence


def by_picture(evidence: Evidence, n_views: list[int]) -> Evidence:
    """The same with cells of pictures in place of cells of their views, in the finest map."""
    ends = np.cumsum(n_views)
    picture_of = np.repeat(np.arange(len(n_views)), n_views)
    finest = [
        max(evidence.query_shapes[end - n : end], key=lambda shape: shape[0] * shape[1])
        for end, n in zip(ends, n_views)
    ]
    cells = evidence.query_cells.copy()
    shown = cells[:, 0] >= 0
    views = cells[shown, 0]
    old = np.array(evidence.query_shapes)[views]  # (n, 2), h and w
    new = np.array(finest)[picture_of[views]]
    cells[shown, 0] = picture_of[views]
    for column, axis in ((1, 1), (2, 0)):
        middles = (cells[shown, column] + 0.5) / old[:, axis]
        cells[shown, column] = (middles * new[:, axis]).astype(cells.dtype)
    return Evidence(
        evidence.words,
        cells,
        evidence.image_cells,
        evidence.contributions,
        tuple(finest),
        evidence.image_shape,
    )
